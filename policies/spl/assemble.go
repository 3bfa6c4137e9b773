package spl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gatehouse-authz/gatehouse/policies"
)

// Read reads a text and lowers it as Parse and Lower do, but rule by rule: of a
// million rules it has one at a time in memory, beside what becomes of them. The
// error holds everything wrong with the text, as that of Check.
func Read(name, text string, t *Table) ([]*policies.PolicySet, error) {
	into := newAssembly(name, text, version(text), t)
	p := newReader(text, policies.Position{File: name, Line: 1, Column: 1}, into.lower.version)
	p.into = into
	f := p.file(name)
	if p.report.err() == nil && into.lower.Err() == nil && len(f.Actions) == 0 {
		return into.all(), nil
	}
	return readWhole(name, text, t) // what is wrong is told in one order, whatever was read first
}

// Check reads a text and reports everything wrong with it: its form and what
// it says.
func Check(name, text string, t *Table) error {
	_, err := readWhole(name, text, t)
	return err
}

func readWhole(name, text string, t *Table) ([]*policies.PolicySet, error) {
	f, err := Parse(name, text)
	sets, wrong := Lower(f, t)
	r := &report{}
	for _, err := range []error{err, wrong} {
		var list Errors
		if errors.As(err, &list) {
			r.errors = append(r.errors, list...)
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return sets, nil
}

// Lower turns a parsed file into policy sets, one per resource, with ids and
// places made from the order. Actions outside a resource are an error.
func Lower(f *File, t *Table) ([]*policies.PolicySet, error) {
	into := newAssembly(f.Name, f.text, f.Version, t)
	for _, a := range f.Actions {
		into.lower.report.add(a.Position, "put it into a resource", "action outside a resource")
	}
	for _, r := range f.Resources {
		for _, a := range r.Actions {
			for _, rule := range a.Rules {
				into.rule(r, rule)
			}
			into.action(r, a)
		}
		into.resource(r)
	}
	return into.all(), into.lower.Err()
}

// assembly makes policy sets of resources, actions and rules that come in their
// order: each rule before its action is complete, each action before its resource.
type assembly struct {
	name  string
	lower *Lowerer
	most  int // rules there may be, which is room for their places
	sets  []*policies.PolicySet
	nodes []policies.Node
	rules policies.Builder[*policies.Rule]
	ids   string // what those of the rules begin with
	count int    // of rules
}

func newAssembly(name, text string, v Version, t *Table) *assembly {
	return &assembly{name: name, lower: NewLowerer(t, v, text, policies.Position{File: name}), most: strings.Count(text, "rule")}
}

func (a *assembly) rule(r *Resource, rule *Rule) {
	if a.count == 0 {
		a.ids = fmt.Sprintf("%s/%d/", a.id(r), len(a.nodes)+1)
	}
	lowered := a.lower.Rule(rule)
	lowered.ID = a.ids + strconv.Itoa(a.count+1)
	lowered.Place = policies.NthPlace(a.count, a.most)
	a.rules.Add(lowered)
	a.count++
}

func (a *assembly) action(r *Resource, action *Action) {
	p := a.lower.Action(action)
	p.ID, p.Rules = fmt.Sprintf("%s/%d", a.id(r), len(a.nodes)+1), a.rules.List()
	a.nodes, a.count = append(a.nodes, p), 0
}

func (a *assembly) resource(r *Resource) {
	for i, place := range policies.Places(len(a.nodes)) {
		a.nodes[i].(*policies.Policy).Place = place
	}
	s := a.lower.Resource(r)
	s.ID, s.Children = a.id(r), policies.NewList(a.nodes...)
	a.sets, a.nodes = append(a.sets, s), nil
}

// all returns the policy sets in their places.
func (a *assembly) all() []*policies.PolicySet {
	for i, place := range policies.Places(len(a.sets)) {
		a.sets[i].Place = place
	}
	return a.sets
}

func (a *assembly) id(r *Resource) string { return fmt.Sprintf("%s:%d", a.name, r.Position.Line) }
