package eval_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// The workload of a grid site: n bans by DN, n/10 permits by FQAN, resource and
// action with an account and a limit by credential strength; of ten requests
// one is banned, seven are permitted, one comes from a foreign VO and one goes
// to another resource.
type workload struct {
	snapshot *policies.Snapshot
	permits  int
	n        int
}

func bannedDN(i int) string {
	return fmt.Sprintf("/DC=org/DC=terena/DC=tcs/C=NL/O=Institute %03d/CN=Banned User %07d b%07d@example.org", i%500, i, i)
}

func normalDN(i int) string {
	return fmt.Sprintf("/DC=org/DC=terena/DC=tcs/C=NL/O=Institute %03d/CN=Normal User %07d u%07d@example.org", i%500, i, i)
}

func vo(i int) string { return fmt.Sprintf("/vo%04d/g%02d", i/20, i%20) }

func endpoint(i int) string {
	return fmt.Sprintf("https://ce%03d.site.example.org:8443/ce-cream", 7*i%200)
}

var actions = []string{"submit", "cancel", "status", "put", "get"}

func newWorkload(n int) *workload {
	w := &workload{n: n, permits: max(1, n/10)}
	subject := &policies.Designator{Category: authz.Subject, ID: profile.SubjectID}
	bans := make([]*policies.Rule, n)
	for i := range bans {
		bans[i] = &policies.Rule{ID: fmt.Sprintf("ban-%07d", i), Effect: authz.Deny, Ban: true, PAP: "default", Target: oneMatch(profile.FunctionBanName, bannedDN(i), subject)}
	}
	s := &policies.Snapshot{Revision: authz.Revision{Lineage: "l", Number: 1}}
	s.Root = policies.NewRoot(policies.NewList(bans...), w.pap())
	w.snapshot = s
	return w
}

func oneMatch(function, value string, d *policies.Designator) *policies.Target {
	return &policies.Target{AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: []policies.Match{{Function: function, Value: authz.StringValue(value), Attribute: d}}}}}}}
}

// pap makes a policy set per resource, a policy per action and a rule per FQAN
// and strength.
func (w *workload) pap() policies.Node {
	resource := &policies.Designator{Category: authz.Resource, ID: profile.ResourceID, Type: authz.String}
	action := &policies.Designator{Category: authz.Action, ID: profile.ActionID, Type: authz.String}
	rules := map[string]map[string][]*policies.Rule{}
	places := policies.Places(w.permits)
	for i := range w.permits {
		r, a := endpoint(i), actions[i%len(actions)]
		if rules[r] == nil {
			rules[r] = map[string][]*policies.Rule{}
		}
		for k, strength := range profile.Strengths() {
			rules[r][a] = append(rules[r][a], permit(i, k, places[i], strength))
		}
	}
	pap := &policies.PolicySet{Header: policies.Header{ID: policies.PAPID("default"), Place: "V", PAP: "default", Combining: policies.FirstApplicable}}
	var sets []policies.Node
	for r, byAction := range rules {
		set := &policies.PolicySet{Header: policies.Header{ID: r, Place: "V", Combining: policies.FirstApplicable, Target: oneMatch(profile.FunctionAnchoredRegexp, r, resource)}}
		var nodes []policies.Node
		for a, list := range byAction {
			nodes = append(nodes, &policies.Policy{
				Header: policies.Header{ID: r + a, Place: "V", Combining: policies.FirstApplicable, Target: oneMatch(profile.FunctionAnchoredRegexp, a, action)},
				Rules:  policies.NewList(list...),
			})
		}
		set.Children = policies.NewList(nodes...)
		sets = append(sets, set)
	}
	pap.Children = policies.NewList(sets...)
	return pap
}

var (
	fqanBag     = &policies.Designator{Category: authz.Subject, ID: profile.FQAN, Type: authz.FQANType}
	strengthBag = &policies.Designator{Category: authz.Subject, ID: profile.CredentialStrength, Type: authz.String}
)

func permit(i, k int, place, strength string) *policies.Rule {
	limit := policies.AssignmentExpression{ID: profile.Seconds, Expression: &policies.Literal{Value: authz.IntegerValue(int64(600 * (k + 1)))}}
	account := policies.AssignmentExpression{ID: profile.Account, Expression: &policies.Literal{Value: authz.StringValue(fmt.Sprintf("pool%d", i%100))}}
	t := oneMatch(profile.FunctionFQANPattern, vo(i)+"/*/Role=*", fqanBag)
	t.AnyOf[0].AllOf[0].Matches = append(t.AnyOf[0].AllOf[0].Matches, policies.Match{Function: old + "string-equal", Value: authz.StringValue(strength), Attribute: strengthBag})
	return &policies.Rule{
		ID: fmt.Sprintf("permit-%06d-%s", i, strength), Place: place + fmt.Sprint(k+1), Effect: authz.Permit, Target: t,
		Obligations: []policies.Duty{
			{ID: profile.ObligationCPUTime, On: authz.Permit, Assignments: []policies.AssignmentExpression{limit}},
			{ID: profile.ObligationMapAccount, On: authz.Permit, Assignments: []policies.AssignmentExpression{account}},
		},
	}
}

// requests makes a pool with the answers that are due.
func (w *workload) requests(t require.TestingT, n int) ([]*authz.Request, []authz.Decision) {
	r := rand.New(rand.NewPCG(42, 42))
	pool, want := make([]*authz.Request, n), make([]authz.Decision, n)
	for i := range pool {
		k := w.permits - 1 - r.IntN(max(1, w.permits/10))
		dn, group, resource, action := normalDN(r.IntN(1_000_000)), vo(k), endpoint(k), actions[k%len(actions)]
		want[i] = authz.Permit
		switch i % 10 {
		case 0:
			dn, want[i] = bannedDN(r.IntN(w.n)), authz.Deny
		case 1:
			group, want[i] = "/foreign/g00", authz.NotApplicable
		case 2:
			resource, want[i] = "https://elsewhere.example.org", authz.NotApplicable
		}
		pool[i] = gridRequest(t, dn, group, resource, action)
	}
	r.Shuffle(n, func(i, j int) { pool[i], pool[j], want[i], want[j] = pool[j], pool[i], want[j], want[i] })
	return pool, want
}

func gridRequest(t require.TestingT, dn, group, resource, action string) *authz.Request {
	q := &authz.Request{ID: "r"}
	add := func(c authz.Category, id string, typ authz.DataType, texts ...string) {
		var values []authz.Value
		for _, s := range texts {
			v, err := authz.ParseValue(typ, s)
			require.NoError(t, err)
			values = append(values, v)
		}
		q.Add(c, id, values...)
	}
	add(authz.Subject, profile.SubjectID, authz.X500Name, dn)
	add(authz.Subject, profile.SubjectIssuer, authz.X500Name, "/DC=org/DC=terena/CN=eScience CA")
	add(authz.Subject, profile.FQAN, authz.FQANType, group+"/Role=production/Capability=NULL", group+"/Role=NULL/Capability=NULL", "/other/Role=NULL/Capability=NULL")
	add(authz.Subject, profile.PrimaryFQAN, authz.FQANType, group+"/Role=production/Capability=NULL")
	add(authz.Subject, profile.CredentialStrength, authz.String, "strong")
	add(authz.Resource, profile.ResourceID, authz.String, resource)
	add(authz.Action, profile.ActionID, authz.String, action)
	add(authz.Environment, profile.RequestedCPUTime, authz.Integer, "300")
	return q
}

var sizes = []int{10, 1_000, 10_000, 100_000, 1_000_000}

func skipLarge(b testing.TB, n int) {
	if n > 10_000 && os.Getenv("GATEHOUSE_LONG") == "" {
		b.Skip("set GATEHOUSE_LONG=1 for more than 10,000 rules")
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range sizes {
		for _, pool := range []int{4_096, 65_536} {
			b.Run(fmt.Sprintf("bans=%d/requests=%d", n, pool), func(b *testing.B) {
				skipLarge(b, n)
				w := newWorkload(n)
				p, err := eval.NewCompiler(nil).Compile(w.snapshot, nil)
				require.NoError(b, err)
				requests, want := w.requests(b, pool)
				for i, r := range requests {
					require.Equal(b, want[i], p.Decide(context.Background(), r, someNow).Decision)
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					p.Decide(context.Background(), requests[i%pool], someNow)
					i++
				}
			})
		}
	}
}

// TestDecidingAllocatesNothing holds for every kind of answer that reasons are
// ready for.
func TestDecidingAllocatesNothing(t *testing.T) {
	w := newWorkload(1_000)
	p, err := eval.NewCompiler(nil).Compile(w.snapshot, nil)
	require.NoError(t, err)
	requests, want := w.requests(t, 100)
	for i, r := range requests {
		require.Equal(t, want[i], p.Decide(context.Background(), r, someNow).Decision)
	}
	i := 0
	allocs := testing.AllocsPerRun(1_000, func() {
		p.Decide(context.Background(), requests[i%len(requests)], someNow)
		i++
	})
	if !raceEnabled { // the race detector makes pools forget on purpose
		require.Zero(t, allocs)
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("bans=%d", n), func(b *testing.B) {
			skipLarge(b, n)
			w := newWorkload(n)
			for b.Loop() {
				_, err := eval.NewCompiler(nil).Compile(w.snapshot, nil)
				require.NoError(b, err)
			}
		})
	}
}

func BenchmarkApply(b *testing.B) {
	for _, n := range sizes {
		w := newWorkload(n)
		c := eval.NewCompiler(nil)
		p, err := c.Compile(w.snapshot, nil)
		require.NoError(b, err)
		ban := &policies.Rule{ID: "ban-0500000x", Effect: authz.Deny, Ban: true, Target: oneMatch(profile.FunctionBanName, normalDN(1), &policies.Designator{Category: authz.Subject, ID: profile.SubjectID})}
		moved := *ban
		moved.Place = "x"
		for name, edits := range map[string][]policies.Edit{
			"ban":  {policies.PutRule(ban, policies.BansID)},
			"move": {policies.PutRule(ban, policies.BansID), policies.RemoveItem(ban.Place, ban.ID, policies.BansID), policies.PutRule(&moved, policies.BansID)},
		} {
			b.Run(fmt.Sprintf("%s/bans=%d", name, n), func(b *testing.B) {
				skipLarge(b, n)
				b.ReportAllocs()
				for b.Loop() {
					next, err := w.snapshot.Apply(policies.Update{From: w.snapshot.Revision, To: authz.Revision{Lineage: "l", Number: 2}, Edits: edits})
					require.NoError(b, err)
					_, err = c.Compile(next, p)
					require.NoError(b, err)
				}
			})
		}
	}
}

// The rules of BenchmarkFiled, none of which matches its request.
var filedKinds = map[string]func(i int) *policies.Rule{
	"networks": func(i int) *policies.Rule {
		a := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
		switch i % 20 {
		case 0:
			a = fmt.Sprintf("172.%d.%d.0/24", i>>8&255, i&255)
		case 1:
			a = fmt.Sprintf("2001:db8:%x:%x::/64", i>>8, i&255)
		}
		return &policies.Rule{Effect: authz.Deny, Ban: true, Target: oneMatch(profile.FunctionNetwork, a, &policies.Designator{Category: authz.Subject, ID: profile.Network})}
	},
	"networks of one action": func(i int) *policies.Rule {
		t := oneMatch(profile.FunctionNetwork, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), &policies.Designator{Category: authz.Subject, ID: profile.Network})
		m := oneMatch(old+"string-equal", actions[0], &policies.Designator{Category: authz.Action, ID: profile.ActionID, Type: authz.String}).AnyOf[0].AllOf[0].Matches
		t.AnyOf[0].AllOf[0].Matches = append(t.AnyOf[0].AllOf[0].Matches, m...)
		return &policies.Rule{Effect: authz.Permit, Target: t}
	},
	"subtrees": func(i int) *policies.Rule {
		t := oneMatch(profile.FunctionSubtree, "", &policies.Designator{Category: authz.Subject, ID: profile.SubjectID, Type: authz.X500Name})
		t.AnyOf[0].AllOf[0].Matches[0].Value = parse(authz.X500Name, fmt.Sprintf("/DC=org/DC=terena/DC=tcs/C=NL/O=Institution %d", i))
		return &policies.Rule{Effect: authz.Permit, Target: t}
	},
	"ban-subtrees": func(i int) *policies.Rule {
		return &policies.Rule{Effect: authz.Deny, Target: oneMatch(profile.FunctionBanSubtree, fmt.Sprintf("/DC=org/DC=terena/DC=tcs/C=NL/O=Institution %d", i), &policies.Designator{Category: authz.Subject, ID: profile.SubjectID})}
	},
	"ranges": func(i int) *policies.Rule {
		i = i * 7919 % 10_000 // in no order
		return numbers(policies.Match{Function: old + "integer-less-than-or-equal", Value: authz.IntegerValue(int64(6 * i))},
			policies.Match{Function: old + "integer-greater-than-or-equal", Value: authz.IntegerValue(int64(6*i + 4))})
	},
	"thresholds": func(i int) *policies.Rule {
		return numbers(policies.Match{Function: old + "integer-less-than", Value: authz.IntegerValue(int64(30_000 + i*7919%10_000))})
	},
}

func numbers(ms ...policies.Match) *policies.Rule {
	for i := range ms {
		ms[i].Attribute = &policies.Designator{Category: authz.Resource, ID: "port", Type: authz.Integer}
	}
	return &policies.Rule{Effect: authz.Permit, Target: &policies.Target{AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: ms}}}}}}
}

func filedSnapshot(kind string, n int) *policies.Snapshot {
	rules := make([]*policies.Rule, n)
	for i, place := range policies.Places(n) {
		rules[i] = filedKinds[kind](i)
		rules[i].ID, rules[i].Place = fmt.Sprint("r", i), place
	}
	return &policies.Snapshot{Revision: authz.Revision{Lineage: "l", Number: 1}, Root: policies.NewRoot(policies.NewList(rules...), newWorkload(10).pap())}
}

// BenchmarkFiled decides among rules that are filed by more than equality.
func BenchmarkFiled(b *testing.B) {
	q := gridRequest(b, normalDN(1), vo(0), endpoint(0), actions[0])
	q.Add(authz.Subject, profile.Network, authz.StringValue("192.0.2.7"))
	q.Add(authz.Resource, "port", authz.IntegerValue(29_999))
	for _, kind := range []string{"networks", "subtrees", "ban-subtrees", "ranges", "thresholds"} {
		for _, n := range []int{0, 100, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/n=%d", kind, n), func(b *testing.B) {
				skipLarge(b, n)
				if n > 10_000 && kind != "networks" {
					b.Skip("only networks come by the hundred thousand")
				}
				p, err := eval.NewCompiler(nil).Compile(filedSnapshot(kind, n), nil)
				require.NoError(b, err)
				require.Equal(b, authz.Permit, p.Decide(context.Background(), q, someNow).Decision)
				b.ReportAllocs()
				for b.Loop() {
					p.Decide(context.Background(), q, someNow)
				}
			})
		}
	}
}

// BenchmarkApplyNetwork bans one address among many.
func BenchmarkApplyNetwork(b *testing.B) {
	skipLarge(b, 100_000)
	c, s := eval.NewCompiler(nil), filedSnapshot("networks", 100_000)
	p, err := c.Compile(s, nil)
	require.NoError(b, err)
	ban := filedKinds["networks"](100_001)
	ban.ID, ban.Place = "new", policies.Places(2)[1]
	for b.Loop() {
		next, err := s.Apply(policies.Update{From: s.Revision, To: authz.Revision{Lineage: "l", Number: 2}, Edits: []policies.Edit{policies.PutRule(ban, policies.BansID)}})
		require.NoError(b, err)
		_, err = c.Compile(next, p)
		require.NoError(b, err)
	}
}
