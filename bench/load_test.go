package bench

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

// splBans is a file of n rules that each deny one DN.
func splBans(n int) string {
	var text strings.Builder
	text.WriteString("resource \".*\" {\n    action \".*\" {\n")
	for i := range n {
		fmt.Fprintf(&text, "        rule deny { subject = %q }\n", bannedDN(i))
	}
	text.WriteString("    }\n}\n")
	return text.String()
}

// fromText makes the update that the text of a file amounts to.
func fromText(text string) (policies.Update, error) {
	table, err := spl.NewTable()
	if err != nil {
		return policies.Update{}, err
	}
	sets, err := spl.Read("bans.spl", text, table)
	if err != nil {
		return policies.Update{}, err
	}
	nodes := make([]policies.Node, len(sets))
	for i, s := range sets {
		nodes[i] = s
	}
	root := policies.NewRoot(policies.List[*policies.Rule]{}, &policies.PolicySet{
		Header:   policies.Header{ID: policies.PAPID(change.DefaultPAP), PAP: change.DefaultPAP, Version: "1.0", Place: "m", Combining: policies.FirstApplicable},
		Children: policies.NewList(nodes...),
	})
	at := authz.Revision{Lineage: "bench", Number: 1}
	return policies.Update{To: at, Base: &policies.Snapshot{Revision: at, Root: root}}, nil
}

// records are n bans as a follower is told them.
func records(n int) change.Set {
	set := change.Set{To: authz.Revision{Lineage: "bench", Number: 1}, Whole: true}
	set.Edits = append(set.Edits, change.Edit{PAP: &change.PAP{Alias: change.DefaultPAP, Place: "m", Enabled: true}})
	bans := Bans(n)
	for i := range bans {
		set.Edits = append(set.Edits, change.Edit{Ban: &bans[i]})
	}
	return set
}

func fromRecords(set change.Set) (policies.Update, *source.Copy, error) {
	kept := &source.Copy{}
	u, err := kept.Apply(set)
	return u, kept, err
}

// stored makes a store with n bans, as an administrator left it.
func stored(tb testing.TB, path string, n int) {
	s, err := bolt.Open(path, bolt.Options{})
	require.NoError(tb, err)
	defer s.Close()
	p, err := pap.Open(tb.Context(), pap.Options{Store: s})
	require.NoError(tb, err)
	r := change.Request{Author: change.Author{Name: "bench"}}
	for some := range slices.Chunk(Bans(n), 50_000) {
		_, err = p.Ban(tb.Context(), r, change.DefaultPAP, some...)
		require.NoError(tb, err)
	}
}

func fromStore(tb testing.TB, path string) (policies.Update, func() error) {
	s, err := bolt.Open(path, bolt.Options{})
	require.NoError(tb, err)
	p, err := pap.Open(tb.Context(), pap.Options{Store: s})
	require.NoError(tb, err)
	u, err := p.Next(tb.Context(), authz.Revision{})
	require.NoError(tb, err)
	return u, s.Close
}

// What is loaded denies the banned, wherever it came from.
func TestLoads(t *testing.T) {
	const n = 500
	text, err := fromText(splBans(n))
	require.NoError(t, err)
	set, _, err := fromRecords(records(n))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "store")
	stored(t, path, n)
	kept, closed := fromStore(t, path)
	defer closed()
	for name, u := range map[string]policies.Update{"spl": text, "records": set, "store": kept} {
		e := pdp.New(pdp.Options{MaxStale: -1})
		require.NoError(t, e.Apply(u), name)
		for _, c := range []struct {
			dn   string
			want authz.Decision
		}{{bannedDN(0), authz.Deny}, {bannedDN(n - 1), authz.Deny}, {normalDN(1), authz.NotApplicable}} {
			r, err := request(&Plain{DN: c.dn, Resource: resource(0), Action: action(0)}, "strong")
			require.NoError(t, err)
			got, err := e.Decide(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, c.want, got.Decision, "%s: %s", name, c.dn)
		}
	}
}

// BenchmarkLoad puts bans alone in force in an empty engine: from the tree of
// the policies; from SPL text (parse, lower, compile); from records, as a
// follower does, who keeps the records as well; from a closed bolt store, as a
// service does at its start. heap-MiB is the live heap after a collection less
// that before there were text, records or tree: what serving them costs.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprintf("tree/N=%d", n), func(b *testing.B) {
			loads(b, func() (func() policies.Update, any) {
				u, _, err := fromRecords(records(n))
				require.NoError(b, err)
				return func() policies.Update { return u }, nil
			})
		})
		b.Run(fmt.Sprintf("spl/N=%d", n), func(b *testing.B) {
			loads(b, func() (func() policies.Update, any) {
				text := splBans(n)
				return func() policies.Update {
					u, err := fromText(text)
					require.NoError(b, err)
					return u
				}, nil
			})
		})
		b.Run(fmt.Sprintf("records/N=%d", n), func(b *testing.B) {
			loads(b, func() (func() policies.Update, any) {
				set, kept := records(n), new(*source.Copy)
				return func() policies.Update {
					u, c, err := fromRecords(set)
					require.NoError(b, err)
					*kept = c
					return u
				}, kept
			})
		})
		b.Run(fmt.Sprintf("store/N=%d", n), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "store")
			stored(b, path, n)
			b.ResetTimer()
			closeLast := func() error { return nil }
			defer func() { _ = closeLast() }()
			loads(b, func() (func() policies.Update, any) {
				require.NoError(b, closeLast()) // one process at a time holds the store
				return func() (u policies.Update) {
					u, closeLast = fromStore(b, path)
					return u
				}, nil
			})
		})
	}
}

// loads measures one load for each iteration; prepare and what it makes are
// not counted, keep is what must stay alive.
func loads(b *testing.B, prepare func() (update func() policies.Update, keep any)) {
	var used int64
	var busy time.Duration
	for range b.N {
		b.StopTimer()
		before := heap()
		update, keep := prepare()
		e := pdp.New(pdp.Options{MaxStale: -1})
		heap()
		b.StartTimer()
		start := processor()
		require.NoError(b, e.Apply(update()))
		b.StopTimer()
		busy += processor() - start
		update = nil
		used = heap() - before
		require.True(b, e.Status().Ready)
		runtime.KeepAlive(keep)
	}
	b.ReportMetric(float64(busy)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(mebi(used), "heap-MiB")
}
