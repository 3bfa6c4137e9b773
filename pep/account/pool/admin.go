package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// Assign leases a certain account to a key, as an administrator wishes. The key
// must have no lease, and the account be free, or in quarantine after a lease
// of the same key.
func (p *Pools) Assign(ctx context.Context, k Key, account string, why Cause) (Lease, error) {
	k = k.normal(p.config.SecondaryGroups)
	if err := k.check(); err != nil {
		return Lease{}, err
	}
	if p.pool[account] != k.Pool || !p.Has(k.Pool) {
		return Lease{}, fmt.Errorf("%w: %s is no account of pool %s", ErrNoAccount, account, k.Pool)
	}
	local, err := p.config.Directory.User(ctx, account)
	if err != nil {
		return Lease{}, err
	}
	if l, err := p.find(ctx, k.record()); err != nil || l.Account == account && !l.Ended.IsZero() {
		if err == nil {
			l, err = p.comeBack(ctx, k, why)
		}
		return l, err
	}
	l, err := p.grant(ctx, k, local, why)
	switch {
	case errors.Is(err, errTaken) || errors.Is(err, errEnded):
		return Lease{}, fmt.Errorf("%w: account %s is not free, or %s held another until lately", ErrState, account, k.Identity.Name)
	case err != nil:
		return Lease{}, fmt.Errorf("%s: %w", k, err)
	case l.Account != account:
		return Lease{}, fmt.Errorf("%w: %s holds account %s: release that first", ErrState, k, l.Account)
	}
	return p.usable(ctx, l)
}

// Release takes an account from whoever has it and puts it in quarantine; after
// that, and when nothing of the old owner is left, it is free. A quarantine of
// zero is that of the configuration; none is shorter than AnswerLife. Of an
// account in quarantine it sets the end anew and forgets who may come back for
// it; a reserved account returns to its pool the same way.
func (p *Pools) Release(ctx context.Context, account string, quarantine time.Duration, why Cause) (Account, error) {
	if quarantine == 0 {
		quarantine = p.config.Quarantine
	}
	return p.change(ctx, account, func(c *change, k Key) error {
		if c.before.state == Free {
			return fmt.Errorf("%w: account %s is free", ErrState, account)
		}
		c.tx.Delete(leases, orNone(c.before.lease))
		c.to(status{pool: c.before.pool, state: Quarantined, until: c.now.Add(max(quarantine, AnswerLife)), uid: c.before.uid})
		c.note(Released, k, why)
		return nil
	})
}

// orNone is a key that no record has, since deleting nothing needs one.
func orNone(record string) string {
	if record == "" {
		return "\x00"
	}
	return record
}

// Reserve takes a free account, or one in quarantine, out of its pool until it
// is released.
func (p *Pools) Reserve(ctx context.Context, account string, why Cause) (Account, error) {
	return p.change(ctx, account, func(c *change, k Key) error {
		if c.before.state != Free && c.before.state != Quarantined {
			return fmt.Errorf("%w: account %s is %s", ErrState, account, c.before.state)
		}
		c.tx.Delete(leases, orNone(c.before.lease))
		c.to(status{pool: c.before.pool, state: Reserved, uid: c.before.uid})
		c.note(Held, k, why)
		return nil
	})
}

// change runs one change of an account, given whose lease it has or had, and
// returns what it is afterwards.
func (p *Pools) change(ctx context.Context, account string, do func(*change, Key) error) (a Account, err error) {
	var before status
	defer func() { p.memory.forget(before.lease) }()
	_, err = p.store.Update(ctx, func(tx store.WriteTx) error {
		c, err := changing(tx, account, p.config.Now().UTC())
		if err != nil {
			return err
		}
		before = c.before
		l, _, err := getLease(tx, orNone(c.before.lease))
		if err != nil {
			return err
		}
		if err := do(c, l.Key); err != nil {
			return err
		}
		a, err = show(tx, account)
		return err
	})
	if err != nil {
		return Account{}, err
	}
	p.counted(a.Pool, before.state, a.State)
	return a, nil
}

// Show returns an account with its lease.
func (p *Pools) Show(ctx context.Context, account string) (a Account, err error) {
	err = p.store.View(ctx, func(tx store.ReadTx) (err error) {
		a, err = show(tx, account)
		return err
	})
	return a, err
}

func show(tx store.ReadTx, account string) (Account, error) {
	s, ok, err := getStatus(tx, account)
	if err != nil {
		return Account{}, err
	}
	if !ok {
		return Account{}, fmt.Errorf("%w: %q", ErrNoAccount, account)
	}
	return withLease(tx, account, s)
}

func withLease(tx store.ReadTx, account string, s status) (Account, error) {
	a := Account{Name: account, Pool: s.pool, State: s.state, Since: s.since, Until: s.until}
	if s.lease == "" {
		return a, nil
	}
	l, ok, err := getLease(tx, s.lease)
	if err == nil && (!ok || l.Account != account) {
		err = fmt.Errorf("account %s: its lease is missing, or another account's", account)
	}
	a.Lease = &l
	return a, err
}

// Query says which accounts to list. Zero fields stand for all.
type Query struct {
	Pool  string
	State State
	// After is the last account of the page before.
	After string
	// Most is how many accounts to list, DefaultPage if zero.
	Most int
}

// DefaultPage is how many accounts List returns unless told otherwise.
const DefaultPage = 1000

// List returns accounts by name.
func (p *Pools) List(ctx context.Context, q Query) (all []Account, err error) {
	most := q.Most
	if most <= 0 {
		most = DefaultPage
	}
	err = p.store.View(ctx, func(tx store.ReadTx) error {
		all = all[:0]
		for account, data := range tx.Scan(accounts, "", q.After) {
			s, err := decodeStatus(data)
			if err != nil {
				return fmt.Errorf("account %s: %w", account, err)
			}
			if account == q.After || q.Pool != "" && s.pool != q.Pool || q.State != "" && s.state != q.State {
				continue
			}
			a, err := withLease(tx, account, s)
			if err != nil {
				return err
			}
			if all = append(all, a); len(all) == most {
				break
			}
		}
		return nil
	})
	return all, err
}

// Holds returns a lease by its id, ErrNoLease if the account is no longer leased
// under it: what to ask before something is started as an account that was
// named a while ago. It is a use of the account.
func (p *Pools) Holds(ctx context.Context, account, id string) (Lease, error) {
	a, err := p.Show(ctx, account)
	if err != nil {
		return Lease{}, err
	}
	if a.State != Leased || a.Lease.ID() != id {
		return Lease{}, fmt.Errorf("%w: account %s is %s, and lease %s is over", ErrNoLease, account, a.State, id)
	}
	p.touch(a.Lease.record(), a.Lease.Used)
	return p.usable(ctx, *a.Lease)
}
