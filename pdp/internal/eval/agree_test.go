package eval_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
)

var someNow = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

// agree makes policies and requests with the dice, and compares the engine with
// the naive evaluator: over the policies, and over them after edits, compiled
// from what was there before.
func agree(t require.TestingT, c *eval.Compiler, dice func(n int) int) (cases int) {
	g := &generator{dice: dice, now: someNow}
	s := g.snapshot()
	var before *eval.Program
	for range 3 {
		p, err := c.Compile(s, before)
		require.NoError(t, err)
		for range 3 {
			compare(t, s, p, g.request())
			cases++
		}
		explained(t, p, g.request())
		if s, err = s.Apply(g.update(s)); err != nil {
			require.NoError(t, err)
		}
		before = p
	}
	return cases
}

func compare(t require.TestingT, s *policies.Snapshot, p *eval.Program, r *authz.Request) {
	want := naively(s, r, someNow)
	if want.exhausted { // the engine looks at fewer children, and so may come to an end
		return
	}
	got := p.Decide(context.Background(), r, someNow)
	have := result{decision: got.Decision.String(), extent: got.Extent.String(), obligations: got.Obligations, advice: got.Advice}
	if same(want, have) && got.Permitted() == (want.decision == "Permit") {
		return
	}
	explanation, _ := json.MarshalIndent(p.Explain(context.Background(), r, someNow), "", " ")
	require.Equal(t, want, have, "request %+v\n%s", r.Attributes, explanation)
	require.FailNow(t, "they differ")
}

// explained checks that the tree of an explanation ends in the answer.
func explained(t require.TestingT, p *eval.Program, r *authz.Request) {
	ex := p.Explain(context.Background(), r, someNow)
	want := ex.Response.Decision.String()
	if ex.Response.Decision == authz.Indeterminate {
		want += "{" + ex.Response.Extent.String() + "}"
	}
	require.Equal(t, want, ex.Root.Result)
}

func same(a, b result) bool {
	return a.decision == b.decision && a.extent == b.extent && sameDuties(a.obligations, b.obligations) && sameDuties(a.advice, b.advice)
}

func sameDuties(a, b []authz.Obligation) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].ID != b[i].ID || len(a[i].Assignments) != len(b[i].Assignments) {
			return false
		}
		for j, x := range a[i].Assignments {
			y := b[i].Assignments[j]
			if x.ID != y.ID || x.Category != y.Category || x.Issuer != y.Issuer || !x.Value.Equal(y.Value) {
				return false
			}
		}
	}
	return true
}

// TestEngineAgreesWithTheSpecification runs 20,000 cases, or a million and more
// with GATEHOUSE_LONG=1; GATEHOUSE_SEED gives the seed that a failure names.
func TestEngineAgreesWithTheSpecification(t *testing.T) {
	want, seed := 20_000, uint64(42)
	if os.Getenv("GATEHOUSE_LONG") != "" {
		want, seed = 1_100_000, uint64(time.Now().UnixNano())
	}
	if testing.Short() || raceEnabled {
		want = 2_000 // the detector looks for races, not for cases
	}
	if s := os.Getenv("GATEHOUSE_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	began := time.Now()
	c := eval.NewCompiler(nil)
	cases := 0
	for ; cases < want; seed++ {
		r := rand.New(rand.NewPCG(seed, seed))
		if !t.Run("seed="+strconv.FormatUint(seed, 10), func(t *testing.T) { cases += agree(t, c, r.IntN) }) {
			t.Fatalf("GATEHOUSE_SEED=%d shows the case", seed)
		}
	}
	t.Logf("%d cases up to seed %d in %s", cases, seed, time.Since(began).Round(time.Millisecond))
}

func TestEngineAgreesShrinking(t *testing.T) {
	c := eval.NewCompiler(nil)
	rapid.Check(t, func(t *rapid.T) {
		agree(t, c, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "die") })
	})
}

func FuzzEngineAgrees(f *testing.F) {
	f.Add([]byte("seed of nothing in particular"))
	c := eval.NewCompiler(nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		rest := rand.New(rand.NewPCG(uint64(len(data)), 1))
		agree(t, c, func(n int) int {
			if len(data) < 2 {
				return rest.IntN(n)
			}
			v := int(binary.LittleEndian.Uint16(data)) % n
			data = data[2:]
			return v
		})
	})
}

// What is merely presented never turns a refusal into a permit.
func TestPresentedNeverHelps(t *testing.T) {
	c := eval.NewCompiler(nil)
	permits := 0
	seeds := uint64(3_000)
	if raceEnabled {
		seeds = 500
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 7))
		g := &generator{dice: r.IntN, now: someNow}
		p, err := c.Compile(g.snapshot(), nil)
		require.NoError(t, err)
		request := g.request()
		var alone authz.Request
		for _, a := range request.Attributes {
			if a.Standing == authz.Verified {
				alone.Attributes = append(alone.Attributes, a)
			}
		}
		if p.Decide(context.Background(), request, someNow).Permitted() {
			permits++
			require.True(t, p.Decide(context.Background(), &alone, someNow).Permitted(), "seed %d", seed)
		}
	}
	require.Greater(t, permits, int(seeds)/50)
}

// TestLongListsAgree edits lists of several chunks, where all but a few rules
// are found by the index.
func TestLongListsAgree(t *testing.T) {
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 3))
		g := &generator{dice: r.IntN, now: someNow}
		p := &policies.Policy{Header: policies.Header{ID: "p", Place: "V", Combining: g.algorithm(false)}}
		rules := make([]*policies.Rule, 900)
		for i, place := range policies.Places(len(rules)) {
			rules[i] = g.rule(nil, i%50 != 0)
			rules[i].Place = place
			if r.IntN(10) > 0 && rules[i].Target != nil {
				for k := range rules[i].Target.AnyOf[0].AllOf[0].Matches { // most look for somebody who never comes
					m := &rules[i].Target.AnyOf[0].AllOf[0].Matches[k]
					if m.Function == old+"string-equal" {
						m.Value = authz.StringValue("nobody" + strconv.Itoa(i))
					}
				}
			}
		}
		p.Rules = policies.NewList(rules...)
		s := &policies.Snapshot{Root: &policies.PolicySet{Header: policies.Header{ID: "root", Combining: policies.FirstApplicable}, Children: policies.NewList[policies.Node](p)}}
		c := eval.NewCompiler(nil)
		var before *eval.Program
		for range 30 {
			program, err := c.Compile(s, before)
			require.NoError(t, err)
			for range 3 {
				compare(t, s, program, g.request())
			}
			s = g.shuffle(t, s)
			before = program
		}
		require.Equal(t, s.Root.Children.Len(), 1)
	}
}

// shuffle moves, removes and adds some rules of the one policy.
func (g *generator) shuffle(t *testing.T, s *policies.Snapshot) *policies.Snapshot {
	p, _ := s.Root.Children.Find("p")
	rules := p.(*policies.Policy).Rules
	u := policies.Update{From: s.Revision, To: s.Revision}
	u.To.Number++
	at, n := g.dice(rules.Len()), 0
	for r := range rules.All() {
		if n++; n < at || n > at+g.dice(4) {
			continue
		}
		u.Edits = append(u.Edits, policies.RemoveItem(r.Place, r.ID, "p"))
		if g.chance(2) {
			moved := *r
			moved.Place = pick(g, policies.Places(900)...)
			u.Edits = append(u.Edits, policies.PutRule(&moved, "p"))
		}
	}
	added := g.rule(nil, true)
	added.Place = pick(g, policies.Places(900)...)
	u.Edits = append(u.Edits, policies.PutRule(added, "p"))
	next, err := s.Apply(u)
	require.NoError(t, err)
	return next
}
