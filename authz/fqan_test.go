package authz

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// oracleFQAN takes a name apart as the rules say: plain parts, then at most
// one role and one capability. ok is false for what is no name.
func oracleFQAN(s string) (group, role string, ok bool) {
	parts := strings.Split(s, "/")
	if parts[0] != "" || len(s) > maxFQAN {
		return "", "", false
	}
	plain := func(p string) bool {
		return p != "" && p != "." && p != ".." && !strings.ContainsFunc(p, func(r rune) bool { return r < 0x21 || strings.ContainsRune("\x7f\"\\=", r) })
	}
	parts = parts[1:]
	for len(parts) > 0 && plain(parts[0]) {
		group, parts = group+"/"+parts[0], parts[1:]
	}
	if len(parts) > 0 && strings.HasPrefix(parts[0], "Role=") {
		role = strings.TrimPrefix(parts[0], "Role=")
		if !plain(role) {
			return "", "", false
		}
		parts = parts[1:]
	}
	if len(parts) > 0 && strings.HasPrefix(parts[0], "Capability=") && strings.Count(parts[0], "=") == 1 {
		parts = parts[1:]
	}
	if role == "NULL" {
		role = ""
	}
	return group, role, group != "" && len(parts) == 0
}

func TestFQANsAgreeWithTheOracle(t *testing.T) {
	part := rapid.OneOf(rapid.SampledFrom([]string{"vo", "g", "", ".", "..", "Role=NULL", "Role=pilot", "Role=", "Role=a=b", "Capability=NULL", "Capability=", "Capability=a=b", "role=x", "Role"}),
		rapid.StringMatching(`[a=" \\\x7f\n\xffé.]{0,3}`))
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(part, 0, 5).Draw(t, "parts"), "/")
		if rapid.Bool().Draw(t, "rooted") {
			s = "/" + s
		}
		group, role, ok := oracleFQAN(s)
		f, err := ParseFQAN(s)
		require.Equal(t, ok, err == nil, "%q", s)
		if !ok {
			return
		}
		require.Equal(t, group, f.Group(), "%q", s)
		require.Equal(t, role, f.Role(), "%q", s)
		if role != "" {
			group += "/Role=" + role
		}
		require.Equal(t, group, f.String(), "%q", s)
		again, err := ParseFQAN(f.String())
		require.NoError(t, err)
		require.Equal(t, f, again)
	})
}

// What a Value says of an FQAN without looking at it is what the FQAN says.
func TestFQANsInShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := "/" + strings.Join(rapid.SliceOfN(rapid.StringMatching("[a-z]{1,80}"), 1, 9).Draw(t, "parts"), "/")
		v, err := ParseValue(FQANType, path+rapid.SampledFrom([]string{"", "/Role=x", "/Role=NULL/Capability=NULL"}).Draw(t, "role"))
		require.NoError(t, err)
		f := v.Data().(FQAN)
		group, hash, role, ok := v.Group()
		require.True(t, ok)
		require.Equal(t, f.Group(), group)
		require.Equal(t, Hash(group), hash)
		require.Equal(t, f.Role() != "", role)
		lengths := rapid.Uint64().Draw(t, "lengths")
		above := false
		for i := range f.Groups() - 1 {
			require.True(t, strings.HasPrefix(group, f.GroupAt(i)+"/"))
			above = above || lengths>>(len(f.GroupAt(i))%64)&1 != 0
		}
		if above {
			require.True(t, v.MayLieBelow(lengths))
		}
		require.Equal(t, v, mustValue(t, FQANType, v.Text()))
		require.True(t, v.Equal(FQANValue(f)))
	})
}

func mustValue(t require.TestingT, typ DataType, text string) Value {
	v, err := ParseValue(typ, text)
	require.NoError(t, err)
	return v
}
