package rego_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pdp/rego"
)

// Each rule that gives the decision is there, with the expression that it got
// stuck at, whatever OPA's index would have left out.
func TestExplain(t *testing.T) {
	const text = `package site

default decision := {"effect": "not_applicable"}

decision := {"effect": "deny", "reason": "too long"} if {
	some a in input.Request.Environment.Attribute
	a.AttributeId == "cpu"
	some seconds in a.Value
	seconds > 7200
}

decision := {"effect": "permit"} if {
	helper
	input.Request.Action.Attribute[0].AttributeId == "nothing"
}

helper if { 1 > 2 }
`
	p := compile(t, text)
	for seconds, want := range map[int64][]string{
		60:    {"5:1 false, not so (d.rego:9:2): seconds > 7200", "12:1 false, not so (d.rego:13:2): helper", "3:1 true"},
		36000: {"5:1 true", "12:1 false, not so (d.rego:13:2): helper"},
	} {
		r := &authz.Request{}
		r.Add(authz.Environment, "cpu", authz.IntegerValue(seconds))
		var got []string
		for _, s := range p.(pdp.ProgramExplainer).Explain(context.Background(), r, time.Now()) {
			require.Equal(t, authz.StepRule, s.Kind)
			line := s.Position[len("d.rego:"):] + " " + s.Result
			if s.Why != "" {
				line += ", " + s.Why
			}
			got = append(got, line)
		}
		require.ElementsMatch(t, want, got, fmt.Sprint(seconds))
	}
}

// An explanation has the budget of a decision, and failing at it is no harm.
func TestExplainWithinBudget(t *testing.T) {
	p, err := rego.Language{Steps: 100, Time: time.Hour}.Compile(*document("d", "", `package d
decision := {"effect": "permit"} if {
	some i, j in numbers.range(1, 10000)
	i + j < 0
}`))
	require.NoError(t, err)
	began := time.Now()
	require.NotPanics(t, func() { p.(pdp.ProgramExplainer).Explain(context.Background(), &authz.Request{}, time.Now()) })
	require.Less(t, time.Since(began), 2*time.Second)
}
