package source

import (
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// mostEdits is how many bans a PAP may bring or take by edits; beyond it a base
// costs less.
const mostEdits = 10_000

// papEdits makes the edits for PAPs that are added, removed, enabled, disabled
// or moved. It reports false if that is entangled with other differences, or too
// much: only a base will do.
func (m *maker) papEdits(scope Scope, differences []change.Difference) ([]policies.Edit, bool) {
	busy := map[string]bool{}
	for _, d := range differences {
		switch {
		case banOf(d) != nil:
			busy[banOf(d).PAP] = true
		case unitOf(d) != nil:
			busy[unitOf(d).PAP] = true
		}
	}
	var edits []policies.Edit
	for _, d := range differences {
		was, is := papsOf(d)
		if was == nil && is == nil || was.inForce() == is.inForce() && !is.inForce() {
			continue
		}
		alias := first(is, was).Alias
		if busy[alias] || m.refers(alias) {
			return nil, false
		}
		more, ok := m.papEdit(scope, was, is)
		if !ok {
			return nil, false
		}
		edits = append(edits, more...)
	}
	return edits, true
}

// papState is a PAP before or after; nil is none.
type papState change.PAP

func papsOf(d change.Difference) (was, is *papState) {
	if d.Was != nil && d.Was.PAP != nil {
		was = (*papState)(d.Was.PAP)
	}
	if d.Is != nil && d.Is.PAP != nil {
		is = (*papState)(d.Is.PAP)
	}
	return was, is
}

func first(a, b *papState) *papState {
	if a != nil {
		return a
	}
	return b
}

func (p *papState) inForce() bool { return p != nil && p.Enabled && p.Alias != change.AdminPAP }

// refers reports whether a PAP holds documents that others may refer to.
func (m *maker) refers(alias string) bool {
	for u := range m.records.Children(alias, "") {
		if isXACML(u) {
			return true
		}
	}
	return false
}

// papEdit makes the edits of one PAP, of which nothing else differs.
func (m *maker) papEdit(scope Scope, was, is *papState) ([]policies.Edit, bool) {
	var edits []policies.Edit
	if scope == Everyone {
		if was.inForce() && (!is.inForce() || is.Place != was.Place) {
			edits = append(edits, policies.RemoveItem(was.Place, policies.PAPID(was.Alias)))
		}
		if is.inForce() {
			edits = append(edits, policies.PutNode(m.set(change.PAP(*is))))
		}
	}
	if was.inForce() == is.inForce() {
		return edits, true
	}
	for b := range m.records.Bans(first(is, was).Alias) {
		if len(edits) > mostEdits {
			return nil, false
		}
		if is.inForce() {
			rule, err := m.ban(b)
			m.note(err)
			edits = append(edits, policies.PutRule(rule, policies.BansID))
		} else {
			edits = append(edits, policies.RemoveItem(b.PAP, b.ID, policies.BansID))
		}
	}
	return edits, true
}
