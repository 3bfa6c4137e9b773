package pool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// FuzzRecords: whatever is in the store, reading it panics nowhere, and what is
// read is written the same way.
func FuzzRecords(f *testing.F) {
	now := time.Unix(1795311207, 5).UTC()
	k := Key{Pool: "cms", Identity: Identity{Name: "ann", Key: "x509 3 ann ca"}, Group: "g", Groups: []string{"a", "b"}}
	l := Lease{Key: k, Account: "cms001", UID: 20001, Granted: now, Used: now}
	s := status{pool: "cms", state: Leased, since: now, uid: 20001, lease: k.record(), free: "x"}
	e := Event{Time: now, Kind: Granted, Key: k, Cause: Cause{By: "b", Why: "w", Decision: "d", Revision: authz.Revision{Lineage: "l", Number: 7}}}
	for _, seed := range [][]byte{l.encode(), s.encode(), e.encode(), nil, {1}, {2, 0}, {1, 0xff, 0xff, 0xff, 0xff, 0x0f}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if l, err := decodeLease(data); err == nil {
			again, err := decodeLease(l.encode())
			require.NoError(t, err)
			require.Equal(t, l, again)
		}
		if s, err := decodeStatus(data); err == nil {
			again, err := decodeStatus(s.encode())
			require.NoError(t, err)
			require.Equal(t, s, again)
		}
		if e, err := decodeEvent("a", data); err == nil {
			again, err := decodeEvent("a", e.encode())
			require.NoError(t, err)
			require.Equal(t, e, again)
		}
	})
}

func TestRecordsThatWereWritten(t *testing.T) {
	now := time.Unix(1795311207, 5).UTC()
	l := Lease{Key: Key{Pool: "p", Identity: Identity{Name: "n", Key: "k"}}, Account: "a", UID: 1, Granted: now, Used: now, Ended: now}
	got, err := decodeLease(l.encode())
	require.NoError(t, err)
	require.Equal(t, l, got)
	_, err = decodeLease(append(l.encode(), 0))
	require.ErrorIs(t, err, errRecord, "something is left over")
	_, err = decodeLease(l.encode()[:20])
	require.ErrorIs(t, err, errRecord)
	newer := l.encode()
	newer[0]++
	_, err = decodeLease(newer)
	require.ErrorIs(t, err, errRecord)
}
