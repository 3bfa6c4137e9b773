package account

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Gives returns nil if the mapping could give somebody this account as it is
// described: named by the account map, a rule for tokens, a community or as
// shared, or an account of a pool, with the number that the directory has now, and in no group but its own and those of
// the group map. ErrForbidden or ErrUnknown say no; any other error says that
// nobody knows. It cannot tell for whom the account is meant.
func (m *Mapper) Gives(ctx context.Context, a authz.Account) error {
	m.refresh(ctx)
	maps := m.maps.Load()
	if !m.names(maps, a.Name) && m.inNoPool(a.Name) == nil {
		return fmt.Errorf("%w: account %s: neither the account map nor a rule for tokens nor a community names it, it is not shared and in no pool", ErrForbidden, a.Name)
	}
	known, err := m.directory.User(ctx, a.Name)
	if err != nil {
		return err
	}
	if known.UID != a.UID {
		return fmt.Errorf("%w: account %s: uid %d, but the directory says %d", ErrForbidden, a.Name, a.UID, known.UID)
	}
	own := append([]authz.Group{known.Group}, known.Groups...)
	for _, g := range append([]authz.Group{a.Group}, a.Groups...) {
		if slices.Contains(own, g) {
			continue
		}
		if !mapped(maps.groups, g.Name) {
			return fmt.Errorf("%w: account %s: group %s is neither its own nor in the group map", ErrForbidden, a.Name, g.Name)
		}
		if found, err := m.directory.Group(ctx, g.Name); err != nil {
			return err
		} else if found != g {
			return fmt.Errorf("%w: account %s: group %s has the number %d, but the directory says %d", ErrForbidden, a.Name, g.Name, g.GID, found.GID)
		}
	}
	return nil
}

func (m *Mapper) names(maps *mapFiles, name string) bool {
	for i := range maps.accounts.entries {
		if maps.accounts.entries[i].Values[0] == name {
			return true
		}
	}
	for _, community := range m.config.Community {
		if community == name {
			return true
		}
	}
	for _, rule := range m.config.Tokens {
		if rule.Account == name {
			return true
		}
	}
	return m.shared(name)
}

func mapped(groups *index, name string) bool {
	for i := range groups.entries {
		if slices.Contains(groups.entries[i].Values, name) {
			return true
		}
	}
	return false
}
