package pool

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// Pools leases accounts. It is safe for concurrent use, and several may share a
// store.
type Pools struct {
	store  store.Store
	config Config
	pools  map[string]*members
	pool   map[string]string // of each account

	mu      sync.Mutex
	touched map[string]time.Time // uses to be written, by record key
	counts  map[string]Count
}

// members are the accounts of a pool.
type members struct {
	names []string

	mu    sync.Mutex
	ready []string             // free when last looked, in the order to be given away
	taken map[string]bool      // being given away by this process
	aside map[string]time.Time // unusable: not to be tried again before then
}

// Open returns the pools of the configuration, with their leases in s. It
// enters members that the store does not know yet. It does not close the store.
func Open(ctx context.Context, s store.Store, c Config) (*Pools, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	p := &Pools{
		store: s, config: c, pools: map[string]*members{}, pool: map[string]string{},
		touched: map[string]time.Time{}, counts: map[string]Count{},
	}
	for _, d := range c.Pools {
		if err := p.define(ctx, d); err != nil {
			return nil, fmt.Errorf("pool %s: %w", d.Name, err)
		}
	}
	if err := p.enter(ctx); err != nil {
		return nil, fmt.Errorf("pools: %w", err)
	}
	return p, p.count(ctx)
}

// define takes the members of one pool.
func (p *Pools) define(ctx context.Context, d Definition) error {
	if err := (Key{Pool: d.Name, Identity: Identity{Key: "x"}}).check(); err != nil {
		return err
	}
	if p.pools[d.Name] != nil {
		return fmt.Errorf("it is configured twice")
	}
	names, err := p.names(ctx, d)
	if err != nil {
		return err
	}
	m := &members{names: names, taken: map[string]bool{}, aside: map[string]time.Time{}}
	for _, name := range names {
		if other, ok := p.pool[name]; ok {
			return fmt.Errorf("account %s is already in pool %s", name, other)
		}
		p.pool[name] = d.Name
	}
	p.pools[d.Name] = m
	return nil
}

func (p *Pools) names(ctx context.Context, d Definition) (names []string, err error) {
	for _, member := range d.Members {
		more, err := Expand(member)
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	if len(d.Members) == 0 && p.config.Names != nil {
		all, err := p.config.Names(ctx)
		if err != nil {
			return nil, fmt.Errorf("the accounts of the directory cannot be listed: %w", err)
		}
		for _, name := range all {
			if IsMember(d.Name, name) {
				names = append(names, name)
			}
		}
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("it has no accounts: name them, as in %s[001-100], or make accounts called %s001 and so on", d.Name, d.Name)
	case len(names) > MaxMembers:
		return nil, fmt.Errorf("%d accounts: at most %d", len(names), MaxMembers)
	}
	return names, nil
}

// batch is how many records one transaction of a walk writes at most: etcd
// takes 128 operations.
const batch = 50

// enter makes the members known to the store, all of them free at first.
func (p *Pools) enter(ctx context.Context) error {
	for name, m := range p.pools {
		missing, err := p.missing(ctx, name, m)
		if err != nil {
			return err
		}
		for len(missing) > 0 {
			n := min(len(missing), batch)
			if _, err := p.store.Update(ctx, func(tx store.WriteTx) error { return enterSome(tx, name, missing[:n]) }); err != nil {
				return err
			}
			missing = missing[n:]
		}
	}
	return nil
}

// missing are the members that the store does not know, or knows as free
// accounts of another pool.
func (p *Pools) missing(ctx context.Context, name string, m *members) (all []string, err error) {
	err = p.store.View(ctx, func(tx store.ReadTx) error {
		all = all[:0]
		for _, account := range m.names {
			s, ok, err := getStatus(tx, account)
			if err != nil {
				return err
			}
			if !ok || s.state == Free && s.pool != name {
				all = append(all, account)
			}
		}
		return nil
	})
	return all, err
}

func enterSome(tx store.WriteTx, pool string, names []string) error {
	for _, account := range names {
		s, ok, err := getStatus(tx, account)
		if err != nil {
			return err
		}
		if ok && (s.state != Free || s.pool == pool) {
			continue // another process was faster
		}
		if ok {
			tx.Delete(free, s.free)
		}
		entered := status{pool: pool, state: Free, since: s.since, free: freeKey(pool, account, s.since)}
		tx.Put(accounts, account, entered.encode())
		tx.Put(free, entered.free, nil)
	}
	return nil
}

// Has reports whether a pool of that name is configured.
func (p *Pools) Has(name string) bool { return p.pools[name] != nil }

// PoolOf returns the pool that an account is in by the configuration.
func (p *Pools) PoolOf(account string) (string, bool) {
	name, ok := p.pool[account]
	return name, ok
}
