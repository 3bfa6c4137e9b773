package eval_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// Rules that stand under one key, alike in some of what else they ask for and
// not in the rest, each answer for themselves: as made, and as they come and go.
func TestRulesUnderOneKey(t *testing.T) {
	equal := func(c authz.Category, id, value string) policies.Match {
		return policies.Match{Function: profile.FunctionStringEqual, Value: authz.StringValue(value), Attribute: &policies.Designator{Category: c, ID: id, Type: authz.String}}
	}
	rule := func(place string, resource, action, role int) *policies.Rule {
		return &policies.Rule{
			ID: fmt.Sprintf("%d-%d-%d", resource, action, role), Place: place, Effect: authz.Permit,
			Target: &policies.Target{AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: []policies.Match{
				equal(authz.Resource, profile.ResourceID, fmt.Sprint("r", resource)),
				equal(authz.Action, profile.ActionID, fmt.Sprint("a", action)),
				equal(authz.Subject, "role", fmt.Sprint("s", role)),
			}}}}}},
		}
	}
	const resources, actions, roles = 5, 3, 2
	places := policies.Places(resources * actions * roles)
	var all []*policies.Rule
	for i, place := range places {
		all = append(all, rule(place, i%resources, i/resources%actions, i/resources/actions))
	}
	compiler := eval.NewCompiler(nil)
	var program *eval.Program
	check := func(rules []*policies.Rule) {
		t.Helper()
		policy := &policies.Policy{Header: policies.Header{ID: "p", Place: "m", Combining: policies.DenyOverrides}, Rules: policies.NewList(rules...)}
		root := &policies.PolicySet{Header: policies.Header{ID: "root", Combining: policies.DenyOverrides}, Children: policies.NewList[policies.Node](policy)}
		var err error
		program, err = compiler.Compile(&policies.Snapshot{Root: root}, program)
		require.NoError(t, err)
		there := map[string]bool{}
		for _, r := range rules {
			there[r.ID] = true
		}
		for i := range all {
			id := all[i].ID
			r := &authz.Request{}
			r.Add(authz.Resource, profile.ResourceID, all[i].Target.AnyOf[0].AllOf[0].Matches[0].Value)
			r.Add(authz.Action, profile.ActionID, all[i].Target.AnyOf[0].AllOf[0].Matches[1].Value)
			r.Add(authz.Subject, "role", all[i].Target.AnyOf[0].AllOf[0].Matches[2].Value)
			got := program.Decide(context.Background(), r, someNow)
			require.Equal(t, there[id], got.Decision == authz.Permit, id)
			if there[id] {
				require.Equal(t, id, got.Reason.Rule)
			}
		}
	}
	check(all)
	check(all[:20])
	check(all[3:])
	check(append(all[:7:7], all[20:]...))
	for n := 6; n <= len(all); n++ { // one by one
		check(all[:n])
	}
}
