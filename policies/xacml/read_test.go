package xacml

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

func kitsDir() string {
	shared := os.Getenv("GATEHOUSE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	return filepath.Join(shared, "conformance")
}

func kits(t testing.TB) string {
	t.Helper()
	dir := kitsDir()
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the conformance kits are not at %s; set GATEHOUSE_SHARED", dir)
	}
	return dir
}

// The invalid policies of the kits: two lack an AttributeId on purpose, one
// repeats a RuleId by mistake (its erratum says so).
var refused = map[string]string{
	"xacml2/IIA004Policy.xml": "no attribute AttributeId",
	"xacml3/IIA004Policy.xml": "no attribute AttributeId",
	"xacml3/IID312Policy.xml": "stands twice",
}

func TestEveryPolicyOfTheKitsIsRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(kits(t), "xacml?", "*", "*olicy*.xml"))
	require.NoError(t, err)
	require.Greater(t, len(files), 800)
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		n, err := Parse(filepath.Base(f), data)
		kit := filepath.Base(filepath.Dir(filepath.Dir(f)))
		if want, ok := refused[kit+"/"+filepath.Base(f)]; ok {
			require.ErrorContains(t, err, want, f)
			continue
		}
		require.NoError(t, err, f)
		require.NotNil(t, n)
	}
}

const three = `<Policy xmlns="urn:oasis:names:tc:xacml:3.0:core:schema:wd-17" PolicyId="p" Version="1.0" RuleCombiningAlgId="a">`

func policyOf(t *testing.T, body string) (*policies.Policy, error) {
	n, err := Parse("p.xml", []byte(three+body+"</Policy>"))
	if err != nil {
		return nil, err
	}
	return n.(*policies.Policy), nil
}

func TestRead(t *testing.T) {
	p, err := policyOf(t, `<Description>d</Description><Target><AnyOf><AllOf><Match MatchId="f">
	<AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string"> a<!-- no split -->b</AttributeValue>
	<AttributeDesignator Category="c" AttributeId="i" DataType="t" MustBePresent="true" Issuer="x"/></Match></AllOf></AnyOf></Target>
	<VariableDefinition VariableId="v"><VariableReference VariableId="w"/></VariableDefinition>
	<Rule RuleId="r" Effect="Deny"><Target/><Condition><Apply FunctionId="g"><Function FunctionId="h"/></Apply></Condition>
	<AdviceExpressions><AdviceExpression AdviceId="o" AppliesTo="Deny"><AttributeAssignmentExpression AttributeId="q" Category="k">
	<AttributeSelector xmlns:n="urn:n" Category="c" Path="//n:a" DataType="t" MustBePresent="0"/></AttributeAssignmentExpression></AdviceExpression></AdviceExpressions></Rule>`)
	require.NoError(t, err)
	m := p.Target.AnyOf[0].AllOf[0].Matches[0]
	require.Equal(t, " ab", m.Value.Text())
	d := m.Attribute.(*policies.Designator)
	require.Equal(t, "x", d.Issuer)
	require.True(t, d.MustBePresent)
	require.Equal(t, "p.xml:3:2", d.At().String())
	require.Equal(t, "w", p.Variables[0].Expression.(*policies.VariableName).Variable)
	r, ok := p.Rules.Find("r")
	require.True(t, ok)
	require.Nil(t, r.Target, "an empty target matches everything")
	require.Equal(t, authz.Deny, r.Effect)
	a := r.Advice[0].Assignments[0]
	require.Equal(t, authz.Category("k"), a.Category)
	require.Equal(t, "urn:n", a.Expression.(*policies.Selector).Namespaces["n"])
}

func TestRefused(t *testing.T) {
	rule := func(s string) string { return `<Rule RuleId="r" Effect="Permit">` + s + `</Rule>` }
	literal := func(kind, text string) string {
		return rule(`<Condition><AttributeValue DataType="` + kind + `">` + text + `</AttributeValue></Condition>`)
	}
	for body, want := range map[string]string{
		`<PolicyIssuer/>`:                    "delegated policies",
		`<Rule RuleId="r" Effect="permit"/>`: "want Permit or Deny",
		`<Rule Effect="Permit"/>`:            "RuleId",
		rule("") + rule(""):                  "stands twice",
		rule(`<Condition/>`):                 "no expression",
		`<Target><AnyOf/></Target>`:          "empty",
		`<Target><Subjects/></Target>`:       "Subjects",
		`<Obligations/>`:                     "Obligations",
		`<x xmlns="urn:other"/>`:             "urn:other",
		literal("http://www.w3.org/2001/XMLSchema#integer", "1.5"):  "p.xml:1:",
		literal("http://www.w3.org/2001/XMLSchema#boolean", "<a/>"): "elements",
		literal("urn:unknown", "x"):                                 "not known",
	} {
		_, err := policyOf(t, body)
		require.ErrorContains(t, err, want, body)
	}
	_, err := Parse("p.xml", []byte(strings.Repeat("<a>", 100000)))
	require.Error(t, err)
	_, err = policyOf(t, rule(`<Condition>`+strings.Repeat(`<Apply FunctionId="f">`, 10000)+strings.Repeat(`</Apply>`, 10000)+`</Condition>`))
	require.ErrorContains(t, err, "p.xml:1:")
	_, err = policyOf(t, literal("http://www.w3.org/2001/XMLSchema#integer", "a")+strings.ReplaceAll(literal("http://www.w3.org/2001/XMLSchema#integer", "b"), `"r"`, `"s"`))
	require.ErrorContains(t, err, `"a"`)
	require.ErrorContains(t, err, `"b"`, "every bad literal is reported")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(three + `<Rule RuleId="r" Effect="Deny"/></Policy>`))
	f.Add([]byte(`<PolicySet xmlns="urn:oasis:names:tc:xacml:2.0:policy:schema:os" PolicySetId="s" PolicyCombiningAlgId="a"><Target/><PolicyIdReference>p</PolicyIdReference></PolicySet>`))
	seeds, err := filepath.Glob(filepath.Join(kitsDir(), "xacml?", "*", "*olicy*.xml")) // none is no hindrance
	require.NoError(f, err)
	for i := 0; i < len(seeds); i += 9 {
		data, err := os.ReadFile(seeds[i])
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := Parse("f.xml", data)
		require.Equal(t, err == nil, n != nil)
		if err != nil {
			return
		}
		// What was read can be written and read again, or is refused.
		text, err := Write(n, Options{Functions: Own})
		if err != nil {
			require.ErrorAs(t, err, new(*Refusal))
			return
		}
		back, err := Parse("f.xml", text)
		require.NoError(t, err, "%s", text)
		require.Equal(t, bare(n), bare(back), "%s", text)
	})
}
