package pap_test

import (
	"testing"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
	"github.com/stretchr/testify/require"
)

// ⚿ Whatever stands in the parts of a rule, what comes of them is that one rule
// with those very values, or nothing.
func FuzzAddRule(f *testing.F) {
	for _, seed := range []string{"x", "", `"`, `'`, `x" } rule permit { vo="y`, `x' } } } resource ".*" {`, "x\ny", `x\`, `x\"y`, "# x", "{", "}", `\\`, "é", "\x00", "\xff"} {
		f.Add("vo", seed, "r", "a", "o")
		f.Add("vo", "v", seed, seed, seed)
		f.Add(seed, "v", "r", "a", "")
	}
	f.Fuzz(func(t *testing.T, name, value, resource, action, obligation string) {
		s := newSite(t)
		_, err := s.AddRule(bg, by("Alice"), "default", change.Rule{
			Permit: true, Names: []change.Name{{Attribute: name, Value: value}},
			Resource: resource, Action: action, Obligation: obligation,
		})
		units, readErr := s.Units(bg, "default")
		require.NoError(t, readErr)
		if err != nil {
			require.Empty(t, units)
			return
		}
		require.Len(t, units, 3)
		head, err := spl.ParseResource(units[0].Text, spl.One, start)
		require.NoError(t, err)
		require.Equal(t, resource, head.Value.Text)
		policy, err := spl.ParseAction(units[1].Text, spl.One, start)
		require.NoError(t, err)
		require.Equal(t, action, policy.Value.Text)
		if obligation != "" {
			require.Len(t, policy.Obligations, 1)
			require.Equal(t, obligation, policy.Obligations[0].ID.Text)
		}
		rule, err := spl.ParseRule(units[2].Text, spl.One, start)
		require.NoError(t, err)
		require.Equal(t, authz.Permit, rule.Effect)
		require.Len(t, rule.Conditions, 1)
		require.Equal(t, name, rule.Conditions[0].Name.Text)
		require.Equal(t, value, rule.Conditions[0].Values[0].Text)
	})
}
