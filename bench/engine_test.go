package bench

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

var sizes = []int{10, 1_000, 10_000, 100_000, 1_000_000}

// The benchmarks measure right answers.
func TestAnswers(t *testing.T) {
	for _, s := range subjects {
		for _, n := range []int{10, 200, 2000} {
			t.Run(fmt.Sprintf("%s/N=%d", s.name, n), func(t *testing.T) {
				questions, err := Questions(n, 200)
				require.NoError(t, err)
				decide, err := s.load(n)
				require.NoError(t, err)
				for range 2 { // the second time from a cache, where there is one
					for i := range questions {
						q := &questions[i]
						require.True(t, s.agrees(decide(q), q.Want), "%v, want %v", q.Plain, q.Want)
					}
				}
			})
		}
	}
}

// A permit of ours comes with account and limit; the peers have no such thing.
func TestObligations(t *testing.T) {
	e, _ := engine(t, 2000)
	questions, err := Questions(2000, 500)
	require.NoError(t, err)
	for _, q := range questions {
		got, err := e.Decide(t.Context(), q.Request)
		require.NoError(t, err)
		require.Equal(t, q.Want, got.Decision)
		if q.Want != authz.Permit {
			continue
		}
		require.Len(t, got.Obligations, 2)
		require.Equal(t, profile.ObligationCPUTime, got.Obligations[1].ID)
		require.Equal(t, authz.IntegerValue(q.Seconds).Text(), got.Obligations[1].Assignments[0].Value.Text())
	}
}

// BenchmarkDecide is one decision in process on a parsed request (ours with
// its obligations; the peers', with all that the host must do for each request,
// without), hot over 4,096 requests (warmed by asking each once) and cold over
// 65,536. Subjects whose work grows with N, and a cache of answers, are asked
// hot only. load-ms and heap-MiB are those of loading,
// once, from the strings; the engine alone is in BenchmarkLoad.
func BenchmarkDecide(b *testing.B) {
	for _, n := range sizes {
		questions, err := Questions(n, 65536)
		require.NoError(b, err)
		for _, s := range subjects {
			if n > s.most {
				continue
			}
			b.Run(fmt.Sprintf("N=%d/%s", n, s.name), func(b *testing.B) { s.measure(b, n, questions) })
		}
	}
}

func (s *subject) measure(b *testing.B, n int, questions []Question) {
	before, start := heap(), time.Now()
	decide, err := s.load(n)
	require.NoError(b, err)
	took, live := time.Since(start), heap()-before
	s.check(b, decide, questions)
	for _, pool := range []struct {
		name  string
		count int
	}{{"hot", 4096}, {"cold", 65536}} {
		if s.hot() && pool.name == "cold" {
			break
		}
		b.Run(pool.name, func(b *testing.B) {
			questions := questions[:pool.count]
			if pool.name == "hot" && !s.scan {
				for i := range questions {
					decide(&questions[i])
				}
			}
			b.ReportAllocs()
			report := spent(b)
			for i := 0; b.Loop(); i++ {
				q := &questions[i%len(questions)]
				if got := decide(q); !s.agrees(got, q.Want) {
					b.Fatalf("%v of %v, want %v", got, q.Plain, q.Want)
				}
			}
			report()
			b.ReportMetric(float64(took.Milliseconds()), "load-ms")
			b.ReportMetric(mebi(live), "heap-MiB")
		})
	}
}

// hot subjects are asked hot only.
func (s *subject) hot() bool { return s.scan || s.name == "casbin-cached" }

// check compares as many answers as there is time for.
func (s *subject) check(tb testing.TB, decide func(*Question) authz.Decision, questions []Question) {
	for i, until := 0, time.Now().Add(50*time.Millisecond); i < 20 || i < 4096 && time.Now().Before(until); i++ {
		q := &questions[i]
		require.True(tb, s.agrees(decide(q), q.Want), "%v, want %v", q.Plain, q.Want)
	}
}

// heap is the live heap in bytes after two collections: what pools hold lives
// through the first.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func mebi(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// BenchmarkCores is BenchmarkDecide of ours, cold, from as many goroutines as
// there are cores; ns/op is the time of the whole divided by the decisions.
// While others have the cores, cpu-ns/op tells: it stays what it was unless
// goroutines are in each other's way.
func BenchmarkCores(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		e, _ := engine(b, n)
		questions, err := Questions(n, 65536)
		require.NoError(b, err)
		for _, cores := range []int{1, 2} {
			b.Run(fmt.Sprintf("N=%d/cores=%d", n, cores), func(b *testing.B) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
				ctx := b.Context()
				report := spent(b)
				b.RunParallel(func(pb *testing.PB) {
					for i := 0; pb.Next(); i++ {
						q := &questions[i%len(questions)]
						if got, err := e.Decide(ctx, q.Request); err != nil || got.Decision != q.Want {
							b.Error(got, err)
						}
					}
				})
				report()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
			})
		}
	}
}

// quantile returns the q-quantile of what was measured, and sorts it.
func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(int(q*float64(len(d))), len(d)-1)]
}
