package pap

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// AddPAP makes a PAP behind the others; Place is ignored. It fails with
// ErrExists if there is one of that alias.
func (s *Service) AddPAP(ctx context.Context, r change.Request, p change.PAP) (change.Result, error) {
	return s.change(ctx, r, "add-pap "+p.Alias, p, func(d *draft) error {
		if err := d.freeAlias(p.Alias); err != nil {
			return err
		}
		last := ""
		for other := range d.PAPs() {
			last = max(last, other.Place)
		}
		place, err := policies.Between(last, "")
		if err != nil {
			return err
		}
		p.Place = place
		d.put(change.Edit{PAP: &p})
		d.result.IDs = []string{p.Alias}
		return nil
	})
}

func (d *draft) freeAlias(alias string) error {
	switch {
	case !validAlias(alias):
		return fmt.Errorf("%w: alias %q: want 1 to 64 letters, digits and . _ -", change.ErrInvalid, alias)
	case alias == change.AdminPAP:
		return fmt.Errorf("the alias %q %w: it is reserved", alias, change.ErrNotAllowed)
	}
	if _, ok := d.PAP(alias); ok {
		return fmt.Errorf("PAP %q %w", alias, change.ErrExists)
	}
	return nil
}

// validAlias keeps aliases out of trouble as part of keys, ids and paths.
func validAlias(alias string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return alias != "" && len(alias) <= 64 && strings.Trim(alias, letters) == "" && strings.Trim(alias, ".") != ""
}

// UpdatePAP replaces a PAP's record but for its Place.
func (s *Service) UpdatePAP(ctx context.Context, r change.Request, p change.PAP) (change.Result, error) {
	return s.change(ctx, r, "update-pap "+p.Alias, p, func(d *draft) error {
		before, ok := d.PAP(p.Alias)
		if !ok {
			return fmt.Errorf("PAP %w: there is no PAP %q", change.ErrNotFound, p.Alias)
		}
		if p.Alias == change.DefaultPAP && p.Origin != "" {
			return fmt.Errorf("to make the PAP %q a remote one %w", p.Alias, change.ErrNotAllowed)
		}
		p.Place = before.Place
		d.put(change.Edit{PAP: &p})
		d.result.IDs = []string{p.Alias}
		return nil
	})
}

// RemovePAP removes a PAP with its units and bans. "default" stays.
func (s *Service) RemovePAP(ctx context.Context, r change.Request, alias string) (change.Result, error) {
	return s.change(ctx, r, "remove-pap "+alias, alias, func(d *draft) error {
		if alias == change.DefaultPAP || alias == change.AdminPAP {
			return fmt.Errorf("to remove the PAP %q %w", alias, change.ErrNotAllowed)
		}
		p, ok := d.PAP(alias)
		if !ok {
			return fmt.Errorf("PAP %w: there is no PAP %q", change.ErrNotFound, alias)
		}
		d.empty(alias, true)
		d.remove(change.Edit{PAP: &p})
		d.result.IDs = []string{alias}
		return nil
	})
}

// empty removes the units of a PAP and, if asked to, its bans.
func (d *draft) empty(alias string, bans bool) {
	if bans {
		d.removeAll(slices.Collect(d.scan(spaceBans, alias+"/")))
	}
	d.removeAll(slices.Collect(d.scan(spaceUnits, alias+"/")))
}

// Order gives the PAPs their order. "default" comes first if it is not listed,
// others that are not listed follow in the order that they have.
func (s *Service) Order(ctx context.Context, r change.Request, aliases ...string) (change.Result, error) {
	return s.change(ctx, r, "set-paps-order "+strings.Join(aliases, " "), aliases, func(d *draft) error {
		ordered, err := reorder(sortedPAPs(&d.records), aliases)
		if err != nil {
			return err
		}
		if slices.IsSortedFunc(ordered, byPlace) {
			return nil
		}
		for i, place := range policies.Places(len(ordered)) {
			ordered[i].Place = place
			d.put(change.Edit{PAP: &ordered[i]})
		}
		return nil
	})
}

func byPlace(a, b change.PAP) int {
	return cmp.Or(strings.Compare(a.Place, b.Place), strings.Compare(a.Alias, b.Alias))
}

func reorder(paps []change.PAP, aliases []string) ([]change.PAP, error) {
	if !slices.Contains(aliases, change.DefaultPAP) {
		aliases = append([]string{change.DefaultPAP}, aliases...)
	}
	var ordered []change.PAP
	for _, alias := range aliases {
		i := slices.IndexFunc(paps, func(p change.PAP) bool { return p.Alias == alias })
		if i < 0 {
			return nil, fmt.Errorf("%w: unknown alias %q, or one that is listed twice", change.ErrNotFound, alias)
		}
		ordered = append(ordered, paps[i])
		paps = slices.Delete(paps, i, i+1)
	}
	return append(ordered, paps...), nil
}

// PAPs returns the PAPs in their order, without "admin".
func (s *Service) PAPs(ctx context.Context) ([]change.PAP, error) {
	var paps []change.PAP
	err := s.read(ctx, func(r *records) error { paps = sortedPAPs(r); return nil })
	return paps, err
}

func sortedPAPs(r *records) []change.PAP { return slices.SortedFunc(r.PAPs(), byPlace) }
