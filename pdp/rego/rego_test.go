package rego_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pdp/rego"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func document(id, place, text string) *policies.Foreign {
	return &policies.Foreign{
		ID: id, Place: place, Format: rego.Format, Text: text,
		Position: policies.Position{File: id + ".rego", Line: 1, Column: 1},
	}
}

func compile(t require.TestingT, text string) pdp.Program {
	p, err := rego.New().Compile(*document("d", "", text))
	require.NoError(t, err)
	return p
}

func alice(t require.TestingT) *authz.Request {
	d, err := authz.ParseDN("/DC=org/CN=Alice")
	require.NoError(t, err)
	r := &authz.Request{ID: "id"}
	r.Add(authz.Subject, profile.SubjectID, authz.DNValue(d))
	r.Add(authz.Action, profile.ActionID, authz.StringValue("submit"))
	r.Add(authz.Environment, profile.RequestedCPUTime, authz.IntegerValue(600))
	return r
}

func TestDecide(t *testing.T) {
	for name, c := range map[string]struct {
		rule string
		want pdp.Opinion
	}{
		"permit":         {`decision := {"effect": "permit"}`, pdp.Opinion{Decision: authz.Permit}},
		"deny":           {`decision := {"effect": "deny", "reason": "no"}`, pdp.Opinion{Decision: authz.Deny, Because: "no"}},
		"not applicable": {`decision := {"effect": "not_applicable"}`, pdp.Opinion{Decision: authz.NotApplicable}},
		"undefined":      {`decision := {"effect": "permit"} if input.nothing`, pdp.Opinion{Decision: authz.NotApplicable}},
		"keys":           {`decision.effect := "permit"`, pdp.Opinion{Decision: authz.Permit}},
		"a person": {`decision := {"effect": "permit"} if {
			some a in input.Request.AccessSubject.Attribute
			a.AttributeId == "` + profile.SubjectID + `"
			a.DataType == "urn:oasis:names:tc:xacml:1.0:data-type:x500Name"
			"CN=Alice,DC=org" in a.Value
		}`, pdp.Opinion{Decision: authz.Permit}},
		"a number": {`decision := {"effect": "deny"} if {
			some a in input.Request.Environment.Attribute
			some seconds in a.Value
			seconds > 599
		}`, pdp.Opinion{Decision: authz.Deny}},
		"empty categories": {`decision := {"effect": "permit"} if {
			input.Request.Resource.Attribute == []
			input.Request.RecipientSubject.Attribute == []
			input.Request.Category == []
		}`, pdp.Opinion{Decision: authz.Permit}},
		"the time of the request": {
			fmt.Sprintf(`decision := {"effect": "permit"} if time.now_ns() == %d`, noon.UnixNano()),
			pdp.Opinion{Decision: authz.Permit},
		},
		"obligations": {`decision := {"effect": "permit",
			"obligations": [{"Id": "urn:limit", "AttributeAssignment": [
				{"AttributeId": "urn:seconds", "Value": 60},
				{"AttributeId": "urn:share", "Value": 0.5, "Issuer": "site"},
				{"AttributeId": "urn:shared", "Value": true},
				{"AttributeId": "urn:name", "Value": "CN=x", "Category": "AccessSubject",
				 "DataType": "urn:oasis:names:tc:xacml:1.0:data-type:x500Name"},
				{"AttributeId": "urn:day", "Value": "2026-03-01", "DataType": "date"}]}],
			"advice": [{"Id": "urn:hint"}]}`, pdp.Opinion{
			Decision: authz.Permit,
			Obligations: []authz.Obligation{{ID: "urn:limit", Assignments: []authz.Assignment{
				{ID: "urn:seconds", Value: parsed(t, authz.Integer, "60")},
				{ID: "urn:share", Issuer: "site", Value: parsed(t, authz.Double, "0.5")},
				{ID: "urn:shared", Value: parsed(t, authz.Boolean, "true")},
				{ID: "urn:name", Category: authz.Subject, Value: parsed(t, authz.X500Name, "CN=x")},
				{ID: "urn:day", Value: parsed(t, authz.Date, "2026-03-01")},
			}}},
			Advice: []authz.Obligation{{ID: "urn:hint"}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := compile(t, "package site\n"+c.rule).Decide(t.Context(), alice(t), noon)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func parsed(t *testing.T, typ authz.DataType, text string) authz.Value {
	t.Helper()
	v, err := authz.ParseValue(typ, text)
	require.NoError(t, err)
	return v
}

// What is not a decision is an error, and never anything else.
var malformed = map[string]struct{ rule, why string }{
	"a boolean":        {`decision := true`, "want an object, not true"},
	"a set":            {`decision contains {"effect": "permit"}`, "want an object"},
	"no effect":        {`decision := {"reason": "x"}`, "decision.effect"},
	"capital":          {`decision := {"effect": "Permit"}`, "decision.effect"},
	"allow":            {`decision := {"allow": true}`, "no other keys"},
	"unknown key":      {`decision := {"effect": "permit", "obligation": []}`, "no other keys"},
	"reason":           {`decision := {"effect": "deny", "reason": 7}`, "decision.reason"},
	"long reason":      {`decision := {"effect": "deny", "reason": "` + strings.Repeat("long ", 3000) + `"}`, "bytes"},
	"obligations":      {`decision := {"effect": "permit", "obligations": {}}`, "want an array"},
	"many obligations": {`decision := {"effect": "permit", "obligations": [{"Id": "x"} | some _ in numbers.range(1, 65)]}`, "65 entries"},
	"obligation id":    {`decision := {"effect": "permit", "obligations": [{}]}`, "obligations[0].Id"},
	"obligation key":   {`decision := {"effect": "permit", "obligations": [{"Id": "x", "on": "permit"}]}`, "no other keys"},
	"assignment id":    {`decision := {"effect": "permit", "obligations": [{"Id": "x", "AttributeAssignment": [{"Value": 1}]}]}`, "AttributeAssignment[0].AttributeId"},
	"value":            {`decision := {"effect": "permit", "obligations": [{"Id": "x", "AttributeAssignment": [{"AttributeId": "a", "Value": [1]}]}]}`, "want a string, a number or a boolean"},
	"data type":        {`decision := {"effect": "permit", "obligations": [{"Id": "x", "AttributeAssignment": [{"AttributeId": "a", "Value": 1, "DataType": "int"}]}]}`, "no data type"},
	"text of a type":   {`decision := {"effect": "permit", "obligations": [{"Id": "x", "AttributeAssignment": [{"AttributeId": "a", "Value": "x", "DataType": "integer"}]}]}`, "not a integer"},
	"idle obligation":  {`decision := {"effect": "not_applicable", "obligations": [{"Id": "x"}]}`, "no obligations"},
	"two decisions":    {"decision := {\"effect\": \"permit\"}\ndecision := {\"effect\": \"deny\"} if input.Request", "conflict"},
	"failing function": {`decision := {"effect": "deny"} if to_number("x") == 1`, "to_number"},
	"steps":            {`decision := {"effect": "permit"} if count([1 | some i in numbers.range(1, 100000); some j in numbers.range(1, 100000); i == j]) > 0`, "too"},
	"size":             {`decision := {"effect": "permit"} if count(numbers.range(1, 1000000000)) > 0`, "too"},
}

func TestMalformed(t *testing.T) {
	for name, c := range malformed {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			got, err := compile(t, "package site\n"+c.rule).Decide(t.Context(), alice(t), noon)
			require.ErrorContains(t, err, c.why)
			require.Equal(t, pdp.Opinion{}, got)
			require.Less(t, time.Since(begun), 3*time.Second)
		})
	}
}

func TestBudget(t *testing.T) {
	const loop = "package site\ndecision := {\"effect\": \"permit\"} if count([1 | some i in numbers.range(1, 3000); some j in numbers.range(1, 3000); i == j]) > 0"
	for name, c := range map[string]struct {
		language rego.Language
		why      string
	}{
		"steps": {rego.Language{Steps: 1000, Time: time.Hour}, "too many steps"},
		"time":  {rego.Language{Steps: 1 << 40, Time: time.Millisecond}, "too long"},
	} {
		p, err := c.language.Compile(*document("d", "", loop))
		require.NoError(t, err, name)
		_, err = p.Decide(t.Context(), alice(t), noon)
		require.ErrorContains(t, err, c.why)
	}
	none, err := rego.Language{}.Compile(*document("d", "", permits))
	require.NoError(t, err)
	_, err = none.Decide(t.Context(), alice(t), noon)
	require.Error(t, err, "no budget is no free pass")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = compile(t, loop).Decide(ctx, alice(t), noon)
	require.ErrorIs(t, err, context.Canceled)
	_, err = compile(t, loop).Decide(t.Context(), alice(t), time.Time{})
	require.ErrorContains(t, err, "no time is given")
}

func TestCompileErrors(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"syntax":        {"package site\n\ndecision := {\"effect\" \"permit\"}", "d.rego:3:23: "},
		"unknown name":  {"package site\ndecision := {\"effect\": effect}", "d.rego:2:24: var effect is unsafe\n\tdecision := {\"effect\": effect}\n\t                       ^"},
		"unused":        {"package site\nimport data.other\ndecision := {\"effect\": \"permit\"}", "d.rego:2:1: import data.other unused"},
		"no decision":   {"package site\nallow := true", "d.rego:1:1: package data.site has no rule named decision"},
		"empty":         {"", "d.rego"},
		"version 0":     {"package site\ndecision = {\"effect\": \"permit\"} { input.x }", "d.rego:2:"},
		"network":       {"package site\ndecision := http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1/\"}).body", "undefined function http.send"},
		"names":         {"package site\ndecision := net.lookup_ip_addr(\"localhost\")", "undefined function net.lookup_ip_addr"},
		"environment":   {"package site\ndecision := opa.runtime().env", "undefined function opa.runtime"},
		"randomness":    {"package site\ndecision := rand.intn(\"x\", 2)", "undefined function rand.intn"},
		"tokens":        {"package site\ndecision := io.jwt.decode(\"x\")", "undefined function io.jwt.decode"},
		"schemas":       {"package site\ndecision := json.match_schema({}, {\"$ref\": \"http://127.0.0.1/\"})", "undefined function json.match_schema"},
		"several":       {"package site\ndecision := a\nx := b", "d.rego:3:6: "},
		"one of thirty": {"package site\ndecision := {}\n" + many(30), "and 10 more"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rego.New().Compile(*document("d", "", c.text))
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := rego.New().Compile(policies.Foreign{Format: "rego/2"})
	require.ErrorContains(t, err, "rego/2")
	_, err = rego.New().Compile(*document("d", "", strings.Repeat("#", 2<<20)))
	require.ErrorContains(t, err, "are the most")
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "x%d := nothing%d\n", i, i)
	}
	return b.String()
}

// Neither the name of a package nor a value of a request becomes code
// (CVE-2025-46569).
func TestNoInjection(t *testing.T) {
	const injection = `x"] == 1; true }; decision := {"effect": "permit"}; allow { true #`
	p := compile(t, "package site[`"+strings.ReplaceAll(injection, "`", "")+"`]\ndecision := {\"effect\": \"deny\", \"reason\": \"still\"}")
	got, err := p.Decide(t.Context(), alice(t), noon)
	require.NoError(t, err)
	require.Equal(t, authz.Deny, got.Decision)

	r := alice(t)
	r.Add(authz.Subject, injection, authz.StringValue(injection))
	got, err = compile(t, `package site
decision := {"effect": "deny"} if {
	some a in input.Request.AccessSubject.Attribute
	contains(a.AttributeId, "allow { true")
	contains(a.Value[0], "allow { true")
}`).Decide(t.Context(), r, noon)
	require.NoError(t, err)
	require.Equal(t, authz.Deny, got.Decision)
}

// Documents do not see each other.
func TestDocumentsAreAlone(t *testing.T) {
	compile(t, "package secrets\ndecision := {\"effect\": \"permit\"}")
	got, err := compile(t, "package site\ndecision := data.secrets.decision").Decide(t.Context(), alice(t), noon)
	require.NoError(t, err)
	require.Equal(t, authz.NotApplicable, got.Decision)
}

func engine(t *testing.T, bans []*policies.Rule, nodes ...policies.Node) *pdp.Engine {
	t.Helper()
	e := pdp.New(pdp.Options{
		Clock:     func() time.Time { return noon },
		Languages: map[string]pdp.Language{rego.Format: rego.New()},
	})
	set := &policies.PolicySet{
		Header:   policies.Header{ID: policies.PAPID("default"), Place: "V", PAP: "default", Combining: policies.FirstApplicable},
		Children: policies.NewList(nodes...),
	}
	revision := authz.Revision{Lineage: "l", Number: 1}
	require.NoError(t, e.Apply(policies.Update{To: revision, Base: &policies.Snapshot{
		Revision: revision, Root: policies.NewRoot(policies.NewList(bans...), set),
	}}))
	return e
}

func decide(t *testing.T, e *pdp.Engine, r *authz.Request) authz.Response {
	t.Helper()
	response, err := e.Decide(t.Context(), r)
	require.NoError(t, err)
	return response
}

const (
	permits = "package site\ndecision := {\"effect\": \"permit\", \"obligations\": [{\"Id\": \"urn:o\"}]}"
	denies  = "package site\ndecision := {\"effect\": \"deny\", \"reason\": \"the queue is closed\"}"
	silent  = "package site\ndecision := {\"effect\": \"permit\"} if input.nothing"
)

func permitAll(place string) policies.Node {
	return &policies.Policy{
		Header: policies.Header{ID: "all", Place: place, Combining: policies.FirstApplicable},
		Rules:  policies.NewList(&policies.Rule{ID: "yes", Effect: authz.Permit}),
	}
}

// A document takes its place in the order of policies.
func TestOrder(t *testing.T) {
	response := decide(t, engine(t, nil, document("doc", "B", denies), permitAll("C")), alice(t))
	require.Equal(t, authz.Deny, response.Decision)
	require.Equal(t, "doc", response.Reason.Policy)
	require.Equal(t, "the queue is closed", response.Reason.Because)
	require.Equal(t, authz.Permit, decide(t, engine(t, nil, permitAll("B"), document("doc", "C", denies)), alice(t)).Decision)
	require.Equal(t, authz.Permit, decide(t, engine(t, nil, document("doc", "B", silent), permitAll("C")), alice(t)).Decision)
	require.Equal(t, authz.NotApplicable, decide(t, engine(t, nil, document("doc", "B", silent)), alice(t)).Decision)
	response = decide(t, engine(t, nil, document("doc", "B", permits)), alice(t))
	require.Equal(t, authz.Permit, response.Decision)
	require.Equal(t, []authz.Obligation{{ID: "urn:o"}}, response.Obligations)
}

// No document outranks a ban.
func TestBanWins(t *testing.T) {
	ban := &policies.Rule{ID: "b", Effect: authz.Deny, Ban: true, PAP: "default", Target: &policies.Target{
		AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: []policies.Match{{
			Function: profile.FunctionBanName, Value: authz.StringValue("CN=alice, DC=ORG"),
			Attribute: &policies.Designator{Category: authz.Subject, ID: profile.SubjectID},
		}}}}}},
	}}
	response := decide(t, engine(t, []*policies.Rule{ban}, document("doc", "B", permits)), alice(t))
	require.Equal(t, authz.Deny, response.Decision)
	require.True(t, response.Reason.Ban)
}

// Each failure of a document refuses, whatever would permit after it.
func TestFailureRefuses(t *testing.T) {
	for name, c := range malformed {
		t.Run(name, func(t *testing.T) {
			response := decide(t, engine(t, nil, document("doc", "B", "package site\n"+c.rule), permitAll("C")), alice(t))
			require.Equal(t, authz.Indeterminate, response.Decision)
			require.Contains(t, response.Status.Message, c.why)
			require.Contains(t, response.Status.Message, "doc.rego:1:1")
		})
	}
}

// A document that does not compile never gets in force.
func TestBadDocumentIsNoRevision(t *testing.T) {
	e := engine(t, nil, permitAll("B"))
	from := authz.Revision{Lineage: "l", Number: 1}
	to := authz.Revision{Lineage: "l", Number: 2}
	bad := document("doc", "A", "package site\ndecision := {\"effect\": x}")
	err := e.Apply(policies.Update{From: from, To: to, Edits: []policies.Edit{policies.PutNode(bad, policies.PAPID("default"))}})
	require.ErrorContains(t, err, "doc.rego:2:24: var x is unsafe")
	require.Equal(t, authz.Permit, decide(t, e, alice(t)).Decision)
	require.Equal(t, from, decide(t, e, alice(t)).Revision)
}

// What is only presented counts against the caller and never for him.
func TestPresentedAttributes(t *testing.T) {
	const group = `package site
decision := {"effect": "%s"} if {
	some a in input.Request.AccessSubject.Attribute
	a.AttributeId == "urn:group"
	"%s" in a.Value
}`
	admins, thieves := fmt.Sprintf(group, "permit", "admins"), fmt.Sprintf(group, "deny", "thieves")
	says := func(standing authz.Standing, group string) *authz.Request {
		r := alice(t)
		r.Attributes = append(r.Attributes, authz.Attribute{
			Category: authz.Subject, ID: "urn:group", Values: []authz.Value{authz.StringValue(group)}, Standing: standing,
		})
		return r
	}
	e := engine(t, nil, document("thieves", "A", thieves), document("admins", "B", admins))
	require.Equal(t, authz.Permit, decide(t, e, says(authz.Verified, "admins")).Decision)
	require.Equal(t, authz.NotApplicable, decide(t, e, says(authz.Presented, "admins")).Decision)
	require.Equal(t, authz.Deny, decide(t, e, says(authz.Verified, "thieves")).Decision)
	require.Equal(t, authz.Deny, decide(t, e, says(authz.Presented, "thieves")).Decision)
	both := says(authz.Verified, "admins")
	both.Attributes = append(both.Attributes, says(authz.Presented, "thieves").Attributes[3])
	require.Equal(t, authz.Deny, decide(t, e, both).Decision)
}

// An attribute may come with values of several data types, categories without
// a short name, and texts that JSON cannot say as numbers.
func TestInput(t *testing.T) {
	r := &authz.Request{Content: []authz.Content{{Category: authz.Resource, XML: []byte("<a/>")}}}
	r.Add("urn:other", "a", authz.StringValue("x"), authz.BooleanValue(true), authz.IntegerValue(7), parsed(t, authz.Double, "INF"))
	r.Add(authz.Subject, "none")
	got, err := compile(t, `package site
decision := {"effect": "permit"} if {
	some c in input.Request.Category
	c.CategoryId == "urn:other"
	[a.Value[0] | some a in c.Attribute] == ["x", true, 7, "INF"]
	input.Request.Resource.Content == "<a/>"
	input.Request.AccessSubject.Attribute[0].Value == []
}`).Decide(t.Context(), r, noon)
	require.NoError(t, err)
	require.Equal(t, authz.Permit, got.Decision)
}

func FuzzCompile(f *testing.F) {
	for _, text := range []string{permits, denies, silent, "package a.b[\"c\"]\ndecision contains 1", "package x\ndecision := input"} {
		f.Add(text)
	}
	language := rego.Language{Steps: 10_000, Time: 50 * time.Millisecond}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := language.Compile(*document("d", "", text))
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		opinion, err := p.Decide(t.Context(), alice(t), noon)
		if err != nil {
			require.Equal(t, pdp.Opinion{}, opinion)
		} else {
			require.NotEqual(t, authz.Indeterminate, opinion.Decision)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	p := compile(b, `package site
decision := {"effect": "permit"} if {
	some a in input.Request.AccessSubject.Attribute
	"CN=Alice,DC=org" in a.Value
}`)
	r := alice(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Decide(context.Background(), r, noon); err != nil {
			b.Fatal(err)
		}
	}
}

// The example in the manual is this one, and does what the manual says.
func TestManual(t *testing.T) {
	text, err := os.ReadFile("testdata/night.rego")
	require.NoError(t, err)
	manual, err := os.ReadFile("../../docs/rego.md")
	require.NoError(t, err)
	require.Contains(t, string(manual), string(text))
	p := compile(t, string(text))
	for name, c := range map[string]struct {
		seconds int64
		at      time.Time
		want    authz.Decision
	}{
		"long at noon":      {7200, noon.AddDate(0, 0, 1), authz.Deny},
		"long at night":     {7200, noon.AddDate(0, 0, 1).Add(8 * time.Hour), authz.NotApplicable},
		"long on a Sunday":  {7200, noon, authz.NotApplicable},
		"short on a Monday": {3600, noon.AddDate(0, 0, 1), authz.NotApplicable},
	} {
		r := alice(t)
		r.Attributes = r.Attributes[:2]
		r.Add(authz.Environment, profile.RequestedCPUTime, authz.IntegerValue(c.seconds))
		got, err := p.Decide(t.Context(), r, c.at)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got.Decision, name)
	}
}
