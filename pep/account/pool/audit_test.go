package pool

import (
	"context"
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// audit checks that the tables of a store say one thing: no account in two
// hands, none with two owners, none free and given away, and a history that
// ends where things stand.
func audit(t require.TestingT, s store.Store) {
	require.NoError(t, s.View(context.Background(), func(tx store.ReadTx) error {
		left := map[string]int{}
		for _, table := range []string{leases, free, uids, quarantines} {
			for range tx.Scan(table, "", "") {
				left[table]++
			}
		}
		for account, data := range tx.Scan(accounts, "", "") {
			st, err := decodeStatus(data)
			require.NoError(t, err, account)
			auditOne(t, tx, account, st, left)
		}
		for table, n := range left {
			require.Zero(t, n, "records of %s that belong to no account", table)
		}
		return nil
	}))
}

func auditOne(t require.TestingT, tx store.ReadTx, account string, st status, left map[string]int) {
	has := func(table, key string) {
		_, ok := tx.Get(table, key)
		require.True(t, ok, "%s is %s and not in %s", account, st.state, table)
		left[table]--
	}
	if st.lease != "" {
		has(leases, st.lease)
		l, _, err := getLease(tx, st.lease)
		require.NoError(t, err)
		require.Equal(t, account, l.Account)
		require.Equal(t, st.state == Quarantined, !l.Ended.IsZero(), account)
		require.Equal(t, l.record(), st.lease)
	}
	if st.uid != 0 {
		has(uids, uidKey(st.uid))
	}
	switch st.state {
	case Free:
		has(free, st.free)
		require.Empty(t, st.lease)
		require.Zero(t, st.uid)
	case Leased:
		require.NotEmpty(t, st.lease)
		require.NotZero(t, st.uid)
	case Quarantined:
		has(quarantines, quarantineKey(st.until, account))
	case Reserved:
		require.Empty(t, st.lease)
	default:
		require.Fail(t, fmt.Sprintf("%s is %q", account, st.state))
	}
	auditHistory(t, tx, account, st)
}

// follows says which event may come after which.
var follows = map[Kind][]Kind{
	Granted: {"", Freed}, Returned: {Expired}, Expired: {Granted, Returned},
	Released: {Granted, Returned, Held, Expired, Released}, Held: {"", Freed, Released, Expired}, Freed: {Released, Expired},
}

func auditHistory(t require.TestingT, tx store.ReadTx, account string, st status) {
	var events []Event
	for key, data := range tx.Scan(history, account+"\x00", "") {
		e, err := readEvent(key, data)
		require.NoError(t, err)
		events = append(events, e)
	}
	ends := map[Kind]State{Granted: Leased, Returned: Leased, Expired: Quarantined, Released: Quarantined, Held: Reserved, Freed: Free}
	if len(events) == 0 {
		require.Equal(t, Free, st.state, account)
		return
	}
	require.Equal(t, st.state, ends[events[0].Kind], account)
	require.Equal(t, st.since, events[0].Time, account)
	for i, e := range events {
		before := Event{}
		if i+1 < len(events) {
			before = events[i+1]
			require.True(t, e.Time.After(before.Time), "%s before %s", before, e)
		}
		require.Contains(t, follows[e.Kind], before.Kind, "%s after %s", e, before)
		if e.Kind == Returned || e.Kind == Expired {
			require.True(t, e.same(before.Key), "%s after %s", e, before)
		}
	}
}
