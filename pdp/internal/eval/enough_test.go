package eval_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// TestEnoughMissesNothing compares what a refusal names as enough with what is
// found when it is looked for in any case: over short lists and long ones, targets
// in the way, bounds on either side or both, and asserted attributes.
func TestEnoughMissesNothing(t *testing.T) {
	seeds := uint64(4_000)
	if testing.Short() || raceEnabled {
		seeds = 400
	}
	c, told := eval.NewCompiler(nil), 0
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 11))
		g := &generator{dice: r.IntN, now: someNow}
		s := g.boundedSnapshot()
		p, err := c.Compile(s, nil)
		require.NoError(t, err)
		for range 6 {
			q := g.boundedRequest()
			compare(t, s, p, q)
			have, want := p.Decide(context.Background(), q, someNow), p.DecideTrying(context.Background(), q, someNow)
			require.Equal(t, want.Enough, have.Enough, "seed %d", seed)
			if len(want.Enough) > 0 {
				told++
			}
		}
	}
	require.Greater(t, told, int(seeds)/20)
}

func (g *generator) boundedSnapshot() *policies.Snapshot {
	s := g.snapshot()
	if g.chance(2) { // a long list, which is looked up
		p := &policies.Policy{Header: policies.Header{ID: "long", Combining: g.algorithm(false)}}
		rules := make([]*policies.Rule, 10+g.dice(30))
		for i, place := range policies.Places(len(rules)) {
			rules[i] = &policies.Rule{ID: fmt.Sprint("long", i), Place: place, Effect: g.effect(), Target: g.simpleTarget()}
		}
		p.Rules = policies.NewList(rules...)
		s.Root.Header.Target, s.Root.Children = nil, policies.NewList[policies.Node](p)
	}
	g.bound(s.Root)
	for _, n := range s.Library {
		g.bound(n)
	}
	return s
}

// bound adds bounds to rules.
func (g *generator) bound(n policies.Node) {
	switch n := n.(type) {
	case *policies.PolicySet:
		for ch := range n.Children.All() {
			g.bound(ch)
		}
	case *policies.Policy:
		for r := range n.Rules.All() {
			if r.Target == nil {
				r.Target = &policies.Target{}
			}
			for range g.dice(3) {
				g.boundTarget(r.Target)
			}
		}
	}
}

func (g *generator) boundTarget(t *policies.Target) {
	m := policies.Match{
		Function:  old + "integer-" + pick(g, "greater", "greater", "less") + "-than-or-equal",
		Value:     authz.IntegerValue(int64(g.dice(5))),
		Attribute: &policies.Designator{Category: authz.Environment, ID: profile.RequestedCPUTime, Type: authz.Integer, MustBePresent: g.chance(6)},
	}
	if g.chance(3) {
		m.Function, m.Value = pick(g, old+"string-equal", profile.FunctionStrengthLessOrEqual), authz.StringValue(pick(g, "weak", "strong"))
		m.Attribute = strengthBag
	}
	if len(t.AnyOf) == 0 || g.chance(2) {
		t.AnyOf = append(t.AnyOf, policies.AnyOf{AllOf: []policies.AllOf{{Matches: []policies.Match{m}}}})
		return
	}
	all := &t.AnyOf[g.dice(len(t.AnyOf))].AllOf[0]
	all.Matches = append(all.Matches, m)
}

func (g *generator) boundedRequest() *authz.Request {
	q := g.request()
	for range g.dice(3) {
		q.Add(authz.Environment, profile.RequestedCPUTime, authz.IntegerValue(int64(g.dice(6))))
		if g.chance(4) {
			q.Attributes[len(q.Attributes)-1].Standing = authz.Presented
		}
	}
	if g.chance(2) {
		q.Add(authz.Subject, profile.CredentialStrength, authz.StringValue(pick(g, "anonymous", "weak", "strong")))
	}
	return q
}
