package pool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// Swept is what a sweep did.
type Swept struct {
	Expired int // leases released as idle
	Freed   int // accounts whose quarantine is over
	InUse   int // accounts whose time is up, and of whose owners something is left
}

const (
	everyMinute = time.Minute // uses are written, quarantines ended
	everyWalk   = 10 * time.Minute
)

// Run writes uses down and sweeps until ctx is done.
func (p *Pools) Run(ctx context.Context) error {
	tick := time.NewTicker(everyMinute)
	defer tick.Stop()
	var walked time.Time
	for {
		var err error
		if now := p.config.Now(); now.Sub(walked) >= everyWalk || now.Before(walked) {
			_, err = p.Sweep(ctx)
			walked = now
		} else if err = p.flush(ctx); err == nil {
			_, _, err = p.endQuarantines(ctx)
		}
		if err != nil && ctx.Err() == nil {
			p.config.Log.Error("pool accounts: not all could be looked after; trying again", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			// What was used in the last minute is written before the end.
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), waitAtMost)
			defer cancel()
			return p.flush(last)
		}
	}
}

// Sweep writes uses down, releases idle leases, ends quarantines, forgets old
// history and counts. Several processes may sweep one store.
func (p *Pools) Sweep(ctx context.Context) (Swept, error) {
	var s Swept
	err := p.flush(ctx)
	var more error
	s.Expired, more = p.expire(ctx)
	err = errors.Join(err, more)
	s.Freed, s.InUse, more = p.endQuarantines(ctx)
	err = errors.Join(err, more)
	horizon := p.config.Now().Add(-p.config.Keep)
	for from := ""; ; {
		if from, more = p.forget(ctx, from, horizon); more != nil || from == "" {
			err = errors.Join(err, more)
			break
		}
	}
	return s, errors.Join(err, p.count(ctx))
}

// idle is a lease whose time may be up.
type idle struct {
	record, account string
	used            time.Time
}

// expire walks over the leases page by page.
func (p *Pools) expire(ctx context.Context) (n int, err error) {
	before := p.config.Now().Add(-p.config.Idle)
	for from := ""; ; {
		var due []idle
		if due, from, err = p.idleFrom(ctx, from, before); err != nil {
			return n, err
		}
		used, err := p.inUse(ctx, accountsOf(due))
		if err != nil {
			return n, err
		}
		for _, d := range due {
			if slices.Contains(used, d.account) {
				p.touch(d.record, d.used)
				continue
			}
			done, err := p.expireOne(ctx, d)
			if err != nil {
				return n, err
			}
			if done {
				n++
			}
		}
		if from == "" {
			return n, nil
		}
	}
}

func (p *Pools) idleFrom(ctx context.Context, from string, before time.Time) (due []idle, next string, err error) {
	const page = 4096
	err = p.store.View(ctx, func(tx store.ReadTx) error {
		due, next = due[:0], ""
		n := 0
		for record, data := range tx.Scan(leases, "", from) {
			if n++; n > page {
				next = record
				break
			}
			l, err := decodeLease(data)
			if err != nil {
				return fmt.Errorf("lease %x: %w", record, err)
			}
			if l.Ended.IsZero() && l.Used.Before(before) && !p.usedSince(record, before) {
				due = append(due, idle{record, l.Account, l.Used})
			}
		}
		return nil
	})
	return due, next, err
}

func accountsOf(due []idle) []string {
	names := make([]string, len(due))
	for i := range due {
		names[i] = due[i].account
	}
	return names
}

// inUse returns those of the accounts of whose holders something is left.
func (p *Pools) inUse(ctx context.Context, names []string) ([]string, error) {
	if p.config.Usage == nil || len(names) == 0 {
		return nil, nil
	}
	used, err := p.config.Usage.InUse(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("which accounts are in use cannot be known, so none is released or given away: %w", err)
	}
	return used, nil
}

func (p *Pools) expireOne(ctx context.Context, d idle) (done bool, err error) {
	_, err = p.change(ctx, d.account, func(c *change, k Key) error {
		l, ok, err := getLease(c.tx, d.record)
		if err != nil {
			return err
		}
		if !ok || !l.Ended.IsZero() || !l.Used.Equal(d.used) || c.before.lease != d.record || p.usedSince(d.record, d.used) {
			return ErrState // it was used, or released, meanwhile
		}
		l.Ended = c.now
		c.tx.Put(leases, d.record, l.encode())
		c.to(status{pool: c.before.pool, state: Quarantined, until: c.now.Add(p.config.Quarantine), uid: c.before.uid, lease: d.record})
		c.note(Expired, k, Cause{By: "gatehouse", Why: "not used since " + d.used.UTC().Format(time.RFC3339)})
		return nil
	})
	if errors.Is(err, ErrState) {
		return false, nil
	}
	return err == nil, err
}

// endQuarantines frees accounts whose time is up and of whose owners nothing
// is left.
func (p *Pools) endQuarantines(ctx context.Context) (freed, kept int, err error) {
	var due []idle
	now := p.config.Now()
	err = p.store.View(ctx, func(tx store.ReadTx) error {
		due = due[:0]
		for key := range tx.Scan(quarantines, "", "") {
			const times = 8
			if len(key) <= times || int64(binary.BigEndian.Uint64([]byte(key[:times]))) > now.UnixNano() {
				break
			}
			due = append(due, idle{account: key[times:]})
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	used, err := p.inUse(ctx, accountsOf(due))
	if err != nil {
		return 0, len(due), err
	}
	for _, d := range due {
		if slices.Contains(used, d.account) {
			kept++
			continue
		}
		if err := p.free(ctx, d.account); err != nil {
			return freed, kept, err
		}
		freed++
	}
	return freed, kept, nil
}

// free ends the quarantine of one account. An account that left its pool in the
// configuration goes to where it belongs now.
func (p *Pools) free(ctx context.Context, account string) error {
	_, err := p.change(ctx, account, func(c *change, k Key) error {
		if c.before.state != Quarantined || c.before.until.After(c.now) {
			return ErrState
		}
		pool := c.before.pool
		if now, ok := p.pool[account]; ok {
			pool = now
		}
		c.tx.Delete(leases, orNone(c.before.lease))
		c.to(status{pool: pool, state: Free})
		c.note(Freed, k, Cause{By: "gatehouse", Why: "the quarantine is over"})
		return nil
	})
	if errors.Is(err, ErrState) {
		return nil
	}
	return err
}
