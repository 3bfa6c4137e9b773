package eval_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// ⚿ DECISIONS 12: content that nobody vouches for counts against a caller and
// never for one. Here the caller brings the very document that a permit asks
// for, as 3.0 content, as resource content of 2.0 and as a whole request.
func TestPresentedContentNeverPermits(t *testing.T) {
	ns := map[string]string{"a": "urn:r"}
	says := func(e policies.Expression) policies.Expression {
		return &policies.Apply{Function: old + "string-is-in", Arguments: []policies.Expression{&policies.Literal{Value: authz.StringValue("Ann")}, e}}
	}
	selectors := map[string]policies.Expression{
		"category": &policies.Selector{Category: authz.Resource, Path: "//a:name", Type: authz.String, Namespaces: ns},
		"request":  &policies.Selector{RequestContext: true, Path: "//a:name", Type: authz.String, Namespaces: ns},
	}
	for name, selector := range selectors {
		for _, effect := range []authz.Effect{authz.Permit, authz.Deny} {
			for _, standing := range []authz.Standing{authz.Presented, authz.Verified} {
				r := withContent(recordXML)
				r.Content[0].Standing = standing
				want := effect
				if effect == authz.Permit && standing == authz.Presented {
					want = authz.NotApplicable
				}
				got := decideBy(t, r, &policies.Rule{ID: "r", Effect: effect, Condition: says(selector)})
				require.Equal(t, want, got.Decision, "%s %s %d", name, effect, standing)
			}
		}
	}
	count := &policies.Apply{Function: old + "integer-equal", Arguments: []policies.Expression{
		&policies.Apply{Function: three + "xpath-node-count", Arguments: []policies.Expression{&policies.Literal{Value: authz.XPathValue("//a:name", authz.Resource, ns)}}},
		&policies.Literal{Value: authz.IntegerValue(2)},
	}}
	r := withContent(recordXML)
	r.Content[0].Standing = authz.Presented
	require.Equal(t, authz.NotApplicable, decideBy(t, r, &policies.Rule{ID: "r", Effect: authz.Permit, Condition: count}).Decision)
	require.Equal(t, authz.Deny, decideBy(t, r, &policies.Rule{ID: "r", Effect: authz.Deny, Condition: count}).Decision)
}

// XACML 3.0 core, A.3.15: without content a count is zero and no nodes are
// equal or match.
func TestNodeFunctionsWithoutContent(t *testing.T) {
	path := &policies.Literal{Value: authz.XPathValue("//*", authz.Resource, nil)}
	for function, want := range map[string]string{"xpath-node-count": "0", "xpath-node-equal": "false", "xpath-node-match": "false"} {
		args := []policies.Expression{path, path}
		if want == "0" {
			args = args[:1]
		}
		got, _ := evaluateOne(t, &authz.Request{}, &policies.Apply{Function: three + function, Arguments: args})
		require.Equal(t, []string{want}, got, function)
	}
}

// XACML 3.0 core, 7.3.7: what goes wrong with the context node is a syntax
// error, what goes wrong with a value is a processing error.
func TestSelectorStatus(t *testing.T) {
	_, response := evaluateOne(t, withContent(recordXML), selectorOf("//a:name/text()", authz.Integer))
	require.Equal(t, authz.StatusProcessingError, response.Status.Code)
	s := selectorOf("text()", authz.String)
	s.ContextID = "where"
	r := withContent(recordXML)
	r.Add(authz.Resource, "where", authz.XPathValue("//a:name", authz.Resource, recordNS))
	_, response = evaluateOne(t, r, s)
	require.Equal(t, authz.StatusSyntaxError, response.Status.Code)
}

// The functions of 2.0 see the request from its Request element.
func TestPathsOfTwoStartAtTheRequest(t *testing.T) {
	ns := map[string]string{"c": "urn:oasis:names:tc:xacml:2.0:context:schema:os", "a": "urn:r"}
	path := &policies.Literal{Value: authz.XPathValue("./c:Resource/c:ResourceContent/a:record/a:name", "", ns)}
	got, _ := evaluateOne(t, withContent(recordXML), &policies.Apply{Function: old + "xpath-node-count", Arguments: []policies.Expression{path}})
	require.Equal(t, []string{"2"}, got)
}

// A MissingAttributeDetail names an attribute; nothing at a path is none.
func TestMissingContentIsNoMissingAttribute(t *testing.T) {
	s := selectorOf("//a:nobody", authz.String)
	s.MustBePresent = true
	_, response := evaluateOne(t, withContent(recordXML), s)
	require.Equal(t, authz.StatusMissingAttribute, response.Status.Code)
	require.Empty(t, response.Status.Missing)
}
