package xacml

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// trees draws policies of one version: any shape, any text.
type trees struct {
	t   *rapid.T
	two bool
	n   int
}

func (g *trees) id() string {
	g.n++
	return fmt.Sprintf("urn:id:%d %s.", g.n, rapid.StringMatching(`[a-zäß <>&"']{0,4}`).Draw(g.t, "id"))
}

func pick[T any](g *trees, name string, from ...T) T {
	return rapid.SampledFrom(from).Draw(g.t, name)
}

func (g *trees) some(name string, low, high int) int {
	return rapid.IntRange(low, high).Draw(g.t, name)
}

func (g *trees) text() string {
	return rapid.StringMatching(`[ \t\n\r<>&"'a-c]{0,3}[a-z€]?[ \n]?`).Draw(g.t, "text")
}

func (g *trees) category() authz.Category {
	if g.two {
		return pick(g, "category", authz.Subject, authz.Resource, authz.Action, authz.Environment, authz.Intermediary)
	}
	return pick(g, "category", authz.Subject, authz.Resource, "urn:other")
}

func (g *trees) literal() authz.Value {
	choice := [][2]string{
		{string(authz.String), g.text()}, {string(authz.Integer), " 12"}, {string(authz.Boolean), "1"}, {string(authz.DayTimeDuration), "P1D"},
		{string(authz.YearMonthDuration), "-P1Y"}, {string(authz.Double), "-INF"}, {string(authz.X500Name), "CN=a,O=b"}, {string(authz.FQANType), "/vo"},
		{string(authz.AnyURI), "urn:x"}, {string(authz.DateTime), "2026-01-01T00:00:00.50+01:00"},
	}
	if !g.two && g.some("path", 0, 5) == 0 {
		return authz.XPathValue("//p:a", g.category(), map[string]string{"p": "urn:p", "q": "urn:q"})
	}
	c := pick(g, "literal", choice...)
	v, err := authz.ParseValue(authz.DataType(c[0]), c[1])
	require.NoError(g.t, err)
	return v
}

func (g *trees) attribute(c authz.Category) policies.Expression {
	typ := pick(g, "type", authz.String, authz.Integer, authz.DayTimeDuration)
	required := rapid.Bool().Draw(g.t, "required")
	if g.some("selector", 0, 4) == 0 && !g.two {
		return &policies.Selector{Category: c, Path: "//p:x", ContextID: trim(g.text()), Type: typ, MustBePresent: required, Namespaces: map[string]string{"p": "urn:p"}}
	}
	return &policies.Designator{Category: c, ID: g.id(), Type: typ, MustBePresent: required, Issuer: g.text()}
}

func (g *trees) expression(depth int) policies.Expression {
	switch kind := g.some("kind", 0, 4); {
	case kind == 0:
		return &policies.Literal{Value: g.literal()}
	case kind == 1 || depth == 0:
		return g.attribute(g.category())
	case kind == 2:
		return &policies.VariableName{Variable: g.id()}
	case kind == 3:
		return &policies.FunctionName{Function: one0 + "string-equal"}
	}
	a := &policies.Apply{Function: pick(g, "function", one0+"and", "urn:function")}
	for range g.some("arguments", 0, 3) {
		a.Arguments = append(a.Arguments, g.expression(depth-1))
	}
	return a
}

func (g *trees) target() *policies.Target {
	t := &policies.Target{}
	categories := []authz.Category{g.category(), g.category(), g.category()}[:g.some("choices", 0, 3)]
	if g.two { // one choice of each kind, in their order: others are regrouped
		categories = []authz.Category{pick(g, "who", authz.Subject, authz.Intermediary), authz.Resource, authz.Action, authz.Environment}[g.some("from", 0, 4):]
	}
	for _, c := range categories {
		var a policies.AnyOf
		for range g.some("alternatives", 1, 2) {
			var all policies.AllOf
			for range g.some("matches", 1, 2) {
				all.Matches = append(all.Matches, policies.Match{Function: "urn:match", Value: g.literal(), Attribute: g.attribute(c)})
			}
			a.AllOf = append(a.AllOf, all)
		}
		t.AnyOf = append(t.AnyOf, a)
	}
	if len(t.AnyOf) == 0 {
		return nil
	}
	return t
}

func (g *trees) duties() (duties []policies.Duty) {
	for range g.some("duties", 0, 2) {
		d := policies.Duty{ID: g.id(), On: pick(g, "on", authz.Permit, authz.Deny)}
		for range g.some("assignments", 0, 2) {
			a := policies.AssignmentExpression{ID: g.id(), Expression: &policies.Literal{Value: authz.StringValue(g.text())}}
			if !g.two {
				a.Category, a.Issuer, a.Expression = g.category(), g.text(), g.expression(2)
			}
			d.Assignments = append(d.Assignments, a)
		}
		duties = append(duties, d)
	}
	return duties
}

func (g *trees) header(algorithm policies.Algorithm) policies.Header {
	h := policies.Header{ID: g.id(), Version: pick(g, "version", "1", "2.0.13"), Description: g.text(), Combining: algorithm, Target: g.target(), XPathVersion: pick(g, "xpath", "", "urn:xpath"), Obligations: g.duties()}
	if !g.two {
		h.Advice = g.duties()
	}
	return h
}

func (g *trees) rule() *policies.Rule {
	r := &policies.Rule{ID: g.id(), Effect: pick(g, "effect", authz.Permit, authz.Deny), Description: g.text(), Target: g.target()}
	if rapid.Bool().Draw(g.t, "condition") {
		r.Condition = g.expression(3)
	}
	if !g.two {
		r.Obligations, r.Advice = g.duties(), g.duties()
	}
	return r
}

func (g *trees) policy() *policies.Policy {
	p := &policies.Policy{Header: g.header(policies.FirstApplicable)}
	for range g.some("variables", 0, 2) {
		p.Variables = append(p.Variables, policies.Variable{ID: g.id(), Expression: g.expression(2)})
	}
	rules := make([]*policies.Rule, g.some("rules", 0, 3))
	for i, place := range policies.Places(len(rules)) {
		rules[i] = g.rule()
		rules[i].Place = place
	}
	p.Rules = policies.NewList(rules...)
	return p
}

func (g *trees) node(depth int) policies.Node {
	switch kind := g.some("node", 0, 3); {
	case kind == 0:
		return &policies.Reference{ID: "urn:ref", Set: rapid.Bool().Draw(g.t, "set"), Version: pick(g, "v", "", "1.*"), Earliest: pick(g, "e", "", "1.+")}
	case kind == 1 || depth == 0:
		return g.policy()
	}
	return g.policySet(depth - 1)
}

func (g *trees) policySet(depth int) *policies.PolicySet {
	s := &policies.PolicySet{Header: g.header("urn:oasis:names:tc:xacml:1.0:policy-combining-algorithm:only-one-applicable")}
	nodes := make([]policies.Node, g.some("children", 0, 3))
	for i, place := range policies.Places(len(nodes)) {
		nodes[i] = placed(g.node(depth), place)
	}
	s.Children = policies.NewList(nodes...)
	return s
}

// Whatever can be written reads back as the same tree.
func TestWrittenTreesReadBackAsTheyWere(t *testing.T) {
	for _, version := range []Version{Three, Two} {
		t.Run(version.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				g := &trees{t: t, two: version == Two}
				var n policies.Node = g.policySet(2)
				require.Equal(t, bare(n), bare(again(t, n, Options{Version: version})))
			})
		})
	}
}
