package obligation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

var errNoEnforcer = errors.New("there is no enforcer to carry the effect out")

// Map answers the profiles' "map to a local account" (gLite
// local-environment-map, EMI map-local-user): a Mapper names the account.
type Map struct {
	Mapper authz.Mapper
	// Posix also returns the account as the gLite posix obligation, which the
	// clients of a PEP daemon expect, as Argus does for both profiles.
	Posix bool
}

// Fulfill implements authz.Fulfiller.
func (m Map) Fulfill(ctx context.Context, r *authz.Request, _ authz.Obligation) ([]authz.Obligation, error) {
	effects, ok := pep.EffectsOf(ctx)
	switch {
	case !ok:
		return nil, errNoEnforcer
	case m.Mapper == nil:
		return nil, errors.New("no account mapping is configured")
	}
	a, err := m.Mapper.Map(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := effects.RunAs(a); err != nil || !m.Posix {
		return nil, err
	}
	return []authz.Obligation{Posix(a)}, nil
}

// Posix returns an account as the gLite obligation
// local-environment-map/posix: names only, the primary group first among the
// groups, as Argus writes it.
func Posix(a authz.Account) authz.Obligation {
	o := authz.Obligation{ID: profile.ObligationPosix}
	add := func(id, text string) {
		o.Assignments = append(o.Assignments, authz.Assignment{ID: id, Value: authz.StringValue(text)})
	}
	add(profile.UserID, a.Name)
	if a.Group.Name != "" {
		add(profile.PrimaryGroupID, a.Group.Name)
		add(profile.GroupID, a.Group.Name)
	}
	for _, g := range a.Groups {
		add(profile.GroupID, g.Name)
	}
	return o
}

// Accounts looks up the account that a policy names for a request and refuses
// those that a policy may not name. A name that begins with "." stands for an
// account out of that pool.
type Accounts interface {
	Named(ctx context.Context, r *authz.Request, name string) (authz.Account, error)
}

// MapAccount answers our own obligation map-account: the policy names the
// account, in the assignment "account".
type MapAccount struct {
	Accounts Accounts
	Posix    bool // see Map
}

// Fulfill implements authz.Fulfiller.
func (m MapAccount) Fulfill(ctx context.Context, r *authz.Request, o authz.Obligation) ([]authz.Obligation, error) {
	effects, ok := pep.EffectsOf(ctx)
	switch {
	case !ok:
		return nil, errNoEnforcer
	case m.Accounts == nil:
		return nil, errors.New("no accounts are configured")
	case len(o.Assignments) != 1 || o.Assignments[0].ID != profile.Account:
		return nil, errors.New(`want one assignment, "account"`)
	}
	a, err := m.Accounts.Named(ctx, r, o.Assignments[0].Value.Text())
	if err != nil {
		return nil, err
	}
	if err := effects.RunAs(a); err != nil || !m.Posix {
		return nil, err
	}
	return []authz.Obligation{Posix(a)}, nil
}

// CPUTime answers our own obligation cpu-time-limit: the job may use that many
// seconds of CPU time in all. Of several limits the least holds.
type CPUTime struct{}

// Fulfill implements authz.Fulfiller.
func (CPUTime) Fulfill(ctx context.Context, _ *authz.Request, o authz.Obligation) ([]authz.Obligation, error) {
	return nil, limit(ctx, o, (*pep.Effects).LimitCPU)
}

// WallTime answers our own obligation wall-time-limit.
type WallTime struct{}

// Fulfill implements authz.Fulfiller.
func (WallTime) Fulfill(ctx context.Context, _ *authz.Request, o authz.Obligation) ([]authz.Obligation, error) {
	return nil, limit(ctx, o, (*pep.Effects).LimitWall)
}

func limit(ctx context.Context, o authz.Obligation, tighten func(*pep.Effects, time.Duration) error) error {
	effects, ok := pep.EffectsOf(ctx)
	if !ok {
		return errNoEnforcer
	}
	if len(o.Assignments) == 0 {
		return errors.New(`want an assignment "seconds"`)
	}
	for _, a := range o.Assignments {
		if a.ID != profile.Seconds {
			return fmt.Errorf(`assignment %q: want only "seconds"`, a.ID)
		}
		d, err := seconds(a.Value)
		if err != nil {
			return err
		}
		if err := tighten(effects, d); err != nil {
			return err
		}
	}
	return nil
}

// seconds reads a whole number of seconds, given as a number or as text; one
// beyond three centuries is as good as that.
func seconds(v authz.Value) (time.Duration, error) {
	n, ok := v.Data().(*big.Int)
	if !ok {
		parsed, err := authz.ParseValue(authz.Integer, v.Text())
		if err != nil {
			return 0, fmt.Errorf("limit in seconds: %w", err)
		}
		n = parsed.Data().(*big.Int)
	}
	const most = math.MaxInt64 / int64(time.Second)
	switch {
	case n.Sign() < 0:
		return 0, fmt.Errorf("a limit of %s seconds is no limit", v.Text())
	case !n.IsInt64() || n.Int64() > most:
		return time.Duration(most) * time.Second, nil
	}
	return time.Duration(n.Int64()) * time.Second, nil
}

var (
	_ authz.Fulfiller = Map{}
	_ authz.Fulfiller = MapAccount{}
	_ authz.Fulfiller = CPUTime{}
	_ authz.Fulfiller = WallTime{}
)

// All returns the fulfillers by obligation id, for pep.Enforcer. Without a
// mapper or accounts the obligations that need them refuse.
func All(mapper authz.Mapper, accounts Accounts, posix bool) map[string]authz.Fulfiller {
	return map[string]authz.Fulfiller{
		profile.ObligationMap:        Map{Mapper: mapper, Posix: posix},
		profile.ObligationEMIMap:     Map{Mapper: mapper, Posix: posix},
		profile.ObligationMapAccount: MapAccount{Accounts: accounts, Posix: posix},
		profile.ObligationCPUTime:    CPUTime{},
		profile.ObligationWallTime:   WallTime{},
	}
}
