package pool

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// touch remembers that a lease is used, if the store does not know it to the
// hour. It writes nothing: see flush.
func (p *Pools) touch(record string, known time.Time) {
	now := p.config.Now()
	if now.Sub(known) < touchEvery {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.touched[record] = now
}

// usedSince reports whether this process knows of a use that the store does not
// know yet.
func (p *Pools) usedSince(record string, t time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.touched[record].After(t)
}

// flush writes the remembered uses, many in one transaction.
func (p *Pools) flush(ctx context.Context) error {
	p.mu.Lock()
	due := maps.Clone(p.touched)
	p.mu.Unlock()
	for records := range slices.Chunk(slices.Sorted(maps.Keys(due)), batch) {
		_, err := p.store.Update(ctx, func(tx store.WriteTx) error { return writeUses(tx, records, due) })
		p.memory.forget(records...)
		if err != nil {
			return err
		}
		p.written(records, due)
	}
	return nil
}

func writeUses(tx store.WriteTx, records []string, due map[string]time.Time) error {
	for _, record := range records {
		l, ok, err := getLease(tx, record)
		if err != nil {
			return err
		}
		if ok && l.Ended.IsZero() && due[record].Sub(l.Used) >= touchEvery {
			l.Used = due[record].UTC()
			tx.Put(leases, record, l.encode())
		}
	}
	return nil
}

func (p *Pools) written(records []string, due map[string]time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, record := range records {
		if p.touched[record].Equal(due[record]) {
			delete(p.touched, record)
		}
	}
}

// Count is how the accounts of a pool stand.
type Count struct {
	Members int           `json:"members"` // by the configuration
	States  map[State]int `json:"states"`
	// Exhausted counts the requests that this process refused because no
	// account was free.
	Exhausted int `json:"exhausted"`
}

// Taken is the share of the accounts that nobody new can get, from 0 to 1.
func (c Count) Taken() float64 {
	if c.Members == 0 {
		return 1
	}
	return 1 - float64(c.States[Free])/float64(c.Members)
}

// Counts returns how each pool stood at the last sweep and what this process
// changed since.
func (p *Pools) Counts() map[string]Count {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[string]Count, len(p.counts))
	for name, c := range p.counts {
		c.States = maps.Clone(c.States)
		all[name] = c
	}
	return all
}

// nearlyFull is the share of taken accounts from which on administrators are
// warned.
const nearlyFull = 0.9

// Trouble returns nil, or which pools are nearly or wholly given away.
func (p *Pools) Trouble() error {
	counts := p.Counts()
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if c := counts[name]; c.Taken() >= nearlyFull {
			return fmt.Errorf("pool %s is running out, %s; add accounts, or release some", name, c)
		}
	}
	return nil
}

// String is how the pool stands, for people.
func (c Count) String() string {
	return fmt.Sprintf("%d of %d accounts are free (%d leased, %d in quarantine, %d reserved)",
		c.States[Free], c.Members, c.States[Leased], c.States[Quarantined], c.States[Reserved])
}

// exhausted says how the pool stands that has no free account.
func (p *Pools) exhausted(pool string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.counts[pool]
	if c.States[Free] > 0 { // others leased the rest, or it cannot be used
		return fmt.Errorf("%w: of %d", ErrExhausted, c.Members)
	}
	return fmt.Errorf("%w: %s", ErrExhausted, c)
}

// refused counts a request for which no account was free.
func (p *Pools) refused(pool string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.counts[pool]
	c.Exhausted++
	p.counts[pool] = c
}

func (p *Pools) count(ctx context.Context) error {
	var counts map[string]Count
	err := p.store.View(ctx, func(tx store.ReadTx) error {
		counts = map[string]Count{}
		for name, members := range p.members {
			counts[name] = Count{Members: len(members), States: map[State]int{}}
		}
		for account, data := range tx.Scan(accounts, "", "") {
			s, err := decodeStatus(data)
			if err != nil {
				return fmt.Errorf("account %s: %w", account, err)
			}
			if c, ok := counts[p.pool[account]]; ok {
				c.States[s.state]++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.keepCounts(counts)
	if err := p.Trouble(); err != nil {
		p.config.Log.Warn("pool accounts run out", "error", err)
	}
	return nil
}

func (p *Pools) keepCounts(counts map[string]Count) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, c := range counts {
		c.Exhausted = p.counts[name].Exhausted
		counts[name] = c
	}
	p.counts = counts
}

// counted keeps the counts up to date between two sweeps, and warns once when
// a pool becomes nearly full.
func (p *Pools) counted(pool string, from, to State) {
	p.mu.Lock()
	c, ok := p.counts[pool]
	if !ok || from == to {
		p.mu.Unlock()
		return
	}
	before := c.Taken()
	c.States[from]--
	c.States[to]++
	after := c.Taken()
	p.mu.Unlock()
	if before < nearlyFull && after >= nearlyFull {
		p.config.Log.Warn("pool accounts run out", "pool", pool, "free", c.States[Free], "members", c.Members)
	}
}
