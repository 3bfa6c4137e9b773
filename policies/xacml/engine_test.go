package xacml_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

var moment = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// decide puts policies in force and answers a request.
func engine(t require.TestingT, n policies.Node) *pdp.Engine {
	e := pdp.New(pdp.Options{Clock: func() time.Time { return moment }, MaxStale: -1})
	require.NoError(t, e.Apply(policies.Update{
		Base: &policies.Snapshot{Root: policies.NewRoot(policies.List[*policies.Rule]{}, n)},
		To:   authz.Revision{Lineage: "test", Number: 1},
	}))
	return e
}

func answer(t require.TestingT, e *pdp.Engine, r *authz.Request) string {
	a, err := e.Decide(context.Background(), r)
	require.NoError(t, err)
	return fmt.Sprint(a.Decision, a.Extent, a.Obligations, a.Advice)
}

func site(t require.TestingT, text string) policies.Node {
	table, err := spl.NewTable()
	require.NoError(t, err)
	f, err := spl.Parse("p.spl", text)
	require.NoError(t, err, text)
	sets, err := spl.Lower(f, table)
	require.NoError(t, err, text)
	nodes := make([]policies.Node, len(sets))
	for i := range sets {
		nodes[i] = sets[i]
	}
	return &policies.PolicySet{
		Header:   policies.Header{ID: "site", Version: "1", Place: "V", Combining: policies.FirstApplicable},
		Children: policies.NewList(nodes...),
	}
}

// The values that policies and requests of the generator are made of: few, so
// that they meet; and each in spellings that only a denial takes for the same.
var words = map[string][]string{
	"subject":            {"/C=IT/O=Grid/CN=Ann", "CN=ann,O=Grid,C=IT", "/C=IT/O=Grid/CN=Bob"},
	"vo":                 {"atlas", " atlas", "cms"},
	"fqan":               {"/atlas", "/atlas/prod/Role=lead", "/cms/Role=NULL"},
	"x509-authn-profile": {"igtf-classic", "igtf-slcs"},
	"oidc-issuer":        {"https://iam.example.org/", "https://IAM.example.org"},
	"network":            {"192.0.2.7", "2001:db8::1"},
}

func oneOf(t *rapid.T, from ...string) string { return rapid.SampledFrom(from).Draw(t, "one") }

func condition(t *rapid.T) string {
	names := []string{"subject", "vo", "fqan", "x509-authn-profile", "oidc-issuer", "network"}
	name := oneOf(t, names...)
	value := `"` + oneOf(t, words[name]...) + `"`
	switch rapid.IntRange(0, 11).Draw(t, "condition") {
	case 0:
		return name + " != " + value
	case 1:
		return name + " in (" + value + ` "` + oneOf(t, words[name]...) + `")`
	case 2:
		return oneOf(t, `fqan matches "/atlas/*"`, `fqan matches "/atlas/*/Role=*"`, `fqan matches "/cms"`)
	case 3:
		return oneOf(t, `subject matches "/C=IT/O=Grid"`, `subject matches "/C=IT"`, `vo matches "a.*|[b-d]ms"`, `vo matches "(?i)ATLAS"`)
	case 4, 5:
		return "requested-cpu-time " + oneOf(t, "<", "<=", ">", ">=", "=", "!=") + " " + oneOf(t, "10m", "600", "1h")
	case 6:
		return "credential-strength " + oneOf(t, "<", "<=", ">", ">=", "=", "!=") + " " + oneOf(t, "anonymous", "weak", "strong")
	case 7:
		return "limited-proxy " + oneOf(t, "=", "!=") + " true"
	}
	return name + " = " + value
}

func ruleText(t *rapid.T) string {
	var b strings.Builder
	effect := oneOf(t, "permit", "deny")
	b.WriteString("rule " + effect + " {\n")
	least := 1
	if effect == "deny" {
		least = 0
		b.WriteString(`because ""` + "\n")
	}
	for range rapid.IntRange(least, 3).Draw(t, "conditions") {
		b.WriteString(condition(t) + "\n")
	}
	switch rapid.IntRange(0, 5).Draw(t, "window") {
	case 0:
		b.WriteString(`from "2026-07-01"` + "\n")
	case 1:
		b.WriteString(`until "2026-06-01T12:00:00Z"` + "\n")
	case 2:
		b.WriteString(`from "2026-06-01T12:00:00Z" until "2027-01-01"` + "\n")
	}
	if rapid.IntRange(0, 3).Draw(t, "duty") == 0 {
		b.WriteString(`obligation "cpu-time-limit" { seconds = 5m }` + "\n")
	}
	return b.String() + "}\n"
}

func policyText(t *rapid.T) string {
	var b strings.Builder
	b.WriteString("spl 2\n")
	for range rapid.IntRange(1, 2).Draw(t, "resources") {
		fmt.Fprintf(&b, "resource %q {\n", oneOf(t, ".*", "https://ce/.*", "https://ce/[^a]+", "(?i)HTTPS://CE/a"))
		if rapid.Bool().Draw(t, "mapped") {
			b.WriteString(`obligation "local-environment-map" { }` + "\n")
		}
		for range rapid.IntRange(1, 2).Draw(t, "actions") {
			fmt.Fprintf(&b, "action %q {\n", oneOf(t, ".*", "submit|cancel", "submit"))
			for range rapid.IntRange(1, 3).Draw(t, "rules") {
				b.WriteString(ruleText(t))
			}
			b.WriteString("}\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func request(t *rapid.T) *authz.Request {
	r := &authz.Request{}
	add := func(name, text string, typ authz.DataType) {
		row, _ := profile.Lookup(name)
		if typ == "" {
			typ = row.Type
		}
		v, err := authz.ParseValue(typ, text)
		require.NoError(t, err)
		standing := authz.Verified
		if rapid.IntRange(0, 4).Draw(t, "standing") == 0 {
			standing = authz.Presented
		}
		r.Attributes = append(r.Attributes, authz.Attribute{Category: row.Category, ID: row.ID, Values: []authz.Value{v}, Standing: standing})
	}
	add("resource", oneOf(t, "https://ce/a", "https://ce/b", "https://CE/a", "other"), "")
	add("action", oneOf(t, "submit", "cancel", "submit-more"), "")
	for _, name := range []string{"subject", "vo", "fqan", "x509-authn-profile", "oidc-issuer", "network"} {
		for range rapid.IntRange(0, 2).Draw(t, name) {
			typ := authz.DataType("")
			if rapid.IntRange(0, 3).Draw(t, "type") == 0 {
				typ = authz.String
			}
			add(name, oneOf(t, words[name]...), typ)
		}
	}
	if rapid.Bool().Draw(t, "cpu") {
		add("requested-cpu-time", oneOf(t, "60", "600", "3600"), "")
	}
	if rapid.Bool().Draw(t, "strength") {
		add("credential-strength", oneOf(t, "anonymous", "weak", "strong", "unheard-of"), "")
	}
	if rapid.Bool().Draw(t, "limited") {
		add("limited-proxy", oneOf(t, "true", "false"), "")
	}
	return r
}

// SPL, written as XACML of either version and read again, answers every
// request alike; written back as SPL it is the same policy. With Exact what is
// accepted answers alike too.
func TestSPLThroughXACMLAnswersTheSame(t *testing.T) {
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		from := site(t, policyText(t))
		want := engine(t, from)
		others := map[string]*pdp.Engine{}
		for _, o := range []xacml.Options{{Functions: xacml.Own}, {Functions: xacml.Own, Version: xacml.Two}, {}, {Version: xacml.Two}} {
			text, err := xacml.Write(from, o)
			if err != nil && o.Functions != xacml.Own {
				continue
			}
			require.NoError(t, err)
			back, err := xacml.Parse("p.xml", text)
			require.NoError(t, err)
			others[string(text)] = engine(t, back)
			if o.Functions != xacml.Own {
				accepted++
			}
		}
		for range 8 {
			r := request(t)
			expected := answer(t, want, r)
			for text, e := range others {
				require.Equal(t, expected, answer(t, e, r), "%s", text)
			}
		}
	})
	require.Positive(t, accepted, "the generator makes policies that XACML says exactly")
}

// Written back, a policy is the policy it was, its times too.
func TestSPLThroughXACMLAndBack(t *testing.T) {
	table, err := spl.NewTable()
	require.NoError(t, err)
	timed := 0
	rapid.Check(t, func(t *rapid.T) {
		text := policyText(t)
		from := site(t, text)
		document, err := xacml.Write(from, xacml.Options{Functions: xacml.Own})
		require.NoError(t, err)
		read, err := xacml.Parse("p.xml", document)
		require.NoError(t, err)
		back, err := spl.Write(xacml.Adopt(read), table)
		require.NoError(t, err, "%s", document)
		again := site(t, back)
		require.Equal(t, times(from), times(again), "%s\n%s", text, back)
		timed += strings.Count(back, "from \"") + strings.Count(back, "until \"")
		want, have := engine(t, from), engine(t, again)
		for range 8 {
			r := request(t)
			require.Equal(t, answer(t, want, r), answer(t, have, r), "%s\n%s", text, back)
		}
	})
	require.Greater(t, timed, 20)
}

// times lists the effects and windows of all rules.
func times(n policies.Node) (all []string) {
	switch n := n.(type) {
	case *policies.PolicySet:
		for c := range n.Children.All() {
			all = append(all, times(c)...)
		}
	case *policies.Policy:
		for r := range n.Rules.All() {
			all = append(all, fmt.Sprint(r.Effect, r.From.UnixNano(), r.Until.UnixNano()))
		}
	}
	return all
}

// Exact patterns match in XPath's dialect what they matched in RE2.
func TestPatternsMeanTheSameInXPath(t *testing.T) {
	patterns := []string{
		".*", "a", "a|b", "(a|ab)(c|bcd)(d*)", `a\.b`, `[a-c]+x?`, `[^a-c]*`, `[\]^-]`, `(?i)straße`, `(?s).+`, `a{2,3}`, `(ab){2}`, `a{2,}`, `\d+\w *`,
		`x*?y`, `[[:alpha:]]+`, `\pL+`, `(?:a|b)c`, `^a$|b`, "a$b", `\Qa.b\E`, `é+`, `[\t\n]`, `a\x{e9}`, `.\n`,
	}
	texts := []string{"", "a", "b", "ab", "abcd", "a.b", "axb", "aaa", "aa", "abab", "STRASSE", "Straße", "STRAßE", "x\ny", "]", "^", "-", "cx", "d", "42a \n", "xxy", "é", "éé", "\t", "aé", "\n", "x\n", "a$b", "abc", "bc", "zz"}
	for range 200 {
		b := make([]byte, rand.IntN(5))
		for i := range b {
			b[i] = "abcdxyz.-^]1 "[rand.IntN(13)]
		}
		texts = append(texts, string(b))
	}
	for _, p := range patterns {
		n := site(t, fmt.Sprintf("spl 2\nresource %q { action a { rule deny { because \"\" } } }", p))
		document, err := xacml.Write(n, xacml.Options{})
		require.NoError(t, err, p)
		back, err := xacml.Parse("p.xml", document)
		require.NoError(t, err)
		e, anchored := engine(t, back), regexp.MustCompile("^(?:"+p+")$")
		for _, text := range texts {
			r := &authz.Request{}
			r.Add(authz.Resource, profile.ResourceID, authz.StringValue(text))
			r.Add(authz.Action, profile.ActionID, authz.StringValue("a"))
			a, err := e.Decide(t.Context(), r)
			require.NoError(t, err)
			require.Equal(t, anchored.MatchString(text), a.Decision == authz.Deny, "%q on %q\n%s", p, text, document)
		}
	}
}
