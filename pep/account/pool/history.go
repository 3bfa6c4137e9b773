package pool

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// Past says which events to return. Zero fields stand for all.
type Past struct {
	Account  string
	Identity string // key of an identity; without an account it reads everything
	Until    time.Time
	Since    time.Time
	Most     int // DefaultPage if zero
}

// History returns events, the newest first; of several accounts, one account
// after the other.
func (p *Pools) History(ctx context.Context, q Past) (all []Event, err error) {
	most := q.Most
	if most <= 0 {
		most = DefaultPage
	}
	prefix, from := "", ""
	if q.Account != "" {
		prefix = q.Account + "\x00"
		if !q.Until.IsZero() {
			from = historyKey(q.Account, q.Until)
		}
	}
	err = p.store.View(ctx, func(tx store.ReadTx) error {
		all = all[:0]
		for key, data := range tx.Scan(history, prefix, from) {
			e, err := readEvent(key, data)
			if err != nil {
				return err
			}
			if !q.wants(&e) {
				continue
			}
			if all = append(all, e); len(all) == most {
				break
			}
		}
		return nil
	})
	return all, err
}

func (q *Past) wants(e *Event) bool {
	return (q.Identity == "" || e.Identity.Key == q.Identity) &&
		(q.Until.IsZero() || !e.Time.After(q.Until)) && (q.Since.IsZero() || !e.Time.Before(q.Since))
}

func readEvent(key string, data []byte) (Event, error) {
	account, _, ok := strings.Cut(key, "\x00")
	e, err := decodeEvent(account, data)
	if err == nil && !ok {
		err = errRecord
	}
	if err != nil {
		return Event{}, fmt.Errorf("history of %s: %w", account, err)
	}
	return e, nil
}

// At returns who held an account at a time: the last event before. The zero
// Event says that the history knows nothing that old.
func (p *Pools) At(ctx context.Context, account string, t time.Time) (Event, error) {
	all, err := p.History(ctx, Past{Account: account, Until: t, Most: 1})
	if err != nil || len(all) == 0 {
		return Event{}, err
	}
	return all[0], nil
}

// forget removes events older than Keep, but not what still tells who held an
// account at a time that is kept. It walks a part of the history and returns
// where to go on, "" at the end.
func (p *Pools) forget(ctx context.Context, from string, horizon time.Time) (next string, err error) {
	const part = 10000
	var old []string
	err = p.store.View(ctx, func(tx store.ReadTx) error {
		old, next = old[:0], ""
		n, account, covered := 0, "", false
		for key, data := range tx.Scan(history, "", from) {
			e, err := readEvent(key, data)
			if err != nil {
				return err
			}
			if e.Account != account {
				if n >= part {
					next = key
					break
				}
				account, covered = e.Account, false
			}
			n++
			if covered {
				old = append(old, key)
			}
			// Newest first: whatever comes after the first one before the
			// horizon was over by then.
			covered = covered || !e.Time.After(horizon)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	for keys := range slices.Chunk(old, batch) {
		if _, err := p.store.Update(ctx, func(tx store.WriteTx) error {
			for _, key := range keys {
				tx.Delete(history, key)
			}
			return nil
		}); err != nil {
			return "", err
		}
	}
	return next, nil
}
