package etcd_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd/etcdserver"
	"github.com/stretchr/testify/require"
)

// What one update saw, another must not have changed when it commits: then its
// function runs again. What it did not see does not matter.
func TestAnUpdateLosesOnlyToWhatTouchesWhatItSaw(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	options := etcd.Options{Endpoints: []string{endpoint}, Prefix: "rival"}
	one, two := open(t, options), open(t, options)

	get := func(key string) func(store.WriteTx) {
		return func(tx store.WriteTx) { tx.Get("a", key) }
	}
	scan := func(prefix, from string, stop int) func(store.WriteTx) {
		return func(tx store.WriteTx) {
			n := 0
			for range tx.Scan("a", prefix, from) {
				if n++; n == stop {
					break
				}
			}
		}
	}
	put := func(key string) func(store.WriteTx) {
		return func(tx store.WriteTx) { tx.Put("a", key, []byte("rival")) }
	}
	remove := func(key string) func(store.WriteTx) {
		return func(tx store.WriteTx) { tx.Delete("a", key) }
	}
	for name, c := range map[string]struct {
		saw, rival func(store.WriteTx)
		again      bool
	}{
		"the same key":                {get("b1"), put("b1"), true},
		"the key removed":             {get("b1"), remove("b1"), true},
		"the missing key made":        {get("nothing"), put("nothing"), true},
		"another key":                 {get("b1"), put("b2"), false},
		"a key of the range":          {scan("b", "", 0), put("b2"), true},
		"a key of the range removed":  {scan("b", "", 0), remove("b2"), true},
		"a new key in the range":      {scan("b", "", 0), put("b15"), true},
		"below the start":             {scan("b", "b2", 0), put("b1"), false},
		"beyond the prefix":           {scan("b", "", 0), put("c"), false},
		"beyond where the loop ended": {scan("b", "", 1), put("b2"), false},
		"where the loop ended":        {scan("b", "", 1), put("b1"), true},
		"before where the loop ended": {scan("b", "", 1), put("b0"), true},
		"an empty range":              {scan("nothing", "", 0), put("nothing"), true},
		"the revision":                {func(tx store.WriteTx) { tx.Revision() }, func(tx store.WriteTx) { tx.Append(nil) }, true},
		"the journal to come":         {func(tx store.WriteTx) { entries(tx, 1<<40) }, func(tx store.WriteTx) { tx.Append(nil) }, true},
		"the journal as it was":       {func(tx store.WriteTx) { entries(tx, 1) }, func(tx store.WriteTx) { tx.Append(nil) }, false},
		"both append":                 {func(tx store.WriteTx) { tx.Append(nil) }, func(tx store.WriteTx) { tx.Append(nil) }, true},
		"quiet beside a revision":     {get("b1"), func(tx store.WriteTx) { tx.Append(nil) }, false},
		"many keys, one of them": {func(tx store.WriteTx) {
			for i := range 300 {
				tx.Get("a", "m"+string(rune('a'+i%26))+string(rune('a'+i/26)))
			}
		}, put("mba"), true},
		"many keys, another namespace": {func(tx store.WriteTx) {
			for i := range 300 {
				tx.Get("a", "m"+string(rune('a'+i%26))+string(rune('a'+i/26)))
			}
		}, func(tx store.WriteTx) { tx.Put("z", "mba", nil) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			update(t, one, func(tx store.WriteTx) {
				for key := range tx.Scan("a", "", "") {
					tx.Delete("a", key)
				}
				for _, key := range []string{"b1", "b2", "b3"} {
					tx.Put("a", key, []byte("first"))
				}
				tx.Append([]byte("entry"))
			})
			runs := 0
			update(t, one, func(tx store.WriteTx) {
				c.saw(tx)
				if runs++; runs == 1 {
					update(t, two, c.rival)
				}
				tx.Put("own", "result", nil)
			})
			want := 1
			if c.again {
				want = 2
			}
			require.Equal(t, want, runs)
		})
	}
}

// The lineage is made once, whoever comes first.
func TestTheLineageIsMadeOnce(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	var wg sync.WaitGroup
	lineages := make([]store.Lineage, 8)
	for i := range lineages {
		wg.Go(func() {
			s := open(t, etcd.Options{Endpoints: []string{endpoint}})
			assertNoError(t, s.View(context.Background(), func(tx store.ReadTx) error { lineages[i] = tx.Lineage(); return nil }))
		})
	}
	wg.Wait()
	for _, l := range lineages {
		require.Equal(t, lineages[0], l)
		require.NotZero(t, l)
	}
}

// What one process makes wakes those that watch in another.
func TestWatchAcrossStores(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	options := etcd.Options{Endpoints: []string{endpoint}}
	one, two := open(t, options), open(t, options)
	woken := make(chan uint64)
	go func() {
		number, _ := two.Watch(context.Background(), 0)
		woken <- number
	}()
	update(t, one, func(tx store.WriteTx) { tx.Put("a", "quiet", nil) })
	select {
	case <-woken:
		require.Fail(t, "woken by a quiet update")
	case <-time.After(50 * time.Millisecond):
	}
	update(t, one, func(tx store.WriteTx) { tx.Append(nil) })
	require.EqualValues(t, 1, <-woken)
}

func entries(tx store.ReadTx, to uint64) {
	for range tx.Journal(1, to) {
		continue
	}
}

func update(t *testing.T, s store.Store, fn func(store.WriteTx)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err := s.Update(ctx, func(tx store.WriteTx) error { fn(tx); return nil })
	require.NoError(t, err)
}

func assertNoError(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}
