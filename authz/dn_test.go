package authz

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestStandardReading(t *testing.T) {
	same := [][]string{
		{"/C=XX/O=Org/CN=Ann Other", "CN=Ann Other,O=Org,C=XX", "cn=ann  other, o=ORG; c=xx", "/2.5.4.6=XX/2.5.4.10=Org/OID.2.5.4.3=Ann Other", `CN="Ann Other",O=Org,C=XX`, "CN=#0c09416e6e204f74686572,O=Org,C=XX"},
		{"/DC=org/CN=a/b", `CN=a/b,DC=org`, `/DC=org/CN=a\/b`},
		{"/O=x/CN=a+UID=b", "UID=b+CN=a,O=x"},
		{"/O=x/emailAddress=a@b", "E=a@b,O=x", "/O=x/Email=a@b"},
		{`CN=a\,b,O=x`, `CN="a,b",O=x`, `CN=a\2cb,O=x`},
	}
	var keys []string
	for _, names := range same {
		first, err := ParseDN(names[0])
		require.NoError(t, err, names[0])
		for _, n := range names {
			d, err := ParseDN(n)
			require.NoError(t, err, n)
			require.True(t, first.Equal(d), "%s and %s: %q %q", names[0], n, first.Key(), d.Key())
		}
		require.NotContains(t, keys, first.Key())
		keys = append(keys, first.Key())
	}
}

// A name in another order, or with a part moved into a value, is somebody else.
func TestStandardReadingTellsApart(t *testing.T) {
	different := [][2]string{
		{"/C=XX/O=Org/CN=a", "/C=XX/CN=a/O=Org"},
		{"/O=x/CN=a/CN=b", "/O=x/CN=b/CN=a"},
		{"/O=x/CN=a", "/O=x/CN=a/CN=a"},
		{"/O=x/CN=a+UID=b", "/O=x/CN=a/UID=b"},
	}
	for _, p := range different {
		a, err := ParseDN(p[0])
		require.NoError(t, err)
		b, err := ParseDN(p[1])
		require.NoError(t, err)
		require.False(t, a.Equal(b), p)
	}
	inOne, err := NewDN([]RDN{{{"2.5.4.3", "a/CN=b"}}})
	require.NoError(t, err)
	inTwo, err := NewDN([]RDN{{{"2.5.4.3", "a"}}, {{"2.5.4.3", "b"}}})
	require.NoError(t, err)
	require.False(t, inOne.Equal(inTwo))
	require.Equal(t, inOne.BanKey(), inTwo.BanKey(), "a ban on either matches both")
}

func TestBadNames(t *testing.T) {
	for _, bad := range []string{"", "/", "ann", "/CN", "CN=a,", "CN=a,,O=x", `CN="a`, `CN=a\`, "=a", "/CN=" + strings.Repeat("x", MaxDN), strings.Repeat("/CN=x", 100), "CN=#zz"} {
		_, err := ParseDN(bad)
		require.Error(t, err, bad)
	}
}

// ⚿ A banned person cannot escape by respelling the name (DECISIONS 11).
func TestBanKeyIsOneForEverySpelling(t *testing.T) {
	for _, spelling := range []string{
		"/DC=org/DC=grid/OU=people/CN=Jérôme O'Neil",
		"CN=Jérôme O'Neil,OU=people,DC=grid,DC=org",
		"DC=org, DC=grid, OU=people, CN=Jérôme O'Neil",
		"cn = JÉRÔME  o'neil ; ou=People ; dc=grid ; dc=org",
		`/DC=org/DC=grid/OU=people/CN=J\xC3\xA9r\xC3\xB4me O'Neil`,
		`CN=J\C3\A9r\C3\B4me O'Neil,OU=people,DC=grid,DC=org`,
		`CN=J\\C3\\A9r\\C3\\B4me O'Neil,OU=people,DC=grid,DC=org`,
		"/0.9.2342.19200300.100.1.25=org/domainComponent=grid/2.5.4.11=people/OID.2.5.4.3=Je\u0301ro\u0302me O'Neil",
		`CN="Jérôme O'Neil",OU=people,DC=grid,DC=org`,
		`OU=people+CN=Jérôme O'Neil/DC=grid\/DC=org`,
		"CN=#0c0f4ac3a972c3b46d65204f274e65696c,OU=people,DC=grid,DC=org",
		"/DC=org/DC=grid/OU=people/CN=Jérôme O'Neil/",
		"//DC=org//DC=grid/OU=people/CN=Jérôme O'Neil",
		"CN=Jérôme O'Neil, OU=people, DC=grid, DC=org,",
		"DC=org\nDC=grid\r\nOU=people\nCN=Jérôme O'Neil\n",
		"/DC=org/DC=grid/OU=people/2.5.4.03=Jérôme O'Neil",
		"/DC=org/DC=grid/OU=people/OID.02.5.4.3=Jérôme O'Neil",
		"/DC=org/DC=grid/OU=people/CN=Jérôme O'Neil/CN=",
		"/DC=org/DC=grid/OU=people/\u200bCN=Jér\u00adôme\u200b O'Neil\ufe0f",
		`/DC=org/DC=grid/OU=people/"CN=Jérôme O'Neil"`,
		"/DC=org/DC=grid/OU=people/CN=Jérôme\x01 O'Neil\x7f",
	} {
		require.Equal(t, BanKey("/DC=org/DC=grid/OU=people/CN=Jérôme O'Neil"), BanKey(spelling), spelling)
	}
	require.NotEqual(t, BanKey("/O=x/CN=ann"), BanKey("/O=x/CN=anna"))
	require.NotEqual(t, BanKey("/O=x/CN=a/CN=a"), BanKey("/O=x/CN=a"), "a multiset, not a set")
}

func TestBanKeyOfStructureAndOfItsSpellings(t *testing.T) {
	value := rapid.StringMatching(`[a-zA-Zé/,+=\\" #;<>xX0-9ßİK]{1,12}`)
	types := rapid.SampledFrom([]string{"2.5.4.3", "2.5.4.10", "0.9.2342.19200300.100.1.25", "1.2.840.113549.1.9.1", "1.2.3.4", "1.2." + strings.Repeat("3", 70)})
	rapid.Check(t, func(t *rapid.T) {
		var rdns []RDN
		for range rapid.IntRange(1, 4).Draw(t, "rdns") {
			var rdn RDN
			for range rapid.IntRange(1, 2).Draw(t, "set") {
				rdn = append(rdn, AttributeTypeAndValue{types.Draw(t, "type"), value.Draw(t, "value")})
			}
			rdns = append(rdns, rdn)
		}
		d, err := NewDN(rdns)
		require.NoError(t, err)
		require.Equal(t, d.BanKey(), BanKey(d.Slash()), d.Slash())
		require.Equal(t, d.BanKey(), BanKey(d.Comma()), d.Comma())
		if back, err := ParseDN(d.Comma()); err == nil {
			require.True(t, d.Equal(back), "%q %q", d.Key(), back.Key())
		} else {
			require.NoError(t, err, d.Comma())
		}
	})
}

func FuzzBanKey(f *testing.F) {
	f.Add(`CN=a\\2f\5c,O="x";DC=#0c0161/CN=b`)
	f.Add(strings.Repeat(`\5c`, 1000))
	f.Fuzz(func(t *testing.T, s string) {
		key := BanKey(s)
		if d, err := ParseDN(s); err == nil {
			require.Equal(t, key, d.BanKey(), s)
		}
	})
}

func TestFQAN(t *testing.T) {
	for in, want := range map[string]string{
		"/atlas":                                "/atlas",
		"/atlas/Role=NULL/Capability=NULL":      "/atlas",
		"/atlas/prod/Role=pilot":                "/atlas/prod/Role=pilot",
		"/atlas/Role=pilot/Capability=anything": "/atlas/Role=pilot",
		"/atlas/Capability=NULL":                "/atlas",
	} {
		f, err := ParseFQAN(in)
		require.NoError(t, err, in)
		require.Equal(t, want, f.String())
	}
	for _, bad := range []string{"", "atlas", "/", "//", "/atlas//g", "/atlas/../cms", "/atlas/Role=", "/atlas/Role=a/Role=b", "/Role=a", "/atlas/Role=a/b", "/a\nb", "/atlas/Capability=x/Role=y"} {
		_, err := ParseFQAN(bad)
		require.Error(t, err, bad)
	}
}

// The short way through plain names folds them as the long one does.
func TestFoldingPlainNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[A-Ca-c0-9 "=/\x00\t~\x7fßK]{0,12}`).Draw(t, "s")
		if plain, ok := foldPlain(nil, s); ok {
			require.Equal(t, foldAny(s), string(plain))
		}
	})
}
