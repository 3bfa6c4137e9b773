package pap_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/stretchr/testify/require"
)

// BenchmarkBan measures acknowledged bans, each its own revision, from one
// writer and from eight at once on one file.
func BenchmarkBan(b *testing.B) {
	for _, writers := range []int{1, 8} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			store, err := bolt.Open(filepath.Join(b.TempDir(), "gatehouse.db"), bolt.Options{})
			require.NoError(b, err)
			defer store.Close()
			service, err := pap.Open(bg, pap.Options{Store: store})
			require.NoError(b, err)
			var n atomic.Int64
			b.SetParallelism(writers)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := service.Ban(bg, by("Alice"), "default", dn(fmt.Sprintf("/CN=%d", n.Add(1)))); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
