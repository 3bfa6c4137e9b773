package account

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// errNotShared is wrapped when several people would run as one account that
// the configuration does not list as shared.
var errNotShared = fmt.Errorf("%w: several people would run as this account, which is not listed as shared", ErrForbidden)

func (m *Mapper) shared(name string) bool {
	return slices.Contains(m.config.Shared, name) || slices.Contains(m.config.Shared, "*")
}

func (m *Mapper) checkShared(name string) error {
	if !m.shared(name) {
		return fmt.Errorf("account %s: %w", name, errNotShared)
	}
	return nil
}

// check looks at every account and group that the map files name.
func (m *Mapper) check(ctx context.Context, next *mapFiles) error {
	var problems []error
	owners := map[string]authz.DN{}
	uids, err := m.namedElsewhere(ctx)
	if err != nil {
		return err
	}
	next.uids = uids
	for _, e := range next.accounts.entries {
		if err := m.checkAccount(ctx, &e, owners, uids); err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", m.config.AccountMap, e.Line, err))
		}
		m.warnUnusable(m.config.AccountMap, &e)
	}
	seen := map[string]bool{}
	for _, e := range next.groups.entries {
		m.warnUnusable(m.config.GroupMap, &e)
		for _, name := range e.Values {
			if seen[name] {
				continue
			}
			seen[name] = true
			if _, err := m.directory.Group(ctx, name); errors.Is(err, ErrUnknown) {
				m.config.Log.Warn("a group to map to does not exist", "file", m.config.GroupMap, "line", e.Line, "group", name)
			} else if err != nil {
				problems = append(problems, fmt.Errorf("%s:%d: %w", m.config.GroupMap, e.Line, err))
			}
		}
	}
	return errors.Join(problems...)
}

// namedElsewhere are the numbers of the accounts that something else than the
// account map names, and of those that are shared. One number under two names
// is an error unless both are shared.
func (m *Mapper) namedElsewhere(ctx context.Context) (map[uint32]string, error) {
	uids := map[uint32]string{}
	names := slices.Concat(m.config.Shared, slices.Collect(maps.Values(m.config.Community)))
	for _, rule := range m.config.Tokens {
		names = append(names, rule.Account)
	}
	for _, name := range names {
		if name == "*" || strings.HasPrefix(name, ".") {
			continue
		}
		a, err := m.directory.User(ctx, name)
		switch {
		case errors.Is(err, ErrUnknown) || errors.Is(err, ErrForbidden):
			continue
		case err == nil:
			err = m.checkUID(uids, &a)
		}
		if err != nil {
			return nil, err
		}
		uids[a.UID] = name
	}
	return uids, nil
}

// checkUID refuses an account whose number another name has, too.
func (m *Mapper) checkUID(uids map[uint32]string, a *authz.Account) error {
	other, ok := uids[a.UID]
	if !ok || other == a.Name || m.shared(other) && m.shared(a.Name) {
		return nil
	}
	return fmt.Errorf("accounts %s and %s have the same uid %d: %w", other, a.Name, a.UID, errNotShared)
}

// aloneWith is checkUID at use: accounts come, and change their numbers, after the
// map files were read.
func (m *Mapper) aloneWith(ctx context.Context, a *authz.Account) error {
	uids := m.maps.Load().uids
	refusal := m.checkUID(uids, a)
	if refusal == nil {
		return nil
	}
	other, err := m.directory.User(ctx, uids[a.UID])
	if errors.Is(err, ErrUnknown) || err == nil && other.UID != a.UID {
		return nil // it has the number no longer
	}
	return refusal
}

func (m *Mapper) warnUnusable(path string, e *Entry) {
	if !e.usable() {
		m.config.Log.Warn("a line of the account maps can match nobody", "file", path, "line", e.Line, "key", e.Key)
	}
}

// checkAccount also keeps two people from one uid, under one name or two.
func (m *Mapper) checkAccount(ctx context.Context, e *Entry, owners map[string]authz.DN, uids map[uint32]string) error {
	name := e.Values[0]
	if strings.HasPrefix(name, ".") {
		return m.checkPool(name)
	}
	a, err := m.checkStatic(ctx, name)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	known := err == nil
	if !m.shared(name) {
		if err := m.checkAlone(e, name, owners); err != nil {
			return err
		}
		if other, ok := uids[a.UID]; known && ok && other != name {
			return fmt.Errorf("accounts %s and %s have the same uid %d: %w", other, name, a.UID, errNotShared)
		}
	}
	if known {
		uids[a.UID] = name
	}
	return nil
}

// checkAlone makes sure that an account that is not shared is one person's.
func (m *Mapper) checkAlone(e *Entry, name string, owners map[string]authz.DN) error {
	if e.IsFQAN() || slices.ContainsFunc(m.config.Tokens, func(t TokenRule) bool { return t.Account == name }) {
		return m.checkShared(name)
	}
	if owner, ok := owners[name]; ok && !owner.Equal(e.name) {
		return m.checkShared(name)
	}
	owners[name] = e.name
	return nil
}

// checkStatic looks up an account that is named as such. ErrUnknown is logged:
// it may exist later. One that a pool can give to somebody is an error.
func (m *Mapper) checkStatic(ctx context.Context, name string) (authz.Account, error) {
	if err := m.inNoPool(name); err != nil {
		return authz.Account{}, err
	}
	a, err := m.directory.User(ctx, name)
	if errors.Is(err, ErrUnknown) {
		m.config.Log.Warn("an account to map to does not exist", "account", name)
	}
	return a, err
}

func (m *Mapper) inNoPool(name string) error {
	if m.config.Roster == nil {
		return nil
	}
	if of, ok := m.config.Roster.PoolOf(name); ok {
		return fmt.Errorf("%w: %s is an account of pool %s, which can give it to somebody else", ErrForbidden, name, of)
	}
	return nil
}

// checkPool checks the name of a pool, ".cms". One that is not configured is
// logged and refused when it is asked for.
func (m *Mapper) checkPool(login string) error {
	name := strings.TrimPrefix(login, ".")
	if err := checkName(name); err != nil {
		return err
	}
	if m.config.Roster == nil || !m.config.Roster.Has(name) {
		m.config.Log.Warn("a pool to map to is not configured", "pool", name)
	}
	return nil
}

// checkMany checks an account, or pool, that is named for several people.
func (m *Mapper) checkMany(ctx context.Context, login string) error {
	if strings.HasPrefix(login, ".") {
		return m.checkPool(login)
	}
	if err := m.checkShared(login); err != nil {
		return err
	}
	if _, err := m.checkStatic(ctx, login); err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	return nil
}

func (m *Mapper) checkCommunity(ctx context.Context) error {
	for strength, name := range m.config.Community {
		if !slices.Contains(profile.Strengths(), strength) {
			return fmt.Errorf("community accounts: %q is no credential strength: want one of %s", strength, strings.Join(profile.Strengths(), ", "))
		}
		if err := m.checkMany(ctx, name); err != nil {
			return fmt.Errorf("community account for %s: %w", strength, err)
		}
	}
	return nil
}
