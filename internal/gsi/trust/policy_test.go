package trust

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"/C=DE/O=Grid/*", "/C=DE/O=Grid/CN=x", true},
		{"/C=DE/O=Grid/*", "/c=de/o=GRID/OU=a/CN=x", true},
		{"/C=DE/O=Grid/*", "/C=DE/O=Grid", false},
		{"/C=DE/O=Grid/*", "/C=DE/O=GridKa/CN=x", false},
		{"/C=DE/O=Grid*", "/C=DE/O=GridKa/CN=x", true},
		{"/C=DE/O=Grid*", "/C=DE/O=Grid", true},
		{"/C=DE/O=*/CN=x", "/C=DE/O=any/CN=x", true},
		{"/C=DE/O=*/CN=x", "/C=DE/O=any/OU=more/CN=x", false},
		{"/C=DE/O=*a*b/CN=x", "/C=DE/O=xxaxxaxb/CN=x", true},
		{"/C=DE/O=*a*b/CN=x", "/C=DE/O=xxaxxaxbc/CN=x", false},
		{"/C=DE/CN=x", "/C=DE/CN=x", true},
		{"/C=DE/CN=x", "/C=DE/CN=xy", false},
		{"/C=DE/CN=.*", "/C=DE/CN=xy", false},
		{"*", "/C=DE/CN=x", true},
		{"/*", "/C=DE/CN=x", true},
		{"/C=DE/emailAddress=*", "/C=DE/Email=a@b", true},
	} {
		p, err := parsePattern(c.pattern)
		require.NoError(t, err, c.pattern)
		d, err := authz.ParseDN(c.name)
		require.NoError(t, err)
		require.Equal(t, c.want, p.matches(keys(d)), "%s %s", c.pattern, c.name)
	}
	for _, bad := range []string{"", "C=DE", "DE/*", "/DE/*", "/C=DE/*/CN=x/y=", "**/x"} {
		_, err := parsePattern(bad)
		require.Error(t, err, bad)
	}
}

// ⚿ No pattern makes matching slow (threats 19).
func TestGlobIsNotExponential(t *testing.T) {
	start := time.Now()
	require.False(t, glob(strings.Repeat("*a", 50)+"b", strings.Repeat("a", 8000)))
	require.Less(t, time.Since(start), time.Second)
}

func TestParsePolicy(t *testing.T) {
	p, err := parsePolicy([]byte("# EACL\n access_id_CA  X509  '/C=XX/CN=CA' # comment\r\npos_rights globus CA:sign\ncond_subjects globus '\"/C=XX/*\" \"/DC=org/*\"'\n" +
		"access_id_CA X509 \"/C=XX/CN=Other\"\npos_rights globus CA:sign\ncond_subjects\tglobus \"/C=YY/O=with blank/*\"\n"))
	require.NoError(t, err)
	require.Len(t, p, 2)
	for _, c := range []struct {
		ca, subject string
		want        bool
	}{
		{"/C=XX/CN=CA", "/C=XX/CN=x", true}, {"/C=XX/CN=CA", "/DC=org/CN=x", true}, {"/C=XX/CN=CA", "/C=YY/O=with blank/CN=x", false},
		{"/C=XX/CN=Other", "/C=YY/O=with blank/CN=x", true}, {"/C=XX/CN=Other", "/C=XX/CN=x", false}, {"/CN=third", "/C=XX/CN=x", false},
	} {
		ca, err := authz.ParseDN(c.ca)
		require.NoError(t, err)
		subject, err := authz.ParseDN(c.subject)
		require.NoError(t, err)
		require.Equal(t, c.want, p.allows(ca, subject), c)
	}
	for name, bad := range map[string]string{
		"empty":             "",
		"no CA":             "pos_rights globus CA:sign",
		"no right":          "access_id_CA X509 '/CN=a'\ncond_subjects globus '\"*\"'",
		"negative right":    "access_id_CA X509 '/CN=a'\nneg_rights globus CA:sign",
		"quote":             "access_id_CA X509 '/CN=a",
		"words":             "access_id_CA X509",
		"twice":             "access_id_CA X509 '/CN=a'\naccess_id_CA X509 '/cn=A'",
		"bad pattern":       "access_id_CA X509 '/CN=a'\npos_rights globus CA:sign\ncond_subjects globus 'x'",
		"quote in patterns": "access_id_CA X509 '/CN=a'\npos_rights globus CA:sign\ncond_subjects globus '\"/CN=x'",
	} {
		_, err := parsePolicy([]byte(bad))
		require.Error(t, err, name)
	}
}

func TestNamespaces(t *testing.T) {
	n, err := parseNamespaces([]byte("#NAMESPACES-VERSION: 1.0\r\n\nTO Issuer \"/C=XX/CN=CA\" \\\n  PERMIT Subject \"/C=XX/O=Org/.*\"\nto issuer SELF permit subject \"/C=YY/CN=one|/C=YY/CN=two\"\nTO Issuer SELF DENY Subject \"/C=XX/O=Org/OU=gone/.*\"\n"))
	require.NoError(t, err)
	for _, c := range []struct {
		ca, subject string
		want        bool
	}{
		{"/C=XX/CN=CA", "/C=XX/O=Org/CN=x", true}, {"/c=xx/cn=ca", "/c=xx/o=org/cn=x", true}, {"/C=XX/CN=Other", "/C=XX/O=Org/CN=x", false},
		{"/C=XX/CN=CA", "/C=XX/O=Org/OU=gone/CN=x", false}, {"/C=XX/CN=CA", "/C=XX/O=Organ/CN=x", false}, {"/C=XX/CN=CA", "/O=y/C=XX/O=Org/CN=x", false},
		{"/CN=any", "/C=YY/CN=two", true}, {"/CN=any", "/C=YY/CN=two/CN=more", false}, {"/CN=any", "/C=YY/CN=onetwo", false},
	} {
		ca, err := authz.ParseDN(c.ca)
		require.NoError(t, err)
		subject, err := authz.ParseDN(c.subject)
		require.NoError(t, err)
		require.Equal(t, c.want, n.allows(ca, subject), c)
	}
	forged, err := authz.NewDN([]authz.RDN{{{Type: "2.5.4.6", Value: "XX/O=Org/CN=x"}}})
	require.NoError(t, err)
	ca, err := authz.ParseDN("/C=XX/CN=CA")
	require.NoError(t, err)
	require.False(t, n.allows(ca, forged), "⚿ a slash in a value is no part")
	for _, bad := range []string{"", "TO Issuer", `TO Issuer "x" PERMIT Subject ".*"`, `TO Issuer SELF ALLOW Subject ".*"`, `TO Issuer SELF PERMIT Subject "("`, `TO Issuer SELF PERMIT Subject "(?=x)"`, `TO Issuer SELF PERMIT Subject ".*`} {
		_, err := parseNamespaces([]byte(bad))
		require.Error(t, err, bad)
	}
}

func FuzzParseNamespaces(f *testing.F) {
	f.Add([]byte("TO Issuer SELF PERMIT Subject \"/C=XX/.*\""))
	f.Fuzz(func(_ *testing.T, text []byte) {
		n, err := parseNamespaces(text)
		if err != nil {
			return
		}
		d, _ := authz.ParseDN("/C=XX/O=Org/CN=a")
		_ = n.allows(d, d)
	})
}

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte("access_id_CA X509 '/CN=a'\npos_rights globus CA:sign\ncond_subjects globus '\"/CN=*x/*\"'"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePolicy(text)
		if err != nil {
			return
		}
		d, _ := authz.ParseDN("/C=XX/O=Org/CN=a")
		_ = p.allows(d, d)
	})
}

func FuzzParseCRL(f *testing.F) {
	ca, err := gridtest.NewCA("/DC=test")
	require.NoError(f, err)
	e, err := ca.User("x")
	require.NoError(f, err)
	ca.Revoke(e)
	for _, make := range []func() ([]byte, error){ca.OldCRL, func() ([]byte, error) { return ca.CRL() }} {
		der, err := make()
		require.NoError(f, err)
		list, err := parseCRL(der)
		require.NoError(f, err)
		require.NoError(f, list.signedBy(ca.Cert, 0))
		require.True(f, list.revokes(e.Cert()))
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if list, err := parseCRL(der); err == nil {
			_ = list.signedBy(ca.Cert, 0)
			_ = list.revokes(e.Cert())
		}
	})
}
