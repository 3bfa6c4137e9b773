package bench

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

var sizes = []int{10, 1_000, 10_000, 100_000, 1_000_000}

func engine(tb testing.TB, n int) (*pdp.Engine, *policies.Snapshot) {
	tb.Helper()
	s, err := Snapshot(n)
	require.NoError(tb, err)
	e := pdp.New(pdp.Options{MaxStale: -1})
	require.NoError(tb, e.Apply(policies.Update{To: s.Revision, Base: s}))
	return e, s
}

// The benchmarks measure right answers.
func TestAnswers(t *testing.T) {
	for _, n := range sizes[:3] {
		e, _ := engine(t, n)
		questions, err := Questions(n, 2000)
		require.NoError(t, err)
		for _, q := range questions {
			got, err := e.Decide(t.Context(), q.Request)
			require.NoError(t, err)
			require.Equal(t, q.Want, got.Decision, "%v", q.Request)
			if q.Want == authz.Permit {
				require.Len(t, got.Obligations, 2)
			}
		}
	}
}

// BenchmarkDecide is one decision in process, obligations included, on a
// parsed request: hot over 4,096 requests, cold over 65,536.
func BenchmarkDecide(b *testing.B) {
	for _, n := range sizes {
		e, _ := engine(b, n)
		for name, count := range map[string]int{"hot": 4096, "cold": 65536} {
			questions, err := Questions(n, count)
			require.NoError(b, err)
			b.Run(fmt.Sprintf("N=%d/%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				ctx := b.Context()
				for i := 0; b.Loop(); i++ {
					q := &questions[i%len(questions)]
					if got, err := e.Decide(ctx, q.Request); err != nil || got.Decision != q.Want {
						b.Fatal(got, err)
					}
				}
			})
		}
	}
}

// BenchmarkFloor is the same question answered by hand-written Go maps, with
// no rules in between: what no engine can beat.
func BenchmarkFloor(b *testing.B) {
	type key struct{ group, resource, action string }
	for _, n := range sizes {
		banned, permitted := map[string]bool{}, map[key]int{}
		for i := range n {
			banned[authz.BanKey(bannedDN(i))] = true
		}
		for i := range permits(n) {
			permitted[key{group(i), resource(i), action(i)}] = i
		}
		questions, err := Questions(n, 65536)
		require.NoError(b, err)
		b.Run(fmt.Sprintf("N=%d/cold", n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				q := &questions[i%len(questions)]
				if got := floor(banned, func(g, r, a string) bool { _, ok := permitted[key{g, r, a}]; return ok }, q.Request); got != q.Want {
					b.Fatal(got)
				}
			}
		})
	}
}

func floor(banned map[string]bool, permitted func(group, resource, action string) bool, r *authz.Request) authz.Decision {
	if banned[r.Attributes[0].Values[0].Data().(authz.DN).BanKey()] {
		return authz.Deny
	}
	for _, v := range r.Attributes[1].Values {
		if permitted(v.Data().(authz.FQAN).Group(), r.Attributes[2].Values[0].Text(), r.Attributes[3].Values[0].Text()) {
			return authz.Permit
		}
	}
	return authz.NotApplicable
}

// BenchmarkLoad compiles n bans and n/10 permits from the tree; the live heap
// after a collection is that of the engine and the tree.
func BenchmarkLoad(b *testing.B) {
	for _, n := range sizes[2:] {
		s, err := Snapshot(n)
		require.NoError(b, err)
		b.Run(fmt.Sprintf("N=%d", n), func(b *testing.B) {
			var e *pdp.Engine
			for b.Loop() {
				e = pdp.New(pdp.Options{MaxStale: -1})
				require.NoError(b, e.Apply(policies.Update{To: s.Revision, Base: s}))
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MiB")
			runtime.KeepAlive(e)
		})
	}
}

// BenchmarkBan puts one ban into force among n; BenchmarkMove moves one permit
// rule to the top.
func BenchmarkBan(b *testing.B) {
	edits(b, func(i int, _ *policies.Snapshot) []policies.Edit {
		ban := Bans(1)[0]
		ban.ID, ban.Names[0].Value = fmt.Sprintf("new-%d", i), fmt.Sprintf("/DC=new/CN=%d", i)
		r, err := source.Ban(ban)
		require.NoError(b, err)
		return []policies.Edit{policies.PutRule(r, policies.BansID)}
	})
}

// BenchmarkMove is documented with BenchmarkBan.
func BenchmarkMove(b *testing.B) {
	edits(b, func(_ int, s *policies.Snapshot) []policies.Edit {
		pap, _ := s.Root.Children.Find(policies.PAPID("default"))
		policy, _ := pap.(*policies.PolicySet).Children.Find("permits")
		rules := policy.(*policies.Policy).Rules
		var first, last *policies.Rule
		for r := range rules.All() {
			if first == nil {
				first = r
			}
			last = r
		}
		place, err := policies.Between("", first.Place)
		require.NoError(b, err)
		moved := *last
		moved.Place = place
		return []policies.Edit{
			policies.RemoveItem(last.Place, last.ID, policies.PAPID("default"), "permits"),
			policies.PutRule(&moved, policies.PAPID("default"), "permits"),
		}
	})
}

// edits applies one small update after the other; making the update is not
// measured, applying it to tree and engine is.
func edits(b *testing.B, make func(i int, s *policies.Snapshot) []policies.Edit) {
	for _, n := range sizes[3:] {
		e, s := engine(b, n)
		b.Run(fmt.Sprintf("N=%d", n), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				u := policies.Update{From: s.Revision, To: authz.Revision{Lineage: s.Revision.Lineage, Number: s.Revision.Number + 1}, Edits: make(i, s)}
				next, err := s.Apply(u)
				require.NoError(b, err)
				b.StartTimer()
				require.NoError(b, e.Apply(u))
				s = next
			}
		})
	}
}
