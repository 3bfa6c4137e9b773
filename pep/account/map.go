package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// naming is what the configuration says about a caller, before any account is
// looked up or leased.
type naming struct {
	id     Identity
	login  string // an account, or a pool: ".cms"
	source string // which line says so
	many   bool   // it may say so about several people
	groups []string
}

// pool returns the name of the pool to give an account from.
func (n *naming) pool() (string, bool) { return strings.CutPrefix(n.login, ".") }

// Map implements authz.Mapper. The first that says something counts: a rule for
// the token of somebody without a certificate, the account map, the community
// of the credential's strength.
func (m *Mapper) Map(ctx context.Context, r *authz.Request) (authz.Account, error) {
	m.refresh(ctx)
	n, err := m.name(r)
	if err != nil {
		return authz.Account{}, err
	}
	return m.give(ctx, r, n)
}

// Named returns the account that a policy names. It must be a shared one, since
// a rule can match several people, or a pool.
func (m *Mapper) Named(ctx context.Context, r *authz.Request, login string) (authz.Account, error) {
	m.refresh(ctx)
	n, err := m.naming(r, login)
	if err != nil {
		return authz.Account{}, err
	}
	return m.give(ctx, r, n)
}

// naming is what there is to know of an account that a policy names. The group
// map counts for those of pools only: a shared account has its own groups.
func (m *Mapper) naming(r *authz.Request, login string) (n naming, err error) {
	n = naming{login: login, source: "policy", many: true}
	if _, isPool := n.pool(); !isPool {
		return n, nil
	}
	if n.id, err = identityOf(r); err != nil {
		return n, err
	}
	if n.groups, err = m.maps.Load().groups.of(n.id, m.config.Prefer); err != nil {
		err = fmt.Errorf("%s: %w", n.id, err)
	}
	return n, err
}

// name finds out what the configuration says about the caller.
func (m *Mapper) name(r *authz.Request) (naming, error) {
	id, err := identityOf(r)
	if err != nil {
		return naming{}, err
	}
	maps := m.maps.Load()
	if n, ok, err := m.byToken(r, id, maps); ok || err != nil {
		return n, err
	}
	choice, err := choose(maps.accounts, maps.groups, id, m.config.Prefer)
	if errors.Is(err, ErrNoLogin) {
		return m.community(r, id)
	}
	if err != nil {
		return naming{}, fmt.Errorf("%s: %w", id, err)
	}
	return naming{
		id: id, login: choice.Login, source: fmt.Sprintf("%s:%d", m.config.AccountMap, choice.Line), groups: choice.Groups,
	}, nil
}

func (m *Mapper) community(r *authz.Request, id Identity) (naming, error) {
	strength, _ := r.Verified(authz.Subject, profile.CredentialStrength)
	login, ok := m.config.Community[strength.Text()]
	if !ok && strength.Text() == "" {
		return naming{}, fmt.Errorf("%s: %w, and no strength is known for which there could be a community account", id, ErrNoLogin)
	}
	if !ok {
		return naming{}, fmt.Errorf("%s: %w, and there is no community account for its strength %q", id, ErrNoLogin, strength.Text())
	}
	return naming{id: id, login: login, source: "community account for " + strength.Text(), many: true}, nil
}

// give looks the account up, or leases one.
func (m *Mapper) give(ctx context.Context, r *authz.Request, n naming) (authz.Account, error) {
	var a authz.Account
	var err error
	if name, isPool := n.pool(); isPool {
		a, err = m.lease(ctx, r, &n, name)
	} else {
		a, err = m.static(ctx, &n)
	}
	if err != nil {
		return authz.Account{}, fmt.Errorf("%s: %w", n.source, err)
	}
	a.Revision, a.Expires = r.Decided, m.config.Now().Add(pool.AnswerLife).UTC()
	return m.withGroups(ctx, a, n.groups)
}

// static looks up an account that is named as such.
func (m *Mapper) static(ctx context.Context, n *naming) (authz.Account, error) {
	if n.many {
		if err := m.checkShared(n.login); err != nil {
			return authz.Account{}, err
		}
	}
	if err := m.inNoPool(n.login); err != nil {
		return authz.Account{}, err
	}
	a, err := m.directory.User(ctx, n.login)
	if err != nil {
		return authz.Account{}, err
	}
	if err := m.aloneWith(ctx, &a); err != nil {
		return authz.Account{}, err
	}
	a.Source, a.Shared = n.source, n.many || m.shared(a.Name)
	return a, nil
}

// lease takes the caller's account out of a pool.
func (m *Mapper) lease(ctx context.Context, r *authz.Request, n *naming, name string) (authz.Account, error) {
	if err := checkName(name); err != nil {
		return authz.Account{}, err
	}
	if m.config.Leases == nil {
		return authz.Account{}, fmt.Errorf("it names pool %s, and no pools are configured here: set accounts.pools or accounts.gridmapdir", name)
	}
	holder, err := holderOf(r)
	if err != nil {
		return authz.Account{}, err
	}
	why := pool.Cause{By: "gatehouse", Why: n.source, Decision: r.ID, Revision: r.Decided}
	l, err := m.config.Leases.Lease(ctx, keyOf(name, holder, n.groups), why)
	if err != nil {
		return authz.Account{}, err
	}
	if other, ok := m.maps.Load().uids[l.UID]; ok {
		return authz.Account{}, fmt.Errorf("%w: %s of pool %s has the uid %d, which is also that of %s", ErrForbidden, l.Account, name, l.UID, other)
	}
	return leased(l, n.source)
}

func keyOf(name string, holder pool.Identity, groups []string) pool.Key {
	k := pool.Key{Pool: name, Identity: holder}
	if len(groups) > 0 {
		k.Group, k.Groups = groups[0], groups[1:]
	}
	return k
}

// leased is the account of a lease.
func leased(l pool.Lease, source string) (authz.Account, error) {
	a := l.Local
	if a.Name != l.Account || a.UID == 0 {
		return authz.Account{}, fmt.Errorf("lease %s: account %s was not looked up", l.ID(), l.Account)
	}
	a.Source, a.Lease, a.Shared = source+", pool "+l.Pool, l.ID(), false
	return a, nil
}

// Confirm returns an account that was named earlier as it is now, if it could
// still be named: its lease goes on, or the mapping [Mapper.Gives] it. Group
// and groups stay. ErrForbidden, ErrUnknown and pool.ErrNoLease say no; any
// other error says that nobody knows.
func (m *Mapper) Confirm(ctx context.Context, a authz.Account) (authz.Account, error) {
	if a.Lease != "" {
		if m.config.Leases == nil {
			return authz.Account{}, fmt.Errorf("%w: account %s: no pools are configured here", ErrForbidden, a.Name)
		}
		if _, err := m.config.Leases.Holds(ctx, a.Name, a.Lease); err != nil {
			return authz.Account{}, err
		}
	} else if err := m.inNoPool(a.Name); err != nil {
		return authz.Account{}, err
	}
	if err := m.Gives(ctx, a); err != nil {
		return authz.Account{}, err
	}
	a.Expires = m.config.Now().Add(pool.AnswerLife).UTC()
	return a, nil
}

// withGroups puts the groups of the group map in place of the account's own.
func (m *Mapper) withGroups(ctx context.Context, a authz.Account, names []string) (authz.Account, error) {
	if len(names) == 0 {
		return a, nil
	}
	var groups []authz.Group
	for _, name := range names {
		g, err := m.directory.Group(ctx, name)
		if err != nil {
			return authz.Account{}, fmt.Errorf("account %s, group %s from %s: %w", a.Name, name, m.config.GroupMap, err)
		}
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	if len(groups) > MaxGroups {
		return authz.Account{}, fmt.Errorf("account %s: %d groups from %s, at most %d are allowed", a.Name, len(groups), m.config.GroupMap, MaxGroups)
	}
	a.Group, a.Groups = groups[0], groups[1:]
	return a, nil
}
