package authz_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// However a value came about, its hash is that of its key, and shows the key's
// length.
func TestHashesAreOfKeys(t *testing.T) {
	values := []authz.Value{
		authz.StringValue(""), authz.StringValue("submit"), authz.URIValue("https://ce"), authz.BooleanValue(true),
		authz.IntegerValue(-7), authz.DoubleValue(2.5), authz.HexBinaryValue([]byte{1}), authz.Base64BinaryValue([]byte{1}),
	}
	for typ, text := range map[authz.DataType]string{
		authz.String: "x", authz.AnyURI: " x ", authz.Boolean: "1", authz.Integer: "+07", authz.Double: "1e3",
		authz.Time: "09:30:00", authz.Date: "2030-01-01", authz.DateTime: "2030-01-01T00:00:00Z",
		authz.DayTimeDuration: "P1D", authz.YearMonthDuration: "P1Y", authz.HexBinary: "0aff", authz.Base64Binary: "AQ==",
		authz.RFC822Name: "Ann@Example.org", authz.IPAddress: "192.0.2.1", authz.DNSName: "example.org",
		authz.X500Name: "/DC=org/CN=Ann", authz.FQANType: "/vo/group/Role=pilot", "urn:unknown": "x",
	} {
		v, err := authz.ParseValue(typ, text)
		require.NoError(t, err)
		values = append(values, v)
	}
	d, err := authz.ParseDN("/DC=org/CN=Ann")
	require.NoError(t, err)
	require.Equal(t, authz.Hash(d.BanKey()), d.BanHash())
	require.Equal(t, authz.Hash(""), authz.DN{}.BanHash())
	for _, v := range append(values, authz.DNValue(d)) {
		require.Equal(t, authz.Hash(v.Key()), v.Hash(), "%s %q", v.Type(), v.Text())
		require.EqualValues(t, len(v.Key())%64, v.Hash()%64)
	}
}

func TestGroupHashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringMatching("[a-z.-]{1,3}[a-z]"), 1, 8).Draw(t, "parts")
		group, groups := "", []string{}
		for _, p := range parts {
			group += "/" + p
			groups = append(groups, group)
		}
		f, err := authz.ParseFQAN(group + rapid.SampledFrom([]string{"", "/Role=x", "/Role=NULL/Capability=NULL"}).Draw(t, "role"))
		require.NoError(t, err)
		require.Equal(t, len(groups), f.Groups())
		for i, g := range groups {
			require.Equal(t, authz.Hash(g), f.GroupHash(i))
		}
	})
}
