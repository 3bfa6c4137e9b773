package pap

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"

	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// entries yields the history between two revisions, newest first if from is the
// higher one.
func (r *records) entries(from, to uint64) iter.Seq[change.Entry] {
	return func(yield func(change.Entry) bool) {
		for number, value := range r.tx.Journal(from, to) {
			var e change.Entry
			if err := json.Unmarshal(value, &e); err != nil {
				if r.err == nil {
					r.err = fmt.Errorf("history, revision %d: %w", number, err)
				}
				return
			}
			if !yield(e) {
				return
			}
		}
	}
}

// History returns entries of the journal, newest first.
func (s *Service) History(ctx context.Context, q change.Query) ([]change.Entry, error) {
	if q.Limit <= 0 {
		q.Limit = 100
	}
	var found []change.Entry
	err := s.read(ctx, func(r *records) error {
		found = nil
		newest := r.tx.Revision()
		if q.Before > 0 {
			newest = min(newest, q.Before-1)
		}
		if newest == 0 {
			return nil
		}
		for e := range r.entries(newest, 0) {
			if e, ok := about(e, q.PAP); ok {
				found = append(found, e)
			}
			if len(found) == q.Limit {
				break
			}
		}
		return nil
	})
	return found, err
}

// about narrows an entry to what it changes in one PAP, or for "" in all but
// "admin", and reports whether it changes anything there. The whole file goes
// with the edits.
func about(e change.Entry, alias string) (change.Entry, bool) {
	keep := func(edit change.Edit) bool { return concerns(edit, alias) }
	edits, undo := filter(e.Edits, keep), filter(e.Undo, keep)
	switch {
	case len(edits) > 0:
		e.Edits, e.Undo = edits, undo
		return e, true
	case len(e.Edits) == 0 && alias != change.AdminPAP:
		return e, true // time went by
	}
	return e, false
}

func filter(edits []change.Edit, keep func(change.Edit) bool) []change.Edit {
	return slices.DeleteFunc(slices.Clone(edits), func(e change.Edit) bool { return !keep(e) })
}

// concerns reports whether an edit is one of a PAP, or for "" of any but "admin".
func concerns(e change.Edit, alias string) bool {
	of := papOf(e)
	if alias == "" {
		return of != change.AdminPAP
	}
	return of == alias
}

// papOf is the PAP that a record belongs to; persons and rows belong to none.
func papOf(e change.Edit) string {
	switch {
	case e.PAP != nil:
		return e.PAP.Alias
	case e.Ban != nil:
		return e.Ban.PAP
	case e.Unit != nil:
		return e.Unit.PAP
	}
	return ""
}

// between returns what differs between two revisions, one for each record.
func (r *records) between(from, to uint64) ([]change.Difference, error) {
	for _, n := range []uint64{from, to} {
		if n > r.tx.Revision() {
			return nil, fmt.Errorf("revision %d %w: the last is %d", n, change.ErrNotFound, r.tx.Revision())
		}
	}
	var all []change.Difference
	for e := range r.entries(min(from, to)+1, max(from, to)) {
		if from == to {
			break
		}
		undo := slices.Clone(e.Undo)
		slices.Reverse(undo)
		if len(undo) != len(e.Edits) {
			return nil, fmt.Errorf("history, revision %s: %d edits and %d to undo them", e.Revision, len(e.Edits), len(undo))
		}
		all = append(all, differences(e.Edits, undo)...)
	}
	merged := source.Merge(all)
	if from > to {
		for i, d := range merged {
			merged[i] = change.Difference{Was: d.Is, Is: d.Was}
		}
	}
	return merged, r.err
}

// Diff returns what differs between two revisions, without the PAP "admin".
func (s *Service) Diff(ctx context.Context, from, to uint64) ([]change.Difference, error) {
	var differing []change.Difference
	err := s.read(ctx, func(r *records) (err error) {
		differing, err = r.between(from, to)
		return err
	})
	return slices.DeleteFunc(differing, func(d change.Difference) bool { return papOf(subject(d)) == change.AdminPAP }), err
}

// subject is the record that a difference is about.
func subject(d change.Difference) change.Edit {
	if d.Is != nil {
		return *d.Is
	}
	return *d.Was
}

// Rollback makes a new revision in which the units, PAPs, persons and rows of
// an older one hold again. See change.Restore for bans and the PAP "admin".
func (s *Service) Rollback(ctx context.Context, r change.Request, restore change.Restore) (change.Result, error) {
	operation := fmt.Sprintf("rollback to %d", restore.To)
	return s.change(ctx, r, operation, restore, func(d *draft) error {
		if restore.To == 0 {
			return fmt.Errorf("%w: before revision 1 there was nothing", change.ErrInvalid)
		}
		differing, err := d.between(d.tx.Revision(), restore.To)
		if err != nil {
			return err
		}
		before := d.guards()
		for _, difference := range differing {
			if d.restores(restore, subject(difference)) {
				d.restore(difference)
			}
		}
		return d.keepGuards(before, restore)
	})
}

// restores reports whether a rollback touches the record of an edit.
func (d *draft) restores(restore change.Restore, e change.Edit) bool {
	if admin := papOf(e) == change.AdminPAP; admin || restore.Admin {
		return admin && restore.Admin
	}
	return e.Ban == nil || restore.Bans
}

func (d *draft) restore(difference change.Difference) {
	switch is := difference.Is; {
	case is == nil:
		d.remove(*difference.Was)
	case is.Ban == nil || is.Ban.Until.IsZero() || is.Ban.Until.After(d.now):
		d.put(*is)
	}
}

// keepGuards refuses a rollback that keeps bans but not the PAP that gives them
// force.
func (d *draft) keepGuards(before map[string]bool, restore change.Restore) error {
	if restore.Bans {
		return nil // they go back as well, and finish looks at the whole
	}
	for alias, inForce := range before {
		if p, ok := d.PAP(alias); !ok || inForce && !p.Enabled {
			return fmt.Errorf("%w: at revision %d the PAP %q, which holds bans now, was not there or disabled: lift or move them, or roll the bans back as well",
				change.ErrNotAllowed, restore.To, alias)
		}
	}
	return nil
}
