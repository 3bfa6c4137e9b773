package eval_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// TestFiledListsAgree edits lists of networks, subtrees and ranges, of which most
// rules are found by the index or not at all.
func TestFiledListsAgree(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() || raceEnabled {
		seeds = 10
	}
	decisions := map[string]int{}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 5))
		g := &generator{dice: r.IntN, now: someNow}
		p := &policies.Policy{Header: policies.Header{ID: "p", Place: "V", Combining: g.algorithm(false)}}
		rules, kinds := make([]*policies.Rule, 10+g.dice(500)), g.dice(1<<kindsFiled)
		for i, place := range policies.Places(len(rules)) {
			rules[i] = &policies.Rule{ID: g.id("rule"), Place: place, Effect: g.effect(), Target: g.filedTarget(kinds)}
		}
		p.Rules = policies.NewList(rules...)
		s := &policies.Snapshot{Root: &policies.PolicySet{Header: policies.Header{ID: "root", Combining: policies.FirstApplicable}, Children: policies.NewList[policies.Node](p)}}
		c := eval.NewCompiler(nil)
		var before *eval.Program
		for range 6 {
			program, err := c.Compile(s, before)
			require.NoError(t, err)
			for range 12 {
				q := g.filedRequest()
				compare(t, s, program, q)
				decisions[naively(s, q, someNow).decision]++
			}
			s = g.shuffle(t, s)
			before = program
		}
	}
	for _, d := range []string{"Permit", "Deny", "NotApplicable", "Indeterminate"} {
		require.Greater(t, decisions[d], int(seeds), "%v", decisions)
	}
}

func (g *generator) address() string {
	if g.chance(3) {
		return fmt.Sprintf("%s2001:db8:%x::%x", pick(g, "", " "), g.dice(3)<<g.dice(12), g.dice(1<<g.dice(16)+1))
	}
	return fmt.Sprintf("%s10.%d.%d.%d", pick(g, "", "", "::ffff:"), g.dice(3), g.dice(1<<g.dice(8)+1)%256, g.dice(1<<g.dice(8)+1)%256)
}

func (g *generator) network() string {
	a := g.address()
	switch six := a[0] == '2' || a[0] == ' '; {
	case a[0] == ':':
		return fmt.Sprintf("%s/%d", a, 96+8+g.dice(25))
	case g.chance(4):
		return a
	case six:
		return fmt.Sprintf("2001:db8:%x::/%d", g.dice(3), 20+g.dice(60))
	default:
		if a[0] == ' ' {
			a = a[1:]
		}
		return fmt.Sprintf("%s/%d", a, 8+g.dice(25))
	}
}

func (g *generator) name() string {
	name := "/O=" + pick(g, "x", "X ", `y\/z`, "y/z")
	for range 1 + g.dice(4) {
		name += pick(g, "/OU=", "/CN=", "+CN=") + fmt.Sprint(g.dice(6))
	}
	return name
}

const kindsFiled = 5

// filedTarget makes a target of one or a few matches that are filed by more than
// equality, of some kinds.
func (g *generator) filedTarget(kinds int) *policies.Target {
	subject := func(id string, t authz.DataType) *policies.Designator {
		return &policies.Designator{Category: authz.Subject, ID: id, Type: t, MustBePresent: g.chance(60)}
	}
	var all []policies.Match
	kind := g.dice(kindsFiled)
	for range 20 {
		if kinds>>kind&1 == 0 {
			kind = g.dice(kindsFiled)
		}
	}
	switch kind {
	case 0:
		all = append(all, policies.Match{Function: profile.FunctionNetwork, Value: authz.StringValue(g.network()), Attribute: subject(profile.Network, "")})
	case 1:
		all = append(all, policies.Match{Function: profile.FunctionSubtree, Value: parse(authz.X500Name, g.name()), Attribute: subject(profile.SubjectID, "")})
	case 2:
		all = append(all, policies.Match{Function: profile.FunctionBanSubtree, Value: authz.StringValue(g.name()), Attribute: subject(profile.SubjectID, "")})
	default:
		t := pick(g, authz.Integer, authz.Integer, authz.Time, authz.Double, authz.String, authz.DateTime)
		from := g.dice(200) - 20
		low := policies.Match{Function: old + t.Name() + pick(g, "-less-than", "-less-than-or-equal"), Value: g.point(t, from), Attribute: subject("n", t)}
		high := policies.Match{Function: old + t.Name() + pick(g, "-greater-than", "-greater-than-or-equal"), Value: g.point(t, from+g.dice(30)-2), Attribute: subject("n", t)}
		if all = append(all, low, high); kind == 3 {
			all = all[g.dice(2):][:1]
		}
	}
	if g.chance(8) {
		all = append(all, policies.Match{Function: old + "string-equal", Value: authz.StringValue(pick(g, "a", "b")), Attribute: subject("role", authz.String)})
	}
	t := &policies.Target{AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: all}}}}}
	switch {
	case g.chance(6) && len(all) == 2: // each by itself
		t.AnyOf = []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: all[:1]}}}, {AllOf: []policies.AllOf{{Matches: all[1:]}}}}
	case g.chance(8): // an alternative
		t.AnyOf[0].AllOf = append(t.AnyOf[0].AllOf, g.filedTarget(kinds).AnyOf[0].AllOf...)
	}
	return t
}

// point makes a value among others of its type that are near.
func (g *generator) point(t authz.DataType, n int) authz.Value {
	switch t {
	case authz.Integer:
		if g.chance(12) {
			return parse(t, pick(g, "-", "")+"922337203685477580"+pick(g, "6", "7", "8", "9", "7999"))
		}
		return authz.IntegerValue(int64(n) << (g.dice(2) * g.dice(50)))
	case authz.Double:
		if g.chance(12) {
			return parse(t, pick(g, "NaN", "INF", "-INF", "-0"))
		}
		return authz.DoubleValue(float64(n) / 8)
	case authz.Time:
		return parse(t, fmt.Sprintf("%02d:%02d:00%s%s", (n+22)/10, n&7, pick(g, "", ".5"), pick(g, "Z", "Z", "Z", "Z", "Z", "Z", "Z", "Z", "")))
	case authz.DateTime:
		return parse(t, fmt.Sprintf("%04d-01-01T00:00:00%s%s", 1930+n, pick(g, "", ".5"), pick(g, "Z", "", "+01:00")))
	}
	return authz.StringValue(fmt.Sprint(pick(g, "", "a", "aaaaaaaa", "é"), n+100))
}

func (g *generator) filedRequest() *authz.Request {
	q, mixed := &authz.Request{ID: "r"}, g.chance(3)
	add := func(id string, value func() authz.Value) {
		a := authz.Attribute{Category: authz.Subject, ID: id, Standing: authz.Verified}
		if mixed && g.chance(3) {
			a.Standing = authz.Presented
		}
		for range 1 + g.dice(2)*g.dice(3) {
			a.Values = append(a.Values, value())
		}
		if !g.chance(12) {
			q.Attributes = append(q.Attributes, a)
		}
	}
	add(profile.Network, func() authz.Value {
		if g.chance(16) {
			return authz.StringValue(pick(g, "", "host", "10.0.0.0/8", "10.0.0.256"))
		}
		return authz.StringValue(g.address() + pick(g, "", "", " "))
	})
	add(profile.SubjectID, func() authz.Value {
		if g.chance(3) {
			return authz.StringValue(g.name())
		}
		return parse(authz.X500Name, g.name())
	})
	t := pick(g, authz.Integer, authz.Integer, authz.Time, authz.Double, authz.String, authz.DateTime)
	add("n", func() authz.Value { return g.point(t, g.dice(200)-20) })
	add("role", func() authz.Value { return authz.StringValue(pick(g, "a", "b", "c")) })
	return q
}

// beside puts bans of one kind between so many others that an index is used, and a
// permit for everybody after them.
func beside(t *testing.T, function, id, literal string) *eval.Program {
	var rules []*policies.Rule
	for i := range 20 {
		other := map[string]string{profile.FunctionNetwork: fmt.Sprintf("172.16.%d.0/%d", i, 20+i%13), profile.FunctionBanSubtree: fmt.Sprintf("/DC=org/DC=example/OU=unit %d", i)}[function]
		if i == 10 {
			other = literal
		}
		rules = append(rules, &policies.Rule{ID: fmt.Sprint("ban", i), Effect: authz.Deny, Ban: true, Target: oneMatch(function, other, &policies.Designator{Category: authz.Subject, ID: id})})
	}
	return compileRules(t, append(rules, &policies.Rule{ID: "everybody", Effect: authz.Permit})...)
}

// The attack: come from a banned network under an address written another way,
// or under none that can be read.
func TestBannedNetworkInEverySpelling(t *testing.T) {
	for network, spellings := range map[string][]string{
		"10.1.0.0/16": {
			"10.1.2.3", " 10.1.2.3\n", "::ffff:10.1.2.3", "::FFFF:0A01:0203", "0:0:0:0:0:ffff:10.1.2.3", "::ffff:10.1.2.3%eth0",
		},
		"10.1.2.3":            {"10.1.2.3", "::ffff:10.1.2.3", "::ffff:a01:203%1"},
		"::ffff:10.1.0.0/112": {"10.1.255.255", "::ffff:10.1.0.0"},
		"2001:db8:8000::/33":  {"2001:DB8:8000::1", "2001:0db8:ffff:0:0:0:0:1", "2001:db8:8000::1%eth0", "\t2001:db8:c000::"},
		"2001:db8::1":         {"2001:db8::1", "2001:DB8:0:0::1%any"},
		"0.0.0.0/0":           {"10.1.2.3", "::ffff:10.1.2.3"},
		"::/0":                {"2001:db8::1", "::1%lo"},
	} {
		p := beside(t, profile.FunctionNetwork, profile.Network, network)
		decide := func(s authz.Standing, addresses ...string) authz.Decision {
			r := &authz.Request{}
			attribute(r, s, profile.Network, addresses...)
			return p.Decide(context.Background(), r, someNow).Decision
		}
		for _, s := range []authz.Standing{authz.Verified, authz.Presented} {
			for _, spelling := range spellings {
				require.Equal(t, authz.Deny, decide(s, spelling), "%s %q", network, spelling)
				require.Equal(t, authz.Deny, decide(s, "198.51.100.1", spelling), "%s %q", network, spelling)
			}
			for _, odd := range []string{"", "010.1.2.3", "10.1.2.3/32", "10.1.2.3%eth0", "10.1.515", "0xa010203", "[2001:db8::1]", "ｌ0.1.2.3", "10.1.2.3:443"} {
				require.Equal(t, authz.Indeterminate, decide(s, odd), "%s %q", network, odd)
			}
		}
		if network != "0.0.0.0/0" {
			require.Equal(t, authz.Permit, decide(authz.Verified, "198.51.100.1"), network)
		}
	}
}

// The attack: be below a banned name under one that is spelled another way.
func TestBannedSubtreeInEverySpelling(t *testing.T) {
	p := beside(t, profile.FunctionBanSubtree, profile.SubjectID, "/DC=org/DC=example/O=Evil Corp")
	decide := func(v authz.Value) authz.Decision {
		r := &authz.Request{}
		r.Add(authz.Subject, profile.SubjectID, v)
		return p.Decide(context.Background(), r, someNow).Decision
	}
	for _, spelling := range []string{
		"/DC=org/DC=example/O=Evil Corp", "/DC=org/DC=example/O=Evil Corp/CN=Eve", "CN=Eve,O=Evil Corp,DC=example,DC=org", "cn=eve, o=EVIL  corp, dc=Example, dc=ORG",
		`CN=Eve,O=Evil\20Corp,DC=example,DC=org`, "CN=Eve,2.5.4.10=evil corp,0.9.2342.19200300.100.1.25=example,domainComponent=org", "CN=Eve,O=#0c094576696c20436f7270,DC=example,DC=org",
		"CN=Eve+O=Evil Corp,DC=example,DC=org", "/DC=org/DC=example/O=Ｅvil Corp/CN=Eve", "/DC=org//DC=example/ O=Evil Corp/CN=Eve/",
	} {
		require.Equal(t, authz.Deny, decide(authz.StringValue(spelling)), spelling)
		if v, err := authz.ParseValue(authz.X500Name, spelling); err == nil {
			require.Equal(t, authz.Deny, decide(v), spelling)
		}
	}
	for _, other := range []string{"/DC=org/DC=example/O=Good Corp/CN=Eve", "/DC=org/DC=else/O=Evil Corp/CN=Eve", "/O=Evil Corp"} {
		require.Equal(t, authz.Permit, decide(authz.StringValue(other)), other)
	}
}

// What is filed is not looked at in vain: of a list too long to be explained
// whole, a request meets a few of the hundreds.
func TestFiledRulesAreNotLookedAt(t *testing.T) {
	q := gridRequest(t, "/DC=org/DC=terena/DC=tcs/C=NL/O=Institution 300/CN=x", vo(0), endpoint(0), actions[0])
	q.Add(authz.Subject, profile.Network, authz.StringValue("10.0.1.46"))
	q.Add(authz.Resource, "port", authz.IntegerValue(6*300))
	for kind, most := range map[string]int{"networks": 1, "networks of one action": 1, "subtrees": 1, "ban-subtrees": 1, "ranges": 20} {
		s := filedSnapshot(kind, 10_000)
		p, err := eval.NewCompiler(nil).Compile(s, nil)
		require.NoError(t, err)
		ex := p.Explain(context.Background(), q, someNow)
		require.NotEmpty(t, ex.Root.Children[0].Children, kind)
		require.LessOrEqual(t, len(ex.Root.Children[0].Children), most, kind)
	}
}

// Bans of subtrees that come one by one spread as well as those that come at once,
// whatever the longest word is that all of them have.
func TestBansOfSubtreesSpread(t *testing.T) {
	ban := func(i int) *policies.Rule {
		name := fmt.Sprintf("/C=UK/O=Federation of Everybody/OU=%d", i)
		return &policies.Rule{ID: fmt.Sprint(i), Effect: authz.Deny, Ban: true, Target: oneMatch(profile.FunctionBanSubtree, name, &policies.Designator{Category: authz.Subject, ID: profile.SubjectID})}
	}
	c, s := eval.NewCompiler(nil), &policies.Snapshot{Revision: authz.Revision{Lineage: "l"}, Root: policies.NewRoot(policies.NewList(ban(0)), newWorkload(10).pap())}
	p, err := c.Compile(s, nil)
	require.NoError(t, err)
	for i := 1; i < 600; i++ {
		s, err = s.Apply(policies.Update{From: s.Revision, To: authz.Revision{Lineage: "l", Number: uint64(i)}, Edits: []policies.Edit{policies.PutRule(ban(i), policies.BansID)}})
		require.NoError(t, err)
		p, err = c.Compile(s, p)
		require.NoError(t, err)
	}
	q := gridRequest(t, "/C=UK/O=Federation of Everybody/OU=77/CN=x", vo(0), endpoint(0), actions[0])
	ex := p.Explain(context.Background(), q, someNow)
	require.Equal(t, authz.Deny, ex.Response.Decision)
	require.LessOrEqual(t, len(ex.Root.Children[0].Children), 3)
}

// Bounds that a refusal names leave nothing out, on one side or on both: who is
// outside is to be told what would have been enough.
func TestBoundsAreTold(t *testing.T) {
	for name, most := range map[string]int64{"one side": 0, "both": 50} {
		var rules []*policies.Rule
		for i := range int64(30) {
			cpu := &policies.Designator{Category: authz.Environment, ID: profile.RequestedCPUTime, Type: authz.Integer}
			target := oneMatch(old+"integer-less-than-or-equal", "", cpu)
			ms := &target.AnyOf[0].AllOf[0].Matches
			(*ms)[0].Value = authz.IntegerValue(1000 + 100*i)
			if most > 0 {
				*ms = append(*ms, policies.Match{Function: old + "integer-greater-than-or-equal", Value: authz.IntegerValue(1000 + 100*i + most), Attribute: cpu})
			}
			rules = append(rules, &policies.Rule{ID: fmt.Sprint(i), Effect: authz.Permit, Target: target})
		}
		q := &authz.Request{}
		q.Add(authz.Environment, profile.RequestedCPUTime, authz.IntegerValue(175))
		response := decideBy(t, q, rules...)
		require.Equal(t, authz.NotApplicable, response.Decision, name)
		require.Len(t, response.Enough, 30, name)
	}
}

// A time of day without a zone is on neither side of one with a zone: of many
// rules that compare them none is left out.
func TestTimesWithoutZone(t *testing.T) {
	at := &policies.Designator{Category: authz.Subject, ID: "n", Type: authz.Time}
	for name, bounds := range map[string][]string{"above": {"less-than"}, "below": {"greater-than"}, "between": {"less-than", "greater-than"}} {
		var rules []*policies.Rule
		for i := range 20 {
			target := oneMatch("", "", at)
			ms := &target.AnyOf[0].AllOf[0].Matches
			*ms = nil
			for k, bound := range bounds {
				*ms = append(*ms, policies.Match{Function: old + "time-" + bound, Value: parse(authz.Time, fmt.Sprintf("%02d:%02d:00Z", 2+i, 30*k)), Attribute: at})
			}
			rules = append(rules, &policies.Rule{ID: fmt.Sprint(i), Effect: authz.Deny, Target: target})
		}
		rules = append(rules, &policies.Rule{ID: "everybody", Effect: authz.Permit})
		for _, value := range []string{"00:00:00", "12:10:00", "23:59:59"} {
			q := &authz.Request{}
			q.Add(authz.Subject, "n", parse(authz.Time, value))
			require.Equal(t, authz.Indeterminate, decideBy(t, q, rules...).Decision, "%s %s", name, value)
		}
		q := &authz.Request{}
		q.Add(authz.Subject, "n", parse(authz.Time, map[string]string{"above": "00:00:00Z", "below": "23:59:59Z", "between": "23:59:59Z"}[name]))
		require.Equal(t, authz.Permit, decideBy(t, q, rules...).Decision, name)
	}
}
