package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// errTaken: somebody else took the account meanwhile.
var errTaken = errors.New("the account was taken meanwhile")

// errEnded: the lease of the key ended as idle meanwhile.
var errEnded = errors.New("the lease ended meanwhile")

// errSameUID: another account with its uid is given away.
var errSameUID = errors.New("an account with the same uid is in somebody's hands")

// Lease returns the lease of a key and makes one if there is none. The caller
// must have verified the identity, or trust a peer that may map (DECISIONS 23).
func (p *Pools) Lease(ctx context.Context, k Key, why Cause) (Lease, error) {
	k = k.normal(p.config.SecondaryGroups)
	record := k.record()
	l, err := p.look(ctx, k, record)
	if err == nil {
		p.touch(record, l.Used)
		return p.usable(ctx, l)
	}
	if !errors.Is(err, ErrNoLease) {
		return Lease{}, err
	}
	if l.Account != "" { // it ended as idle, and the account waits in quarantine
		l, err = p.comeBack(ctx, k, why)
		if !errors.Is(err, ErrNoLease) {
			return l, err
		}
	}
	for {
		local, err := p.candidate(ctx, k.Pool)
		if errors.Is(err, ErrExhausted) {
			return p.lastLook(ctx, k, record, err)
		}
		if err != nil {
			return Lease{}, fmt.Errorf("%s: %w", k, err)
		}
		l, err := p.grant(ctx, k, local, why)
		p.settle(k.Pool, local.Name, l, err)
		switch {
		case err == nil:
			return p.usable(ctx, l)
		case errors.Is(err, errEnded):
			return p.Lease(ctx, k, why)
		case !errors.Is(err, errTaken) && !errors.Is(err, errSameUID):
			return Lease{}, fmt.Errorf("%s: %w", k, err)
		}
	}
}

// lastLook is for a pool without free accounts: the last one may have gone to
// this very key, asked for elsewhere.
func (p *Pools) lastLook(ctx context.Context, k Key, record string, exhausted error) (Lease, error) {
	l, err := p.look(ctx, k, record)
	if errors.Is(err, ErrNoLease) {
		p.refused(k.Pool)
		return Lease{}, fmt.Errorf("%s: %w", k, exhausted)
	}
	if err != nil {
		return Lease{}, err
	}
	return p.usable(ctx, l)
}

// Look returns the lease of a key, ErrNoLease if there is none. It changes
// nothing, and is not a use of the account.
func (p *Pools) Look(ctx context.Context, k Key) (Lease, error) {
	k = k.normal(p.config.SecondaryGroups)
	l, err := p.look(ctx, k, k.record())
	if err != nil {
		return Lease{}, err
	}
	return p.usable(ctx, l)
}

// look reads the lease of a normal key. With ErrNoLease comes the lease that
// ended as idle, if its holder may come back for it.
func (p *Pools) look(ctx context.Context, k Key, record string) (Lease, error) {
	if err := k.check(); err != nil {
		return Lease{}, err
	}
	if !p.Has(k.Pool) {
		return Lease{}, fmt.Errorf("%w: %q", ErrNoPool, k.Pool)
	}
	l, err := p.find(ctx, record)
	switch {
	case err != nil:
		return Lease{}, fmt.Errorf("%s: %w", k, err)
	case l.Account == "" || !l.Ended.IsZero():
		return l, fmt.Errorf("%s: %w", k, ErrNoLease)
	case !l.same(k):
		return Lease{}, fmt.Errorf("%s: the record is that of %s", k, l.Key)
	}
	return l, nil
}

// find reads a lease; the zero Lease is none.
func (p *Pools) find(ctx context.Context, record string) (Lease, error) {
	l, ok, at := p.memory.recall(record)
	if ok {
		return l, nil
	}
	err := p.store.View(ctx, func(tx store.ReadTx) (err error) {
		l, ok, err = getLease(tx, record)
		return err
	})
	if err == nil && ok {
		p.memory.remember(record, l, at)
	}
	return l, err
}

// usable asks the directory about the account of a lease, at every use.
func (p *Pools) usable(ctx context.Context, l Lease) (Lease, error) {
	fail := func(err error) (Lease, error) {
		return Lease{}, fmt.Errorf("%s: %w: account %s: %w; an administrator can release it, then another is given", l.Key, ErrUnusable, l.Account, err)
	}
	if p.pool[l.Account] != l.Pool {
		return fail(errors.New("it is no longer a member of the pool"))
	}
	local, err := p.config.Directory.User(ctx, l.Account)
	if err != nil {
		return fail(err)
	}
	if local.UID != l.UID {
		return fail(fmt.Errorf("it has uid %d now and had uid %d when it was leased", local.UID, l.UID))
	}
	l.Local = local
	return l, nil
}

// grant leases an account, or returns the lease that somebody else made for the
// key meanwhile.
func (p *Pools) grant(ctx context.Context, k Key, local authz.Account, why Cause) (l Lease, err error) {
	record := k.record()
	defer p.memory.forget(record)
	_, err = p.store.Update(ctx, func(tx store.WriteTx) error {
		now := p.config.Now().UTC()
		found, ok, err := getLease(tx, record)
		if err != nil {
			return err
		}
		if ok && found.Ended.IsZero() {
			l = found
			return nil
		}
		if ok {
			return errEnded
		}
		if held := p.heldBy(tx, k); held >= p.config.MostPerIdentity {
			return fmt.Errorf("%w: %d", ErrTooMany, held)
		}
		l, err = p.give(tx, k, record, local, now, why)
		return err
	})
	if err == nil && l.Account == local.Name {
		p.counted(k.Pool, Free, Leased)
	}
	return l, err
}

// heldBy counts the leases of an identity in a pool, up to the bound.
func (p *Pools) heldBy(tx store.ReadTx, k Key) (n int) {
	for range tx.Scan(leases, k.ofIdentity(), "") {
		if n++; n >= p.config.MostPerIdentity {
			break
		}
	}
	return n
}

// give writes a lease of a free account.
func (p *Pools) give(tx store.WriteTx, k Key, record string, local authz.Account, now time.Time, why Cause) (Lease, error) {
	c, err := changing(tx, local.Name, now)
	if err != nil {
		return Lease{}, err
	}
	if c.before.state != Free {
		return Lease{}, errTaken
	}
	if other, ok := tx.Get(uids, uidKey(local.UID)); ok && string(other) != local.Name {
		return Lease{}, fmt.Errorf("%w: %s and %s have uid %d", errSameUID, local.Name, other, local.UID)
	}
	l := Lease{Key: k, Account: local.Name, UID: local.UID, Granted: c.now, Used: c.now}
	tx.Put(leases, record, l.encode())
	tx.Put(uids, uidKey(local.UID), []byte(local.Name))
	c.to(status{pool: k.Pool, state: Leased, uid: local.UID, lease: record})
	c.note(Granted, k, why)
	return l, nil
}

// comeBack gives somebody whose lease ended as idle the account again that
// still is in quarantine.
func (p *Pools) comeBack(ctx context.Context, k Key, why Cause) (l Lease, err error) {
	record := k.record()
	defer p.memory.forget(record)
	_, err = p.store.Update(ctx, func(tx store.WriteTx) error {
		var ok bool
		if l, ok, err = getLease(tx, record); err != nil {
			return err
		}
		if !ok {
			return ErrNoLease
		}
		if l.Ended.IsZero() {
			return nil // another request of theirs was faster
		}
		c, err := changing(tx, l.Account, p.config.Now().UTC())
		if err != nil {
			return err
		}
		if c.before.state != Quarantined || c.before.lease != record {
			return fmt.Errorf("account %s: its records contradict each other", l.Account)
		}
		l.Used, l.Ended = c.now, time.Time{}
		tx.Put(leases, record, l.encode())
		c.to(status{pool: k.Pool, state: Leased, uid: l.UID, lease: record})
		c.note(Returned, k, why)
		return nil
	})
	if err != nil {
		return Lease{}, err
	}
	p.counted(k.Pool, Quarantined, Leased)
	return p.usable(ctx, l)
}
