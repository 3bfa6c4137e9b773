package pap

import (
	"iter"
	"strings"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// records reads a transaction. The first record that cannot be decoded stays in
// err; whoever uses records looks at it before trusting what came out.
type records struct {
	tx  store.ReadTx
	err error
}

var _ source.Records = (*records)(nil)

func (r *records) get(space, key string) (change.Edit, bool) {
	value, ok := r.tx.Get(space, key)
	if !ok {
		return change.Edit{}, false
	}
	return r.decode(ref{space, key}, value)
}

func (r *records) decode(at ref, value []byte) (change.Edit, bool) {
	e, err := at.stored(value)
	r.fail(err)
	return e, err == nil
}

func (r *records) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// PAPs implements source.Records.
func (r *records) PAPs() iter.Seq[change.PAP] {
	return of(r.scan(spacePAPs, ""), func(e change.Edit) change.PAP { return *e.PAP })
}

// PAP implements source.Records.
func (r *records) PAP(alias string) (change.PAP, bool) {
	if !validAlias(alias) {
		return change.PAP{}, false
	}
	e, ok := r.get(spacePAPs, alias)
	if !ok {
		return change.PAP{}, false
	}
	return *e.PAP, true
}

// Bans implements source.Records.
func (r *records) Bans(pap string) iter.Seq[change.Ban] {
	return of(r.scan(spaceBans, pap+"/"), func(e change.Edit) change.Ban { return *e.Ban })
}

// Unit implements source.Records.
func (r *records) Unit(pap, id string) (change.Unit, bool) {
	if id == "" || len(id) > maxID {
		return change.Unit{}, false
	}
	e, ok := r.get(spaceUnits, pap+"/"+id)
	if !ok {
		return change.Unit{}, false
	}
	return *e.Unit, true
}

// Children implements source.Records.
func (r *records) Children(pap, parent string) iter.Seq[change.Unit] {
	return func(yield func(change.Unit) bool) {
		for key := range r.tx.Scan(spaceTree, treePrefix(pap, parent), "") {
			id := key[strings.LastIndexByte(key, 0)+1:]
			if u, ok := r.Unit(pap, id); !ok || !yield(u) {
				return
			}
		}
	}
}

// Rows implements source.Records.
func (r *records) Rows() iter.Seq[change.Row] {
	return of(r.scan(spaceRows, ""), func(e change.Edit) change.Row { return *e.Row })
}

// Persons implements source.Records.
func (r *records) Persons() iter.Seq[change.Person] {
	return of(r.scan(spacePersons, ""), func(e change.Edit) change.Person { return *e.Person })
}

// PersonsAs implements source.Records.
func (r *records) PersonsAs(key string) iter.Seq[change.Person] {
	return func(yield func(change.Person) bool) {
		prefix := linkPrefix(key)
		for at := range r.tx.Scan(spaceLinks, prefix, "") {
			e, ok := r.get(spacePersons, at[len(prefix):])
			if !ok || !yield(*e.Person) {
				return
			}
		}
	}
}

func of[T any](edits iter.Seq[change.Edit], part func(change.Edit) T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for e := range edits {
			if !yield(part(e)) {
				return
			}
		}
	}
}

// below yields a unit's descendants, each before its own.
func (r *records) below(pap, id string) iter.Seq[change.Unit] {
	return func(yield func(change.Unit) bool) { r.walk(pap, id, yield) }
}

func (r *records) walk(pap, id string, yield func(change.Unit) bool) bool {
	for u := range r.Children(pap, id) {
		if !yield(u) || !r.walk(pap, u.ID, yield) {
			return false
		}
	}
	return true
}
