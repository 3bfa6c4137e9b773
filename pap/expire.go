package pap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

const (
	// expireAtMost bounds one transaction of Expire.
	expireAtMost = 5_000
	// lookAtLeast is how long Run sleeps at most: clocks are set, machines
	// suspended.
	lookAtLeast = time.Minute
	// lookAgain is how soon Run tries again after an error.
	lookAgain = 5 * time.Second
)

// Run lifts bans and announces rules whose time comes, until ctx is done or the
// store is closed. It returns nil then.
func (s *Service) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		next, err := s.expireAll(ctx)
		switch {
		case errors.Is(err, store.ErrClosed):
			return nil
		case err == nil:
			s.sleep(ctx, next)
		case ctx.Err() == nil:
			s.log.Error("bans whose time is over were not lifted", "error", err)
			pause(ctx, lookAgain)
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// schedule is when something is due next, as of a revision.
type schedule struct {
	revision uint64
	due      time.Time // zero if nothing is
}

func (d schedule) until(now time.Time) time.Duration {
	if d.due.IsZero() {
		return lookAtLeast
	}
	// A little late rather than early: what is due is due when its time is past.
	return min(max(d.due.Sub(now), 0)+time.Millisecond, lookAtLeast)
}

// sleep waits until something is due, or until there is a revision with maybe a
// nearer date.
func (s *Service) sleep(ctx context.Context, next schedule) {
	ctx, cancel := context.WithTimeout(ctx, next.until(s.clock()))
	defer cancel()
	if _, err := s.store.Watch(ctx, next.revision); err != nil && ctx.Err() == nil {
		pause(ctx, lookAgain) // the store fails at once: do not spin
	}
}

// expireAll expires whatever is due and returns what is due next.
func (s *Service) expireAll(ctx context.Context) (schedule, error) {
	for {
		result, more, err := s.expire(ctx)
		if err != nil {
			return schedule{}, err
		}
		if !more {
			next := schedule{revision: result.Revision.Number}
			err := s.store.View(ctx, func(tx store.ReadTx) error {
				for key := range tx.Scan(spaceTimes, "", "") {
					next.due, _ = splitTimeKey(key)
					break
				}
				return nil
			})
			return next, err
		}
	}
}

// Expire makes a revision of all whose time has come by the clock, if there is
// anything: bans that end are lifted, rules that begin or end announced. Run
// calls it in time.
func (s *Service) Expire(ctx context.Context) (change.Result, error) {
	result, _, err := s.expire(ctx)
	return result, err
}

func (s *Service) expire(ctx context.Context) (_ change.Result, more bool, _ error) {
	request := change.Request{Author: change.Author{Name: "gatehouse", Via: "expiry"}, Force: true}
	result, err := s.change(ctx, request, "expiry", nil, func(d *draft) error {
		due := d.due()
		more = len(due) == expireAtMost
		for _, key := range due {
			d.write.Delete(spaceTimes, key)
			_, name := splitTimeKey(key)
			d.expireOne(name)
		}
		d.summary = fmt.Sprintf("lift %d bans whose time is over", len(d.edits))
		if d.announce {
			d.summary += "; rules begin or end"
		}
		return nil
	})
	return result, more, err
}

// due returns the keys of what is due, oldest first.
func (d *draft) due() []string {
	var due []string
	for key := range d.tx.Scan(spaceTimes, "", "") {
		if at, _ := splitTimeKey(key); at.After(d.now) || len(due) == expireAtMost {
			break
		}
		due = append(due, key)
	}
	return due
}

// expireOne does what is due of one record, by its name in the schedule.
func (d *draft) expireOne(name string) {
	kind, key, _ := strings.Cut(name, "/")
	switch kind {
	case "request":
		d.forget(key)
	case "unit":
		d.announce = true
	case "ban":
		if e, ok := d.get(spaceBans, key); ok && !e.Ban.Until.IsZero() && !e.Ban.Until.After(d.now) {
			d.remove(e)
		}
	}
}

// forget drops an idempotency key that is not good any more; one that was used
// again stays.
func (d *draft) forget(key string) {
	if a, ok := d.answered(key); ok && d.now.Sub(a.Time) >= remembered {
		d.write.Delete(spaceRequests, key)
	}
}
