package xacml_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

// A root with bans, written for another Gatehouse in either version, refuses
// whom it refused.
func TestBansThroughXACMLRefuseTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var bans []*policies.Rule
		for i := range rapid.IntRange(1, 4).Draw(t, "bans") {
			b := change.Ban{ID: fmt.Sprint("ban-", i), PAP: "default", Reason: "stolen", Names: []change.Name{{Attribute: "subject", Value: oneOf(t, words["subject"]...)}}}
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				b.Names = []change.Name{{Attribute: "vo", Value: oneOf(t, "atlas", "cms")}}
			case 1:
				b.Names = []change.Name{{Attribute: "fqan", Value: oneOf(t, "/atlas/*", "/cms", "no pattern")}, {Attribute: "network", Value: "192.0.2.0/24"}}
			case 2:
				b.Action, b.Resource = "submit", "https://ce/.*"
			case 3:
				b.Until = moment.AddDate(0, 0, rapid.IntRange(-1, 1).Draw(t, "until"))
			}
			rule, err := source.Ban(b)
			require.NoError(t, err)
			bans = append(bans, rule)
		}
		root := policies.NewRoot(policies.NewList(bans...), site(t, policyText(t)))
		want := engine(t, inside(root))
		for _, v := range []xacml.Version{xacml.Three, xacml.Two} {
			text, err := xacml.Write(root, xacml.Options{Version: v, Functions: xacml.Own, Drop: xacml.Losses{Because: true, Bans: true}})
			require.NoError(t, err)
			back, err := xacml.Parse("root.xml", text)
			require.NoError(t, err)
			have := engine(t, inside(back))
			for range 8 {
				r := request(t)
				require.Equal(t, answer(t, want, r), answer(t, have, r), "%s", text)
			}
		}
		_, err := xacml.Write(root, xacml.Options{Functions: xacml.Own, Drop: xacml.Losses{Because: true}})
		require.ErrorContains(t, err, "is a ban")
	})
}

// inside puts a root below another, as a policy like others.
func inside(n policies.Node) policies.Node {
	return &policies.PolicySet{
		Header:   policies.Header{ID: "outside", Version: "1", Place: "V", Combining: policies.FirstApplicable},
		Children: policies.NewList(n),
	}
}

// Towards Argus a ban is what Argus would have made of it, where it could.
func TestBansForArgus(t *testing.T) {
	o := xacml.Options{Version: xacml.Two, Functions: xacml.Nearest, Now: moment, Drop: xacml.Losses{Because: true, Bans: true}}
	write := func(names ...change.Name) (string, error) {
		rule, err := source.Ban(change.Ban{ID: "b", PAP: "default", Names: names})
		require.NoError(t, err)
		text, err := xacml.Write(policies.NewRoot(policies.NewList(rule)), o)
		return string(text), err
	}
	for name, want := range map[change.Name]string{
		{Attribute: "subject", Value: "/C=IT/CN=x"}: `MatchId="urn:oasis:names:tc:xacml:1.0:function:x500Name-equal"`,
		{Attribute: "fqan", Value: "/atlas"}:        `MatchId="http://glite.org/xacml/algorithm/fqan-match"`,
		{Attribute: "vo", Value: "atlas"}:           `<AttributeValue DataType="http://glite.org/xacml/datatype/fqan">/atlas</AttributeValue>`,
		{Attribute: "token-id", Value: "t"}:         `MatchId="urn:oasis:names:tc:xacml:1.0:function:string-equal"`,
	} {
		text, err := write(name)
		require.NoError(t, err)
		require.Contains(t, text, want)
		require.NotContains(t, text, "gatehouse-authz.github.io/xacml/function")
		require.NotContains(t, text, xacml.AnyType)
	}
	_, err := write(change.Name{Attribute: "network", Value: "192.0.2.0/24"})
	require.ErrorContains(t, err, "network", "what Argus cannot say is refused, not left out")
	_, err = write(change.Name{Attribute: "subject", Value: "no name at all"})
	require.Error(t, err)
}
