package etcd

import (
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"pgregory.net/rapid"
)

const here = layout("site/")

func TestBatchRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.Custom(func(t *rapid.T) change {
			c := change{key: string(here) + rapid.String().Draw(t, "key"), remove: rapid.Bool().Draw(t, "remove")}
			if !c.remove {
				c.value = rapid.SliceOf(rapid.Byte()).Draw(t, "value")
			}
			return c
		})).Draw(t, "changes")
		data := encodeBatch(here, want)
		got, err := decodeBatch(here, data)
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i].key, got[i].key)
			require.Equal(t, want[i].remove, got[i].remove)
			require.Equal(t, string(want[i].value), string(got[i].value))
		}
		if len(data) > 0 {
			_, err = decodeBatch(here, data[:len(data)-1])
			require.ErrorIs(t, err, store.ErrCorrupt)
		}
	})
}

// Steps hold every change once, in order, and none more than it may.
func TestSteps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 300), 1, 50).Draw(t, "sizes")
		var changes []change
		for _, n := range sizes {
			changes = append(changes, change{key: "k", value: make([]byte, n)})
		}
		ops, bytes := rapid.IntRange(1, 10).Draw(t, "ops"), rapid.IntRange(1, 1000).Draw(t, "bytes")
		for left := changes; len(left) > 0; {
			n := stepSize(left, ops, bytes)
			require.Positive(t, n)
			require.LessOrEqual(t, n, ops)
			size := 0
			for _, c := range left[:n] {
				size += c.size()
			}
			require.True(t, n == 1 || size <= bytes)
			left = left[n:]
		}
	})
}

// However much an update has seen, its comparisons fit, and cover all of it.
func TestManyReadsBecomeRanges(t *testing.T) {
	t.Parallel()
	r := newReads()
	for i := range 1000 {
		key := here.record("a", string(rune('a'+i%26))+time.Duration(i).String())
		r.sawKey("a", key, int64(i%7))
	}
	r.sawRange("b", here.record("b", "c"), here.record("b", "d"))
	all := r.compares(here, 99, compareLimit)
	require.LessOrEqual(t, len(all), compareLimit)
	require.Len(t, all, 4, "a range and the removals of each namespace")
	less := clientv3.Compare(clientv3.ModRevision("x"), "<", 100)
	for _, c := range all {
		require.Equal(t, less.GetCompare().GetResult(), c.GetCompare().GetResult())
	}
}

func FuzzBatch(f *testing.F) {
	f.Add(encodeBatch(here, []change{{key: "site/a", value: []byte("v")}, {key: "site/b", remove: true}}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) {
		changes, err := decodeBatch(here, data)
		if err != nil {
			return
		}
		again, err := decodeBatch(here, encodeBatch(here, changes))
		require.NoError(t, err)
		require.Len(t, again, len(changes))
	})
}

func FuzzValue(f *testing.F) {
	f.Add(encodeInline([]byte("v")))
	f.Add(setRef{length: 7}.encode())
	f.Add(progress{ref: setRef{length: 7}, done: 3}.encode())
	f.Add([]byte("staged 1 record/a/k"))
	f.Add([]byte(formatMeta(store.Lineage{1})))
	f.Fuzz(func(t *testing.T, data []byte) {
		value, ref, err := decodeValue(data)
		require.False(t, err == nil && ref == nil && value == nil)
		if ref != nil {
			require.LessOrEqual(t, ref.length, uint64(maxSet))
			require.Equal(t, data, ref.encode())
		}
		if p, err := decodeProgress(data); err == nil {
			require.Equal(t, data, p.encode())
		}
		_, _ = parseMeta(data)
		if state, at, target, err := parseMark(string(data)); err == nil {
			again, then, same, err := parseMark((&set{target: target}).mark(state, at))
			require.NoError(t, err)
			require.Equal(t, []any{state, at.Unix(), target}, []any{again, then.Unix(), same})
		}
	})
}
