package xacml

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// ⚿ A stray blank must not make a deny rule look for an attribute that no
// request has: identifiers are xs:anyURI, whose white space is collapsed.
func TestBlanksAroundIdentifiers(t *testing.T) {
	p, err := policyOf(t, `<Rule RuleId="r" Effect="Deny"><Target><AnyOf><AllOf><Match MatchId=" f&#10;">
	<AttributeValue DataType=" http://www.w3.org/2001/XMLSchema#string ">a</AttributeValue>
	<AttributeDesignator Category=" c " AttributeId=" i
	" DataType=" t " MustBePresent="false"/></Match></AllOf></AnyOf></Target></Rule>`)
	require.NoError(t, err)
	r, _ := p.Rules.Find("r")
	m := r.Target.AnyOf[0].AllOf[0].Matches[0]
	require.Equal(t, "f", m.Function)
	require.Equal(t, authz.String, m.Value.Type())
	d := m.Attribute.(*policies.Designator)
	require.Equal(t, []string{"c", "i", "t"}, []string{string(d.Category), d.ID, string(d.Type)})
}

func TestSectionsOfATwoTarget(t *testing.T) {
	policy := func(target string) error {
		_, err := Parse("p.xml", []byte(`<Policy xmlns="`+TwoNamespace+`" PolicyId="p" RuleCombiningAlgId="a"><Target>`+target+`</Target></Policy>`))
		return err
	}
	part := func(name string) string {
		return "<" + name + "s><" + name + "><" + name + `Match MatchId="f"><AttributeValue DataType="http://www.w3.org/2001/XMLSchema#string">a</AttributeValue><` + name +
			`AttributeDesignator AttributeId="i" DataType="t"/></` + name + "Match></" + name + "></" + name + "s>"
	}
	require.NoError(t, policy(part("Subject")+part("Environment")))
	require.ErrorContains(t, policy(part("Subject")+part("Subject")), "stands twice or too late")
	require.ErrorContains(t, policy(part("Action")+part("Resource")), "in this order")
}
