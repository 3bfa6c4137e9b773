package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// editor makes the i-th update of a kind.
type editor func(i int) []policies.Edit

// bans adds one ban more each time.
func bans(tb testing.TB, _ *policies.Snapshot) editor {
	return func(i int) []policies.Edit {
		r, err := source.Ban(change.Ban{
			ID: fmt.Sprintf("new-%d", i), PAP: change.DefaultPAP,
			Names: []change.Name{{Attribute: "subject", Value: fmt.Sprintf("/DC=new/CN=%d", i)}},
		})
		require.NoError(tb, err)
		return []policies.Edit{policies.PutRule(r, policies.BansID)}
	}
}

// moves takes the last permit rule to the top and back.
func moves(tb testing.TB, s *policies.Snapshot) editor {
	path := []string{policies.PAPID(change.DefaultPAP), "permits"}
	pap, _ := s.Root.Children.Find(path[0])
	policy, _ := pap.(*policies.PolicySet).Children.Find(path[1])
	var first, last *policies.Rule
	for r := range policy.(*policies.Policy).Rules.All() {
		if first == nil {
			first = r
		}
		last = r
	}
	top, err := policies.Between("", first.Place)
	require.NoError(tb, err)
	moved := *last
	moved.Place = top
	rules := [2]*policies.Rule{last, &moved}
	return func(i int) []policies.Edit {
		was, is := rules[i%2], rules[(i+1)%2]
		return []policies.Edit{policies.RemoveItem(was.Place, was.ID, path...), policies.PutRule(is, path...)}
	}
}

// updater puts one update after the other in force.
type updater struct {
	engine *pdp.Engine
	at     authz.Revision
	made   int
	next   editor
}

func (u *updater) make() policies.Update {
	to := authz.Revision{Lineage: u.at.Lineage, Number: u.at.Number + 1}
	update := policies.Update{From: u.at, To: to, Edits: u.next(u.made)}
	u.at, u.made = to, u.made+1
	return update
}

// Updates change what is asked about, and nothing else.
func TestUpdates(t *testing.T) {
	for name, kind := range map[string]func(testing.TB, *policies.Snapshot) editor{"ban": bans, "move": moves} {
		t.Run(name, func(t *testing.T) {
			e, s := engine(t, 2000)
			u := &updater{engine: e, at: s.Revision, next: kind(t, s)}
			for range 50 {
				require.NoError(t, e.Apply(u.make()))
			}
			questions, err := Questions(2000, 500)
			require.NoError(t, err)
			for _, q := range questions {
				got, err := e.Decide(t.Context(), q.Request)
				require.NoError(t, err)
				require.Equal(t, q.Want, got.Decision)
			}
			if name != "ban" {
				return
			}
			r, err := request(&Plain{DN: "/DC=new/CN=49", FQANs: []string{group(0) + "/x"}, Resource: resource(0), Action: action(0)}, "strong")
			require.NoError(t, err)
			got, err := e.Decide(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, authz.Deny, got.Decision)
		})
	}
}

// BenchmarkUpdate puts one ban more into force among n, or moves one permit
// rule between the bottom and the top: the time of Engine.Apply, which
// includes that of the new tree, with a reader asking all the while. p50-ms and
// p99-ms are quantiles of that time. reader-p99-us is that of the reader's
// decisions while updates are applied back to back, quiet-p99-us that while
// there are none; each has the two readings of the clock in it, and all that
// the machine does beside. reader-ops is the number of those decisions for
// each update: 0 would mean that readers wait.
func BenchmarkUpdate(b *testing.B) {
	kinds := []struct {
		name string
		make func(testing.TB, *policies.Snapshot) editor
	}{{"ban", bans}, {"move", moves}}
	for _, n := range []int{100_000, 1_000_000} {
		questions, err := Questions(n, 4096)
		require.NoError(b, err)
		for _, kind := range kinds {
			e, s := engine(b, n)
			u := &updater{engine: e, at: s.Revision, next: kind.make(b, s)}
			b.Run(fmt.Sprintf("%s/N=%d", kind.name, n), func(b *testing.B) { u.measure(b, questions) })
		}
	}
}

func (u *updater) measure(b *testing.B, questions []Question) {
	quiet := read(u.engine, questions)
	time.Sleep(100 * time.Millisecond)
	calm := quiet()
	busy := read(u.engine, questions)
	var took []time.Duration
	for b.Loop() {
		b.StopTimer()
		update := u.make()
		b.StartTimer()
		start := time.Now()
		if err := u.engine.Apply(update); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	stormy := busy()
	micros := func(d time.Duration) float64 { return float64(d) / 1e3 }
	b.ReportMetric(micros(quantile(took, 0.5))/1e3, "p50-ms")
	b.ReportMetric(micros(quantile(took, 0.99))/1e3, "p99-ms")
	b.ReportMetric(micros(quantile(calm, 0.99)), "quiet-p99-us")
	b.ReportMetric(micros(quantile(stormy, 0.99)), "reader-p99-us")
	b.ReportMetric(float64(len(stormy))/float64(b.N), "reader-ops")
}

// read starts a reader; the function it returns stops it and returns how long
// its decisions took.
func read(e *pdp.Engine, questions []Question) func() []time.Duration {
	var stop atomic.Bool
	done := make(chan []time.Duration, 1)
	go func() {
		took := make([]time.Duration, 0, 1<<20)
		for i := 0; !stop.Load() && len(took) < cap(took); i++ {
			start := time.Now()
			_, _ = e.Decide(context.Background(), questions[i%len(questions)].Request)
			took = append(took, time.Since(start))
		}
		done <- took
	}()
	return func() []time.Duration {
		stop.Store(true)
		return <-done
	}
}
