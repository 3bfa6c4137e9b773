package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/pep/account"
)

// accountLife is how long an answer of the account database is believed.
const accountLife = time.Minute

// directory is the machine's account database, or the file that the
// configuration puts in its place.
func (s *site) directory() (account.Directory, error) {
	c := &s.config.Accounts
	d := account.Cache(account.Getent{}, accountLife, s.now)
	if path := string(c.File); path != "" {
		file, err := account.ReadFile(path)
		if err != nil {
			return nil, err
		}
		d = file
	}
	if c.GroupFile == "" {
		return d, nil
	}
	groups, err := account.ReadGroupFile(string(c.GroupFile))
	if err != nil {
		return nil, fmt.Errorf("accounts.group-file: %w", err)
	}
	return groups.Over(d), nil
}

// accounts is the mapping from identities to accounts: by the files here, or by
// the mapping service.
func (s *site) accounts() (accountMapper, error) {
	if len(s.config.Accounts.Service) > 0 {
		return s.remoteAccounts()
	}
	return s.localAccounts()
}

// accountNames lets the launcher in this process look accounts up where the
// mapping does.
type accountNames struct{ account.Directory }

// User implements launch.Accounts.
func (n accountNames) User(ctx context.Context, name string) (uid, gid uint32, err error) {
	a, err := n.Directory.User(ctx, name)
	return a.UID, a.Group.GID, forNow(err)
}

// forNow marks an error that says nothing about the account.
func forNow(err error) error {
	if err == nil || errors.Is(err, account.ErrUnknown) || errors.Is(err, account.ErrForbidden) {
		return err
	}
	return fmt.Errorf("%w: %w", launch.ErrAway, err)
}

// Group implements launch.Accounts.
func (n accountNames) Group(ctx context.Context, name string) (uint32, error) {
	g, err := n.Directory.Group(ctx, name)
	if errors.Is(err, account.ErrUnknown) {
		return 0, launch.ErrNoGroup
	}
	return g.GID, forNow(err)
}

var _ launch.Accounts = accountNames{}
