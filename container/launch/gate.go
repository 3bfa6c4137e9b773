package launch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Gate lets an order pass to its Runner only with a grant that is genuine and
// unused, for an account that may be used now.
type Gate struct {
	Verifier *Verifier
	Memory   *Memory
	Accounts Accounts
	Rules    AccountRules
	Runner   Runner
	Log      *slog.Logger
	Now      func() time.Time
}

var _ Launcher = (*Gate)(nil)

// Do verifies grant for o, marks it used and has o carried out.
func (g *Gate) Do(ctx context.Context, grant Signed, o Order) (Result, error) {
	start := g.Now()
	granted, err := g.admit(ctx, grant, o)
	var result Result
	if err == nil {
		result, err = g.Runner.Run(ctx, granted, o)
	}
	g.record(ctx, granted, o, start, err)
	return result, err
}

func (g *Gate) admit(ctx context.Context, grant Signed, o Order) (Grant, error) {
	now := g.Now()
	granted, err := g.Verifier.Verify(grant, o, now)
	if err != nil {
		return Grant{}, err
	}
	// Ending a job needs no account that is still good: a person whose account
	// was just locked or removed is the one whose jobs must be stopped. The
	// Runner still compares it with the account that the job was started as.
	if o.Operation != Signal {
		err := g.Rules.Check(ctx, g.Accounts, granted.Account)
		if errors.Is(err, ErrAway) {
			return granted, err // refused now; the job is not lost for good
		}
		if err != nil {
			return granted, fmt.Errorf("%w: %w", ErrForbidden, err)
		}
	}
	err = g.Memory.Use(granted, now)
	if errors.Is(err, errMemory) && o.Operation == Signal {
		g.Log.ErrorContext(ctx, "a full disk does not stop a cancel", "error", err)
		return granted, nil
	}
	if err != nil {
		return granted, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return granted, nil
}

func (g *Gate) record(ctx context.Context, granted Grant, o Order, start time.Time, err error) {
	attrs := []any{
		"operation", o.Operation, "job", Tag(o.Job), "account", granted.Account.Name, "uid", granted.Account.UID,
		"revision", granted.Revision.String(), "decision", granted.Decision, "grant", granted.ID.String(), "duration", g.Now().Sub(start),
	}
	switch {
	case err == nil:
		g.Log.InfoContext(ctx, "carried out", attrs...)
	case errors.Is(err, ErrRefused), errors.Is(err, ErrForbidden):
		g.Log.WarnContext(ctx, "refused", append(attrs, "error", err)...)
	default:
		g.Log.ErrorContext(ctx, "failed", append(attrs, "error", err)...)
	}
}

// Status returns what became of a job.
func (g *Gate) Status(ctx context.Context, job string) (Status, error) {
	return g.Runner.Status(ctx, job)
}

// Jobs returns every job that was claimed and not yet reaped.
func (g *Gate) Jobs(ctx context.Context) ([]Status, error) { return g.Runner.Jobs(ctx) }

// Reap forgets an ended job.
func (g *Gate) Reap(ctx context.Context, job string) error { return g.Runner.Reap(ctx, job) }
