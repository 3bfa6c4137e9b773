package source_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// million is a whole set of bans, as a feed delivers it.
func million(n int) change.Set {
	set := change.Set{To: authz.Revision{Lineage: "l", Number: 1}, Whole: true}
	set.Edits = append(set.Edits, change.Edit{PAP: &change.PAP{Alias: "default", Place: "V", Enabled: true}})
	now := time.Now()
	for i := range n {
		set.Edits = append(set.Edits, change.Edit{Ban: &change.Ban{
			ID: fmt.Sprintf("%016x", i*2654435761), PAP: "default", Author: "/CN=admin", Time: now, Reason: "key compromised",
			Names: []change.Name{{Attribute: "subject", Value: fmt.Sprintf("/DC=org/DC=example/OU=people/CN=Person Number %d", i)}},
		}})
	}
	return set
}

func BenchmarkMillionBans(b *testing.B) {
	set := million(1_000_000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	for range b.N {
		var c source.Copy
		u, err := c.Apply(set)
		require.NoError(b, err)
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-live")
		runtime.KeepAlive(u)
		runtime.KeepAlive(&c)
		b.StartTimer()
	}
}

func BenchmarkOneBanAmongAMillion(b *testing.B) {
	set := million(1_000_000)
	var c source.Copy
	_, err := c.Apply(set)
	require.NoError(b, err)
	n := uint64(1)
	for b.Loop() {
		one := change.Set{From: authz.Revision{Lineage: "l", Number: n}, To: authz.Revision{Lineage: "l", Number: n + 1}, Edits: []change.Edit{set.Edits[1+n%1000]}}
		n++
		_, err := c.Apply(one)
		require.NoError(b, err)
	}
}
