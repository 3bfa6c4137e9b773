package eval_test

import (
	"fmt"
	"math/big"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// generator makes well-typed policies and requests about a small world, so that
// they meet. dice(n) gives a number below n.
type generator struct {
	dice func(n int) int
	ids  int
	now  time.Time
}

func pick[T any](g *generator, list ...T) T { return list[g.dice(len(list))] }

func (g *generator) chance(one int) bool { return g.dice(one) == one-1 }

func (g *generator) id(prefix string) string { g.ids++; return fmt.Sprintf("%s%d", prefix, g.ids) }

const (
	old   = "urn:oasis:names:tc:xacml:1.0:function:"
	two   = "urn:oasis:names:tc:xacml:2.0:function:"
	three = "urn:oasis:names:tc:xacml:3.0:function:"
)

// world is the attributes there are, with the types they may come in.
var world = []struct {
	category authz.Category
	id       string
	types    []authz.DataType
}{
	{authz.Subject, "role", []authz.DataType{authz.String}},
	{authz.Subject, "age", []authz.DataType{authz.Integer, authz.String}},
	{authz.Subject, profile.SubjectID, []authz.DataType{authz.X500Name, authz.String}},
	{authz.Subject, profile.FQAN, []authz.DataType{authz.FQANType, authz.String}},
	{authz.Subject, profile.CredentialStrength, []authz.DataType{authz.String}},
	{authz.Subject, profile.Network, []authz.DataType{authz.String}},
	{authz.Subject, "flag", []authz.DataType{authz.Boolean}},
	{authz.Resource, "res", []authz.DataType{authz.String}},
	{authz.Action, "act", []authz.DataType{authz.String, authz.Integer}},
	{authz.Resource, "load", []authz.DataType{authz.Double}},
	{authz.Environment, "at", []authz.DataType{authz.Time}},
	{authz.Environment, "since", []authz.DataType{authz.DateTime}},
	{authz.Environment, "urn:oasis:names:tc:xacml:1.0:environment:current-date", []authz.DataType{authz.Date}},
}

func parse(t authz.DataType, text string) authz.Value {
	v, err := authz.ParseValue(t, text)
	if err != nil {
		panic(err)
	}
	return v
}

func (g *generator) value(t authz.DataType, id string) authz.Value {
	switch {
	case t != authz.String:
	case id == profile.CredentialStrength:
		return authz.StringValue(pick(g, "anonymous", "weak", "strong", "odd"))
	case id == profile.Network:
		return authz.StringValue(pick(g, "192.0.2.7", "::ffff:192.0.2.7", " 192.0.2.129", "10.1.2.3", "10.1.255.255", "10.2.0.0", "2001:db8::1", "2001:DB8::1%eth0", "2001:db9::", "nowhere", "::ffff:10.1.2.3%x"))
	}
	switch t {
	case authz.Integer:
		return parse(t, pick(g, "0", "1", "2", "-3", "7", "100000000000000000000", "100000000000000000001", "-100000000000000000000"))
	case authz.Boolean:
		return authz.BooleanValue(g.dice(2) == 0)
	case authz.X500Name:
		return parse(t, pick(g, "/O=x/CN=a", "CN=a,O=x", "/O=x/CN=b", "/O=y/CN=a", "/O=x", "/O=x/CN=a/CN=a", `/O=x\/CN=a/CN=b`, `CN=a+OU=u,O=x`, `O=x\\,C=NL`))
	case authz.Double:
		return parse(t, pick(g, "0", "-0.0", "1.5", "-1.5", "1.5000000001", "1e300", "INF", "-INF", "NaN"))
	case authz.Time:
		return parse(t, pick(g, "08:00:00", "08:00:00.5", "08:00:00Z", "09:00:00+01:00", "23:59:59Z", "23:59:59"))
	case authz.DateTime:
		return parse(t, pick(g, "2030-01-01T00:00:00", "2030-01-01T00:00:00.25Z", "2030-01-01T01:00:00+01:00", "1969-12-31T23:59:59.5Z", "-0100-01-01T00:00:00Z"))
	case authz.FQANType:
		return parse(t, pick(g, "/vo", "/vo/g", "/vo/g/Role=r", "/vo/g/h", "/wo/Role=NULL"))
	case authz.Date:
		return parse(t, pick(g, "2030-01-01Z", "2030-01-02", "2029-12-31"))
	}
	return authz.StringValue(pick(g, "a", "b", "A", " a", "", "ab", "1", "/vo/g", "/O=x/CN=a", "cn=a, o=x", "CN=A/O=X /O=y", "aaaaaaaab", "aaaaaaaac"))
}

func (g *generator) request() *authz.Request {
	r := &authz.Request{ID: "r"}
	mixed := g.dice(2) == 0
	for range 2 + g.dice(14) {
		w := world[g.dice(len(world))]
		a := authz.Attribute{Category: w.category, ID: w.id, Issuer: pick(g, "", "", "i"), Standing: authz.Verified}
		if mixed && g.dice(2) == 0 {
			a.Standing = authz.Presented
		}
		for range 1 + g.dice(3)*g.dice(2) {
			a.Values = append(a.Values, g.value(pick(g, w.types...), w.id))
		}
		r.Attributes = append(r.Attributes, a)
	}
	return r
}

// designator makes one of an attribute that comes in the type, mostly.
func (g *generator) designator(t authz.DataType) *policies.Designator {
	d := &policies.Designator{Type: t, MustBePresent: g.chance(4)}
	if g.chance(8) {
		d.Issuer = "i"
	}
	for range 100 {
		w := world[g.dice(len(world))]
		for _, have := range w.types {
			if have == t || g.chance(20) {
				d.Category, d.ID = w.category, w.id
				return d
			}
		}
	}
	return d
}

var elementary = []authz.DataType{authz.String, authz.Integer, authz.Boolean, authz.X500Name, authz.Date}

func (g *generator) match() policies.Match {
	if g.chance(3) {
		return g.ownMatch()
	}
	if g.chance(5) {
		return g.comparison(g.designator(pick(g, ordered...)))
	}
	t := pick(g, authz.String, authz.String, authz.Integer, authz.X500Name, authz.Boolean)
	d := g.designator(t)
	m := policies.Match{Function: old + t.Name() + "-equal", Value: g.value(t, d.ID), Attribute: d}
	switch {
	case t == authz.String && g.chance(4):
		m.Function, m.Value = old+"string-regexp-match", authz.StringValue(pick(g, "a", "^a$", "^[ab]+$", "b|A"))
	case t == authz.String && g.chance(4):
		m.Function = three + pick(g, "string-starts-with", "string-contains", "string-equal-ignore-case")
	case t == authz.X500Name && g.chance(2):
		m.Function = old + "x500Name-match"
	}
	return m
}

var ordered = []authz.DataType{authz.Integer, authz.Integer, authz.String, authz.Double, authz.Date, authz.Time, authz.DateTime}

// comparison makes a match of order, whose literal may be of no use.
func (g *generator) comparison(d *policies.Designator) policies.Match {
	f := old + d.Type.Name() + pick(g, "-greater-than", "-greater-than-or-equal", "-less-than", "-less-than-or-equal")
	return policies.Match{Function: f, Value: g.value(d.Type, d.ID), Attribute: d}
}

// matches makes one match, or several that have to do with one another.
func (g *generator) matches() []policies.Match {
	if !g.chance(4) {
		return []policies.Match{g.match()}
	}
	d := g.designator(pick(g, ordered...))
	all := []policies.Match{g.comparison(d), g.comparison(d)}
	if g.chance(3) {
		all = append(all, g.match())
	}
	return all
}

// ownMatch makes a match of one of our own functions, over values of any type.
func (g *generator) ownMatch() policies.Match {
	any := func(c authz.Category, id, function, literal string) policies.Match {
		return policies.Match{Function: function, Value: authz.StringValue(literal), Attribute: &policies.Designator{Category: c, ID: id, MustBePresent: g.chance(6)}}
	}
	switch g.dice(12) {
	case 0:
		return any(authz.Subject, profile.SubjectID, profile.FunctionBanName, pick(g, "/O=x/CN=a", "CN=A, O=x", "a"))
	case 1:
		return any(authz.Subject, profile.FQAN, profile.FunctionBanFQAN, pick(g, "/vo/*", "/vo/g/Role=*", "/vo/g", "a"))
	case 2:
		return any(authz.Subject, profile.FQAN, profile.FunctionFQANPattern, pick(g, "/vo/*", "/vo/*/Role=r", "/vo/g/Role=*", "/vo"))
	case 3:
		return any(authz.Subject, profile.FQAN, profile.FunctionBanVO, pick(g, "vo", "wo"))
	case 4:
		return any(authz.Subject, pick(g, profile.Network, profile.Network, "role"), profile.FunctionNetwork, pick(g, networks...))
	case 5:
		return any(authz.Resource, "res", profile.FunctionAnchoredRegexp, pick(g, "a", ".", "a.", ".*", "[ab]"))
	case 6:
		return any(authz.Subject, "role", pick(g, profile.FunctionBanText, profile.FunctionBanURI), pick(g, "a", "b", "A/"))
	case 7:
		m := any(authz.Subject, profile.FQAN, profile.FunctionFQAN, "")
		m.Value = parse(authz.FQANType, pick(g, "/vo", "/vo/g/Role=r", "/wo"))
		return m
	case 8, 9:
		m := any(authz.Subject, pick(g, profile.SubjectID, profile.SubjectID, "role"), profile.FunctionSubtree, "")
		m.Value = g.value(authz.X500Name, "")
		return m
	case 10:
		return any(authz.Subject, pick(g, profile.SubjectID, profile.SubjectID, "role"), profile.FunctionBanSubtree, pick(g, "/O=X", "cn=a", "/O=x/O=y", "CN=A/CN=a", "/CN=b/O=x", "a", ""))
	}
	m := any(authz.Subject, profile.CredentialStrength, pick(g, profile.FunctionStrengthLess, profile.FunctionStrengthLessOrEqual,
		profile.FunctionStrengthGreater, profile.FunctionStrengthGreaterOrEqual), pick(g, "anonymous", "weak", "strong"))
	m.Attribute.(*policies.Designator).Type = authz.String
	return m
}

var networks = []string{
	"192.0.2.0/24", "192.0.2.7", "::ffff:192.0.2.0/120", "192.0.2.128/25", "192.0.2.4/30", "10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/15", "0.0.0.0/0",
	"2001:db8::/32", "2001:db8::/30", "2001:db8::1", "2001:db8::/63", "::/0", "::fffe:0:0/95",
}

func (g *generator) target() *policies.Target {
	if g.dice(5) < 3 {
		return nil
	}
	t := &policies.Target{}
	for range 1 + g.dice(2) {
		var any policies.AnyOf
		for range 1 + g.dice(2) {
			var all policies.AllOf
			for range 1 + g.dice(2) {
				all.Matches = append(all.Matches, g.matches()...)
			}
			any.AllOf = append(any.AllOf, all)
		}
		t.AnyOf = append(t.AnyOf, any)
	}
	return t
}

// simpleTarget is what bans and lists of permits look like: one equality.
func (g *generator) simpleTarget() *policies.Target {
	t := pick(g, authz.String, authz.String, authz.X500Name, authz.Integer)
	d := g.designator(t)
	d.MustBePresent = g.chance(12)
	m := policies.Match{Function: old + t.Name() + "-equal", Value: g.value(t, d.ID), Attribute: d}
	all := []policies.Match{m}
	switch {
	case g.chance(4):
		all = []policies.Match{g.ownMatch()}
	case g.chance(4):
		all = g.matches()
	}
	return &policies.Target{AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: all}}}}}
}

func (g *generator) apply(function string, args ...policies.Expression) policies.Expression {
	return &policies.Apply{Function: function, Arguments: args}
}

func (g *generator) literal(t authz.DataType) policies.Expression {
	return &policies.Literal{Value: g.value(t, "")}
}

// scope are the variables that an expression may use, by type.
type scope map[authz.DataType][]string

// expression makes one of a type.
func (g *generator) expression(t authz.DataType, depth int, s scope) policies.Expression {
	if names := s[t]; len(names) > 0 && g.chance(2) {
		return &policies.VariableName{Variable: pick(g, names...)}
	}
	if depth <= 0 {
		if g.chance(2) {
			return g.literal(t)
		}
		return g.apply(old+t.Name()+"-one-and-only", g.designator(t))
	}
	more := func(t authz.DataType) policies.Expression { return g.expression(t, depth-1, s) }
	switch t {
	case authz.Boolean:
		return g.boolean(depth, s)
	case authz.Integer:
		switch g.dice(6) {
		case 0:
			return g.apply(old+pick(g, "integer-add", "integer-multiply"), more(t), more(t), more(t))
		case 1:
			return g.apply(old+pick(g, "integer-divide", "integer-mod", "integer-subtract"), more(t), more(t))
		case 2:
			return g.apply(old+"integer-abs", more(t))
		case 3:
			e := pick(g, elementary...)
			return g.apply(old+e.Name()+"-bag-size", g.bag(e, depth-1, s))
		case 4:
			return g.apply(three+"integer-from-string", more(authz.String))
		}
	case authz.String:
		switch g.dice(5) {
		case 0:
			return g.apply(two+"string-concatenate", more(t), more(t))
		case 1:
			return g.apply(old+pick(g, "string-normalize-space", "string-normalize-to-lower-case"), more(t))
		case 2:
			return g.apply(three+"string-substring", more(t), g.literal(authz.Integer), &policies.Literal{Value: parse(authz.Integer, pick(g, "-1", "1", "2"))})
		case 3:
			return g.apply(three+"string-from-integer", more(authz.Integer))
		}
	}
	return g.expression(t, 0, s)
}

func (g *generator) boolean(depth int, s scope) policies.Expression {
	more := func(t authz.DataType) policies.Expression { return g.expression(t, depth-1, s) }
	e := pick(g, elementary...)
	switch g.dice(13) {
	case 0, 1:
		return g.apply(old+pick(g, "and", "or"), more(authz.Boolean), more(authz.Boolean), more(authz.Boolean))
	case 2:
		return g.apply(old+"not", more(authz.Boolean))
	case 3:
		n := &policies.Literal{Value: authz.BigIntegerValue(big.NewInt(int64(g.dice(5) - 1)))}
		return g.apply(old+"n-of", n, more(authz.Boolean), more(authz.Boolean), more(authz.Boolean))
	case 4:
		return g.apply(old+e.Name()+"-equal", more(e), more(e))
	case 5:
		return g.apply(old+e.Name()+"-is-in", more(e), g.bag(e, depth-1, s))
	case 6:
		return g.apply(old+e.Name()+pick(g, "-at-least-one-member-of", "-subset", "-set-equals"), g.bag(e, depth-1, s), g.bag(e, depth-1, s))
	case 7:
		return g.apply(old+"integer"+pick(g, "-greater-than", "-less-than-or-equal"), more(authz.Integer), more(authz.Integer))
	case 8:
		f := &policies.FunctionName{Function: old + e.Name() + "-equal"}
		return g.apply(pick(g, old, three)+pick(g, "any-of", "all-of"), f, more(e), g.bag(e, depth-1, s))
	case 9:
		f := &policies.FunctionName{Function: old + pick(g, "integer-greater-than", "integer-equal")}
		return g.apply(old+pick(g, "any-of-any", "all-of-any", "any-of-all", "all-of-all"), f, g.bag(authz.Integer, depth-1, s), g.bag(authz.Integer, depth-1, s))
	case 10:
		f := &policies.FunctionName{Function: old + "string-equal"}
		return g.apply(three+"any-of-any", f, more(authz.String), g.bag(authz.String, depth-1, s))
	case 11:
		return g.none()
	}
	return g.apply(old+"string-regexp-match", &policies.Literal{Value: authz.StringValue(pick(g, "a", "^$", "[b]"))}, more(authz.String))
}

func (g *generator) none() policies.Expression {
	m := g.ownMatch()
	if g.chance(2) {
		t := pick(g, authz.String, authz.Integer)
		d := g.designator(t)
		m = policies.Match{Function: old + t.Name() + "-equal", Value: g.value(t, d.ID), Attribute: d}
	}
	return g.apply(profile.FunctionNone, &policies.FunctionName{Function: m.Function}, &policies.Literal{Value: m.Value}, m.Attribute)
}

func (g *generator) bag(t authz.DataType, depth int, s scope) policies.Expression {
	if depth > 0 {
		switch g.dice(5) {
		case 0:
			return g.apply(old+t.Name()+"-bag", g.expression(t, depth-1, s), g.expression(t, depth-1, s))
		case 1:
			return g.apply(old+t.Name()+pick(g, "-intersection", "-union"), g.bag(t, depth-1, s), g.bag(t, depth-1, s))
		case 2:
			if t == authz.Integer {
				f := &policies.FunctionName{Function: old + pick(g, "integer-add", "integer-divide")}
				return g.apply(three+"map", f, g.bag(t, depth-1, s), g.expression(t, depth-1, s))
			}
		}
	}
	return g.designator(t)
}

func (g *generator) duties(s scope, rare int) (list []policies.Duty) {
	for len(list) < 3 && g.chance(rare) {
		d := policies.Duty{ID: g.id("o"), On: g.effect()}
		for range g.dice(3) {
			a := policies.AssignmentExpression{ID: g.id("a"), Category: pick(g, "", authz.Subject), Issuer: pick(g, "", "i")}
			t := pick(g, elementary...)
			switch g.dice(3) {
			case 0:
				a.Expression = g.literal(t)
			case 1:
				a.Expression = g.expression(t, 1, s)
			default:
				a.Expression = g.bag(t, 1, s)
			}
			d.Assignments = append(d.Assignments, a)
		}
		list = append(list, d)
	}
	return list
}

func (g *generator) effect() authz.Effect { return pick(g, authz.Permit, authz.Deny) }

func (g *generator) rule(s scope, simple bool) *policies.Rule {
	r := &policies.Rule{ID: g.id("rule"), Effect: g.effect(), Ban: g.chance(5)}
	if simple {
		r.Target = g.simpleTarget()
	} else {
		r.Target = g.target()
	}
	if g.chance(3) {
		r.Condition = g.expression(authz.Boolean, 2, s)
	}
	if g.chance(20) { // not within n-of, which may look at fewer arguments than the naive evaluator
		r.Condition = g.access()
	}
	if g.chance(8) {
		r.From = g.now.Add(time.Duration(g.dice(3)-1) * time.Hour)
	}
	if g.chance(8) {
		r.Until = r.From.Add(time.Hour)
		if r.From.IsZero() {
			r.Until = g.now.Add(time.Duration(g.dice(3)-1) * time.Hour)
		}
	}
	r.Obligations, r.Advice = g.duties(s, 5), g.duties(s, 9)
	return r
}

func (g *generator) header(set bool, place string, s scope) policies.Header {
	h := policies.Header{ID: g.id("policy"), Version: pick(g, "1.0", "2.0"), Place: place, Target: g.target(), Combining: g.algorithm(set)}
	h.Obligations, h.Advice = g.duties(s, 5), g.duties(s, 9)
	return h
}

func (g *generator) algorithm(set bool) policies.Algorithm {
	kind := pick(g, "rule", "policy") + "-combining-algorithm:"
	name := pick(g, "3.0:deny-overrides", "3.0:permit-overrides", "3.0:ordered-deny-overrides", "3.0:ordered-permit-overrides",
		"3.0:deny-unless-permit", "3.0:permit-unless-deny", "1.0:first-applicable", "1.0:first-applicable", "1.0:deny-overrides", "1.1:ordered-deny-overrides",
		"1.0:permit-overrides", "1.1:ordered-permit-overrides")
	if set && g.chance(3) {
		name = pick(g, "1.0:only-one-applicable", "3.0:on-permit-apply-second")
	}
	return policies.Algorithm("urn:oasis:names:tc:xacml:" + name[:4] + kind + name[4:])
}

func (g *generator) policy(place string) *policies.Policy {
	s := scope{}
	p := &policies.Policy{}
	for range g.dice(3) { // each may use those that stand before it; see below
		t := pick(g, authz.Boolean, authz.Integer, authz.String)
		v := policies.Variable{ID: g.id("v"), Expression: g.expression(t, 1, s)}
		s[t] = append(s[t], v.ID)
		p.Variables = append([]policies.Variable{v}, p.Variables...) // so that uses point forward
	}
	p.Header = g.header(false, place, s)
	n, simple := g.dice(4), false
	if g.chance(5) {
		n, simple = 4+g.dice(24), true
	}
	places := policies.Places(n)
	rules := make([]*policies.Rule, n)
	for i := range rules {
		rules[i] = g.rule(s, simple && !g.chance(6))
		rules[i].Place = places[i]
	}
	p.Rules = policies.NewList(rules...)
	return p
}

func (g *generator) set(place string, depth int, library []policies.Node) *policies.PolicySet {
	s := &policies.PolicySet{Header: g.header(true, place, nil)}
	n := g.dice(4)
	if g.chance(8) {
		n = 6 + g.dice(6)
	}
	places := policies.Places(n)
	children := make([]policies.Node, n)
	for i := range children {
		children[i] = g.node(places[i], depth-1, library)
	}
	s.Children = policies.NewList(children...)
	return s
}

func (g *generator) node(place string, depth int, library []policies.Node) policies.Node {
	switch {
	case g.chance(14):
		return g.reference(place, library)
	case depth > 0 && g.chance(3):
		return g.set(place, depth, library)
	}
	return g.policy(place)
}

func (g *generator) reference(place string, library []policies.Node) *policies.Reference {
	r := &policies.Reference{ID: "nobody", Place: place}
	if len(library) > 0 && !g.chance(6) {
		switch l := library[g.dice(len(library))].(type) {
		case *policies.Policy:
			r.ID = l.ID
		case *policies.PolicySet:
			r.ID, r.Set = l.ID, true
		}
	}
	r.Version = pick(g, "", "", "1.0", "2.0")
	return r
}

func (g *generator) snapshot() *policies.Snapshot {
	var library []policies.Node
	for range g.dice(3) {
		if g.chance(3) {
			library = append(library, g.set("", 1, nil))
		} else {
			library = append(library, g.policy(""))
		}
	}
	return &policies.Snapshot{Revision: authz.Revision{Lineage: "l", Number: 1}, Root: g.set("", 3, library), Library: library}
}

// update makes an edit somewhere in a snapshot.
func (g *generator) update(s *policies.Snapshot) policies.Update {
	u := policies.Update{From: s.Revision, To: s.Revision}
	u.To.Number++
	var path []string
	set := s.Root
	for {
		var nodes []policies.Node
		for n := range set.Children.All() {
			nodes = append(nodes, n)
		}
		if len(nodes) == 0 || g.chance(4) {
			u.Edits = []policies.Edit{policies.PutNode(g.node(pick(g, policies.Places(9)...), 1, s.Library), path...)}
			return u
		}
		n := nodes[g.dice(len(nodes))]
		if g.chance(5) {
			place, id := n.Where()
			u.Edits = []policies.Edit{policies.RemoveItem(place, id, path...)}
			return u
		}
		switch n := n.(type) {
		case *policies.PolicySet:
			set, path = n, append(path, n.ID)
		case *policies.Policy:
			u.Edits = g.ruleEdits(n, append(path, n.ID))
			return u
		default:
			place, id := n.Where()
			u.Edits = []policies.Edit{policies.RemoveItem(place, id, path...)}
			return u
		}
	}
}

func (g *generator) ruleEdits(p *policies.Policy, path []string) []policies.Edit {
	r := g.rule(nil, true)
	r.Place = pick(g, policies.Places(30)...)
	put := policies.PutRule(r, path...)
	for have := range p.Rules.All() {
		if g.chance(3) {
			moved := *have
			moved.Place = pick(g, policies.Places(30)...)
			return []policies.Edit{policies.RemoveItem(have.Place, have.ID, path...), policies.PutRule(&moved, path...), put}
		}
	}
	return []policies.Edit{put}
}
