package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// errNotShared is wrapped when several people would run as one account that
// the configuration does not list as shared.
var errNotShared = errors.New("several people would run as this account, which is not listed as shared")

func (m *Mapper) shared(name string) bool {
	return slices.Contains(m.config.Shared, name) || slices.Contains(m.config.Shared, "*")
}

func (m *Mapper) checkShared(name string) error {
	if !m.shared(name) {
		return fmt.Errorf("account %s: %w", name, errNotShared)
	}
	return nil
}

// checkUser looks an account up. One that does not exist now may exist later.
func (m *Mapper) checkUser(ctx context.Context, name string) error {
	_, err := m.directory.User(ctx, name)
	if errors.Is(err, ErrUnknown) {
		m.config.Log.Warn("an account to map to does not exist", "account", name)
		return nil
	}
	return err
}

// check looks at every account and group that the map files name.
func (m *Mapper) check(ctx context.Context, next *maps) error {
	var problems []error
	owners := map[string]authz.DN{}
	uids := map[uint32]string{}
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

func (m *Mapper) warnUnusable(path string, e *Entry) {
	if !e.usable() {
		m.config.Log.Warn("a line of the account maps can match nobody", "file", path, "line", e.Line, "key", e.Key)
	}
}

// checkAccount also keeps two people from one uid, under one name or two.
func (m *Mapper) checkAccount(ctx context.Context, e *Entry, owners map[string]authz.DN, uids map[uint32]string) error {
	name := e.Values[0]
	if pool, ok := strings.CutPrefix(name, "."); ok {
		return checkName(pool)
	}
	a, err := m.directory.User(ctx, name)
	if errors.Is(err, ErrUnknown) {
		m.config.Log.Warn("an account to map to does not exist", "file", m.config.AccountMap, "line", e.Line, "account", name)
	} else if err != nil {
		return err
	}
	if m.shared(name) {
		return nil
	}
	if e.IsFQAN() {
		return m.checkShared(name)
	}
	if owner, ok := owners[name]; ok && !owner.Equal(e.name) {
		return m.checkShared(name)
	}
	owners[name] = e.name
	if other, ok := uids[a.UID]; ok && other != name && err == nil {
		return fmt.Errorf("accounts %s and %s have the same uid %d: %w", other, name, a.UID, errNotShared)
	}
	if err == nil {
		uids[a.UID] = name
	}
	return nil
}
