package pap

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// AddFile adds the units of a file, below what is there if At says nothing
// else. Result.IDs are those of its topmost units. A file of actions goes into
// the resource that At names.
func (s *Service) AddFile(ctx context.Context, r change.Request, pap string, f change.File, at change.At) (change.Result, error) {
	return s.change(ctx, r, "add-file "+f.Name, []any{pap, f, at}, func(d *draft) error {
		if err := d.mustPAP(pap, true); err != nil {
			return err
		}
		tops, err := cut(f)
		if err != nil {
			return err
		}
		if err := d.fits(pap, tops, at); err != nil {
			return err
		}
		if err := d.freeIDs(pap, tops); err != nil {
			return err
		}
		low, high, err := d.gap(pap, at)
		if err != nil {
			return err
		}
		d.result.IDs = d.add(pap, at.Resource, tops, spread(low, high, len(tops)))
		d.summary, d.file = fmt.Sprintf("add %s to %s", f.Name, pap), f.Text
		return nil
	})
}

// fits refuses actions without a resource, and anything else inside of one.
func (d *draft) fits(pap string, tops []piece, at change.At) error {
	for _, p := range tops {
		switch action := p.unit.Kind == change.KindAction; {
		case action && at.Resource == "":
			return fmt.Errorf("%w: %s holds actions: name the resource that they go into", change.ErrInvalid, p.unit.File)
		case !action && at.Resource != "":
			return fmt.Errorf("%w: %s holds more than actions: they alone go into a resource", change.ErrInvalid, p.unit.File)
		}
	}
	if at.Resource == "" {
		return nil
	}
	_, err := d.mustUnit(pap, at.Resource, change.KindResource)
	return err
}

// freeIDs refuses a document whose own id is taken.
func (d *draft) freeIDs(pap string, tops []piece) error {
	for _, p := range tops {
		if err := mustFit(p.unit.ID); err != nil {
			return err
		}
		if _, taken := d.Unit(pap, p.unit.ID); taken {
			return fmt.Errorf("a policy %q %w in PAP %q: replace it", p.unit.ID, change.ErrExists, pap)
		}
	}
	return nil
}

// mustUnit returns a unit, of one of the kinds if any are given.
func (d *draft) mustUnit(pap, id string, kinds ...change.Kind) (change.Unit, error) {
	u, ok := d.Unit(pap, id)
	if !ok {
		return u, fmt.Errorf("%w: there is no policy %q in PAP %q", change.ErrNotFound, id, pap)
	}
	if len(kinds) > 0 && !slices.Contains(kinds, u.Kind) {
		return u, fmt.Errorf("%w: %q is a %s, not a %s", change.ErrInvalid, id, u.Kind, kinds[0])
	}
	return u, nil
}

// gap returns the places between which new units go.
func (d *draft) gap(pap string, at change.At) (low, high string, err error) {
	pivot := at.Before
	if pivot == "" {
		pivot = at.After
	}
	var siblings []change.Unit
	for u := range d.Children(pap, at.Resource) {
		siblings = append(siblings, u)
	}
	if pivot == "" {
		if len(siblings) > 0 {
			low = siblings[len(siblings)-1].Place
		}
		return low, "", nil
	}
	return beside(siblings, pivot, at.Before == "")
}

// beside returns the places right before or behind one of the siblings.
func beside(siblings []change.Unit, pivot string, behind bool) (low, high string, err error) {
	i := slices.IndexFunc(siblings, func(u change.Unit) bool { return u.ID == pivot })
	if i < 0 {
		return "", "", fmt.Errorf("%w: there is no %q to stand beside", change.ErrNotFound, pivot)
	}
	if behind {
		i++
	}
	if i > 0 {
		low = siblings[i-1].Place
	}
	if i < len(siblings) {
		high = siblings[i].Place
	}
	return low, high, nil
}

// spread returns n places between two, by halves, so that they stay short.
func spread(low, high string, n int) []string {
	if n == 0 {
		return nil
	}
	middle, err := policies.Between(low, high)
	if err != nil { // two units of one place, which only a fault can make
		middle = low
	}
	left := spread(low, middle, (n-1)/2)
	return slices.Concat(left, []string{middle}, spread(middle, high, n-1-len(left)))
}

// add puts units with all that is below them and returns the ids of the units.
func (d *draft) add(pap, parent string, pieces []piece, places []string) []string {
	ids := make([]string, len(pieces))
	for i, p := range pieces {
		u := p.unit
		if u.ID == "" {
			u.ID = newID()
		}
		u.PAP, u.Parent, u.Place = pap, parent, places[i]
		d.put(change.Edit{Unit: &u})
		d.add(pap, u.ID, p.below, policies.Places(len(p.below)))
		ids[i] = u.ID
	}
	return ids
}

// Replace puts the one unit that a file holds in the place of the unit id, with
// everything below it, and keeps the id.
func (s *Service) Replace(ctx context.Context, r change.Request, pap, id string, f change.File) (change.Result, error) {
	return s.change(ctx, r, "update "+id, []any{pap, id, f}, func(d *draft) error {
		before, err := d.mustUnit(pap, id)
		if err != nil {
			return err
		}
		p, err := cutOne(f, before)
		if err != nil {
			return err
		}
		if p.unit.ID != "" && p.unit.ID != id {
			return fmt.Errorf("%w: %s holds the policy %q, not %q", change.ErrInvalid, f.Name, p.unit.ID, id)
		}
		d.removeBelow(before)
		p.unit.ID = id
		d.result.IDs = d.add(pap, before.Parent, []piece{p}, []string{before.Place})
		d.file = f.Text
		return nil
	})
}

// Move puts a unit before or behind another of its kind, with all that is below
// it.
func (s *Service) Move(ctx context.Context, r change.Request, pap, id, pivot string, after bool) (change.Result, error) {
	return s.change(ctx, r, "move "+id, []any{pap, id, pivot, after}, func(d *draft) error {
		u, err := d.mustUnit(pap, id)
		if err != nil {
			return err
		}
		beside, err := d.mustUnit(pap, pivot, siblingKinds(u.Kind)...)
		if err != nil {
			return err
		}
		d.result.IDs = []string{id}
		if id == pivot {
			return nil
		}
		return d.move(u, beside, after)
	})
}

func siblingKinds(k change.Kind) []change.Kind {
	if k == change.KindResource || k == change.KindDocument {
		return []change.Kind{change.KindResource, change.KindDocument}
	}
	return []change.Kind{k}
}

func (d *draft) move(u, pivot change.Unit, after bool) error {
	var others []change.Unit
	at := -1 // where u is among the others
	for sibling := range d.Children(u.PAP, pivot.Parent) {
		if sibling.ID == u.ID {
			at = len(others)
			continue
		}
		others = append(others, sibling)
	}
	goal := slices.IndexFunc(others, func(o change.Unit) bool { return o.ID == pivot.ID })
	if after {
		goal++
	}
	if goal == at {
		return nil // it is there
	}
	low, high, err := beside(others, pivot.ID, after)
	if err != nil {
		return err
	}
	if u.Place, err = policies.Between(low, high); err != nil {
		return err
	}
	u.Parent = pivot.Parent
	d.put(change.Edit{Unit: &u})
	return nil
}

// Remove removes units with everything below them.
func (s *Service) Remove(ctx context.Context, r change.Request, pap string, ids ...string) (change.Result, error) {
	return s.change(ctx, r, fmt.Sprintf("remove %s from %s", counted(len(ids), "policy", "policies"), pap), []any{pap, ids}, func(d *draft) error {
		for _, id := range ids {
			u, err := d.mustUnit(pap, id)
			if err != nil {
				return err
			}
			d.removeBelow(u)
			d.remove(change.Edit{Unit: &u})
		}
		d.result.IDs = ids
		return nil
	})
}

func (d *draft) removeBelow(u change.Unit) {
	for _, child := range slices.Collect(d.below(u.PAP, u.ID)) {
		d.remove(change.Edit{Unit: &child})
	}
}

// RemoveAll removes every unit of a PAP, and its bans only if asked to.
func (s *Service) RemoveAll(ctx context.Context, r change.Request, pap string, bans bool) (change.Result, error) {
	return s.change(ctx, r, "remove-all-policies of "+pap, []any{pap, bans}, func(d *draft) error {
		if err := d.mustPAP(pap, !bans); err != nil {
			return err
		}
		d.empty(pap, bans)
		return nil
	})
}

// Units returns the units of a PAP in the order in which they would be written.
func (s *Service) Units(ctx context.Context, pap string) ([]change.Unit, error) {
	var units []change.Unit
	err := s.read(ctx, func(r *records) error {
		if err := r.mustPAP(pap, true); err != nil {
			return err
		}
		units = slices.Collect(r.below(pap, ""))
		return nil
	})
	return units, err
}
