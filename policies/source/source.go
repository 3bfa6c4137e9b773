// Package source makes policies from the records of administration: a snapshot
// from all of them, or the few edits that lead from one state to the next.
//
// It is the one place where text becomes policy. The administration point uses
// it over its store, a follower on another machine over its [Copy]; both get the
// same tree from the same records.
//
// Bans and the PAP of a unit decide where a thing goes, its place where among
// its siblings (DECISIONS 10):
//
//	root            first-applicable
//	  bans          deny-overrides: the bans of every enabled PAP
//	  pap:<alias>   first-applicable: the PAPs in their order
//	    <resource>  SPL: one policy set per resource
//	      <action>  one policy per action, of rules
//	    <document>  or a document of another language, XACML under the id it
//	                gives itself, by which the others of its scope may refer to it
//
// The PAP "admin" is left out, except from a snapshot made with Admin, which has
// the bans and that PAP alone.
//
// A ban follows the links of persons (DECISIONS 14): its rule refuses every
// identity of whom it names.
package source

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// Records are all the records that hold at one revision.
type Records interface {
	// PAPs yields every PAP but "admin", in any order.
	PAPs() iter.Seq[change.PAP]
	// PAP returns one of them.
	PAP(alias string) (change.PAP, bool)
	// Bans yields the bans of a PAP in any order.
	Bans(pap string) iter.Seq[change.Ban]
	// Unit returns one unit.
	Unit(pap, id string) (change.Unit, bool)
	// Children yields the units below parent, "" for the topmost, in the order
	// of their places and ids.
	Children(pap, parent string) iter.Seq[change.Unit]
	// Rows yields the attribute names of the site's own.
	Rows() iter.Seq[change.Row]
	// Persons yields the persons in any order.
	Persons() iter.Seq[change.Person]
	// PersonsAs yields the persons of whose Keys one is the given.
	PersonsAs(key string) iter.Seq[change.Person]
}

// Scope picks the policies that are made.
type Scope int

// The scopes.
const (
	Everyone Scope = iota // the bans, and every enabled PAP but "admin"
	Admin                 // the bans, and the PAP "admin"
)

// covers reports whether the units of a PAP are in the scope.
func (s Scope) covers(alias string) bool { return (alias == change.AdminPAP) == (s == Admin) }

// Snapshot makes all policies of a scope. It returns every error of every unit,
// joined.
func Snapshot(r Records, scope Scope, at authz.Revision) (*policies.Snapshot, error) {
	bans, err := Bans(r)
	s, wrong := Around(bans, r, scope, at)
	if err != nil {
		return nil, errors.Join(err, wrong)
	}
	return s, wrong
}

// Bans makes the rules of all bans in force, which every scope has.
func Bans(r Records) (policies.List[*policies.Rule], error) {
	m := newMaker(r)
	m.everybody()
	var bans policies.Builder[*policies.Rule]
	room := &banned{}
	for p := range r.PAPs() {
		if !p.Enabled || p.Alias == change.AdminPAP {
			continue
		}
		for b := range r.Bans(p.Alias) {
			rule, err := m.banIn(room, b)
			m.note(err)
			if bans.Add(rule) { // else its memory serves for the next
				room = &banned{}
			}
		}
	}
	return bans.List(), m.err()
}

// Around makes the policies of a scope around bans that are made already.
func Around(bans policies.List[*policies.Rule], r Records, scope Scope, at authz.Revision) (*policies.Snapshot, error) {
	m := newMaker(r)
	var sets []policies.Node
	if scope == Admin {
		sets = append(sets, m.set(change.PAP{Alias: change.AdminPAP, Place: "1"}))
	} else {
		for p := range r.PAPs() {
			if p.Enabled && p.Alias != change.AdminPAP {
				sets = append(sets, m.set(p))
			}
		}
	}
	if err := m.err(); err != nil {
		return nil, err
	}
	return &policies.Snapshot{Revision: at, Root: policies.NewRoot(bans, sets...), Library: m.library}, nil
}

// Update makes the update of a scope that the differences amount to, where after are
// the records as they are with them: edits, maybe none, or a base when a row, an
// XACML document, or more of a PAP than can be told by edits differs.
func Update(after Records, scope Scope, from, to authz.Revision, differences []change.Difference) (policies.Update, error) {
	u := policies.Update{From: from, To: to}
	m := newMaker(after)
	paps, simple := m.papEdits(scope, differences)
	if !simple || structural(differences) || from.Number == 0 { // there is nothing to edit yet
		base, err := Snapshot(after, scope, to)
		u.Base = base
		return u, err
	}
	u.Edits = slices.Concat(paps, m.edits(scope, differences))
	if err := m.err(); err != nil {
		return policies.Update{}, err
	}
	return u, nil
}

// structural reports whether something differs on which the rest depends.
func structural(differences []change.Difference) bool {
	for _, d := range differences {
		for _, e := range []*change.Edit{d.Was, d.Is} {
			if e != nil && (e.Row != nil || e.Unit != nil && isXACML(*e.Unit)) {
				return true
			}
		}
	}
	return false
}

// set makes the policy set of a PAP.
func (m *maker) set(p change.PAP) *policies.PolicySet {
	var nodes []policies.Node
	for u := range m.records.Children(p.Alias, "") {
		if node := m.node(u); node != nil {
			nodes = append(nodes, node)
		}
	}
	return &policies.PolicySet{
		Header: policies.Header{
			ID: policies.PAPID(p.Alias), Version: "1.0", Place: p.Place,
			Combining: policies.FirstApplicable, PAP: p.Alias, Private: !p.Public,
		},
		Children: policies.NewList(nodes...),
	}
}

// position is where a unit was written.
func position(u change.Unit) policies.Position {
	file := u.File
	if file == "" {
		file = fmt.Sprintf("%s/%s", u.PAP, u.ID)
	}
	return policies.Position{File: file, Line: max(u.Line, 1), Column: max(u.Column, 1)}
}
