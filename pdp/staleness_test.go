package pdp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// ⚿ The policies in force stop counting when nobody has confirmed them for
// max-stale (DECISIONS 9), however often the process restarts in between: a
// copy from the disk brings its own age along.
func TestStaleness(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	permit := &policies.Policy{
		Header: policies.Header{ID: "p", Version: "1.0", Place: "m", Combining: policies.FirstApplicable},
		Rules:  policies.NewList(&policies.Rule{ID: "r", Place: "m", Effect: authz.Permit}),
	}
	at := authz.Revision{Lineage: "l", Number: 7}
	base := &policies.Snapshot{Revision: at, Root: policies.NewRoot(policies.List[*policies.Rule]{}, permit)}
	e := New(Options{Clock: func() time.Time { return now }, MaxStale: time.Hour})
	decide := func() authz.Decision {
		r, err := e.Decide(t.Context(), &authz.Request{})
		require.NoError(t, err)
		return r.Decision
	}
	require.Equal(t, authz.Indeterminate, decide(), "no policies")

	require.NoError(t, e.Apply(policies.Update{To: at, Base: base, Confirmed: now.Add(-50 * time.Minute)}))
	require.Equal(t, authz.Permit, decide())
	now = now.Add(20 * time.Minute)
	require.Equal(t, authz.Indeterminate, decide(), "seventy minutes without a word")
	require.Contains(t, e.Status().Cause, "confirmed")

	require.NoError(t, e.Apply(policies.Update{From: at, To: at, Confirmed: now.Add(-2 * time.Hour)}))
	require.Equal(t, authz.Indeterminate, decide(), "old news confirms nothing")
	require.NoError(t, e.Apply(policies.Update{From: at, To: at}))
	require.Equal(t, authz.Permit, decide())
}
