package xacml

import (
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// lowering turns a tree into one that holds nothing but XACML, and nothing but
// XACML 2.0 as far as algorithms and the duties of rules go. It changes no node
// that it was given.
type lowering struct {
	refusals
	o     Options
	depth int
}

// deeper guards the recursion: a tree need not come from a document.
func (l *lowering) deeper(at policies.Position) bool {
	if l.depth >= MaxDepth {
		l.refuse(at, "nested more than %d deep", MaxDepth)
		return false
	}
	l.depth++
	return true
}

func (l *lowering) node(n policies.Node) policies.Node {
	if !l.deeper(n.At()) {
		return n
	}
	defer func() { l.depth-- }()
	switch n := n.(type) {
	case *policies.PolicySet:
		return l.policySet(n)
	case *policies.Policy:
		return l.policy(n)
	case *policies.Foreign:
		l.refuse(n.Position, "%q is written in %s, which XACML cannot hold", n.ID, n.Format)
	}
	return n
}

func (l *lowering) policySet(s *policies.PolicySet) policies.Node {
	next := &policies.PolicySet{Header: l.header(&s.Header)}
	next.Combining = l.algorithm(s.Combining, "policy", &s.Header, false)
	children := make([]policies.Node, 0, s.Children.Len())
	for child := range s.Children.All() {
		children = append(children, l.node(child))
	}
	next.Children = policies.NewList(children...)
	return next
}

func (l *lowering) policy(p *policies.Policy) policies.Node {
	next := &policies.Policy{Header: l.header(&p.Header)}
	if p.Private && !l.o.Drop.Private {
		l.refuse(p.Position, "private: XACML has no policies that are kept from other administration points")
	}
	for _, v := range p.Variables {
		v.Expression = l.expression(v.Expression)
		next.Variables = append(next.Variables, v)
	}
	var rules []*policies.Rule
	oneEffect := true
	for r := range p.Rules.All() {
		if made := l.rule(r); made != nil {
			rules = append(rules, made)
			oneEffect = oneEffect && made.Effect == rules[0].Effect
		}
	}
	next.Combining = l.algorithm(p.Combining, "rule", &p.Header, oneEffect)
	next.Rules = policies.NewList(rules...)
	if l.o.Version == Two {
		return l.split(next, rules)
	}
	return next
}

func (l *lowering) header(h *policies.Header) policies.Header {
	next := *h
	next.Target = l.target(h.Target)
	next.Obligations, next.Advice = l.duties(h.Obligations), l.duties(h.Advice)
	if next.Version == "" {
		next.Version = "1.0"
	}
	return next
}

// algorithm returns the name of a combining algorithm for what it combines and,
// for 2.0, the older one that gives the same answers: in a policy whose rules
// have one effect the two kinds of overrides do not differ.
func (l *lowering) algorithm(a policies.Algorithm, kind string, h *policies.Header, oneEffect bool) policies.Algorithm {
	name := string(a)
	for _, other := range []string{"rule", "policy"} {
		name = strings.Replace(name, ":"+other+"-combining-algorithm:", ":"+kind+"-combining-algorithm:", 1)
	}
	older := strings.Replace(name, ":xacml:3.0:", ":xacml:1.0:", 1)
	switch {
	case l.o.Version != Two || older == name:
	case oneEffect && (strings.HasSuffix(name, ":deny-overrides") || strings.HasSuffix(name, ":permit-overrides")):
		name = older
	default:
		l.refuse(h.Position, "%q: XACML 2.0 has no combining algorithm %q", h.ID, a)
	}
	return policies.Algorithm(name)
}

// rule returns nil for a rule that does not hold at the time asked for.
func (l *lowering) rule(r *policies.Rule) *policies.Rule {
	next := *r
	next.From, next.Until, next.Because = time.Time{}, time.Time{}, ""
	windows := l.window(r)
	if now := l.o.Now; !now.IsZero() {
		if now.Before(r.From) || !r.Until.IsZero() && !now.Before(r.Until) {
			return nil
		}
		windows = nil
	}
	if r.Because != "" && !l.o.Drop.Because {
		l.refuse(r.Position, "because: XACML has no words for the user in a rule")
	} else if next.Description == "" {
		next.Description = r.Because
	}
	if r.Ban && !l.o.Drop.Bans {
		l.refuse(r.Position, "%q is a ban, which XACML would put among the rules", r.ID)
	}
	next.Ban, next.PAP = false, ""
	next.Target = l.target(r.Target)
	if len(windows) > 0 {
		t := &policies.Target{Position: r.Position, AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: windows}}}}}
		if next.Target != nil {
			t.AnyOf = append(t.AnyOf, next.Target.AnyOf...)
		}
		next.Target = t
	}
	if r.Condition != nil {
		next.Condition = l.expression(r.Condition)
	}
	next.Obligations, next.Advice = l.duties(r.Obligations), l.duties(r.Advice)
	return &next
}

const currentDateTime = "urn:oasis:names:tc:xacml:1.0:environment:current-dateTime"

// window returns the matches that hold within a rule's time. They stand in the
// target and not in the condition, where an error in the target would come
// before them.
func (l *lowering) window(r *policies.Rule) []policies.Match {
	var matches []policies.Match
	add := func(t time.Time, function string) {
		if t.IsZero() {
			return
		}
		v, err := authz.ParseValue(authz.DateTime, t.UTC().Format(time.RFC3339Nano))
		if err != nil {
			l.refuse(r.Position, "%v", err)
		}
		matches = append(matches, policies.Match{Function: one0 + function, Value: v, Position: r.Position, Attribute: &policies.Designator{
			Category: authz.Environment, ID: currentDateTime, Type: authz.DateTime, MustBePresent: true, Position: r.Position,
		}})
	}
	add(r.From, "dateTime-less-than-or-equal")
	add(r.Until, "dateTime-greater-than")
	return matches
}

func (l *lowering) target(t *policies.Target) *policies.Target {
	if t == nil {
		return nil
	}
	next := &policies.Target{Position: t.Position, AnyOf: make([]policies.AnyOf, len(t.AnyOf))}
	for i, a := range t.AnyOf {
		next.AnyOf[i].AllOf = make([]policies.AllOf, len(a.AllOf))
		for j, all := range a.AllOf {
			for _, m := range all.Matches {
				next.AnyOf[i].AllOf[j].Matches = append(next.AnyOf[i].AllOf[j].Matches, l.match(m))
			}
		}
	}
	return next
}

func (l *lowering) match(m policies.Match) policies.Match {
	d, ok := m.Attribute.(*policies.Designator)
	if !ok {
		if isOwn(m.Function) && l.o.Functions != Own {
			l.refuse(m.Position, "%s", notStandard(m.Function))
		}
		return m
	}
	c := l.comparison(comparison{m.Function, m.Value, d}, m.Position)
	m.Function, m.Value, m.Attribute = c.function, c.literal, c.bag
	return m
}

func (l *lowering) duties(duties []policies.Duty) []policies.Duty {
	if len(duties) == 0 {
		return nil
	}
	next := make([]policies.Duty, len(duties))
	for i, d := range duties {
		assignments := d.Assignments
		d.Assignments = nil
		for _, a := range assignments {
			a.Expression = l.expression(a.Expression)
			d.Assignments = append(d.Assignments, a)
		}
		next[i] = d
	}
	return next
}

// split makes a policy set of a policy whose rules have duties, which those of
// 2.0 have not: each such rule becomes a policy, and so do the rules between.
func (l *lowering) split(p *policies.Policy, rules []*policies.Rule) policies.Node {
	var groups [][]*policies.Rule
	duties, open := false, false
	for _, r := range rules {
		own := len(r.Obligations)+len(r.Advice) > 0
		duties = duties || own
		if own || !open {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], r)
		open = !own
	}
	if !duties {
		return p
	}
	if !strings.HasSuffix(string(p.Combining), ":first-applicable") && len(rules) > 1 {
		l.refuse(p.Position, "%q: rules of XACML 2.0 have no obligations, and only first-applicable rules can become policies of their own", p.ID)
		return p
	}
	set := &policies.PolicySet{Header: p.Header}
	set.Combining = policies.Algorithm(strings.Replace(string(policies.FirstApplicable), ":rule-", ":policy-", 1))
	children := make([]policies.Node, len(groups))
	places := policies.Places(len(groups))
	for i, group := range groups {
		child := &policies.Policy{Variables: p.Variables, Header: policies.Header{
			ID: fmt.Sprintf("%s:%d", p.ID, i+1), Version: p.Version, Place: places[i],
			Combining: policies.FirstApplicable, Position: group[0].Position, XPathVersion: p.XPathVersion,
		}}
		bare := *group[0]
		if len(group) == 1 {
			child.Obligations, child.Advice = bare.Obligations, bare.Advice
			bare.Obligations, bare.Advice = nil, nil
			group = []*policies.Rule{&bare}
		}
		child.Rules = policies.NewList(group...)
		children[i] = child
	}
	set.Children = policies.NewList(children...)
	return set
}
