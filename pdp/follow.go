package pdp

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// Source gives updates: a policy administration point in this process, or the
// client of one elsewhere.
type Source interface {
	// Next waits for something newer than after, the revision in force, and
	// returns what leads there. The zero Revision asks for a base. Asking is
	// also reporting: what comes before after is in force here.
	//
	// A source that has nothing new should say so at least every few minutes,
	// by an Update from after to after without edits: that confirms the
	// policies in force, which otherwise stop counting (Options.MaxStale).
	Next(ctx context.Context, after authz.Revision) (policies.Update, error)
}

// Pauses after a failure of the source, growing from the first to the last.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 30 * time.Second
)

// Follow keeps the engine up with a source until ctx is done, whose error it
// returns. Failures are logged and tried again; the policies in force stay, and
// age. An update that does not fit, or is of another lineage, makes it ask for
// a base.
func (e *Engine) Follow(ctx context.Context, source Source) error {
	pause := firstPause
	after := e.state.Load().revision()
	for ctx.Err() == nil {
		u, err := source.Next(ctx, after)
		if err == nil {
			err = e.Apply(u)
		}
		if err == nil {
			after, pause = u.To, firstPause
			continue
		}
		if ctx.Err() != nil {
			break
		}
		e.log.Warn("policies not brought up to date", "after", after.String(), "to", u.To.String(), "age", e.age(e.clock()).String(), "error", err)
		if errors.Is(err, ErrMismatch) {
			after = authz.Revision{}
		}
		if !sleep(ctx, pause) {
			break
		}
		pause = min(2*pause, lastPause)
	}
	return ctx.Err()
}

// sleep waits and reports whether ctx is still good.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
