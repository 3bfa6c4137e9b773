package context_test

import (
	stdcontext "context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/context"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

const scopeID = "urn:oasis:names:tc:xacml:2.0:resource:scope"

// treeOptions know a tree of resources: root above a and b, a above a1.
func treeOptions() context.Options {
	o := trusting()
	o.Children = func(v authz.Value) (below []authz.Value, err error) {
		for _, s := range map[string][]string{"root": {"a", "b"}, "a": {"a1"}}[v.Text()] {
			below = append(below, authz.StringValue(s))
		}
		return below, nil
	}
	return o
}

// answers decides by the resource-id; what is not listed is permitted.
func answers(by map[string]authz.Decision) decider {
	return func(q *authz.Request) authz.Response {
		id, _ := q.Verified(authz.Resource, profile.ResourceID)
		d, ok := by[id.Text()]
		if !ok {
			d = authz.Permit
		}
		r := authz.Response{Decision: d, Obligations: []authz.Obligation{{ID: d.String() + " " + id.Text()}}, Policies: []authz.PolicyID{{ID: "p"}}}
		if d == authz.Indeterminate {
			r.Status = &authz.Status{Code: authz.StatusProcessingError, Message: id.Text()}
		}
		return r
	}
}

// Multiple Resource profile 2.0, 3.1: one answer for a node and everything
// below it, which is Permit only if each of them is permitted.
func TestScopeOfAnEntireHierarchy(t *testing.T) {
	ask := func(by map[string]authz.Decision, subjects string) context.Response {
		r, err := context.Read("r", []byte(three(subjects+category(authz.Resource, attribute(profile.ResourceID, "root")+attribute(scopeID, "EntireHierarchy")))), treeOptions())
		require.NoError(t, err)
		response, err := r.Decide(stdcontext.Background(), answers(by))
		require.NoError(t, err)
		return response
	}
	for _, c := range []struct {
		by     map[string]authz.Decision
		want   authz.Decision
		duties string
	}{
		{nil, authz.Permit, "Permit root, Permit a, Permit b, Permit a1"},
		{map[string]authz.Decision{"a1": authz.Deny}, authz.Deny, "Deny a1"},
		{map[string]authz.Decision{"a": authz.Deny, "b": authz.Indeterminate, "a1": authz.Deny}, authz.Deny, "Deny a, Deny a1"},
		{map[string]authz.Decision{"b": authz.NotApplicable}, authz.NotApplicable, "NotApplicable b"},
		{map[string]authz.Decision{"b": authz.NotApplicable, "a1": authz.Indeterminate}, authz.Indeterminate, "Indeterminate a1"},
	} {
		result, err := ask(c.by, "").One()
		require.NoError(t, err)
		require.Equal(t, c.want, result.Decision)
		require.Equal(t, c.want == authz.Indeterminate, result.Status != nil)
		var duties []string
		for _, o := range result.Obligations {
			duties = append(duties, o.ID)
		}
		require.Equal(t, c.duties, strings.Join(duties, ", "))
		require.Equal(t, "root", result.Resource)
		require.Equal(t, []authz.PolicyID{{ID: "p"}}, result.Policies)
		require.Len(t, result.Attributes, 1)
		require.Equal(t, "root", result.Attributes[0].Values[0].Text())
	}
	two := ask(map[string]authz.Decision{"b": authz.Deny}, category(authz.Subject, attribute("s", "1"))+category(authz.Subject, attribute("s", "2")))
	require.Len(t, two.Results, 2, "one for each subject")
	for _, r := range two.Results {
		require.Equal(t, authz.Deny, r.Decision)
	}
}

const library = `<l:library xmlns:l="urn:l"><l:shelf n="1"><l:book>x</l:book><l:book>y</l:book></l:shelf><l:shelf n="2"/></l:library>`

func aboutNodes(scope, path string) string {
	return three(category(authz.Resource, `<Content>`+library+`</Content>`+attribute(scopeID, scope)+
		`<Attribute AttributeId="`+profile.ResourceID+`" IncludeInResult="false"><AttributeValue xmlns:m="urn:l" XPathCategory="`+string(authz.Resource)+
		`" DataType="`+string(authz.XPathExpression)+`">`+path+`</AttributeValue></Attribute>`))
}

// Multiple Resource profile 2.0, 2.2 and 2.1 for XML: a question for each node.
func TestScopeOfNodes(t *testing.T) {
	const top = "/*[1]"
	for _, c := range []struct {
		scope, path string
		want        []string
	}{
		{"XPath-expression", "//m:book", []string{top + "/*[1]/*[1]", top + "/*[1]/*[2]"}},
		{"XPath-expression", "//m:shelf[1]/@n", []string{top + "/*[1]/@*[local-name()='n' and namespace-uri()='']"}},
		{"Immediate", "//m:book", []string{"//m:book"}},
		{"Children", "/m:library", []string{top, top + "/*[1]", top + "/*[2]"}},
		{"Descendants", "/m:library/m:shelf[1]", []string{top + "/*[1]", top + "/*[1]/*[1]", top + "/*[1]/*[2]"}},
		{"EntireHierarchy", "/m:library", []string{top, top + "/*[1]", top + "/*[2]", top + "/*[1]/*[1]", top + "/*[1]/*[2]"}},
	} {
		questions, err := read(t, aboutNodes(c.scope, c.path)).Questions()
		require.NoError(t, err)
		var got []string
		for _, q := range questions {
			got = append(got, values(q, authz.Resource, profile.ResourceID)...)
			id, _ := q.Verified(authz.Resource, profile.ResourceID)
			require.Equal(t, authz.XPathExpression, id.Type())
		}
		require.Equal(t, c.want, got, "%s %s", c.scope, c.path)
	}
	response, err := read(t, aboutNodes("EntireHierarchy", "/m:library")).Decide(stdcontext.Background(), answers(map[string]authz.Decision{top + "/*[2]": authz.Deny}))
	require.NoError(t, err)
	result, err := response.One()
	require.NoError(t, err)
	require.Equal(t, authz.Deny, result.Decision)
	require.Equal(t, "/m:library", result.Resource)
}

// In 2.0 an expression starts at the Request that the content stands in.
func TestScopeOfNodesInTwo(t *testing.T) {
	document := func(path string) string {
		attr := func(id, typ, value string) string {
			return `<Attribute AttributeId="` + id + `" DataType="` + typ + `"><AttributeValue xmlns:m="urn:l" xmlns:c="` + context.TwoNamespace + `">` + value + `</AttributeValue></Attribute>`
		}
		return `<Request xmlns="` + context.TwoNamespace + `"><Subject/><Resource><ResourceContent>` + library + `</ResourceContent>` +
			attr(profile.ResourceID, "urn:oasis:names:tc:xacml:2.0:data-type:xpath-expression", path) + attr(scopeID, string(authz.String), "XPath-expression") +
			`</Resource><Action/><Environment/></Request>`
	}
	const prefix = "/*/*[local-name()='Resource']/*[local-name()='ResourceContent']/*[1]/*[1]"
	for _, path := range []string{"//m:book", "/c:Request/c:Resource/c:ResourceContent/m:library/m:shelf/m:book"} {
		questions, err := read(t, document(path)).Questions()
		require.NoError(t, err)
		require.Len(t, questions, 2)
		for k, want := range []string{prefix + "/*[1]", prefix + "/*[2]"} {
			require.Equal(t, []string{want}, values(questions[k], authz.Resource, profile.ResourceID))
			// each selects that one node, where it stands
			again, err := read(t, document(want)).Questions()
			require.NoError(t, err)
			require.Len(t, again, 1)
			require.Equal(t, []string{want}, values(again[0], authz.Resource, profile.ResourceID))
		}
	}
	_, err := read(t, document("//c:Subject")).Questions()
	require.ErrorContains(t, err, "not in the resource's content")
}

func TestScopesThatCannotBe(t *testing.T) {
	for document, want := range map[string]string{
		aboutNodes("Children", "//m:book"):            "selects 2 nodes where one is needed",
		aboutNodes("XPath-expression", "//m:nothing"): "selects nothing",
		aboutNodes("XPath-expression", "//["):         "xpath",
		three(category(authz.Resource, attribute(profile.ResourceID, "a")+attribute(scopeID, "XPath-expression"))): "want a resource-id of type xpathExpression",
		three(category(authz.Resource, attribute(profile.ResourceID, "a")+attribute(scopeID, "EntireHierarchy"))):  "no tree of resources is known here",
		three(category(authz.Resource, attribute(profile.ResourceID, "a")+attribute(scopeID, "Immediate")+
			attribute("urn:oasis:names:tc:xacml:1.0:resource:scope", "Children"))): "not both or several",
		three(category(authz.Resource, attribute(profile.ResourceID, "a")+attribute(profile.ResourceID, "mine")+attribute(scopeID, "Immediate"))): "a resource-id with one value",
		strings.Replace(aboutNodes("Descendants", "/*"), `XPathCategory="`+string(authz.Resource), `XPathCategory="`+string(authz.Action), 1):     "another category",
	} {
		_, err := read(t, document).Questions()
		require.ErrorContains(t, err, want, document)
	}
	wide := strings.Repeat("<i/>", 1001)
	_, err := read(t, strings.Replace(aboutNodes("Descendants", "/m:library"), `<l:shelf n="2"/>`, wide, 1)).Questions()
	require.ErrorContains(t, err, "more than 1000 questions")
}
