package xacml

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func TestPatternsThatBothDialectsReadAlike(t *testing.T) {
	for pattern, want := range map[string]string{
		`^(.*)$`: ".*", `^(a|b)$`: "a|b", `^(https://x\.y/[a-z0-9]+)$`: `https://x\.y/[a-z0-9]+`, `^(a(b|c)?)$`: "a(b|c)?", `^([^/]*)$`: "[^/]*",
	} {
		got, ok := anchoredPattern(pattern)
		require.True(t, ok, pattern)
		require.Equal(t, want, got)
	}
	for _, pattern := range []string{
		`a`, `^a$`, `^(a)|(b)$`, `^(a{2})$`, `^(a^b)$`, `^(a$)$`, `^(\d)$`, `^(\i)$`, `^([a-z-[aeiou]])$`, `^([[:alpha:]])$`, `^((?i)a)$`, `^(é)$`, `^([]a])$`, `^([a)$`, `^(\)$`,
	} {
		_, ok := anchoredPattern(pattern)
		require.False(t, ok, pattern)
	}
}

// A window comes back from documents of either version, also beside another
// condition on the environment; what only looks like one stays a match.
func TestWindowsComeBack(t *testing.T) {
	cpu := of(authz.Environment, profile.RequestedCPUTime, one0+"integer-greater-than", authz.IntegerValue(60), authz.Integer)
	from, until := time.Date(2026, 1, 1, 0, 0, 0, 5e8, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	p := first(&policies.Rule{ID: "r", Effect: authz.Permit, From: from, Until: until, Target: when(either(cpu))})
	for _, v := range []Version{Two, Three} {
		back, _ := Adopt(again(t, p, Options{Version: v})).(*policies.Policy).Rules.Find("r")
		require.Equal(t, from, back.From.UTC())
		require.Equal(t, until, back.Until.UTC())
		require.Equal(t, strip(when(either(cpu))), strip(back.Target))
	}

	ours := func(change func(*policies.Match)) policies.Match {
		l := &lowering{}
		m := l.window(&policies.Rule{Until: until})[0]
		d := *m.Attribute.(*policies.Designator)
		m.Attribute = &d
		change(&m)
		return m
	}
	d := func(m *policies.Match) *policies.Designator { return m.Attribute.(*policies.Designator) }
	for name, a := range map[string]policies.AnyOf{
		"a choice":                either(ours(func(*policies.Match) {}), cpu),
		"another issuer":          either(ours(func(m *policies.Match) { d(m).Issuer = "i" })),
		"another attribute":       either(ours(func(m *policies.Match) { d(m).ID = "birthday" })),
		"of the subject":          either(ours(func(m *policies.Match) { d(m).Category = authz.Subject })),
		"need not be there":       either(ours(func(m *policies.Match) { d(m).MustBePresent = false })),
		"another comparison":      either(ours(func(m *policies.Match) { m.Function = one0 + "dateTime-less-than" })),
		"without a zone":          either(ours(func(m *policies.Match) { m.Value, _ = authz.ParseValue(authz.DateTime, "2027-01-01T00:00:00") })),
		"before it begins":        {AllOf: []policies.AllOf{{Matches: (&lowering{}).window(&policies.Rule{From: until, Until: from})}}},
		"as soon as it has begun": {AllOf: []policies.AllOf{{Matches: (&lowering{}).window(&policies.Rule{From: from, Until: from})}}},
	} {
		back, _ := Adopt(first(&policies.Rule{ID: "r", Effect: authz.Permit, Target: when(a)})).(*policies.Policy).Rules.Find("r")
		require.True(t, back.From.IsZero() && back.Until.IsZero(), name)
		require.Equal(t, when(a).AnyOf, back.Target.AnyOf, name)
	}
}
