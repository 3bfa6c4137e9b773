package lint_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/lint"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// maker makes policies of every algorithm about very few things, so that rules
// hide each other, or nearly do.
type maker struct {
	*rand.Rand
	line  int
	kinds []int // of matches, of which one document has few
}

func newMaker(seed uint64) *maker {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 11))}
	m.kinds = []int{m.IntN(7), m.IntN(7)}
	return m
}

func choose[T any](m *maker, from ...T) T { return from[m.IntN(len(from))] }

func (m *maker) chance(n int) bool { return m.IntN(n) == 0 }

func (m *maker) at() policies.Position { m.line++; return policies.Position{File: "p", Line: m.line} }

func (m *maker) designator(c authz.Category, id string, t authz.DataType) *policies.Designator {
	return &policies.Designator{Category: c, ID: id, Type: t, MustBePresent: m.chance(6)}
}

func (m *maker) match() policies.Match {
	text := authz.StringValue
	switch choose(m, m.kinds...) {
	case 0, 1:
		return policies.Match{Function: profile.FunctionStringEqual, Value: text(choose(m, "a", "b")), Attribute: m.designator(authz.Subject, "role", authz.String)}
	case 2:
		return policies.Match{Function: profile.FunctionBanText, Value: text(choose(m, "a", "b")), Attribute: m.designator(authz.Subject, "role", "")}
	case 3:
		return policies.Match{Function: "urn:oasis:names:tc:xacml:1.0:function:integer-" + choose(m, "less-than", "greater-than-or-equal"), Value: authz.IntegerValue(m.Int64N(3)), Attribute: m.designator(authz.Subject, "age", authz.Integer)}
	case 4:
		return policies.Match{Function: profile.FunctionNetwork, Value: text(choose(m, "192.0.2.0/24", "192.0.0.0/16", "192.0.2.0/25", "192.0.2.7")), Attribute: m.designator(authz.Subject, "network", authz.String)}
	case 5:
		return policies.Match{Function: choose(m, profile.FunctionFQANPattern, profile.FunctionBanFQAN), Value: text(choose(m, "/v/*", "/v/g", "/v/*/Role=*", "/v/g/Role=r")), Attribute: m.designator(authz.Subject, "fqan", "")}
	}
	function := choose(m, profile.FunctionX500NameEqual, profile.FunctionBanName, profile.FunctionBanSubtree, profile.FunctionSubtree)
	v, err := authz.ParseValue(authz.X500Name, choose(m, "/O=x", "/O=x/CN=a", "/O=x/CN=b"))
	if err != nil {
		panic(err)
	}
	d := m.designator(authz.Subject, "name", authz.X500Name)
	if function == profile.FunctionBanName || function == profile.FunctionBanSubtree {
		d.Type, v = "", text(v.Text())
	}
	return policies.Match{Function: function, Value: v, Attribute: d}
}

func (m *maker) target() *policies.Target {
	if m.chance(2) {
		return nil
	}
	t := &policies.Target{}
	for range 1 + m.IntN(2) {
		var a policies.AnyOf
		for range 1 + m.IntN(2)*m.IntN(2) {
			all := policies.AllOf{Matches: []policies.Match{m.match()}}
			if m.chance(4) {
				all.Matches = append(all.Matches, m.match())
			}
			a.AllOf = append(a.AllOf, all)
		}
		t.AnyOf = append(t.AnyOf, a)
	}
	return t
}

func (m *maker) duties() []policies.Duty {
	if !m.chance(4) {
		return nil
	}
	d := policies.Duty{ID: fmt.Sprint("duty", m.line), On: choose(m, authz.Permit, authz.Deny)}
	if m.chance(2) {
		d.Assignments = []policies.AssignmentExpression{{ID: "x", Expression: m.designator(authz.Subject, "role", authz.String)}}
	}
	return []policies.Duty{d}
}

func (m *maker) condition(t *policies.Target) policies.Expression {
	match := m.match()
	if t != nil && m.chance(2) {
		match = t.AnyOf[0].AllOf[0].Matches[0]
	}
	excluded := &policies.Apply{Function: profile.FunctionNone, Arguments: []policies.Expression{&policies.FunctionName{Function: match.Function}, &policies.Literal{Value: match.Value}, match.Attribute}}
	switch m.IntN(12) {
	case 0, 1:
		return excluded
	case 2:
		return &policies.Apply{Function: profile.FunctionAnd, Arguments: []policies.Expression{excluded, &policies.Literal{Value: authz.BooleanValue(m.chance(2))}}}
	}
	return nil
}

func (m *maker) rule() *policies.Rule {
	r := &policies.Rule{Position: m.at(), Effect: choose(m, authz.Permit, authz.Deny), Target: m.target()}
	r.ID = fmt.Sprint("rule", r.Position.Line)
	r.Condition = m.condition(r.Target)
	r.Obligations, r.Advice = m.duties(), m.duties()
	return r
}

var algorithms = []string{"1.0:first-applicable", "3.0:deny-overrides", "3.0:permit-overrides", "3.0:ordered-deny-overrides", "3.0:ordered-permit-overrides",
	"3.0:deny-unless-permit", "3.0:permit-unless-deny", "1.0:deny-overrides", "1.0:permit-overrides", "1.1:ordered-deny-overrides", "1.1:ordered-permit-overrides"}

func (m *maker) header(place string, set bool) policies.Header {
	h := policies.Header{Position: m.at(), Place: place, Version: "1", Target: m.target(), Obligations: m.duties()}
	h.ID = fmt.Sprint("policy", h.Position.Line)
	version, name, _ := strings.Cut(choose(m, algorithms...), ":")
	if set && m.chance(8) {
		version, name = "1.0", "only-one-applicable"
	}
	h.Combining = policies.Algorithm("urn:oasis:names:tc:xacml:" + version + ":policy-combining-algorithm:" + name)
	return h
}

func (m *maker) node(place string, depth int) policies.Node {
	n := 1 + m.IntN(4)
	places := policies.Places(n)
	if depth > 0 && m.chance(2) {
		s := &policies.PolicySet{Header: m.header(place, true)}
		children := make([]policies.Node, n)
		for i := range children {
			children[i] = m.node(places[i], depth-1)
		}
		s.Children = policies.NewList(children...)
		return s
	}
	p := &policies.Policy{Header: m.header(place, false)}
	rules := make([]*policies.Rule, n)
	for i := range rules {
		rules[i] = m.rule()
		rules[i].Place = places[i]
	}
	p.Rules = policies.NewList(rules...)
	return p
}

func (m *maker) request() *authz.Request {
	r := &authz.Request{}
	add := func(id string, v authz.Value) {
		standing := choose(m, authz.Verified, authz.Verified, authz.Presented)
		r.Attributes = append(r.Attributes, authz.Attribute{Category: authz.Subject, ID: id, Values: []authz.Value{v}, Standing: standing})
	}
	typed := func(t authz.DataType, text string) authz.Value {
		v, err := authz.ParseValue(t, text)
		if err != nil {
			panic(err)
		}
		return v
	}
	for range m.IntN(7) {
		switch choose(m, append([]int{m.IntN(7)}, append(m.kinds, m.kinds...)...)...) {
		case 0, 1, 2:
			add("role", authz.StringValue(choose(m, "a", "b", " a")))
		case 3:
			add("age", authz.IntegerValue(m.Int64N(4)))
		case 4:
			add("network", authz.StringValue(choose(m, "192.0.2.7", "192.0.2.200", "192.0.9.9", "10.0.0.1", "nowhere")))
		case 5:
			if m.chance(6) {
				add("fqan", authz.StringValue(" /v/g"))
			}
			add("fqan", typed(choose(m, authz.FQANType, authz.String), choose(m, "/v", "/v/g", "/v/g/h", "/v/g/Role=r", "/v/Role=q")))
		default:
			add("name", typed(choose(m, authz.X500Name, authz.X500Name, authz.String), choose(m, "/O=x", "/O=x/CN=a", "/O=x/CN=b", "CN=a,O=x", "/CN=a/O=x")))
		}
	}
	return r
}

// What is reported of policies of any shape can be taken away, and no answer
// changes: decision, extent, obligations and advice.
func TestWhatIsReportedChangesNothing(t *testing.T) {
	seen := map[string]int{}
	documents := uint64(5_000)
	if os.Getenv("GATEHOUSE_LONG") != "" {
		documents = 300_000
	}
	for seed := range documents {
		m := newMaker(seed)
		whole := m.node("V", 2)
		found := lint.Idle(whole)
		if len(found) == 0 {
			continue
		}
		gone := map[policies.Position]bool{}
		for _, f := range found {
			gone[f.Position] = true
			about, _, _ := strings.Cut(f.Message, ":")
			switch {
			case strings.Contains(f.Message, "always false"), strings.Contains(f.Message, "excludes"):
				about = f.Message
			default:
				require.NotZero(t, f.By, "%v", f)
			}
			seen[about]++
		}
		a, b := engine(t, whole), engine(t, without(whole, gone))
		for range 25 {
			r := m.request()
			require.Equal(t, answer(t, a, r), answer(t, b, r), "seed %d: %v\n%+v", seed, found, r.Attributes)
		}
	}
	for _, about := range []string{"this rule never applies", "this policy never applies", "this policy set never applies", "this rule changes nothing",
		"this rule never applies: its condition is always false", "this rule never applies: what its condition excludes is what its target asks for"} {
		require.Greater(t, seen[about], 20, about)
	}
}
