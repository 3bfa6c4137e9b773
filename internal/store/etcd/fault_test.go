package etcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd/etcdserver"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// fault is what befalls a transaction on its way.
type fault int

const (
	none        fault = iota
	requestLost       // etcd never sees it
	answerLost        // made, but nobody hears of it
	twice             // delivered two times
	late              // delivered long after the sender gave up
	faults            // how many there are
)

// faulty is a client whose transactions meet faults.
type faulty struct {
	clientv3.KV
	next  func(ops []clientv3.Op) fault
	delay time.Duration
	under *sync.WaitGroup // late transactions
}

type faultyTxn struct {
	kv           faulty
	ctx          context.Context
	when         []clientv3.Cmp
	then, orElse []clientv3.Op
	_            struct{}
}

func (f faulty) Txn(ctx context.Context) clientv3.Txn { return &faultyTxn{kv: f, ctx: ctx} }

func (t *faultyTxn) If(c ...clientv3.Cmp) clientv3.Txn  { t.when = c; return t }
func (t *faultyTxn) Then(o ...clientv3.Op) clientv3.Txn { t.then = o; return t }
func (t *faultyTxn) Else(o ...clientv3.Op) clientv3.Txn { t.orElse = o; return t }

func (t *faultyTxn) Commit() (*clientv3.TxnResponse, error) {
	lost := status.Error(codes.Unavailable, "planned")
	switch t.kv.next(t.then) {
	case requestLost:
		return nil, lost
	case answerLost:
		_, _ = t.send(t.ctx)
		return nil, lost
	case twice:
		_, _ = t.send(t.ctx)
	case late:
		t.kv.under.Go(func() {
			time.Sleep(t.kv.delay)
			_, _ = t.send(context.Background())
		})
		return nil, lost
	}
	return t.send(t.ctx)
}

func (t *faultyTxn) send(ctx context.Context) (*clientv3.TxnResponse, error) {
	return t.kv.KV.Txn(ctx).If(t.when...).Then(t.then...).Else(t.orElse...).Commit()
}

// writes reports whether a transaction changes anything.
func writes(ops []clientv3.Op) bool {
	return slices.ContainsFunc(ops, func(op clientv3.Op) bool { return op.IsPut() || op.IsDelete() })
}

// injured opens a store whose transactions meet what next says.
func injured(t *testing.T, o Options, delay time.Duration, next func([]clientv3.Op) fault) *Store {
	t.Helper()
	client, err := dial(o)
	require.NoError(t, err)
	s := newStore(client, o)
	_, err = s.prepare(context.Background(), false)
	require.NoError(t, err)
	s.stop = func() {} // nothing beside the transactions, which would meet faults too
	under := &sync.WaitGroup{}
	s.kv = faulty{KV: s.kv, next: next, delay: delay, under: under}
	t.Cleanup(func() { under.Wait(); _ = s.Close() })
	return s
}

func opened(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// ⚿ Whatever happens to requests and answers, an acknowledged update was made
// once, and one that failed without doubt never.
func TestFaultsNeverMakeAnUpdateTwiceOrForNothing(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	options := Options{Endpoints: []string{endpoint}, Patience: 2 * time.Second}
	var mu sync.Mutex
	seen := map[fault]int{}
	s := injured(t, options, 30*time.Millisecond, func(ops []clientv3.Op) fault {
		if !writes(ops) || rand.N(3) > 0 {
			return none
		}
		f := rand.N(faults)
		mu.Lock()
		defer mu.Unlock()
		seen[f]++
		return f
	})
	const writers, each = 6, 15
	var acknowledged, refused, doubtful sync.Map
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				name := fmt.Sprintf("%d/%d", w, i)
				_, err := s.Update(context.Background(), func(tx store.WriteTx) error {
					tx.Put("a", name, nil)
					tx.Append([]byte(name))
					return nil
				})
				switch {
				case err == nil:
					acknowledged.Store(name, true)
				case errors.Is(err, store.ErrInDoubt):
					doubtful.Store(name, true)
				default:
					refused.Store(name, true)
				}
			}
		})
	}
	wg.Wait()
	s.kv.(faulty).under.Wait()
	made := map[string]int{}
	require.NoError(t, s.View(context.Background(), func(tx store.ReadTx) error {
		for _, entry := range tx.Journal(1, 1<<40) {
			made[string(entry)]++
		}
		return nil
	}))
	for name := range made {
		require.Equal(t, 1, made[name], "%s was made %d times", name, made[name])
		_, failed := refused.Load(name)
		require.False(t, failed, "%s was made and refused", name)
	}
	acknowledged.Range(func(name, _ any) bool {
		require.Contains(t, made, name, "acknowledged and not made")
		return true
	})
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, seen, int(faults), "every kind of fault must have happened: %v", slices.Sorted(maps.Keys(seen)))
	require.NotEmpty(t, made)
}

// ⚿ A transaction that its sender gave up on arrives after a later update of the
// same record, which it did not read: it must not overwrite it.
func TestATransactionThatArrivesLateChangesNothing(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	first := true
	s := injured(t, Options{Endpoints: []string{endpoint}}, 600*time.Millisecond, func(ops []clientv3.Op) fault {
		if first && writes(ops) {
			first = false
			return late
		}
		return none
	})
	runs := 0
	put := func(value string) {
		_, err := s.Update(context.Background(), func(tx store.WriteTx) error {
			runs++
			tx.Put("a", "k", []byte(value))
			return nil
		})
		require.NoError(t, err)
	}
	put("older")
	require.Equal(t, 2, runs, "the first attempt was fenced off and made anew")
	put("newer")
	s.kv.(faulty).under.Wait()
	require.Equal(t, "newer", value(t, s, "a", "k"))
}

// ⚿ Nor if the store was closed meanwhile, which removes its lanes.
func TestATransactionThatArrivesAfterTheCloseChangesNothing(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	first := true
	s := injured(t, Options{Endpoints: []string{endpoint}}, 600*time.Millisecond, func(ops []clientv3.Op) fault {
		if first && writes(ops) {
			first = false
			return late
		}
		return none
	})
	for _, v := range []string{"older", "newer"} {
		_, err := s.Update(context.Background(), func(tx store.WriteTx) error { tx.Put("a", "k", []byte(v)); return nil })
		require.NoError(t, err)
	}
	s.dropLanes()
	require.Empty(t, under(t, s, "lane/"))
	s.kv.(faulty).under.Wait()
	require.Equal(t, "newer", value(t, s, "a", "k"))
}

// A commit whose answer is lost, with nobody to ask, is in doubt and says so.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	down := false
	s := injured(t, Options{Endpoints: []string{endpoint}, Patience: 300 * time.Millisecond}, 0, func(ops []clientv3.Op) fault {
		switch {
		case down:
			return requestLost
		case writes(ops):
			down = true
			return answerLost
		}
		return none
	})
	_, err := s.Update(context.Background(), func(tx store.WriteTx) error { tx.Put("a", "k", []byte("v")); return nil })
	require.ErrorIs(t, err, store.ErrInDoubt)
	require.ErrorContains(t, err, endpoint)
	require.Error(t, s.Trouble())
	down = false
	require.Equal(t, "v", value(t, s, "a", "k"), "this one was made")
	require.NoError(t, s.Trouble())
}

// A writer dies in the middle of a large update: nobody sees half of it, and
// whoever writes next makes the rest.
func TestALargeUpdateOutlivesItsWriter(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	options := Options{Endpoints: []string{endpoint}, Patience: 500 * time.Millisecond}
	steps := 0
	dying := injured(t, options, 0, func(ops []clientv3.Op) fault {
		if len(ops) > opLimit/2 {
			steps++
		}
		if steps > 2 {
			return requestLost
		}
		return none
	})
	other := opened(t, options)
	const records = 1000
	_, err := dying.Update(context.Background(), func(tx store.WriteTx) error {
		for i := range records {
			tx.Put("a", fmt.Sprintf("%04d", i), []byte("v"))
		}
		tx.Append([]byte("large"))
		return nil
	})
	require.ErrorIs(t, err, store.ErrInDoubt)
	require.Zero(t, count(t, other, "a"), "half of an update is seen")
	number, err := other.Update(context.Background(), func(tx store.WriteTx) error {
		n := 0
		for range tx.Scan("a", "", "") {
			n++
		}
		require.Equal(t, records, n)
		tx.Append([]byte("next"))
		return nil
	})
	require.NoError(t, err)
	require.EqualValues(t, 2, number)
	require.Equal(t, records, count(t, other, "a"))
	require.Empty(t, under(t, other, "chunk/"), "the batch is gone when it is done")
}

// Chunks that nothing refers to any more are swept, others are not.
func TestChunksAreSwept(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	s := opened(t, Options{Endpoints: []string{endpoint}})
	big := strings.Repeat("x", 3*chunkSize)
	put := func(key, value string) {
		_, err := s.Update(context.Background(), func(tx store.WriteTx) error { tx.Put("a", key, []byte(value)); return nil })
		require.NoError(t, err)
	}
	put("kept", big)
	put("replaced", big)
	put("replaced", "small")
	_, err := s.stage(context.Background(), s.keys.record("a", "never"), []byte(big))
	require.NoError(t, err)
	require.Len(t, under(t, s, "chunk/"), 9)
	require.NoError(t, s.sweepOnce(context.Background(), time.Now()))
	require.Len(t, under(t, s, "chunk/"), 6, "an update may still be putting chunks")
	require.NoError(t, s.sweepOnce(context.Background(), time.Now().Add(2*stageLimit)))
	require.Len(t, under(t, s, "chunk/"), 3)
	require.Equal(t, big, value(t, s, "a", "kept"))
	require.NoError(t, s.sweepOnce(context.Background(), time.Now().Add(2*laneLimit)))
	require.Empty(t, under(t, s, "lane/"))
	put("kept", "after its lane was swept")
	require.NoError(t, s.Close())
}

// ⚿ A large update begins while another process sweeps, and its writer dies: its
// chunks are published, but what refers to them is not written yet. They stay.
func TestSweepingSparesAnUpdateThatIsBeingCarriedOut(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	options := Options{Endpoints: []string{endpoint}, Patience: 300 * time.Millisecond}
	steps := 0
	dying := injured(t, options, 0, func(ops []clientv3.Op) fault {
		if len(ops) > opLimit/2 {
			steps++
		}
		if steps > 0 {
			return requestLost
		}
		return none
	})
	big, begun := strings.Repeat("x", 2*chunkSize), false
	sweeping := injured(t, Options{Endpoints: []string{endpoint}}, 0, func([]clientv3.Op) fault {
		if !begun {
			begun = true
			_, err := dying.Update(context.Background(), func(tx store.WriteTx) error {
				for i := range 2 * opLimit {
					tx.Put("a", fmt.Sprintf("%04d", i), []byte("v"))
				}
				tx.Put("b", "big", []byte(big))
				return nil
			})
			require.ErrorIs(t, err, store.ErrInDoubt)
		}
		return none
	})
	require.NoError(t, sweeping.sweepOnce(context.Background(), time.Now()))
	require.True(t, begun)
	other := opened(t, options)
	_, err := other.Update(context.Background(), func(tx store.WriteTx) error { tx.Put("a", "next", nil); return nil })
	require.NoError(t, err)
	require.Equal(t, big, value(t, other, "b", "big"))
}

// An update that outlived the sweeping of its own chunks is not made.
func TestSweptChunksAreNeverPublished(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	swept := false
	var s *Store
	s = injured(t, Options{Endpoints: []string{endpoint}}, 0, func(ops []clientv3.Op) fault {
		if !swept && writes(ops) {
			swept = true
			require.NoError(t, s.sweepOnce(context.Background(), time.Now().Add(2*stageLimit)))
		}
		return none
	})
	big := strings.Repeat("x", 2*chunkSize)
	runs := 0
	_, err := s.Update(context.Background(), func(tx store.WriteTx) error { runs++; tx.Put("a", "k", []byte(big)); return nil })
	require.NoError(t, err)
	require.Equal(t, 2, runs)
	require.Equal(t, big, value(t, s, "a", "k"))
}

func value(t *testing.T, s *Store, namespace, key string) (got string) {
	t.Helper()
	require.NoError(t, s.View(context.Background(), func(tx store.ReadTx) error {
		v, _ := tx.Get(namespace, key)
		got = string(v)
		return nil
	}))
	return got
}

func count(t *testing.T, s *Store, namespace string) (n int) {
	t.Helper()
	require.NoError(t, s.View(context.Background(), func(tx store.ReadTx) error {
		for range tx.Scan(namespace, "", "") {
			n++
		}
		return nil
	}))
	return n
}

// under lists the keys of etcd below the store's prefix and dir.
func under(t *testing.T, s *Store, dir string) (keys []string) {
	t.Helper()
	got, err := s.client.Get(context.Background(), string(s.keys)+dir, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	require.NoError(t, err)
	for _, kv := range got.Kvs {
		keys = append(keys, string(kv.Key))
	}
	return keys
}
