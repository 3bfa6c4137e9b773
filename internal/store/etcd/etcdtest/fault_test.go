package etcdtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd"
	"github.com/stretchr/testify/require"
)

// ⚿ Writers go on while leaders are killed and frozen. What was acknowledged is
// there, once; what failed without doubt is not; nobody reads anything older
// than what was acknowledged before; and who watches sees the last of it.
func TestLeadersStopUnderWriters(t *testing.T) {
	c := startCluster(t, 3)
	options := etcd.Options{Endpoints: c.endpoints(), Patience: 12 * time.Second}
	one, two := open(t, options), open(t, options)
	var stop atomic.Bool
	var acknowledged, refused, doubtful sync.Map
	var newest atomic.Uint64
	var wg sync.WaitGroup
	for w := range 6 {
		wg.Go(func() {
			s := []reopening{one, two}[w%2]
			for i := 0; !stop.Load(); i++ {
				name := fmt.Sprintf("%d/%d", w, i)
				number, err := s.Update(context.Background(), func(tx store.WriteTx) error {
					tx.Put("a", name, nil)
					tx.Append([]byte(name))
					return nil
				})
				switch {
				case err == nil:
					acknowledged.Store(name, number)
					for old := newest.Load(); old < number && !newest.CompareAndSwap(old, number); old = newest.Load() {
						continue
					}
				case errors.Is(err, store.ErrInDoubt):
					doubtful.Store(name, err)
				default:
					refused.Store(name, err)
				}
			}
		})
	}
	var stale atomic.Int64
	wg.Go(func() {
		for !stop.Load() {
			before := newest.Load()
			_ = two.View(context.Background(), func(tx store.ReadTx) error {
				if tx.Revision() < before {
					stale.Add(1)
				}
				return nil
			})
		}
	})
	var watched atomic.Uint64
	watching, unwatch := context.WithCancel(context.Background())
	wg.Go(func() {
		for watching.Err() == nil {
			if number, err := two.Watch(watching, watched.Load()); err == nil {
				watched.Store(number)
			}
		}
	})
	time.Sleep(500 * time.Millisecond)
	leader := c.leader()
	c.kill(leader)
	time.Sleep(1500 * time.Millisecond)
	c.start(leader)
	leader = c.leader()
	c.freeze(leader)
	time.Sleep(2 * time.Second)
	c.thaw(leader)
	time.Sleep(500 * time.Millisecond)
	stop.Store(true)
	require.Eventually(t, func() bool { return watched.Load() >= newest.Load() }, 10*time.Second, 10*time.Millisecond, "a watch missed the last revision")
	unwatch()
	wg.Wait()

	made := map[string]uint64{}
	require.NoError(t, one.View(context.Background(), func(tx store.ReadTx) error {
		for number, entry := range tx.Journal(1, 1<<40) {
			require.NotContains(t, made, string(entry), "made twice")
			made[string(entry)] = number
		}
		require.EqualValues(t, len(made), tx.Revision())
		return nil
	}))
	count := func(m *sync.Map, check func(name string, value any)) (n int) {
		m.Range(func(name, value any) bool { n++; check(name.(string), value); return true })
		return n
	}
	good := count(&acknowledged, func(name string, number any) { require.Equal(t, number, made[name], name) })
	bad := count(&refused, func(name string, err any) { require.NotContains(t, made, name, "%v", err) })
	open := count(&doubtful, func(_ string, err any) { t.Log(err) })
	require.Zero(t, stale.Load(), "somebody read an old state")
	require.Positive(t, good)
	t.Logf("%d acknowledged, %d refused, %d in doubt", good, bad, open)
}

// Without a majority nothing is read that could be old, and nothing is written.
func TestLostQuorum(t *testing.T) {
	c := startCluster(t, 3)
	s := open(t, etcd.Options{Endpoints: c.endpoints(), Patience: 1500 * time.Millisecond})
	put := func(value string) error {
		_, err := s.Update(context.Background(), func(tx store.WriteTx) error { tx.Put("a", "k", []byte(value)); tx.Append(nil); return nil })
		return err
	}
	read := func() (value string, err error) {
		err = s.View(context.Background(), func(tx store.ReadTx) error {
			v, _ := tx.Get("a", "k")
			value = string(v)
			return nil
		})
		return value, err
	}
	require.NoError(t, put("before"))
	leader := c.leader()
	other := (leader + 1) % 3
	c.kill(leader)
	c.freeze(other)
	_, err := read()
	require.ErrorContains(t, err, "no member of etcd took the request")
	require.Error(t, put("lost"))
	require.Error(t, s.Trouble())
	woken, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = s.Watch(woken, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded, "a watch waits")
	c.thaw(other)
	c.start(leader)
	c.leader()
	require.Eventually(t, func() bool { return put("after") == nil }, 20*time.Second, 100*time.Millisecond)
	value, err := read()
	require.NoError(t, err)
	require.Equal(t, "after", value)
	require.NoError(t, s.Trouble())
}

// A view that outlives what etcd keeps fails and says why; a watch whose member
// was away while everything it missed was compacted finds the newest revision.
func TestCompaction(t *testing.T) {
	c := startCluster(t, 3)
	s := open(t, etcd.Options{Endpoints: c.endpoints()})
	follower := (c.leader() + 1) % 3
	there := open(t, etcd.Options{Endpoints: c.endpoints()[follower : follower+1]})
	put := func() {
		_, err := s.Update(context.Background(), func(tx store.WriteTx) error { tx.Put("a", "k", nil); tx.Append(nil); return nil })
		require.NoError(t, err)
	}
	compact := func() {
		client := c.client()
		got, err := client.Get(context.Background(), "x")
		require.NoError(t, err)
		_, err = client.Compact(context.Background(), got.Header.Revision)
		require.NoError(t, err)
	}
	put()
	err := s.View(context.Background(), func(tx store.ReadTx) error {
		put()
		put()
		compact()
		_, ok := tx.Get("a", "k")
		require.False(t, ok, "a failed read yields nothing")
		return nil
	})
	require.ErrorContains(t, err, "--auto-compaction-retention")

	number, err := there.Watch(context.Background(), 2)
	require.NoError(t, err)
	require.EqualValues(t, 3, number)
	c.kill(follower)
	for range 5 {
		put()
	}
	compact()
	c.start(follower)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.Eventually(t, func() bool {
		number, err = there.Watch(ctx, number)
		return err != nil || number == 8
	}, 20*time.Second, time.Millisecond)
	require.NoError(t, err)
}

// The largest value and the largest entry that the contract allows.
func TestLargestValue(t *testing.T) {
	size := 20 << 20 // moving all of it takes a while
	if os.Getenv("GATEHOUSE_LARGEST") != "" {
		size = store.MaxValue
	}
	c := startCluster(t, 1)
	s := open(t, etcd.Options{Endpoints: c.endpoints()})
	value := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	_, err := s.Update(context.Background(), func(tx store.WriteTx) error { tx.Put("a", "k", value); tx.Append(value[:1<<20]); return nil })
	require.NoError(t, err)
	require.NoError(t, s.View(context.Background(), func(tx store.ReadTx) error {
		got, ok := tx.Get("a", "k")
		require.True(t, ok)
		require.True(t, bytes.Equal(value, got))
		return nil
	}))
	_, err = s.Update(context.Background(), func(tx store.WriteTx) error { tx.Put("a", "k", make([]byte, store.MaxValue+1)); return nil })
	require.ErrorIs(t, err, store.ErrInvalid)
}

// An etcd that takes less than usual is told apart from a broken one.
func TestLimitsOfTheServer(t *testing.T) {
	c := startCluster(t, 1, func(m *memberConfig) { m.MaxTxnOps = 8 })
	s := open(t, etcd.Options{Endpoints: c.endpoints()})
	_, err := s.Update(context.Background(), func(tx store.WriteTx) error {
		for i := range 20 {
			tx.Put("a", fmt.Sprint(i), nil)
		}
		return nil
	})
	require.ErrorContains(t, err, "--max-txn-ops")
	require.NotErrorIs(t, err, store.ErrInDoubt)
	_, err = s.Update(context.Background(), func(tx store.WriteTx) error {
		for i := range 300 {
			tx.Put("b", fmt.Sprint(i), nil)
		}
		return nil
	})
	require.NoError(t, err, "one that is carried out in steps must not stop half way")
	require.NoError(t, s.View(context.Background(), func(tx store.ReadTx) error {
		n := 0
		for range tx.Scan("b", "", "") {
			n++
		}
		require.Equal(t, 300, n)
		return nil
	}))
}

// A large update beside small ones: each is wholly there or not at all, for
// whoever looks at whatever moment.
func TestLargeUpdatesAreAtomic(t *testing.T) {
	c := startCluster(t, 1)
	options := etcd.Options{Endpoints: c.endpoints()}
	one, two := open(t, options), open(t, options)
	const records, rounds = 600, 4
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		defer stop.Store(true)
		for round := range rounds {
			_, err := one.Update(context.Background(), func(tx store.WriteTx) error {
				for i := range records {
					tx.Put("big", fmt.Sprintf("%04d", i), fmt.Append(nil, round))
				}
				tx.Append(nil)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	small := 0
	wg.Go(func() {
		for ; !stop.Load(); small++ {
			_, err := two.Update(context.Background(), func(tx store.WriteTx) error {
				value, _ := tx.Get("small", "count")
				tx.Put("small", "count", append(value, 'x'))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
	})
	for !stop.Load() {
		require.NoError(t, two.View(context.Background(), func(tx store.ReadTx) error {
			seen, n := map[string]int{}, 0
			for _, value := range tx.Scan("big", "", "") {
				seen[string(value)]++
				n++
			}
			require.LessOrEqual(t, len(seen), 1, "half of an update: %v", seen)
			require.Contains(t, []int{0, records}, n)
			return nil
		}))
	}
	wg.Wait()
	require.NoError(t, two.View(context.Background(), func(tx store.ReadTx) error {
		value, _ := tx.Get("small", "count")
		require.Len(t, value, small)
		require.EqualValues(t, rounds, tx.Revision())
		return nil
	}))
}
