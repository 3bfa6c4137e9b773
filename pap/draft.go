package pap

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// draft is a change on its way to becoming a revision: it edits the records of
// its transaction and remembers what it did and what would undo it.
type draft struct {
	records
	write   store.WriteTx
	now     time.Time
	author  change.Author
	edits   []change.Edit
	undo    []change.Edit // in the order of edits
	result  change.Result
	summary string
	file    string
	// announce makes a revision although no record differs: time went by.
	announce bool
	// lifted counts the bans that the change was asked by name to lift.
	lifted int
}

// revision is the one that holds before the change, or with ahead 1 after it.
func revision(tx store.ReadTx, ahead uint64) authz.Revision {
	return authz.Revision{Lineage: tx.Lineage().String(), Number: tx.Revision() + ahead}
}

// put sets a record and reports whether it differs from what was there.
func (d *draft) put(e change.Edit) bool {
	at := refOf(e)
	value := encode(record(e))
	old, had := d.tx.Get(at.space, at.key)
	if had && bytes.Equal(old, value) {
		return false
	}
	d.replaced(e, at, old, had)
	d.write.Put(at.space, at.key, value)
	d.index(e, true)
	d.edits = append(d.edits, e)
	return true
}

// remove removes the record that e names and reports whether there was one.
func (d *draft) remove(e change.Edit) bool {
	at := refOf(e)
	old, had := d.tx.Get(at.space, at.key)
	if !had {
		return false
	}
	d.replaced(e, at, old, had)
	d.write.Delete(at.space, at.key)
	d.edits = append(d.edits, removal(e))
	return true
}

// replaced notes how to bring back what was there, and takes it off the indexes.
func (d *draft) replaced(e change.Edit, at ref, old []byte, had bool) {
	if !had {
		d.undo = append(d.undo, removal(e))
		return
	}
	before, ok := d.decode(at, old)
	if !ok {
		return // the change fails by d.err
	}
	d.undo = append(d.undo, before)
	d.index(before, false)
}

// index keeps the order of units and the times of records.
func (d *draft) index(e change.Edit, add bool) {
	mark := func(space, key string) {
		if add {
			d.write.Put(space, key, nil)
		} else {
			d.write.Delete(space, key)
		}
	}
	if e.Unit != nil {
		mark(spaceTree, treeKey(e.Unit))
		for _, at := range source.Times(*e.Unit) {
			if !add || at.After(d.now) {
				mark(spaceTimes, timeKey(at, source.Name(e)))
			}
		}
	}
	if e.Person != nil {
		for _, key := range source.Keys(*e.Person) {
			mark(spaceLinks, linkPrefix(key)+e.Person.ID)
		}
	}
	if e.Ban != nil && !e.Ban.Until.IsZero() {
		mark(spaceTimes, timeKey(e.Ban.Until, source.Name(e)))
	}
}

// linkAll finds the persons of a store that was made before they were found by
// their identities.
func (d *draft) linkAll() {
	if _, made := d.tx.Get(spaceLinks, linksMade); made {
		return
	}
	for p := range d.Persons() {
		d.index(change.Edit{Person: &p}, true)
	}
	d.write.Put(spaceLinks, linksMade, nil)
}

// changed reports whether the draft makes a revision.
func (d *draft) changed() bool { return len(d.edits) > 0 || d.announce }

// differences is what differs in the end, one for each record.
func (d *draft) differences() []change.Difference {
	return source.Merge(differences(d.edits, d.undo))
}

// differences pairs edits with what undoes each.
func differences(edits, undo []change.Edit) []change.Difference {
	pairs := make([]change.Difference, len(edits))
	for i := range edits {
		if !undo[i].Remove {
			pairs[i].Was = &undo[i]
		}
		if !edits[i].Remove {
			pairs[i].Is = &edits[i]
		}
	}
	return pairs
}

// entry is the line of history that the draft makes.
func (d *draft) entry(message string) change.Entry {
	undo := slices.Clone(d.undo)
	slices.Reverse(undo) // the last edit is undone first
	return change.Entry{
		Revision: revision(d.tx, 1), Time: d.now, Author: d.author, Message: message,
		Summary: d.summary, Edits: d.edits, Undo: undo, File: d.file,
	}
}

// guards returns the PAPs that hold bans, and whether those are in force.
func (d *draft) guards() map[string]bool {
	guards := map[string]bool{}
	for p := range d.PAPs() {
		for range d.tx.Scan(spaceBans, p.Alias+"/", "") {
			guards[p.Alias] = p.Enabled
			break
		}
	}
	return guards
}

// guarded reports whether any ban is in force.
func (d *draft) guarded() bool {
	for _, inForce := range d.guards() {
		if inForce {
			return true
		}
	}
	return false
}

// mustPAP fails unless there is a PAP of that alias, or it is "admin" and that
// may be.
func (d *draft) mustPAP(alias string, admin bool) error { return d.records.mustPAP(alias, admin) }

func (r *records) mustPAP(alias string, admin bool) error {
	if alias == change.AdminPAP {
		if admin {
			return nil
		}
		return fmt.Errorf("the PAP %q %w to hold bans", alias, change.ErrNotAllowed)
	}
	if _, ok := r.PAP(alias); !ok {
		return fmt.Errorf("PAP %w: there is no PAP %q", change.ErrNotFound, alias)
	}
	return nil
}
