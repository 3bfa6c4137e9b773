package pep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Effects is what fulfilling the obligations of one permit brought about, for
// whoever carries the request out. A fulfiller finds it with [EffectsOf] and
// reports through its methods, which can tighten a limit and never widen one.
type Effects struct {
	// Account is whom to run as; zero if no obligation named one.
	Account authz.Account
	// CPUTime and WallTime are limits for the whole job.
	CPUTime, WallTime Limit

	reports int
}

// Limit is an upper bound, or none.
type Limit struct {
	Most time.Duration
	Set  bool
}

// String returns the bound in seconds, "none" without one.
func (l Limit) String() string {
	if !l.Set {
		return "none"
	}
	return fmt.Sprintf("%ds", int64(l.Most/time.Second))
}

func (l *Limit) tighten(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("a limit of %s is no limit", d)
	}
	if !l.Set || d < l.Most {
		*l = Limit{Most: d, Set: true}
	}
	return nil
}

var errTwoAccounts = errors.New("the obligations name two different accounts")

// RunAs reports the account. Two obligations that name different accounts are
// an error: neither is a guess worth making.
func (e *Effects) RunAs(a authz.Account) error {
	switch {
	case a.IsZero():
		return errors.New("no account was named")
	case e.Account.IsZero():
		e.Account = a
	case e.Account.Name != a.Name || e.Account.UID != a.UID || e.Account.Group != a.Group:
		return fmt.Errorf("%w: %s and %s", errTwoAccounts, e.Account.Name, a.Name)
	}
	e.reports++
	return nil
}

// LimitCPU reports a limit to the CPU time of the whole job; the least of all
// holds.
func (e *Effects) LimitCPU(d time.Duration) error {
	e.reports++
	return e.CPUTime.tighten(d)
}

// LimitWall reports a limit to the time between start and end of the job.
func (e *Effects) LimitWall(d time.Duration) error {
	e.reports++
	return e.WallTime.tighten(d)
}

// Done reports an effect that is complete in itself and leaves nothing for
// whoever carries the request out.
func (e *Effects) Done() { e.reports++ }

type effectsKey struct{}

func withEffects(ctx context.Context, e *Effects) context.Context {
	return context.WithValue(ctx, effectsKey{}, e)
}

// EffectsOf returns where a fulfiller reports its effect. Outside an Enforcer
// it returns false: there is nobody to carry the effect out, so fail.
func EffectsOf(ctx context.Context) (*Effects, bool) {
	e, ok := ctx.Value(effectsKey{}).(*Effects)
	return e, ok
}
