package source

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

// maker makes policies of records and collects what is wrong with them.
type maker struct {
	records     Records
	identities  map[string]profile.Identity
	designators map[string]*policies.Designator
	rows        []change.Row
	table       *spl.Table      // made when first used
	library     []policies.Node // XACML documents, which others may refer to
	known       people          // those met so far, or all
	all         bool            // known are all persons
	none        bool            // there are no persons, as far as is known
	errs        []error
}

func newMaker(r Records) *maker {
	m := &maker{records: r, identities: map[string]profile.Identity{}, designators: map[string]*policies.Designator{}}
	for _, identity := range profile.Identities() {
		m.identities[identity.Name] = identity
	}
	if m.none = r == nil; r != nil {
		m.rows = slices.Collect(r.Rows())
	}
	return m
}

// everybody has all persons known, for who will ask about many of them. A Copy
// has them at hand.
func (m *maker) everybody() {
	if c, ok := m.records.(*Copy); ok {
		m.none = len(c.persons) == 0
		return
	}
	m.known, m.all = people{}, true
	for p := range m.records.Persons() {
		m.known.add(p)
	}
	m.none = len(m.known) == 0
}

// others are the other identities of whoever has this one.
func (m *maker) others(i identity) []identity {
	if m.none || i == nil {
		return nil
	}
	if !m.all {
		m.known = people{}
		for p := range m.records.PersonsAs(i.key()) {
			m.known.add(p)
		}
	}
	return m.known.also(i)
}

func (m *maker) note(err error) {
	if err != nil {
		m.errs = append(m.errs, err)
	}
}

func (m *maker) err() error { return errors.Join(m.errs...) }

// unitKey names a unit among those of all PAPs.
type unitKey struct{ pap, id string }

// edits makes the edits for differences of bans, units and persons.
func (m *maker) edits(scope Scope, differences []change.Difference) []policies.Edit {
	differing := map[unitKey]bool{}
	for _, d := range differences {
		if u := unitOf(d); u != nil {
			differing[unitKey{u.PAP, u.ID}] = true
		}
	}
	var removals, puts []policies.Edit
	for _, d := range differences {
		switch {
		case banOf(d) != nil:
			puts = append(puts, m.banEdits(d)...)
		case unitOf(d) != nil && scope.covers(unitOf(d).PAP):
			removal, put := m.unitEdits(d, differing)
			if m.inForce(unitOf(d).PAP) { // else made only to see that it can be
				removals, puts = append(removals, removal...), append(puts, put...)
			}
		}
	}
	return slices.Concat(removals, puts, m.personEdits(differences))
}

func banOf(d change.Difference) *change.Ban {
	for _, e := range []*change.Edit{d.Is, d.Was} {
		if e != nil && e.Ban != nil {
			return e.Ban
		}
	}
	return nil
}

func unitOf(d change.Difference) *change.Unit {
	for _, e := range []*change.Edit{d.Is, d.Was} {
		if e != nil && e.Unit != nil {
			return e.Unit
		}
	}
	return nil
}

// inForce reports whether the units of a PAP are policies.
func (m *maker) inForce(alias string) bool { return alias == change.AdminPAP || m.enabled(alias) }

// enabled reports whether a PAP's bans and policies are in force for everyone.
// "admin" never is, whatever a feed says.
func (m *maker) enabled(alias string) bool {
	p, ok := m.records.PAP(alias)
	return ok && p.Enabled && alias != change.AdminPAP
}

func (m *maker) banEdits(d change.Difference) []policies.Edit {
	b := banOf(d)
	switch {
	case !m.enabled(b.PAP):
		return nil
	case d.Is == nil:
		return []policies.Edit{policies.RemoveItem(b.PAP, b.ID, policies.BansID)}
	}
	rule, err := m.ban(*b)
	m.note(err)
	return []policies.Edit{policies.PutRule(rule, policies.BansID)}
}

// unitEdits makes the edits of one unit. What stands below a unit that differs
// itself is left out: it goes, or is made anew, with that one.
func (m *maker) unitEdits(d change.Difference, differing map[unitKey]bool) (removal, put []policies.Edit) {
	var was, is *change.Unit
	if d.Was != nil {
		was = d.Was.Unit
	}
	if d.Is != nil {
		is = d.Is.Unit
	}
	if was != nil && (is == nil || is.Place != was.Place || is.Parent != was.Parent) {
		if in, ok := m.path(*was, differing); ok {
			removal = append(removal, policies.RemoveItem(was.Place, was.ID, in...))
		}
	}
	if is == nil {
		return removal, nil
	}
	in, ok := m.path(*is, differing)
	if !ok {
		return removal, nil
	}
	if is.Kind == change.KindRule {
		if rule := m.rule(*is); rule != nil {
			put = append(put, policies.PutRule(rule, in...))
		}
	} else if node := m.node(*is); node != nil {
		put = append(put, policies.PutNode(node, in...))
	}
	return removal, put
}

// path returns the ids on the way to the list that holds a unit, or false if a
// unit on the way differs itself.
func (m *maker) path(u change.Unit, differing map[unitKey]bool) ([]string, bool) {
	var in []string
	for parent := u.Parent; parent != ""; {
		if differing[unitKey{u.PAP, parent}] {
			return nil, false
		}
		above, ok := m.records.Unit(u.PAP, parent)
		if !ok {
			m.note(fmt.Errorf("unit %s/%s: its parent %s is missing", u.PAP, u.ID, parent))
			return nil, false
		}
		in = append(in, above.ID)
		parent = above.Parent
	}
	in = append(in, policies.PAPID(u.PAP))
	slices.Reverse(in)
	return in, true
}
