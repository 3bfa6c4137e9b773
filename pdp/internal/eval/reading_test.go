package eval

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Where a pattern is compared by key, it holds exactly where its test does, be
// the value an FQAN or the text of one.
func TestPatternsAsKeys(t *testing.T) {
	group := rapid.Custom(func(t *rapid.T) string {
		return "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"vo", "g", "h", "gg"}), 1, 7).Draw(t, "parts"), "/")
	})
	role := rapid.SampledFrom([]string{"", "/Role=r", "/Role=s", "/Role=NULL"})
	keyed := 0
	rapid.Check(t, func(t *rapid.T) {
		text := group.Draw(t, "group") + rapid.SampledFrom([]string{"", "/*"}).Draw(t, "below") + rapid.OneOf(role, rapid.Just("/Role=*")).Draw(t, "role")
		reader, key := fqanPatternKey(authz.StringValue(text))
		if reader == nil {
			return
		}
		keyed++
		literal := literalKey{authz.Hash(key), key}
		pattern, err := newFQANPattern(text)
		require.NoError(t, err)
		name := group.Draw(t, "name") + role.Draw(t, "has")
		f, err := authz.ParseFQAN(name)
		require.NoError(t, err)
		for _, v := range []authz.Value{authz.FQANValue(f), authz.StringValue(name)} {
			var keys keyList
			(&reading{by: reader}).read([]authz.Value{v}, &keys, lengths(0).with(literal.hash))
			holds := false
			for i := range keys.keys {
				holds = holds || keys.keys[i].is(&literal)
			}
			require.Equal(t, pattern.fits(f), holds, "%s of %s as %s", text, name, v.Type().Name())
		}
	})
	require.Positive(t, keyed)
	for _, odd := range []string{"/vo/*/Role=r", "/vo/Role=*", "vo", "/vo*"} {
		reader, _ := fqanPatternKey(authz.StringValue(odd))
		require.Nil(t, reader, odd)
	}
}

// Names in the ban reading meet under one key however they come.
func TestNamesAsKeys(t *testing.T) {
	const slash, comma = "/DC=org/O=Site/CN=Ann Other", "CN=ann  OTHER,O=site,DC=org"
	literal := literalKey{authz.Hash(authz.BanKey(slash)), authz.BanKey(slash)}
	for text, want := range map[string]bool{slash: true, comma: true, "/DC=org/O=Site/CN=Ann": false} {
		name, err := authz.ParseValue(authz.X500Name, text)
		require.NoError(t, err)
		for _, v := range []authz.Value{name, authz.StringValue(text), authz.URIValue(text)} {
			var keys keyList
			(&reading{by: banNameReader}).read([]authz.Value{v}, &keys, 0)
			require.Len(t, keys.keys, 1)
			require.Equal(t, want, keys.keys[0].is(&literal), "%s as %s", text, v.Type().Name())
			if v.Type() == authz.X500Name && want { // the hash proves nothing
				other := literalKey{literal.hash, "another"}
				require.False(t, keys.keys[0].is(&other))
			}
		}
	}
}
