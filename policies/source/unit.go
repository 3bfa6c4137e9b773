package source

import (
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

// node makes what a unit that is not a rule stands for, with everything below
// it; nil if it cannot be made.
func (m *maker) node(u change.Unit) policies.Node {
	switch {
	case u.Kind == change.KindResource && isSPL(u):
		return m.resource(u)
	case u.Kind == change.KindAction && isSPL(u):
		return m.action(u)
	case u.Kind == change.KindDocument && u.Format == change.Rego:
		return &policies.Foreign{ID: u.ID, Place: u.Place, Format: string(u.Format), Text: u.Text, Position: position(u)}
	case isXACML(u):
		return m.document(u)
	}
	m.note(fmt.Errorf("%s: a %s in %s cannot be read here", position(u), u.Kind, u.Format))
	return nil
}

// document makes the policy of an XACML document, which keeps its own id.
func (m *maker) document(u change.Unit) policies.Node {
	node, err := xacml.Parse(position(u).File, []byte(u.Text))
	if err != nil {
		m.note(err)
		return nil
	}
	switch n := node.(type) {
	case *policies.PolicySet:
		n.Place = u.Place
	case *policies.Policy:
		n.Place = u.Place
	}
	if place, id := node.Where(); place != u.Place || id != u.ID {
		m.note(fmt.Errorf("%s: the document holds %q and is kept as %q", position(u), id, u.ID))
		return nil
	}
	m.library = append(m.library, node)
	return node
}

func (m *maker) resource(u change.Unit) policies.Node {
	r, err := spl.ParseResource(u.Text, version(u), position(u))
	if err != nil {
		m.note(err)
		return nil
	}
	l := m.lowerer(u)
	set := l.Resource(r)
	m.note(l.Err())
	set.ID, set.Place = u.ID, u.Place
	var children []policies.Node
	for child := range m.records.Children(u.PAP, u.ID) {
		if node := m.node(child); node != nil {
			children = append(children, node)
		}
	}
	set.Children = policies.NewList(children...)
	return set
}

func (m *maker) action(u change.Unit) policies.Node {
	a, err := spl.ParseAction(u.Text, version(u), position(u))
	if err != nil {
		m.note(err)
		return nil
	}
	l := m.lowerer(u)
	policy := l.Action(a)
	m.note(l.Err())
	policy.ID, policy.Place = u.ID, u.Place
	var rules []*policies.Rule
	for child := range m.records.Children(u.PAP, u.ID) {
		if rule := m.rule(child); rule != nil {
			rules = append(rules, rule)
		}
	}
	policy.Rules = policies.NewList(rules...)
	return policy
}

func (m *maker) rule(u change.Unit) *policies.Rule {
	if u.Kind != change.KindRule || !isSPL(u) {
		m.note(fmt.Errorf("%s: a %s in %s cannot stand among the rules of an action", position(u), u.Kind, u.Format))
		return nil
	}
	r, err := spl.ParseRule(u.Text, version(u), position(u))
	if err != nil {
		m.note(err)
		return nil
	}
	l := m.lowerer(u)
	rule := l.Rule(r)
	m.note(l.Err())
	rule.ID, rule.Place = u.ID, u.Place
	return rule
}

func (m *maker) lowerer(u change.Unit) *spl.Lowerer {
	if m.table == nil {
		m.table = m.newTable()
	}
	return spl.NewLowerer(m.table, version(u), u.Text, position(u))
}

// newTable is the table of SPL's names with the site's own.
func (m *maker) newTable() *spl.Table {
	site := make([]profile.Attribute, len(m.rows))
	for i, row := range m.rows {
		site[i] = profile.Attribute{Name: row.Name, ID: row.ID, Category: row.Category, Type: row.Type, Match: row.Match}
	}
	table, err := spl.NewTable(site...)
	if err != nil {
		m.note(err)
		table, _ = spl.NewTable() // so that nothing else seems wrong
	}
	return table
}

// Times returns the moments at which a rule begins and ceases to hold; none for
// what has no such bounds or cannot be read.
func Times(u change.Unit) []time.Time {
	if u.Kind != change.KindRule || u.Format != change.SPLTwo {
		return nil
	}
	r, err := spl.ParseRule(u.Text, version(u), position(u))
	if err != nil || r.From == nil && r.Until == nil {
		return nil
	}
	rule := newMaker(nil).lowerer(u).Rule(r)
	var times []time.Time
	for _, t := range []time.Time{rule.From, rule.Until} {
		if !t.IsZero() {
			times = append(times, t)
		}
	}
	return times
}

func isXACML(u change.Unit) bool {
	return u.Kind == change.KindDocument && (u.Format == change.XACMLTwo || u.Format == change.XACMLThree)
}

func isSPL(u change.Unit) bool { return u.Format == change.SPL || u.Format == change.SPLTwo }

func version(u change.Unit) spl.Version {
	if u.Format == change.SPLTwo {
		return spl.Two
	}
	return spl.One
}
