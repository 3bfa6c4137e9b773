package spl_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

const writable = `spl 2
resource "https://ce[.]example[.]org/.*" {
    description "the \"farm\"\n"
    obligation local-environment-map { }
    private action submit {
        rule deny { because "" }
        rule permit {
            requested-cpu-time <= 1800
            vo in (atlas cms)
            subject != "/C=IT/CN=x"
            obligation cpu-time-limit { seconds = 1800 }
            advice "urn:a" { }
            because "half an hour"
            from "2026-01-01T00:00:00Z"
            until "2027-01-01T00:00:00Z"
        }
    }
}
`

func TestWriteIsTheWayBackOfLower(t *testing.T) {
	f, err := spl.Parse("x.spl", writable)
	require.NoError(t, err)
	sets, err := spl.Lower(f, table(t))
	require.NoError(t, err)
	text, err := spl.Write(sets[0], table(t))
	require.NoError(t, err)
	require.Equal(t, writable, text)
}

func TestWriteRefuses(t *testing.T) {
	at := policies.Position{File: "p.xml", Line: 7, Column: 3}
	for want, change := range map[string]func(*policies.PolicySet, *policies.Policy, *policies.Rule){
		"combines by": func(s *policies.PolicySet, _ *policies.Policy, _ *policies.Rule) {
			s.Combining = policies.DenyOverrides
		},
		"advice in rules only": func(s *policies.PolicySet, _ *policies.Policy, _ *policies.Rule) {
			s.Advice = []policies.Duty{{Position: at}}
		},
		"one regular expression": func(_ *policies.PolicySet, p *policies.Policy, _ *policies.Rule) { p.Target = nil },
		"no variables": func(_ *policies.PolicySet, p *policies.Policy, _ *policies.Rule) {
			p.Variables = []policies.Variable{{ID: "v"}}
		},
		"due on Deny": func(_ *policies.PolicySet, p *policies.Policy, _ *policies.Rule) {
			p.Obligations = []policies.Duty{{ID: "urn:x", On: authz.Deny}}
		},
		"want a condition": func(_ *policies.PolicySet, _ *policies.Policy, r *policies.Rule) { r.Target = nil },
		"no conditions but": func(_ *policies.PolicySet, _ *policies.Policy, r *policies.Rule) {
			r.Condition = &policies.Designator{Position: at}
		},
		"no paths": func(_ *policies.PolicySet, _ *policies.Policy, r *policies.Rule) {
			matchOf(r).Attribute = &policies.Selector{}
		},
		"no name for the attribute":  func(_ *policies.PolicySet, _ *policies.Policy, r *policies.Rule) { designatorOf(r).ID = "urn:other" },
		"would not say the same":     func(_ *policies.PolicySet, _ *policies.Policy, r *policies.Rule) { designatorOf(r).Issuer = "somebody" },
		"denies one spelling":        func(_ *policies.PolicySet, _ *policies.Policy, r *policies.Rule) { r.Effect = authz.Deny },
		"does not compare it by":     func(_ *policies.PolicySet, _ *policies.Policy, r *policies.Rule) { matchOf(r).Function = "urn:f" },
		"between several conditions": func(_ *policies.PolicySet, _ *policies.Policy, r *policies.Rule) { twice(r, 2) },
		"values of one attribute": func(_ *policies.PolicySet, _ *policies.Policy, r *policies.Rule) {
			twice(r, 1)
			matchOf(r).Function = profile.FunctionFQANPattern
			designatorOf(r).ID, designatorOf(r).Type = profile.FQAN, authz.FQANType
		},
		"assigns literal values": func(_ *policies.PolicySet, _ *policies.Policy, r *policies.Rule) {
			r.Obligations = []policies.Duty{{ID: "urn:o", On: authz.Permit, Assignments: []policies.AssignmentExpression{{ID: "a", Issuer: "i"}}}}
		},
	} {
		s, p, r := only(t, "spl 2\nresource x { action y { rule permit { vo = atlas } } }")
		s.Position, p.Position, r.Position = at, at, at
		change(s, p, r)
		_, err := spl.Write(s, table(t))
		require.ErrorContains(t, err, want)
	}
	_, err := spl.Write(&policies.Policy{}, table(t))
	require.ErrorContains(t, err, "actions into resources")
}

func matchOf(r *policies.Rule) *policies.Match { return &r.Target.AnyOf[0].AllOf[0].Matches[0] }

func designatorOf(r *policies.Rule) *policies.Designator {
	return matchOf(r).Attribute.(*policies.Designator)
}

// twice makes a choice of two alternatives of so many matches.
func twice(r *policies.Rule, matches int) {
	all := r.Target.AnyOf[0].AllOf[0]
	for len(all.Matches) < matches {
		all.Matches = append(all.Matches, all.Matches[0])
	}
	r.Target.AnyOf[0].AllOf = []policies.AllOf{all, all}
}
