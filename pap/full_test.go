package pap_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/stretchr/testify/require"
)

// crowded is a store on a full disk: it has room for urgent updates only.
type crowded struct {
	store.Store
	full *bool
}

func (c crowded) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	if *c.full && !store.IsUrgent(ctx) {
		return 0, fmt.Errorf("write /secret/place: %w", store.ErrFull)
	}
	return c.Store.Update(ctx, fn)
}

// ⚿ DECISIONS 30: when the disk is full, bans go on and reach the followers;
// what widens does not.
func TestBansGoOnWhenTheDiskIsFull(t *testing.T) {
	full := false
	s := newSite(t, func(o *pap.Options) { o.Store = crowded{o.Store, &full} })
	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=old")))
	full = true
	result := ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=new")))
	require.True(t, result.Changed)
	require.NoError(t, s.Report(bg, change.Follower{Name: "ce", Identity: "/CN=ce", Applied: result.Revision, Settled: result.Revision}))
	missing, err := s.Wait(bg, result.Revision)
	require.NoError(t, err)
	require.Empty(t, missing)
	for name, err := range map[string]error{
		"un-ban": second(s.Unban(bg, by("Alice"), "default", dn("/CN=new"))),
		"file":   second(s.AddFile(bg, by("Alice"), "default", change.File{Name: "a.spl", Text: sample}, change.At{})),
		"person": second(s.PutPersons(bg, by("Alice"), change.Person{Links: []change.Name{{Attribute: "account", Value: "x"}}})),
	} {
		require.ErrorIs(t, err, change.ErrNoRoom, name)
		require.NotContains(t, err.Error(), "/secret/place")
	}
	full = false
	ok(t)(s.Unban(bg, by("Alice"), "default", dn("/CN=new")))
}

// ⚿ Who may follow registers a few names, and cannot fill the reserve with more.
func TestFollowersDoNotUseUpTheReserve(t *testing.T) {
	s := newSite(t)
	report := func(name, identity string) error {
		return s.Report(bg, change.Follower{Name: name, Identity: identity})
	}
	made := 0
	for i := range 100 {
		if err := report(fmt.Sprint("name ", i), "/CN=greedy"); err != nil {
			require.ErrorIs(t, err, change.ErrNotAllowed)
			require.ErrorContains(t, err, "forget those")
			continue
		}
		made++
	}
	require.Equal(t, 16, made)
	require.NoError(t, report("name 3", "/CN=greedy"), "what is there goes on")
	require.NoError(t, report("ce", "/CN=ce"), "and so does everybody else")
	require.NoError(t, s.Forget(bg, "name 3"))
	require.NoError(t, report("new", "/CN=greedy"))
}

func second(_ change.Result, err error) error { return err }
