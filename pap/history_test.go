package pap_test

import (
	"context"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/stretchr/testify/require"
)

func TestHistoryPages(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"/CN=a", "/CN=b", "/CN=c"} {
		ok(t)(s.Ban(bg, by("Alice"), "default", dn(name)))
	}
	numbers := func(q change.Query) (got []uint64) {
		entries, err := s.History(bg, q)
		require.NoError(t, err)
		for _, e := range entries {
			got = append(got, e.Revision.Number)
		}
		return got
	}
	require.Equal(t, []uint64{4, 3, 2, 1}, numbers(change.Query{}))
	require.Equal(t, []uint64{4, 3}, numbers(change.Query{Limit: 2}))
	require.Equal(t, []uint64{2, 1}, numbers(change.Query{Before: 3, Limit: 2}))
	require.Empty(t, numbers(change.Query{Before: 1}))
	require.Equal(t, []uint64{4}, numbers(change.Query{Before: 99, Limit: 1}))
	require.Empty(t, numbers(change.Query{PAP: "other"}))
}

func TestDiff(t *testing.T) {
	s := newSite(t)
	kept := ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=kept"))) // 2
	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=gone")))         // 3
	ok(t)(s.Unban(bg, by("Alice"), "default", dn("/CN=gone")))       // 4
	differing, err := s.Diff(bg, 1, 4)
	require.NoError(t, err)
	require.Len(t, differing, 1, "what came and went does not differ")
	require.Nil(t, differing[0].Was)
	require.Equal(t, kept.IDs[0], differing[0].Is.Ban.ID)
	differing, err = s.Diff(bg, 4, 3)
	require.NoError(t, err)
	require.Equal(t, "/CN=gone", differing[0].Is.Ban.Names[0].Value)
	differing, err = s.Diff(bg, 3, 3)
	require.NoError(t, err)
	require.Empty(t, differing)
	_, err = s.Diff(bg, 1, 9)
	require.ErrorIs(t, err, change.ErrNotFound)
}

func TestRollback(t *testing.T) {
	s := newSite(t)
	load(t, s, sample, change.At{}) // 2
	before := outline(t, s, "default")
	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=early"))) // 3
	ok(t)(s.Remove(bg, by("Alice"), "default", ids(t, s, `action "submit"`)))
	ok(t)(s.Move(bg, by("Alice"), "default", ids(t, s, "resource"), ids(t, s, "resource"), true))
	load(t, s, sample, change.At{})
	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=late")))
	ok(t)(s.Unban(bg, by("Alice"), "default", dn("/CN=early")))

	result := ok(t)(s.Rollback(bg, by("Bob"), change.Restore{To: 3}))
	require.True(t, result.Changed)
	require.Equal(t, before, outline(t, s, "default"))
	bans, err := s.Bans(bg, "")
	require.NoError(t, err)
	require.Len(t, bans, 1)
	require.Equal(t, "/CN=late", bans[0].Names[0].Value, "⚿ going back in policies lifts no later ban")

	ok(t)(s.Rollback(bg, by("Bob"), change.Restore{To: 3, Bans: true}))
	bans, err = s.Bans(bg, "")
	require.NoError(t, err)
	require.Equal(t, "/CN=early", bans[0].Names[0].Value)
	require.Equal(t, "Alice", bans[0].Author)
	require.False(t, ok(t)(s.Rollback(bg, by("Bob"), change.Restore{To: 3, Bans: true})).Changed)

	_, err = s.Rollback(bg, by("Bob"), change.Restore{To: 99})
	require.ErrorIs(t, err, change.ErrNotFound)
	_, err = s.Rollback(bg, by("Bob"), change.Restore{})
	require.ErrorIs(t, err, change.ErrInvalid)
}

// A ban whose time is over does not come back.
func TestRollbackAndExpiry(t *testing.T) {
	s := newSite(t)
	b := dn("/CN=Eve")
	b.Until = noon.Add(time.Hour)
	at := ok(t)(s.Ban(bg, by("Alice"), "default", b, dn("/CN=Other")))
	s.sleep(2 * time.Hour)
	ok(t)(s.Expire(bg))
	require.False(t, ok(t)(s.Rollback(bg, by("Bob"), change.Restore{To: at.Revision.Number, Bans: true})).Changed)
}

// ⚿ A rollback to before a PAP existed does not leave its bans without force.
func TestRollbackKeepsGuard(t *testing.T) {
	s := newSite(t)
	ok(t)(s.AddPAP(bg, by("Alice"), change.PAP{Alias: "ngi", Enabled: true}))
	ok(t)(s.Ban(bg, by("Alice"), "ngi", dn("/CN=Eve")))
	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=Other")))
	_, err := s.Rollback(bg, by("Bob"), change.Restore{To: 1})
	require.ErrorIs(t, err, change.ErrNotAllowed)

	disabled := ok(t)(s.UpdatePAP(bg, by("Alice"), change.PAP{Alias: "ngi"}))
	ok(t)(s.UpdatePAP(bg, by("Alice"), change.PAP{Alias: "ngi", Enabled: true}))
	_, err = s.Rollback(bg, by("Bob"), change.Restore{To: disabled.Revision.Number})
	require.ErrorIs(t, err, change.ErrNotAllowed)
	ok(t)(s.Rollback(bg, by("Bob"), change.Restore{To: disabled.Revision.Number, Bans: true}))
}

func TestIfMatch(t *testing.T) {
	s := newSite(t)
	at, err := s.Revision(bg)
	require.NoError(t, err)
	request := by("Alice")
	request.IfMatch = at
	ok(t)(s.Ban(bg, request, "default", dn("/CN=a")))
	_, err = s.Ban(bg, request, "default", dn("/CN=b"))
	require.ErrorIs(t, err, change.ErrConflict)
	request.IfMatch = authz.Revision{Lineage: "00", Number: at.Number + 1}
	_, err = s.Ban(bg, request, "default", dn("/CN=b"))
	require.ErrorIs(t, err, change.ErrConflict, "the number of another lineage")
}

func TestIdempotencyKey(t *testing.T) {
	s := newSite(t)
	request := by("Alice")
	request.Key = "k1"
	add := func(r change.Request) (change.Result, error) {
		return s.AddFile(bg, r, "default", change.File{Name: "a", Text: sample}, change.At{})
	}
	first := ok(t)(add(request))
	s.open() // answers survive a restart
	again := ok(t)(add(request))
	require.True(t, again.Repeated)
	require.Equal(t, first.IDs, again.IDs)
	require.Equal(t, first.Revision, again.Revision)
	require.Equal(t, first.Revision.Number, s.number())

	_, err := s.Ban(bg, request, "default", dn("/CN=a"))
	require.ErrorIs(t, err, change.ErrConflict, "the key with another change")
	other := by("Bob")
	other.Key = "k1"
	require.False(t, ok(t)(add(other)).Repeated, "keys are private to their author")

	s.sleep(24 * time.Hour)
	require.False(t, ok(t)(add(request)).Repeated, "a day later it is forgotten")
	s.sleep(24 * time.Hour)
	require.False(t, ok(t)(s.Expire(bg)).Changed, "forgetting keys is no revision")

	_, err = s.Ban(bg, request, "nobody", dn("/CN=a"))
	require.ErrorIs(t, err, change.ErrNotFound)
	require.False(t, ok(t)(s.Ban(bg, request, "default", dn("/CN=a"))).Repeated, "a refusal is not kept")
}

func TestFollowers(t *testing.T) {
	s := newSite(t)
	at, err := s.Revision(bg)
	require.NoError(t, err)
	report := func(name, identity string, settled authz.Revision, legacy bool) error {
		return s.Report(bg, change.Follower{Name: name, Identity: identity, Applied: settled, Settled: settled, Legacy: legacy})
	}
	require.NoError(t, report("pdp1", "/CN=pdp1", at, false))
	require.NoError(t, report("old", "/CN=old", authz.Revision{}, true))
	require.ErrorIs(t, report("pdp1", "/CN=mallory", at, false), change.ErrNotAllowed, "⚿ a name belongs to one identity")
	require.ErrorIs(t, report("", "/CN=x", at, false), change.ErrInvalid)
	missing, err := s.Wait(bg, at)
	require.NoError(t, err)
	require.Empty(t, missing, "legacy followers are not waited for")

	before := s.number()
	next := ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=Eve"))).Revision
	ctx, cancel := context.WithTimeout(bg, 30*time.Millisecond)
	defer cancel()
	missing, err = s.Wait(ctx, next)
	require.NoError(t, err)
	require.Equal(t, "pdp1", missing[0].Name)
	require.Equal(t, noon, missing[0].Seen)

	done := make(chan []change.Follower, 1)
	go func() {
		missing, _ := s.Wait(bg, next)
		done <- missing
	}()
	require.NoError(t, report("pdp1", "/CN=pdp1", next, false))
	require.Empty(t, <-done)
	require.NoError(t, report("pdp1", "/CN=pdp1", authz.Revision{Lineage: "00", Number: 99}, false))
	missing, err = s.Wait(ctx, next)
	require.NoError(t, err)
	require.Len(t, missing, 1, "a number of another lineage settles nothing")

	s.open()
	followers, err := s.Followers(bg)
	require.NoError(t, err)
	require.Len(t, followers, 2)
	require.NoError(t, s.Forget(bg, "pdp1"))
	require.ErrorIs(t, s.Forget(bg, "pdp1"), change.ErrNotFound)
	require.NoError(t, report("pdp1", "/CN=mallory", at, false))
	require.Equal(t, before+1, s.number(), "followers make no revisions")
}

func TestRun(t *testing.T) {
	s := newSite(t)
	s.at = time.Now()
	start := s.at
	s.open(func(o *papOptions) { o.Clock = time.Now })
	ctx, cancel := context.WithCancel(bg)
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx) }()
	time.Sleep(20 * time.Millisecond) // asleep with nothing due
	b := dn("/CN=Eve")
	b.Until = start.Add(150 * time.Millisecond)
	at := ok(t)(s.Ban(bg, by("Alice"), "default", b))
	wait, stop := context.WithTimeout(bg, 5*time.Second)
	defer stop()
	_, err := s.store.Watch(wait, at.Revision.Number)
	require.NoError(t, err)
	require.False(t, time.Now().Before(b.Until), "not before its time")
	bans, err := s.Bans(bg, "")
	require.NoError(t, err)
	require.Empty(t, bans)
	cancel()
	require.NoError(t, <-stopped)

	go func() { stopped <- s.Run(bg) }()
	require.NoError(t, s.store.Close())
	require.NoError(t, <-stopped, "ends with its store")
}
