package eval_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
)

const recordXML = `<r:record xmlns:r="urn:r" xmlns:x="urn:x"><r:name kind="given">Ann</r:name><!-- no --><r:name kind="family">B<![CDATA[ond]]></r:name><x:name>wrong</x:name><plain>p</plain></r:record>`

var recordNS = map[string]string{"a": "urn:r", "b": "urn:x"}

// evaluateOne compiles an expression into a rule's duty and returns the values that
// the duty carries.
func evaluateOne(t *testing.T, r *authz.Request, e policies.Expression) ([]string, authz.Response) {
	rule := &policies.Rule{ID: "r", Effect: authz.Permit, Obligations: []policies.Duty{{ID: "o", On: authz.Permit, Assignments: []policies.AssignmentExpression{{ID: "a", Expression: e}}}}}
	response := decideBy(t, r, rule)
	var texts []string
	for _, o := range response.Obligations {
		for _, a := range o.Assignments {
			texts = append(texts, a.Value.Text())
		}
	}
	return texts, response
}

func compileRules(t require.TestingT, rules ...*policies.Rule) *eval.Program {
	p, err := tryRules(rules...)
	require.NoError(t, err)
	return p
}

func tryRules(rules ...*policies.Rule) (*eval.Program, error) {
	policy := &policies.Policy{Header: policies.Header{ID: "p", Combining: policies.FirstApplicable}}
	for i, place := range policies.Places(len(rules)) {
		rules[i].Place = place
	}
	policy.Rules = policies.NewList(rules...)
	return tryNodes(policy)
}

func tryNodes(nodes ...policies.Node) (*eval.Program, error) {
	root := &policies.PolicySet{Header: policies.Header{ID: "root", Combining: policies.FirstApplicable}, Children: policies.NewList(nodes...)}
	return eval.NewCompiler(nil).Compile(&policies.Snapshot{Root: root}, nil)
}

func decideBy(t *testing.T, r *authz.Request, rules ...*policies.Rule) authz.Response {
	return compileRules(t, rules...).Decide(context.Background(), r, someNow)
}

func withContent(xml string) *authz.Request {
	return &authz.Request{Content: []authz.Content{{Category: authz.Resource, XML: []byte(xml), Standing: authz.Verified}}}
}

func selectorOf(path string, t authz.DataType) *policies.Selector {
	return &policies.Selector{Category: authz.Resource, Path: path, Type: t, Namespaces: recordNS}
}

// Trap 42: paths start at the document of the category's content, prefixes are
// those of the policy, node text is the string value, absence obeys
// MustBePresent.
func TestTrap42Selectors(t *testing.T) {
	for path, want := range map[string][]string{
		"/a:record/a:name/text()":          {"Ann", "Bond"},
		"//a:name":                         {"Ann", "Bond"},
		"//a:name[@kind='family']":         {"Bond"},
		"//a:name/@kind":                   {"given", "family"},
		"//b:name/text()":                  {"wrong"},
		"//plain":                          {"p"},
		"//name":                           nil,
		"//record":                         nil,
		"//a:name[2]":                      {"Bond"},
		"//*[local-name()='name']":         {"Ann", "Bond", "wrong"},
		"//*[namespace-uri()='urn:x']":     {"wrong"},
		"//a:name[last()]/../b:name":       {"wrong"},
		"//a:name | //plain":               {"Ann", "Bond", "p"},
		"/a:record/a:name[1]/following::*": {"Bond", "wrong", "p"},
	} {
		got, response := evaluateOne(t, withContent(recordXML), selectorOf(path, authz.String))
		require.ElementsMatch(t, want, got, path)
		require.Equal(t, authz.Permit, response.Decision, path)
	}
	must := selectorOf("//a:nobody", authz.String)
	must.MustBePresent = true
	for _, r := range []*authz.Request{withContent(recordXML), {}} {
		_, response := evaluateOne(t, r, must)
		require.Equal(t, authz.StatusMissingAttribute, response.Status.Code)
		require.Equal(t, authz.ExtentPermit, response.Extent)
	}
	_, response := evaluateOne(t, &authz.Request{}, selectorOf("//a:name", authz.String))
	require.Equal(t, authz.Permit, response.Decision, "no content, nothing found, nothing required")
	_, response = evaluateOne(t, withContent(recordXML), selectorOf("//a:name/text()", authz.Integer))
	require.Equal(t, authz.StatusProcessingError, response.Status.Code)
}

func TestContextSelector(t *testing.T) {
	s := selectorOf("text()", authz.String)
	s.ContextID = "where"
	point := func(paths ...string) *authz.Request {
		r := withContent(recordXML)
		for _, p := range paths {
			r.Add(authz.Resource, "where", authz.XPathValue(p, authz.Resource, recordNS))
		}
		return r
	}
	got, _ := evaluateOne(t, point("//a:name[@kind='family']"), s)
	require.Equal(t, []string{"Bond"}, got)
	for _, r := range []*authz.Request{point("//a:name"), point("//a:nobody"), point("//plain", "//plain"), point("//a:name[")} {
		_, response := evaluateOne(t, r, s)
		require.Equal(t, authz.Indeterminate, response.Decision)
	}
	got, response := evaluateOne(t, point(), s)
	require.Empty(t, got)
	require.Equal(t, authz.Permit, response.Decision)
}

func TestRequestContextPath(t *testing.T) {
	ns := map[string]string{"a": "urn:r", "c": "urn:oasis:names:tc:xacml:2.0:context:schema:os"}
	for _, path := range []string{"//a:record/a:name/text()", "./c:Resource/c:ResourceContent/a:record/a:name/text()"} {
		s := &policies.Selector{Path: path, Type: authz.String, Namespaces: ns, RequestContext: true}
		got, _ := evaluateOne(t, withContent(recordXML), s)
		require.Equal(t, []string{"Ann", "Bond"}, got)
	}
}

func TestNodeFunctions(t *testing.T) {
	x := func(path string) policies.Expression {
		return &policies.Literal{Value: authz.XPathValue(path, authz.Resource, recordNS)}
	}
	text := func(path string) policies.Expression { return &policies.Literal{Value: authz.StringValue(path)} }
	for _, c := range []struct {
		function string
		args     []policies.Expression
		want     string
	}{
		{three + "xpath-node-count", []policies.Expression{x("//a:name")}, "2"},
		{three + "xpath-node-count", []policies.Expression{x("//a:nobody")}, "0"},
		{three + "xpath-node-equal", []policies.Expression{x("//a:name"), x("//*[@kind='given']")}, "true"},
		{three + "xpath-node-equal", []policies.Expression{x("//a:name"), x("//b:name")}, "false"},
		{three + "xpath-node-match", []policies.Expression{x("/a:record"), x("//b:name")}, "true"},
		{three + "xpath-node-match", []policies.Expression{x("/a:record"), x("//a:name/@kind")}, "true"},
		{three + "xpath-node-match", []policies.Expression{x("//b:name"), x("/a:record")}, "false"},
		{old + "xpath-node-count", []policies.Expression{text("//*[local-name()='name']")}, "3"},
		{old + "xpath-node-match", []policies.Expression{text("/"), text("//plain")}, "true"},
	} {
		got, _ := evaluateOne(t, withContent(recordXML), &policies.Apply{Function: c.function, Arguments: c.args})
		require.Equal(t, []string{c.want}, got, "%s %v", c.function, c.args)
	}
}

// Content that is none, and expressions that would run for years, are
// Indeterminate.
func TestHostileContent(t *testing.T) {
	for name, xml := range map[string]string{
		"empty": "", "text": "x", "two": "<a/><b/>", "open": "<a>", "doctype": `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`,
		"deep": strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000), "wide": "<a>" + strings.Repeat("<b/>", 200_000) + "</a>",
	} {
		_, response := evaluateOne(t, withContent(xml), selectorOf("//a", authz.String))
		require.Equal(t, authz.Indeterminate, response.Decision, name)
	}
	wide := "<a>" + strings.Repeat("<b><c/></b>", 2_000) + "</a>"
	_, response := evaluateOne(t, withContent(wide), selectorOf("//*[count(//*[count(//*) > 1]) > 1]", authz.String))
	require.Equal(t, authz.Indeterminate, response.Decision)
	require.Contains(t, response.Status.Message, "steps")
	for _, path := range []string{"", "//", "//z:name", "count(", "//a[", strings.Repeat("/a", 20_000)} {
		_, err := tryRules(&policies.Rule{ID: "r", Effect: authz.Permit, Condition: &policies.Apply{Function: old + "string-is-in", Arguments: []policies.Expression{
			&policies.Literal{Value: authz.StringValue("x")}, selectorOf(path, authz.String),
		}}})
		require.Error(t, err, path)
	}
}
