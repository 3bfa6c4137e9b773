package lint_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/lint"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

func read(t require.TestingT, text string) *policies.PolicySet {
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

func TestIdle(t *testing.T) {
	for rules, want := range map[string][]int{ // rules one to a line, from line 1
		"rule permit { vo = a }\nrule permit { vo = a }":                                                                                {2},
		"rule permit { vo = a }\nrule permit { vo = a fqan = \"/a\" }":                                                                  {2},
		"rule permit { vo = a fqan = \"/a\" }\nrule permit { vo = a }":                                                                  nil,
		"rule deny { vo = a }\nrule permit { vo = a }":                                                                                  {2},
		"rule permit { vo = a }\nrule deny { vo = a }":                                                                                  nil, // the denial also sees what is merely asserted
		"rule deny { because \"no\" }\nrule permit { vo = a }\nrule deny { vo = b }":                                                    {2, 3},
		"rule permit { vo in (a b) }\nrule permit { vo = a }\nrule permit { vo in (b a) }\nrule permit { vo in (b c) }":                 {2, 3},
		"rule permit { requested-cpu-time <= 1h }\nrule permit { requested-cpu-time <= 30m }":                                           {2},
		"rule permit { requested-cpu-time <= 30m }\nrule permit { requested-cpu-time <= 1h }":                                           nil,
		"rule permit { requested-cpu-time > 30 }\nrule permit { requested-cpu-time > 40 }":                                              {2},
		"rule permit { credential-strength >= weak }\nrule permit { credential-strength >= strong }":                                    {2},
		"rule permit { credential-strength >= strong }\nrule permit { credential-strength >= weak }":                                    nil,
		"rule permit { vo = a vo != b }\nrule permit { vo = a }":                                                                        nil,
		"rule permit { vo = a vo != b }\nrule permit { vo = a vo != b }":                                                                {2},
		"rule permit { vo = a until \"2030-01-01\" }\nrule permit { vo = a }":                                                           nil,
		"rule permit { vo = a }\nrule permit { vo = a until \"2030-01-01\" }":                                                           {2},
		"rule permit { vo = a from \"2020-01-01\" }\nrule permit { vo = a from \"2021-01-01\" }":                                        {2},
		"rule deny { subject = \"/C=IT/CN=Ann\" }\nrule permit { subject = \"CN=Ann,C=IT\" }":                                           {2},
		"rule deny { subject = \"/C=IT/CN=Ann\" }\nrule permit { subject = \"/C=IT/CN=Bob\" }":                                          nil,
		"rule deny { requested-cpu-time > 1h }\nrule permit { requested-cpu-time > 2h }":                                                nil, // without a value the denial is Indeterminate, and decides: but that is not proven here
		"rule deny { fqan = \"/a\" }\nrule permit { fqan = \"/a\" vo = a }":                                                             {2},
		"rule deny { oidc-issuer = \"https://i\" }\nrule permit { oidc-issuer = \"https://i\" oidc-subject = x }":                       {2},
		"rule deny { \"resource\" = x }\nrule deny { vo = b }\nrule permit { \"resource\" = x vo = c }\nrule permit { \"action\" = y }": {2, 3, 4}, // the target around them says what the first one asks
	} {
		found := lint.Idle(read(t, "spl 2 resource x { action y {"+"\n"+rules+"\n} }"))
		var lines []int
		for _, f := range found {
			lines = append(lines, f.Position.Line-1)
			require.Contains(t, f.Message, "this rule never applies: the rule (line ")
		}
		if strings.Contains(rules, "requested-cpu-time > 1h }\nrule permit { requested-cpu-time > 2h") {
			require.Contains(t, []any{0, 1}, len(lines))
			continue
		}
		require.Equal(t, want, lines, rules)
	}
}

func TestIdlePolicies(t *testing.T) {
	found := lint.Idle(read(t, `spl 2
resource x {
  action y { rule permit { vo = a } rule deny { because "no" } }
  action y { rule permit { vo = b } }
  action z { rule permit { vo = b } }
}
resource x { action q { rule permit { vo = a } } }`))
	require.Len(t, found, 1)
	require.Equal(t, 4, found[0].Position.Line)
	require.Equal(t, "this policy never applies: the policy (line 3) before it always decides", found[0].Message)
}

func document(t *testing.T, body string) policies.Node {
	n, err := xacml.Parse("p.xml", []byte(body))
	require.NoError(t, err)
	return n
}

const open3 = `<PolicySet xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicySetId="s" Version="1.2" PolicyCombiningAlgId="urn:oasis:names:tc:xacml:1.0:policy-combining-algorithm:first-applicable"><Target/>`

func TestMissing(t *testing.T) {
	for ref, want := range map[string]string{
		`<PolicySetIdReference>s</PolicySetIdReference>`:                           "",
		`<PolicySetIdReference Version="1.*">s</PolicySetIdReference>`:             "",
		`<PolicySetIdReference Version="1.+">s</PolicySetIdReference>`:             "",
		`<PolicySetIdReference LatestVersion="1.1">s</PolicySetIdReference>`:       "there is 1.2",
		`<PolicySetIdReference EarliestVersion="2">s</PolicySetIdReference>`:       "there is 1.2",
		`<PolicySetIdReference Version="1">s</PolicySetIdReference>`:               "there is 1.2",
		`<PolicyIdReference>s</PolicyIdReference>`:                                 "no policy",
		`<PolicySetIdReference EarliestVersion="1.2">other</PolicySetIdReference>`: "no policy set",
	} {
		found := lint.Missing([]policies.Node{document(t, open3+ref+`</PolicySet>`)})
		if want == "" {
			require.Empty(t, found, ref)
			continue
		}
		require.Len(t, found, 1, ref)
		require.Contains(t, found[0].Message+found[0].Hint, want)
	}
}

func TestNames(t *testing.T) {
	for designator, want := range map[string]string{
		`Category="urn:oasis:names:tc:xacml:1.0:subject-category:access-subject" AttributeId="http://glite.org/xacml/attribute/fqam" DataType="http://glite.org/xacml/datatype/fqan"`:                      `did you mean "fqan"?`,
		`Category="urn:oasis:names:tc:xacml:3.0:attribute-category:action" AttributeId="http://glite.org/xacml/attribute/fqan" DataType="http://glite.org/xacml/datatype/fqan"`:                            "another category",
		`Category="urn:oasis:names:tc:xacml:1.0:subject-category:access-subject" AttributeId="http://glite.org/xacml/attribute/virtual-organization" DataType="http://www.w3.org/2001/XMLSchema#anyURI"`:   "another data type",
		`Category="urn:oasis:names:tc:xacml:1.0:subject-category:access-subject" AttributeId="urn:site:anything" DataType="http://www.w3.org/2001/XMLSchema#string"`:                                       "",
		`Category="urn:oasis:names:tc:xacml:1.0:subject-category:access-subject" AttributeId="urn:oasis:names:tc:xacml:1.0:subject:subject-id" DataType="urn:oasis:names:tc:xacml:1.0:data-type:x500Name"`: "",
	} {
		found := lint.Names(document(t, open3+`<Policy PolicyId="p" Version="1" RuleCombiningAlgId="urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:first-applicable"><Target/><Rule RuleId="r" Effect="Permit">
		<Condition><Apply FunctionId="urn:f"><AttributeDesignator MustBePresent="false" `+designator+`/></Apply></Condition></Rule></Policy></PolicySet>`))
		if want == "" {
			require.Empty(t, found)
			continue
		}
		require.Len(t, found, 1)
		require.Contains(t, found[0].Message+found[0].Hint, want)
	}
}

// What is reported can be taken away without any answer changing, whoever
// vouches for what the request says.
func TestIdleRulesChangeNothing(t *testing.T) {
	reported := 0
	rapid.Check(t, func(t *rapid.T) {
		whole := read(t, policyText(t))
		found := lint.Idle(whole)
		if len(found) == 0 {
			return
		}
		reported += len(found)
		gone := map[policies.Position]bool{}
		for _, f := range found {
			gone[f.Position] = true
		}
		a, b := engine(t, whole), engine(t, without(whole, gone))
		for range 20 {
			r := request(t)
			require.Equal(t, answer(t, a, r), answer(t, b, r), "%v", found)
		}
	})
	require.Greater(t, reported, 50)
}

func without(n policies.Node, gone map[policies.Position]bool) policies.Node {
	switch n := n.(type) {
	case *policies.PolicySet:
		next := *n
		var kept []policies.Node
		for child := range n.Children.All() {
			if !gone[child.At()] {
				kept = append(kept, without(child, gone))
			}
		}
		next.Children = policies.NewList(kept...)
		return &next
	case *policies.Policy:
		next := *n
		var kept []*policies.Rule
		for r := range n.Rules.All() {
			if !gone[r.Position] {
				kept = append(kept, r)
			}
		}
		next.Rules = policies.NewList(kept...)
		return &next
	}
	return n
}

func engine(t require.TestingT, n policies.Node) *pdp.Engine {
	e := pdp.New(pdp.Options{Clock: func() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }, MaxStale: -1})
	base := &policies.Snapshot{Root: policies.NewRoot(policies.List[*policies.Rule]{}, n)}
	require.NoError(t, e.Apply(policies.Update{Base: base, To: authz.Revision{Lineage: "test", Number: 1}}))
	return e
}

func answer(t require.TestingT, e *pdp.Engine, r *authz.Request) string {
	a, err := e.Decide(context.Background(), r)
	require.NoError(t, err)
	return fmt.Sprint(a.Decision, a.Extent, a.Obligations, a.Advice)
}

func oneOf(t *rapid.T, from ...string) string { return rapid.SampledFrom(from).Draw(t, "one") }

// policyText draws policies whose conditions often repeat.
func policyText(t *rapid.T) string {
	conditions := []string{
		"vo = a", `vo = " a"`, "vo in (a b)", "vo != b", `fqan = "/a"`, `fqan matches "/a/*"`, `subject = "/C=IT/CN=Ann"`, `subject = "CN=ann,C=IT"`,
		`oidc-issuer = "https://i/"`, "requested-cpu-time <= 60", "requested-cpu-time < 600", "requested-cpu-time > 60", "credential-strength >= weak",
		"credential-strength > weak", "credential-strength < strong", `network = "192.0.2.0/24"`, "limited-proxy = true", `"resource" = x`, `from "2026-07-01"`, `until "2026-08-01"`,
	}
	var b strings.Builder
	b.WriteString("spl 2\n")
	for range rapid.IntRange(1, 2).Draw(t, "resources") {
		fmt.Fprintf(&b, "resource %s {\n", oneOf(t, "x", `".*"`))
		for range rapid.IntRange(1, 3).Draw(t, "actions") {
			fmt.Fprintf(&b, "action %s {\n", oneOf(t, "y", `".*"`))
			for range rapid.IntRange(1, 5).Draw(t, "rules") {
				effect := oneOf(t, "permit", "deny")
				drawn := map[string]bool{}
				for range rapid.IntRange(0, 2).Draw(t, "conditions") {
					c := oneOf(t, conditions...)
					drawn[c] = drawn[c] || !strings.HasPrefix(c, "from") && !strings.HasPrefix(c, "until") || effect == "deny"
				}
				if effect == "permit" && len(drawn) == 0 {
					drawn["vo = a"] = true
				}
				fmt.Fprintf(&b, "rule %s {\n", effect)
				n := 0
				for _, c := range conditions {
					if drawn[c] {
						b.WriteString(c + "\n")
						n++
					}
				}
				if n == 0 || effect == "deny" {
					b.WriteString(map[bool]string{true: `because "no"`, false: "vo = a"}[effect == "deny"] + "\n")
				}
				b.WriteString("}\n")
			}
			b.WriteString("}\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func request(t *rapid.T) *authz.Request {
	r := &authz.Request{}
	all := map[string][]string{
		"resource": {"x", "z"}, "action": {"y", "z"}, "vo": {"a", "b", " a"}, "fqan": {"/a", "/a/b", "/b"}, "subject": {"/C=IT/CN=Ann", "CN=ann, C=IT", "/C=IT/CN=Bob"},
		"oidc-issuer": {"https://i/", "https://I"}, "requested-cpu-time": {"30", "60", "100"}, "credential-strength": {"anonymous", "weak", "strong", "odd"},
		"network": {"192.0.2.3", "10.0.0.1", "odd"}, "limited-proxy": {"true", "false"},
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		values := all[name]
		for range rapid.IntRange(0, 2).Draw(t, name) {
			row, _ := profile.Lookup(name)
			typ := row.Type
			if rapid.IntRange(0, 5).Draw(t, "type") == 0 {
				typ = authz.String
			}
			v, err := authz.ParseValue(typ, oneOf(t, values...))
			require.NoError(t, err)
			standing := authz.Verified
			if rapid.IntRange(0, 3).Draw(t, "standing") == 0 {
				standing = authz.Presented
			}
			r.Attributes = append(r.Attributes, authz.Attribute{Category: row.Category, ID: row.ID, Values: []authz.Value{v}, Standing: standing})
		}
	}
	return r
}

// What a denial sees and a permit does not keeps these from being certain: each
// pair differs in the one thing that would make it so.
func TestIdleOnlyWhenCertain(t *testing.T) {
	const algorithm = `urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:first-applicable`
	policy := func(id, target, rules string) string {
		return `<Policy PolicyId="` + id + `" Version="1" RuleCombiningAlgId="` + algorithm + `"><Target>` + target + `</Target>` + rules + `</Policy>`
	}
	rule := func(id, effect, target, condition string) string {
		return `<Rule RuleId="` + id + `" Effect="` + effect + `"><Target>` + target + `</Target>` + condition + `</Rule>`
	}
	vo := func(required string) string {
		return `<AnyOf><AllOf><Match MatchId="urn:oasis:names:tc:xacml:1.0:function:string-equal"><AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string">a</AttributeValue>
		<AttributeDesignator Category="urn:oasis:names:tc:xacml:1.0:subject-category:access-subject" AttributeId="http://glite.org/xacml/attribute/virtual-organization" DataType="http://www.w3.org/2001/XMLSchema#string" MustBePresent="` + required + `"/></Match></AllOf></AnyOf>`
	}
	issued := strings.Replace(vo("false"), "MustBePresent", `Issuer="x" MustBePresent`, 1)
	one := strings.Replace(vo("false"), "urn:oasis:names:tc:xacml:1.0:function:string-equal", profile.FunctionBanText, 1)
	every := strings.Replace(one, `DataType="http://www.w3.org/2001/XMLSchema#string" MustBePresent`, `DataType="`+xacml.AnyType+`" MustBePresent`, 1)
	const condition = `<Condition><VariableReference VariableId="v"/></Condition>`
	for name, c := range map[string]struct{ certain, not string }{
		"a permit hides all only without a target around": {
			policy("p", "", rule("a", "Permit", "", "")+rule("b", "Deny", "", "")),
			policy("p", vo("false"), rule("a", "Permit", "", "")+rule("b", "Deny", "", ""))},
		"the same condition, for the same effect only": {
			policy("p", "", rule("a", "Deny", "", condition)+rule("b", "Deny", vo("false"), condition)),
			policy("p", "", rule("a", "Deny", "", condition)+rule("b", "Permit", vo("false"), condition))},
		"a value that must be there": {
			policy("p", "", rule("a", "Permit", vo("false"), "")+rule("b", "Permit", vo("false"), "")),
			policy("p", "", rule("a", "Permit", vo("false"), "")+rule("b", "Permit", vo("true"), ""))},
		"a value that must be there, for the two effects": {
			policy("p", "", rule("a", "Deny", vo("true"), "")+rule("b", "Permit", vo("false"), "")),
			policy("p", "", rule("a", "Deny", vo("true"), "")+rule("b", "Permit", vo("true"), ""))},
		"an issuer asked for by both": {
			policy("p", "", rule("a", "Permit", issued, "")+rule("b", "Permit", issued, "")),
			policy("p", "", rule("a", "Permit", issued, "")+rule("b", "Permit", vo("false"), ""))},
		"one data type or every": {
			policy("p", "", rule("a", "Permit", every, "")+rule("b", "Permit", one, "")),
			policy("p", "", rule("a", "Permit", one, "")+rule("b", "Permit", every, ""))},
		"a policy that always denies": {
			policy("p", vo("false"), rule("a", "Deny", "", "")) + policy("q", vo("false"), rule("b", "Deny", "", "")),
			policy("p", vo("false"), rule("a", "Permit", "", "")) + policy("q", vo("false"), rule("b", "Deny", "", ""))},
	} {
		require.Len(t, lint.Idle(document(t, open3+c.certain+`</PolicySet>`)), 1, name)
		require.Empty(t, lint.Idle(document(t, open3+c.not+`</PolicySet>`)), name)
	}
}
