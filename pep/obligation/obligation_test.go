package obligation_test

import (
	"context"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/pep/obligation"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

var ann = authz.Account{Name: "ann", UID: 10001, Group: authz.Group{Name: "users", GID: 10000}, Groups: []authz.Group{{Name: "cms", GID: 10010}}}

// people maps everybody to ann and knows nobody else.
type people struct{ err error }

func (p people) Map(context.Context, *authz.Request) (authz.Account, error) { return ann, p.err }

func (p people) Named(_ context.Context, _ *authz.Request, name string) (authz.Account, error) {
	if name != "ann" {
		return authz.Account{}, errors.New("unknown account " + name)
	}
	return ann, p.err
}

type permits []authz.Obligation

func (p permits) Decide(context.Context, *authz.Request) (authz.Response, error) {
	return authz.Response{Decision: authz.Permit, Obligations: p}, nil
}

type recorder struct{}

func (recorder) Record(context.Context, authz.Record) error { return nil }

func enforce(t *testing.T, fulfillers map[string]authz.Fulfiller, obligations ...authz.Obligation) pep.Outcome {
	t.Helper()
	e := &pep.Enforcer{Decider: permits(obligations), Fulfillers: fulfillers, Recorder: recorder{}, Understood: pep.Understand(profile.ObligationPosix)}
	return e.Enforce(t.Context(), &authz.Request{})
}

func limit(id string, values ...authz.Value) authz.Obligation {
	o := authz.Obligation{ID: id}
	for _, v := range values {
		o.Assignments = append(o.Assignments, authz.Assignment{ID: profile.Seconds, Value: v})
	}
	return o
}

func account(name string) authz.Obligation {
	return authz.Obligation{ID: profile.ObligationMapAccount, Assignments: []authz.Assignment{{ID: profile.Account, Value: authz.StringValue(name)}}}
}

func TestAccountAndLimits(t *testing.T) {
	o := enforce(t, obligation.All(people{}, people{}, true),
		authz.Obligation{ID: profile.ObligationMap}, account("ann"),
		limit(profile.ObligationCPUTime, authz.IntegerValue(600)), limit(profile.ObligationCPUTime, authz.StringValue("60"), authz.IntegerValue(3600)),
		limit(profile.ObligationWallTime, authz.BigIntegerValue(new(big.Int).Lsh(big.NewInt(1), 200))))
	require.True(t, o.Permit, o.Cause)
	require.Equal(t, ann, o.Effects.Account)
	require.Equal(t, pep.Limit{Most: time.Minute, Set: true}, o.Effects.CPUTime)
	require.Greater(t, o.Effects.WallTime.Most, 200*365*24*time.Hour)
	require.Len(t, o.Response.Obligations, 2)
	posix := o.Response.Obligations[0]
	require.Equal(t, profile.ObligationPosix, posix.ID)
	var got [][2]string
	for _, a := range posix.Assignments {
		got = append(got, [2]string{a.ID, a.Value.Text()})
	}
	require.Equal(t, [][2]string{{profile.UserID, "ann"}, {profile.PrimaryGroupID, "users"}, {profile.GroupID, "users"}, {profile.GroupID, "cms"}}, got)

	o = enforce(t, obligation.All(people{}, nil, false), authz.Obligation{ID: profile.ObligationEMIMap})
	require.True(t, o.Permit, o.Cause)
	require.Empty(t, o.Response.Obligations)
	require.Equal(t, "ann", o.Effects.Account.Name)
}

// ⚿ What cannot be carried out to the letter refuses (DECISIONS 25).
func TestRefusals(t *testing.T) {
	all := obligation.All(people{}, people{}, false)
	down := obligation.All(people{errors.New("down")}, people{errors.New("down")}, false)
	for name, c := range map[string]struct {
		fulfillers map[string]authz.Fulfiller
		o          authz.Obligation
	}{
		"mapper fails":           {down, authz.Obligation{ID: profile.ObligationMap}},
		"accounts fail":          {down, account("ann")},
		"no mapper":              {obligation.All(nil, nil, false), authz.Obligation{ID: profile.ObligationMap}},
		"no accounts":            {obligation.All(nil, nil, false), account("ann")},
		"unknown account":        {all, account("bob")},
		"no account named":       {all, authz.Obligation{ID: profile.ObligationMapAccount}},
		"no limit":               {all, limit(profile.ObligationCPUTime)},
		"negative limit":         {all, limit(profile.ObligationCPUTime, authz.IntegerValue(-1))},
		"limit of words":         {all, limit(profile.ObligationCPUTime, authz.StringValue("ten"))},
		"limit under other name": {all, authz.Obligation{ID: profile.ObligationCPUTime, Assignments: []authz.Assignment{{ID: profile.Account, Value: authz.IntegerValue(1)}}}},
		"unknown obligation":     {all, authz.Obligation{ID: "urn:unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.False(t, enforce(t, c.fulfillers, c.o).Permit)
		})
	}
	for id, f := range all {
		_, err := f.Fulfill(t.Context(), &authz.Request{}, authz.Obligation{ID: id})
		require.Error(t, err, "%s outside an enforcer", id)
	}
}
