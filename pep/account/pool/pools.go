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
	*Roster
	store  store.Store
	config Config
	giving map[string]*giving
	memory *memory

	mu      sync.Mutex
	touched map[string]time.Time // uses to be written, by record key
	counts  map[string]Count
}

// giving is how this process gives the accounts of one pool away.
type giving struct {
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
	roster, err := NewRoster(ctx, c.Pools, c.Names)
	if err != nil {
		return nil, err
	}
	p := &Pools{
		Roster: roster, store: s, config: c, giving: map[string]*giving{}, memory: newMemory(c.Alone),
		touched: map[string]time.Time{}, counts: map[string]Count{},
	}
	for name := range roster.members {
		p.giving[name] = &giving{taken: map[string]bool{}, aside: map[string]time.Time{}}
	}
	if err := p.enter(ctx); err != nil {
		return nil, fmt.Errorf("pools: %w", err)
	}
	return p, p.count(ctx)
}

// batch is how many records one transaction of a walk writes at most: etcd
// takes 128 operations.
const batch = 50

// enter makes the members known to the store, all of them free at first.
func (p *Pools) enter(ctx context.Context) error {
	for name, members := range p.members {
		missing, err := p.missing(ctx, name, members)
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
func (p *Pools) missing(ctx context.Context, name string, members []string) (all []string, err error) {
	err = p.store.View(ctx, func(tx store.ReadTx) error {
		all = all[:0]
		for _, account := range members {
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
