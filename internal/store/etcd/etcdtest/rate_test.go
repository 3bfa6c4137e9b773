package etcdtest

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
	"github.com/stretchr/testify/require"
)

// BenchmarkUpdate is the rate of transactions, each reading and writing one
// record: one writer after another, many writers of records of their own, and
// many of one record. Everything is synced to disk.
func BenchmarkUpdate(b *testing.B) {
	for name, open := range backends(b) {
		s := open(b)
		var n atomic.Int64
		b.Run(name+"/alone", func(b *testing.B) {
			for b.Loop() {
				touch(b, s, "own")
			}
		})
		b.Run(name+"/many", func(b *testing.B) {
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				key := fmt.Sprint(n.Add(1))
				for pb.Next() {
					touch(b, s, key)
				}
			})
		})
		b.Run(name+"/contended", func(b *testing.B) {
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					touch(b, s, "the one")
				}
			})
		})
		b.Run(name+"/view", func(b *testing.B) {
			for b.Loop() {
				require.NoError(b, s.View(context.Background(), func(tx store.ReadTx) error { tx.Get("bench", "own"); return nil }))
			}
		})
	}
}

// BenchmarkLease is the rate of new leases: at most 5000, so -benchtime 500x.
func BenchmarkLease(b *testing.B) {
	for name, open := range backends(b) {
		for _, writers := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/%d", name, writers), func(b *testing.B) {
				s := open(b)
				pools, err := pool.Open(context.Background(), s, pool.Config{
					Pools: []pool.Definition{{Name: poolName, Members: []string{"cms[00001-05000]"}}}, Directory: numbered{},
				})
				require.NoError(b, err)
				var n atomic.Int64
				b.SetParallelism(writers)
				b.ResetTimer()
				one := func() {
					_, err := pools.Lease(context.Background(), keyOf(int(n.Add(1))), pool.Cause{By: "bench"})
					require.NoError(b, err)
				}
				if writers == 1 {
					for b.Loop() {
						one()
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						one()
					}
				})
			})
		}
	}
}

func touch(b *testing.B, s store.Store, key string) {
	_, err := s.Update(context.Background(), func(tx store.WriteTx) error {
		value, _ := tx.Get("bench", key)
		tx.Put("bench", key, append(value[:0:0], time.Now().String()...))
		return nil
	})
	require.NoError(b, err)
}

// backends opens a fresh store of each kind.
func backends(b *testing.B) map[string]func(*testing.B) store.Store {
	sync := func(m *memberConfig) { m.Sync = true }
	var n atomic.Int64
	on := func(c *cluster) func(*testing.B) store.Store {
		return func(b *testing.B) store.Store {
			return open(b, etcd.Options{Endpoints: c.endpoints(), Prefix: fmt.Sprint("bench/", n.Add(1))})
		}
	}
	return map[string]func(*testing.B) store.Store{
		"bolt": func(b *testing.B) store.Store {
			s, err := bolt.Open(filepath.Join(b.TempDir(), "store.db"), bolt.Options{})
			require.NoError(b, err)
			b.Cleanup(func() { _ = s.Close() })
			return s
		},
		"etcd-1": on(startCluster(b, 1, sync)),
		"etcd-3": on(startCluster(b, 3, sync)),
	}
}
