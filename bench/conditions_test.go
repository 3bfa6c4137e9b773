package bench

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// The other workload has the size and the shape of the conference manager of
// the literature ("continue-a"): about 300 rules over 25 classes of resources,
// with conditions over several attributes, combined by first-applicable and
// deny-overrides. The policies are our own.
const (
	classes   = 25
	functions = "urn:oasis:names:tc:xacml:1.0:function:"
	local     = "urn:example:conference:"
)

var (
	roles  = [...]string{"admin", "chair", "reviewer", "author", "assistant", "guest"}
	verbs  = [...]string{"create", "read", "write", "delete"}
	phases = [...]int64{1, 2, 3, 4}
)

func apply(function string, arguments ...policies.Expression) policies.Expression {
	return &policies.Apply{Function: functions + function, Arguments: arguments}
}

func literal(v authz.Value) policies.Expression { return &policies.Literal{Value: v} }

func one(c authz.Category, id string, t authz.DataType, kind string) policies.Expression {
	return apply(kind+"-one-and-only", &policies.Designator{Category: c, ID: local + id, Type: t})
}

// conditions are what a rule may ask beyond role, class and verb.
func conditions(i int) policies.Expression {
	phase := one(authz.Environment, "phase", authz.Integer, "integer")
	own := apply("string-equal", one(authz.Resource, "owner", authz.String, "string"), one(authz.Subject, "name", authz.String, "string"))
	conflict := apply("boolean-equal", one(authz.Resource, "conflict", authz.Boolean, "boolean"), literal(authz.BooleanValue(false)))
	switch i % 4 {
	case 0:
		return apply("integer-greater-than-or-equal", phase, literal(authz.IntegerValue(phases[i/4%4])))
	case 1:
		return apply("and", conflict, own)
	case 2:
		return apply("or", own, apply("integer-less-than", phase, literal(authz.IntegerValue(phases[i/4%4]))))
	}
	return apply("and", conflict, apply("not", own), apply("integer-equal", phase, literal(authz.IntegerValue(phases[i/4%4]))))
}

// conference makes 12 rules for each class: 300 in all.
func conference() *policies.Snapshot {
	var nodes []policies.Node
	for c := range classes {
		var rules []*policies.Rule
		for i, place := range policies.Places(12) {
			k := 12*c + i
			rule := &policies.Rule{ID: fmt.Sprintf("rule-%d-%d", c, i), Place: place, Effect: authz.Permit, Condition: conditions(k)}
			if k%5 == 0 {
				rule.Effect = authz.Deny
			}
			rule.Target = all(
				match(profile.FunctionStringEqual, roles[k%len(roles)], authz.Subject, local+"role", authz.String),
				match(profile.FunctionStringEqual, verbs[k/2%len(verbs)], authz.Action, profile.ActionID, authz.String),
			)
			rules = append(rules, rule)
		}
		combining := policies.FirstApplicable
		if c%3 == 0 {
			combining = policies.DenyOverrides
		}
		nodes = append(nodes, &policies.Policy{
			Header: policies.Header{
				ID: fmt.Sprintf("class-%d", c), Version: "1.0", Place: fmt.Sprintf("m%02dm", c), Combining: combining,
				Target: all(match(profile.FunctionStringEqual, class(c), authz.Resource, local+"class", authz.String)),
			},
			Rules: policies.NewList(rules...),
		})
	}
	pap := &policies.PolicySet{
		Header:   policies.Header{ID: policies.PAPID("default"), PAP: "default", Version: "1.0", Place: "m", Combining: policies.FirstApplicable},
		Children: policies.NewList(nodes...),
	}
	return &policies.Snapshot{Revision: authz.Revision{Lineage: "bench", Number: 1}, Root: policies.NewRoot(policies.List[*policies.Rule]{}, pap)}
}

func class(c int) string { return fmt.Sprintf("conference-class-%d_rc", c) }

// conferenceRequest is a question, and what hand-written Go answers to it.
func conferenceRequest(random *rand.Rand) (*authz.Request, authz.Decision) {
	c, role, verb := random.IntN(classes), roles[random.IntN(len(roles))], verbs[random.IntN(len(verbs))]
	phase, own, conflict := phases[random.IntN(4)], random.IntN(2) == 0, random.IntN(2) == 0
	r := &authz.Request{}
	r.Add(authz.Subject, local+"role", authz.StringValue(role))
	r.Add(authz.Subject, local+"name", authz.StringValue("ann"))
	owner := "ben"
	if own {
		owner = "ann"
	}
	r.Add(authz.Resource, local+"class", authz.StringValue(class(c)))
	r.Add(authz.Resource, local+"owner", authz.StringValue(owner))
	r.Add(authz.Resource, local+"conflict", authz.BooleanValue(conflict))
	r.Add(authz.Action, profile.ActionID, authz.StringValue(verb))
	r.Add(authz.Environment, local+"phase", authz.IntegerValue(phase))

	want := authz.NotApplicable
	for k := 12 * c; k < 12*c+12; k++ {
		bound := phases[k/4%4]
		holds := [...]bool{phase >= bound, !conflict && own, own || phase < bound, !conflict && !own && phase == bound}[k%4]
		if role != roles[k%len(roles)] || verb != verbs[k/2%len(verbs)] || !holds {
			continue
		}
		effect := authz.Permit
		if k%5 == 0 {
			effect = authz.Deny
		}
		if c%3 != 0 {
			return r, effect
		}
		if want != authz.Deny {
			want = effect
		}
	}
	return r, want
}

func conferenceEngine(tb testing.TB) *pdp.Engine {
	e, s := pdp.New(pdp.Options{MaxStale: -1}), conference()
	require.NoError(tb, e.Apply(policies.Update{To: s.Revision, Base: s}))
	return e
}

func TestConditions(t *testing.T) {
	e, random, seen := conferenceEngine(t), rand.New(rand.NewPCG(42, 42)), map[authz.Decision]int{}
	for range 5000 {
		r, want := conferenceRequest(random)
		got, err := e.Decide(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, want, got.Decision, "%v", r)
		seen[want]++
	}
	require.Len(t, seen, 3)
}

// BenchmarkConditions is one decision, on one core, among 300 rules with
// conditions over several attributes: 4,096 parsed requests.
func BenchmarkConditions(b *testing.B) {
	e, random := conferenceEngine(b), rand.New(rand.NewPCG(42, 42))
	requests := make([]*authz.Request, 4096)
	for i := range requests {
		requests[i], _ = conferenceRequest(random)
	}
	ctx := b.Context()
	b.ReportAllocs()
	report := spent(b)
	for i := 0; b.Loop(); i++ {
		if _, err := e.Decide(ctx, requests[i%len(requests)]); err != nil {
			b.Fatal(err)
		}
	}
	report()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
}
