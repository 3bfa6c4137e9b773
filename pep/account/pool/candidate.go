package pool

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
)

const (
	window     = 64          // free accounts that one look at the store takes along
	asideFor   = time.Minute // until an unusable account is looked at again
	waitCrowd  = 5 * time.Millisecond
	waitAtMost = 10 * time.Second
)

// candidate claims a free account that the directory knows and the rules allow.
// The claim is this process's own: see settle.
func (p *Pools) candidate(ctx context.Context, pool string) (authz.Account, error) {
	g := p.giving[pool]
	waited := time.Duration(0)
	for {
		name, crowded, err := p.claim(ctx, pool, g)
		if err != nil {
			return authz.Account{}, err
		}
		if name == "" && (!crowded || waited > waitAtMost) {
			return authz.Account{}, p.exhausted(pool)
		}
		if name == "" { // those that are being given away may come back
			if err := sleep(ctx, waitCrowd); err != nil {
				return authz.Account{}, err
			}
			waited += waitCrowd
			continue
		}
		local, err := p.config.Directory.User(ctx, name)
		if err == nil {
			return local, nil
		}
		if ctx.Err() != nil {
			g.unclaim(name)
			return authz.Account{}, ctx.Err()
		}
		p.config.Log.Warn("an account of a pool cannot be used", "pool", pool, "account", name, "error", err)
		g.putAside(name, p.config.Now().Add(asideFor))
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// claim takes the next free account. Without one it says whether some are
// claimed by others in this process.
func (p *Pools) claim(ctx context.Context, pool string, g *giving) (name string, crowded bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.ready) == 0 {
		if g.ready, err = p.lookForFree(ctx, pool, g); err != nil {
			return "", false, err
		}
	}
	if len(g.ready) == 0 {
		return "", len(g.taken) > 0, nil
	}
	name, g.ready = g.ready[0], g.ready[1:]
	g.taken[name] = true
	return name, false, nil
}

// lookForFree finds free accounts, those first that have been free for longest.
// It mixes them, so that processes that share a store seldom want the same.
func (p *Pools) lookForFree(ctx context.Context, pool string, g *giving) (names []string, err error) {
	now := p.config.Now()
	err = p.store.View(ctx, func(tx store.ReadTx) error {
		names = names[:0]
		for key := range tx.Scan(free, pool+"\x00", "") {
			name, ok := freeAccount(pool, key)
			if !ok || g.taken[name] || p.pool[name] != pool || now.Before(g.aside[name]) {
				continue
			}
			if names = append(names, name); len(names) == window {
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Nothing should be left on a free account, unless an older store was put
	// back after a loss.
	used, err := p.inUse(ctx, names)
	if err != nil {
		return nil, err
	}
	if len(used) > 0 {
		p.config.Log.Warn("accounts that the leases say are free are in use: they are not given away", "pool", pool, "accounts", used)
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(used, name) })
	}
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names, nil
}

// settle ends a claim. An account that was not given away after all, since the
// key had a lease by then, is the next to be given.
func (p *Pools) settle(pool, name string, l Lease, err error) {
	g := p.giving[pool]
	switch {
	case errors.Is(err, errSameUID):
		p.config.Log.Warn("an account of a pool cannot be used", "pool", pool, "account", name, "error", err)
		g.putAside(name, p.config.Now().Add(asideFor))
	case err == nil && l.Account != name:
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.taken, name)
		g.ready = slices.Insert(g.ready, 0, name)
	case errors.Is(err, errTaken): // others are ahead of us: look anew
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.taken, name)
		g.ready = nil
	default:
		g.unclaim(name)
	}
}

func (g *giving) unclaim(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.taken, name)
}

func (g *giving) putAside(name string, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.taken, name)
	g.aside[name] = until
}
