package source

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// Copy is a follower's copy of the records. The zero Copy is empty; it is not
// safe for concurrent use.
type Copy struct {
	revision authz.Revision
	paps     map[string]change.PAP
	bans     policies.List[*folded]
	folder   folder
	units    map[unitKey]change.Unit
	below    map[unitKey]map[string]bool // ids of the children of a unit, by parent
	rows     map[string]change.Row
	persons  map[string]change.Person
	linked   map[string]map[string]bool // ids of persons, by their Keys
}

var _ Records = (*Copy)(nil)

// Revision is where the copy stands; zero before the first Apply.
func (c *Copy) Revision() authz.Revision { return c.revision }

// Apply brings the copy to the revision set.To and returns the update that this
// is for the policies. A set that does not follow on the copy is refused, and
// one from which no policy can be made leaves an error and the copy at the new
// revision: ask for a whole set.
func (c *Copy) Apply(set change.Set) (policies.Update, error) {
	if !set.Whole && set.From != c.revision {
		return policies.Update{}, fmt.Errorf("set from revision %s does not follow on %s", set.From, c.revision)
	}
	from := c.revision
	if set.Whole {
		*c = Copy{}
	}
	var differences []change.Difference
	var bans policies.Builder[*folded]
	for _, e := range set.Edits {
		if set.Whole && e.Ban != nil && !e.Remove { // a million are not put one by one
			bans.Add(c.folder.fold(e.Ban))
			continue
		}
		d := c.edit(e)
		if !set.Whole {
			differences = append(differences, d)
		}
	}
	c.revision = set.To
	if set.Whole {
		c.bans = bans.List()
		base, err := Snapshot(c, Everyone, set.To)
		return policies.Update{From: from, To: set.To, Base: base}, err
	}
	return Update(c, Everyone, from, set.To, Merge(differences))
}

// Whole returns everything as one set: what a follower keeps on its disk.
func (c *Copy) Whole() change.Set {
	set := change.Set{To: c.revision, Whole: true}
	for p := range c.PAPs() {
		set.Edits = append(set.Edits, change.Edit{PAP: &p})
		for b := range c.Bans(p.Alias) {
			set.Edits = append(set.Edits, change.Edit{Ban: &b})
		}
	}
	for _, row := range sorted(c.rows) {
		set.Edits = append(set.Edits, change.Edit{Row: &row})
	}
	for _, person := range sorted(c.persons) {
		set.Edits = append(set.Edits, change.Edit{Person: &person})
	}
	for _, key := range slices.SortedFunc(maps.Keys(c.units), func(a, b unitKey) int {
		return strings.Compare(a.pap+"/"+a.id, b.pap+"/"+b.id)
	}) {
		u := c.units[key]
		set.Edits = append(set.Edits, change.Edit{Unit: &u})
	}
	return set
}

func sorted[T any](m map[string]T) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

// edit makes one edit and returns what differs by it.
func (c *Copy) edit(e change.Edit) change.Difference {
	d := change.Difference{Was: c.find(e)}
	if !e.Remove {
		d.Is = &e
	}
	switch {
	case e.PAP != nil:
		set(&c.paps, e.PAP.Alias, *e.PAP, e.Remove)
	case e.Ban != nil:
		if e.Remove {
			c.bans, _ = c.bans.Remove(e.Ban.PAP, e.Ban.ID)
		} else {
			c.bans = c.bans.Put(c.folder.fold(e.Ban))
		}
	case e.Row != nil:
		set(&c.rows, e.Row.Name, *e.Row, e.Remove)
	case e.Person != nil:
		c.editPerson(d)
	case e.Unit != nil:
		c.editUnit(d, unitKey{e.Unit.PAP, e.Unit.ID})
	}
	return d
}

func (c *Copy) editPerson(d change.Difference) {
	if d.Was != nil {
		for _, key := range Keys(*d.Was.Person) {
			if delete(c.linked[key], d.Was.Person.ID); len(c.linked[key]) == 0 {
				delete(c.linked, key)
			}
		}
		delete(c.persons, d.Was.Person.ID)
	}
	if d.Is == nil {
		return
	}
	set(&c.persons, d.Is.Person.ID, *d.Is.Person, false)
	for _, key := range Keys(*d.Is.Person) {
		ids := c.linked[key]
		set(&ids, d.Is.Person.ID, true, false)
		set(&c.linked, key, ids, false)
	}
}

func (c *Copy) editUnit(d change.Difference, key unitKey) {
	if d.Was != nil {
		delete(c.below[unitKey{key.pap, d.Was.Unit.Parent}], key.id)
		delete(c.units, key)
	}
	if d.Is == nil {
		return
	}
	set(&c.units, key, *d.Is.Unit, false)
	parent := unitKey{key.pap, d.Is.Unit.Parent}
	siblings := c.below[parent]
	set(&siblings, key.id, true, false)
	set(&c.below, parent, siblings, false)
}

// find returns the record that an edit is about, as it is.
func (c *Copy) find(e change.Edit) *change.Edit {
	switch {
	case e.PAP != nil:
		if p, ok := c.paps[e.PAP.Alias]; ok {
			return &change.Edit{PAP: &p}
		}
	case e.Ban != nil:
		if b, ok := c.bans.Get(e.Ban.PAP, e.Ban.ID); ok {
			return &change.Edit{Ban: b.ban()}
		}
	case e.Row != nil:
		if r, ok := c.rows[e.Row.Name]; ok {
			return &change.Edit{Row: &r}
		}
	case e.Person != nil:
		if p, ok := c.persons[e.Person.ID]; ok {
			return &change.Edit{Person: &p}
		}
	case e.Unit != nil:
		if u, ok := c.units[unitKey{e.Unit.PAP, e.Unit.ID}]; ok {
			return &change.Edit{Unit: &u}
		}
	}
	return nil
}

func set[K comparable, V any](m *map[K]V, key K, value V, remove bool) {
	switch {
	case remove:
		delete(*m, key)
	case *m == nil:
		*m = map[K]V{key: value}
	default:
		(*m)[key] = value
	}
}

// PAPs implements Records.
func (c *Copy) PAPs() iter.Seq[change.PAP] { return maps.Values(c.paps) }

// PAP implements Records.
func (c *Copy) PAP(alias string) (change.PAP, bool) { p, ok := c.paps[alias]; return p, ok }

// Bans implements Records.
func (c *Copy) Bans(pap string) iter.Seq[change.Ban] {
	return func(yield func(change.Ban) bool) {
		for b := range c.bans.All() {
			if b.like.PAP == pap && !yield(*b.ban()) {
				return
			}
		}
	}
}

// Rows implements Records.
func (c *Copy) Rows() iter.Seq[change.Row] { return maps.Values(c.rows) }

// Persons implements Records.
func (c *Copy) Persons() iter.Seq[change.Person] { return maps.Values(c.persons) }

// PersonsAs implements Records.
func (c *Copy) PersonsAs(key string) iter.Seq[change.Person] {
	return func(yield func(change.Person) bool) {
		for id := range c.linked[key] {
			if !yield(c.persons[id]) {
				return
			}
		}
	}
}

// Unit implements Records.
func (c *Copy) Unit(pap, id string) (change.Unit, bool) {
	u, ok := c.units[unitKey{pap, id}]
	return u, ok
}

// Children implements Records.
func (c *Copy) Children(pap, parent string) iter.Seq[change.Unit] {
	var children []change.Unit
	for id := range c.below[unitKey{pap, parent}] {
		children = append(children, c.units[unitKey{pap, id}])
	}
	slices.SortFunc(children, func(a, b change.Unit) int {
		return strings.Compare(a.Place+"\x00"+a.ID, b.Place+"\x00"+b.ID)
	})
	return slices.Values(children)
}
