package eval_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// A set around one reference to nothing says no more than the views that it is
// asked for: below a target of presented attributes it could only have denied.
func TestSetsOfOneAreNotPassedByWhatSaysTooMuch(t *testing.T) {
	nothing := &policies.PolicySet{Header: policies.Header{ID: "one", Place: "A", Combining: policies.FirstApplicable}, Children: policies.NewList[policies.Node](&policies.Reference{ID: "nobody", Place: "A"})}
	denial := &policies.Policy{Header: policies.Header{ID: "p", Place: "B", Combining: policies.FirstApplicable}, Rules: policies.NewList(&policies.Rule{ID: "r", Effect: authz.Deny})}
	const permitOverrides = "urn:oasis:names:tc:xacml:3.0:policy-combining-algorithm:permit-overrides"
	target := oneMatch(old+"string-equal", "evil", &policies.Designator{Category: authz.Subject, ID: "role", Type: authz.String})
	s := &policies.Snapshot{Root: &policies.PolicySet{Header: policies.Header{ID: "root", Combining: permitOverrides, Target: target}, Children: policies.NewList[policies.Node](nothing, denial)}}
	p, err := eval.NewCompiler(nil).Compile(s, nil)
	require.NoError(t, err)
	q := &authz.Request{}
	q.Add(authz.Subject, "role", authz.StringValue("evil"))
	q.Attributes[0].Standing = authz.Presented
	compare(t, s, p, q)
	require.Equal(t, authz.Deny, p.Decide(context.Background(), q, someNow).Decision)
}

// The attack: come with what is no address, so that every ban of a network is in
// doubt. The answer names the first ban and the value, and costs next to nothing
// for the others.
func TestUnreadableAddressesAreCheap(t *testing.T) {
	const bans = 2_000
	p, err := eval.NewCompiler(nil).Compile(filedSnapshot("networks", bans), nil)
	require.NoError(t, err)
	for name, text := range map[string]string{"word": "host", "number": "10.0.0.256", "long": strings.Repeat("a", 1<<20), "blanks": strings.Repeat(" ", 1<<20)} {
		q := gridRequest(t, normalDN(1), vo(0), endpoint(0), actions[0])
		q.Add(authz.Subject, profile.Network, authz.StringValue(text))
		decide := func() authz.Response { return p.Decide(context.Background(), q, someNow) }
		response := decide()
		require.Equal(t, authz.Indeterminate, response.Decision, name)
		require.Contains(t, response.Status.Message, fmt.Sprintf("%.256q is no network address", text))
		require.Less(t, len(response.Status.Message), 2_000)
		require.Equal(t, "r0", response.Reason.Rule, name)
		if !raceEnabled {
			require.Less(t, testing.AllocsPerRun(10, func() { decide() }), float64(bans)/10, name)
		}
	}
}
