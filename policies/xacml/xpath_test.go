package xacml_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

// The functions over nodes of 2.0 take their paths as strings; the prefixes
// that they use are those of the document.
func TestPathsOfTwoKeepTheirPrefixes(t *testing.T) {
	node, err := xacml.Parse("p.xml", []byte(`<Policy xmlns="urn:oasis:names:tc:xacml:2.0:policy:schema:os" xmlns:md="urn:md"
  PolicyId="p" RuleCombiningAlgId="urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:first-applicable">
  <Target/>
  <Rule RuleId="r" Effect="Permit"><Condition>
    <Apply FunctionId="urn:oasis:names:tc:xacml:1.0:function:and">
      <Apply FunctionId="urn:oasis:names:tc:xacml:1.0:function:xpath-node-equal">
        <AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string">//md:a</AttributeValue>
        <AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string">//md:b</AttributeValue>
      </Apply>
      <Apply FunctionId="urn:oasis:names:tc:xacml:1.0:function:string-equal">
        <AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string">md:a</AttributeValue>
        <AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string">md:a</AttributeValue>
      </Apply>
    </Apply></Condition></Rule>
</Policy>`))
	require.NoError(t, err)
	for r := range node.(*policies.Policy).Rules.All() {
		and := r.Condition.(*policies.Apply)
		path := and.Arguments[0].(*policies.Apply).Arguments[1].(*policies.Literal).Value
		require.Equal(t, authz.XPathExpression, path.Type())
		require.Equal(t, "urn:md", path.Data().(authz.XPath).Namespaces["md"])
		require.Empty(t, path.Data().(authz.XPath).Category)
		require.Equal(t, authz.String, and.Arguments[1].(*policies.Apply).Arguments[0].(*policies.Literal).Value.Type())
	}
}
