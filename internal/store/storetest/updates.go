package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/stretchr/testify/require"
)

var errPlanned = errors.New("planned")

func errorLeavesNothing(f *fixture) {
	f.put("a", "k", "before")
	before := f.all("a")
	number, err := f.store.Update(f.ctx(), func(tx store.WriteTx) error {
		tx.Put("a", "k", []byte("after"))
		tx.Put("a", "new", nil)
		tx.Append([]byte("entry"))
		return errPlanned
	})
	require.ErrorIs(f, err, errPlanned)
	require.Zero(f, number)
	require.Equal(f, before, f.all("a"))
	require.ErrorIs(f, f.store.View(f.ctx(), func(store.ReadTx) error { return errPlanned }), errPlanned)
	require.EqualValues(f, 2, f.put("a", "k", "after"), "a failed update used up a number")
}

func panicLeavesNothing(f *fixture) {
	f.put("a", "k", "before")
	before := f.all("a")
	require.PanicsWithValue(f, "planned", func() {
		_, _ = f.store.Update(f.ctx(), func(tx store.WriteTx) error {
			tx.Put("a", "k", []byte("after"))
			tx.Append(nil)
			panic("planned")
		})
	})
	require.PanicsWithValue(f, "planned", func() {
		_ = f.store.View(f.ctx(), func(store.ReadTx) error { panic("planned") })
	})
	require.Equal(f, before, f.all("a"))
	require.EqualValues(f, 2, f.put("a", "k", "after"), "the store is usable after a panic")
}

func revision(f *fixture) {
	for want := uint64(1); want <= 20; want++ {
		got := f.update(func(tx store.WriteTx) {
			require.Equal(f, want-1, tx.Revision(), "inside the update")
			tx.Append(nil)
			require.Equal(f, want-1, tx.Revision(), "after Append")
		})
		require.Equal(f, want, got)
		require.Equal(f, want, f.all().Revision)
	}
}

func quiet(f *fixture) {
	require.Zero(f, f.update(func(tx store.WriteTx) { tx.Put("a", "k", []byte("1")) }))
	f.put("a", "l", "2")
	require.EqualValues(f, 1, f.update(func(tx store.WriteTx) { tx.Put("a", "k", []byte("3")) }))
	require.EqualValues(f, 1, f.update(func(store.WriteTx) {}), "an update without a write")
	got := f.all("a")
	require.EqualValues(f, 1, got.Revision)
	require.Equal(f, map[string]string{"a/k": "3", "a/l": "2"}, got.Records)
	require.Equal(f, map[uint64]string{1: "l=2"}, got.Journal)
}

func journal(f *fixture) {
	for i := 1; i <= 300; i++ { // enough to cross a byte in the number
		f.update(func(tx store.WriteTx) { tx.Append([]byte(strconv.Itoa(i))) })
	}
	f.update(func(tx store.WriteTx) {
		tx.Append([]byte("not yet"))
		for range tx.Journal(301, 301) {
			require.Fail(f, "an entry is in the journal before it is written")
		}
		tx.Put("a", "k", nil)
	})
	span := func(from, to uint64) (got []uint64) {
		f.view(func(tx store.ReadTx) {
			for n, entry := range tx.Journal(from, to) {
				if n <= 300 {
					require.Equal(f, strconv.FormatUint(n, 10), string(entry))
				}
				if got = append(got, n); len(got) == 400 {
					break
				}
			}
		})
		return got
	}
	require.Equal(f, []uint64{254, 255, 256, 257}, span(254, 257))
	require.Equal(f, []uint64{257, 256, 255, 254}, span(257, 254))
	require.Equal(f, []uint64{7}, span(7, 7))
	require.Equal(f, []uint64{1, 2}, span(0, 2))
	require.Equal(f, []uint64{2, 1}, span(2, 0))
	require.Equal(f, []uint64{300, 301}, span(300, 1<<63))
	require.Equal(f, []uint64{301, 300}, span(1<<63, 300))
	require.Empty(f, span(302, 400))
	require.Empty(f, span(400, 302))
	require.Len(f, span(1, 301), 301)
}

func lineage(f *fixture) {
	first := f.all().Lineage
	f.put("a", "k", "v")
	require.Equal(f, first, f.all().Lineage)
	parsed, err := store.ParseLineage(first.String())
	require.NoError(f, err)
	require.Equal(f, first, parsed)
}

func isolation(f *fixture) {
	f.put("a", "k", "old")
	f.view(func(tx store.ReadTx) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = f.store.Update(f.ctx(), func(tx store.WriteTx) error {
				tx.Put("a", "k", []byte("new"))
				tx.Put("a", "l", []byte("new"))
				tx.Append(nil)
				return nil
			})
		}()
		<-done // an update does not wait for a view
		value, _ := tx.Get("a", "k")
		require.Equal(f, "old", string(value))
		require.Equal(f, []string{"k"}, keys(tx, "a", "", ""))
		require.EqualValues(f, 1, tx.Revision())
		for n := range tx.Journal(2, 2) {
			require.Fail(f, "a later entry is seen", "%d", n)
		}
	})
	require.Equal(f, map[string]string{"a/k": "new", "a/l": "new"}, f.all("a").Records)
}

// uncommitted looks at the store from outside while an update is being made.
func uncommitted(f *fixture) {
	f.put("a", "k", "old")
	f.update(func(tx store.WriteTx) {
		tx.Put("a", "k", []byte("new"))
		tx.Append(nil)
		seen := make(chan all)
		go func() { defer close(seen); seen <- f.all("a") }()
		got := <-seen
		require.Equal(f, "old", got.Records["a/k"])
		require.EqualValues(f, 1, got.Revision)
	})
}

// concurrentWriters counts in one record from many sides: a lost update or a
// number given twice shows.
func concurrentWriters(f *fixture) {
	const writers, each = 8, 25
	var numbers [writers][]uint64
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				number, err := f.store.Update(f.ctx(), func(tx store.WriteTx) error {
					value, _ := tx.Get("a", "count")
					n, _ := strconv.Atoi(string(value))
					tx.Put("a", "count", []byte(strconv.Itoa(n+1)))
					tx.Put("w", fmt.Sprintf("%d/%d", w, i), []byte(strconv.FormatUint(tx.Revision()+1, 10)))
					tx.Append([]byte(fmt.Sprintf("%d/%d", w, i)))
					return nil
				})
				if err != nil {
					return
				}
				numbers[w] = append(numbers[w], number)
			}
		})
	}
	wg.Wait()
	got := f.all("a", "w")
	require.Equal(f, strconv.Itoa(writers*each), got.Records["a/count"])
	require.EqualValues(f, writers*each, got.Revision)
	var every []uint64
	for w := range writers {
		require.Len(f, numbers[w], each)
		require.True(f, slices.IsSorted(numbers[w]))
		for i, n := range numbers[w] {
			key := fmt.Sprintf("%d/%d", w, i)
			require.Equal(f, key, got.Journal[n], "the entry under the number that Update returned")
			require.Equal(f, strconv.FormatUint(n, 10), got.Records["w/"+key])
		}
		every = append(every, numbers[w]...)
	}
	slices.Sort(every)
	require.Len(f, slices.Compact(every), writers*each)
}

// failingWriters: updates that fail or panic beside others harm none of them.
func failingWriters(f *fixture) {
	const writers, each = 6, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				func() {
					defer func() { _ = recover() }()
					_, _ = f.store.Update(f.ctx(), func(tx store.WriteTx) error {
						key := fmt.Sprintf("%d/%d", w, i)
						tx.Put("a", key, nil)
						tx.Append([]byte(key))
						switch w % 3 {
						case 1:
							return errPlanned
						case 2:
							panic("planned")
						}
						return nil
					})
				}()
			}
		})
	}
	wg.Wait()
	got := f.all("a")
	require.EqualValues(f, writers/3*each, got.Revision)
	require.Len(f, got.Records, writers/3*each)
	for _, entry := range got.Journal {
		require.Contains(f, got.Records, "a/"+entry)
	}
}

func cancelled(f *fixture) {
	f.put("a", "k", "v")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ran := false
	_, err := f.store.Update(ctx, func(store.WriteTx) error { ran = true; return nil })
	require.ErrorIs(f, err, context.Canceled)
	require.ErrorIs(f, f.store.View(ctx, func(store.ReadTx) error { ran = true; return nil }), context.Canceled)
	require.False(f, ran, "a transaction ran in a context that was done")

	ctx, cancel = context.WithCancel(context.Background())
	_, err = f.store.Update(ctx, func(tx store.WriteTx) error {
		tx.Put("a", "k", []byte("half"))
		cancel()
		tx.Get("a", "k")
		return nil
	})
	require.ErrorIs(f, err, context.Canceled)
	require.Equal(f, map[string]string{"a/k": "v"}, f.all("a").Records)
}

func useAfterEnd(f *fixture) {
	f.put("a", "k", "v")
	var read store.ReadTx
	f.view(func(tx store.ReadTx) { read = tx })
	require.Panics(f, func() { read.Get("a", "k") })
	require.Panics(f, func() { keys(read, "a", "", "") })
	var write store.WriteTx
	f.update(func(tx store.WriteTx) { write = tx })
	require.Panics(f, func() { write.Put("a", "k", nil) })
}

func closed(f *fixture) {
	f.put("a", "k", "v")
	require.NoError(f, f.store.Close())
	require.NoError(f, f.store.Close())
	nothing := func(store.ReadTx) error { require.Fail(f, "ran on a closed store"); return nil }
	require.ErrorIs(f, f.store.View(f.ctx(), nothing), store.ErrClosed)
	_, err := f.store.Update(f.ctx(), func(tx store.WriteTx) error { return nothing(tx) })
	require.ErrorIs(f, err, store.ErrClosed)
	_, err = f.store.Watch(f.ctx(), 0)
	require.ErrorIs(f, err, store.ErrClosed)
}

func reopen(f *fixture) {
	again, ok := f.store.(Reopener)
	if !ok {
		return // a back end in memory, with nothing to find again
	}
	for i := range 50 {
		f.put("a", fmt.Sprintf("%02d", i), "v")
	}
	f.update(func(tx store.WriteTx) { tx.Delete("a", "07"); tx.Put("b", "quiet", []byte("q")) })
	before := f.all("a", "b")
	f.store = again.Reopen(f)
	require.Equal(f, before, f.all("a", "b"))
	require.EqualValues(f, 51, f.put("a", "more", "v"))
	got, err := f.store.Watch(f.ctx(), 50)
	require.NoError(f, err)
	require.EqualValues(f, 51, got)
}
