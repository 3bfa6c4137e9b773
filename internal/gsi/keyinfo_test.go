package gsi_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
)

func pemOf(certs ...*x509.Certificate) string {
	text := ""
	for _, c := range certs {
		text += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return text
}

func baseOf(certs ...*x509.Certificate) []string {
	var all []string
	for _, c := range certs {
		all = append(all, base64.StdEncoding.EncodeToString(c.Raw))
	}
	return all
}

func TestKeyInfo(t *testing.T) {
	s := newSite(t, true)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	e, err := ann.Proxy(gridtest.ProxySpec{Language: gridtest.Limited})
	require.NoError(t, err)
	direct := s.verifier.Verify(e.Chain)
	for name, values := range map[string][]string{
		"PEM":               {pemOf(e.Chain...)},
		"PEM with comments": {"subject=/CN=x\n" + pemOf(e.Chain[0]) + "issuer=...\n" + pemOf(e.Chain[1])},
		"PEM with CRLF":     {strings.ReplaceAll(pemOf(e.Chain...), "\n", "\r\n")},
		"base64":            baseOf(e.Chain...),
		"base64 in lines":   {"\n" + baseOf(e.Chain[0])[0][:64] + "\n" + baseOf(e.Chain[0])[0][64:] + "\n", baseOf(e.Chain[1])[0]},
	} {
		for range 2 { // read, and from the cache
			c := s.verifier.FromKeyInfo(values)
			require.NoError(t, c.Verdict(), name)
			require.Equal(t, direct.Digest, c.Digest, "the same credential as over TLS")
			chain, _ := gsi.ChainOf(c)
			require.Equal(t, "/DC=test/DC=strong/OU=people/CN=Ann Other", chain.Subject.Slash())
			require.True(t, chain.Limited)
		}
	}
}

// ⚿ What is no chain is refused, not taken for nobody; and a private key is not
// repeated to anybody.
func TestKeyInfoThatIsNoChain(t *testing.T) {
	s := newSite(t, true)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	_, key, err := ann.PEM()
	require.NoError(t, err)
	block, _ := pem.Decode(key)
	cert, rest := pemOf(ann.Cert()), strings.TrimPrefix(pemOf(ann.Cert()), "-----BEGIN CERTIFICATE-----")
	for name, c := range map[string]struct {
		values []string
		want   string
	}{
		"nothing":                  {nil, "no certificate"},
		"an empty value":           {[]string{""}, "cannot be read"},
		"text":                     {[]string{"Ann Other"}, "neither PEM nor base64"},
		"base64 of text":           {[]string{"QW5uIE90aGVy"}, "cannot be read"},
		"two chains":               {[]string{cert, cert}, "one value"},
		"PEM and base64":           {[]string{cert, baseOf(ann.Cert())[0]}, "one value"},
		"a request":                {[]string{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: ann.Cert().Raw}))}, "send certificates only"},
		"cut off":                  {[]string{cert + cert[:200]}, "cannot be read"},
		"a broken block":           {[]string{cert + "-----BEGIN CERTIFICATE-----" + rest[:80] + "!" + rest[81:]}, "cannot be read"},
		"trailing bytes":           {[]string{base64.StdEncoding.EncodeToString(append(ann.Cert().Raw, 0))}, "cannot be read"},
		"eleven":                   {[]string{strings.Repeat(cert, 11)}, "more than 10"},
		"huge":                     {[]string{strings.Repeat("A", 1<<20)}, "at most 131072"},
		"a private key":            {[]string{cert + string(key)}, "private key"},
		"a private key first":      {[]string{string(key) + cert}, "private key"},
		"a broken private key":     {[]string{cert + strings.Replace(string(key), "M", "!", 1)}, "private key"},
		"an encrypted private key": {[]string{cert + "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"}, "private key"},
		"a private key in base64":  {[]string{baseOf(ann.Cert())[0], base64.StdEncoding.EncodeToString(block.Bytes)}, "private key"},
	} {
		credential := s.verifier.FromKeyInfo(c.values)
		require.NotNil(t, credential, name)
		require.ErrorContains(t, credential.Verdict(), c.want, name)
		require.NotContains(t, credential.Err.Error(), base64.StdEncoding.EncodeToString(block.Bytes)[:20], name)
		if strings.Contains(c.want, "private") {
			require.ErrorIs(t, credential.Err, gsi.ErrPrivateKey)
		}
		_, ok := gsi.ChainOf(credential)
		require.True(t, ok)
	}
}

// ⚿ The verdict on a key-info ends when that on a TLS chain would.
func TestKeyInfoIsJudgedAgain(t *testing.T) {
	s := newSite(t, true)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	short, err := ann.Proxy(gridtest.ProxySpec{NotAfter: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	values := []string{pemOf(short.Chain...)}
	first := s.verifier.FromKeyInfo(values)
	require.NoError(t, first.Verdict())
	s.ahead.Store(int64(2 * time.Hour))
	require.ErrorContains(t, s.verifier.FromKeyInfo(values).Verdict(), "ended")
	require.Error(t, first.Verdict(), "also the one in hand")
	s.ahead.Store(0)
	require.NoError(t, s.verifier.FromKeyInfo(values).Verdict())
	s.grid.Strong.Revoke(ann)
	require.NoError(t, s.grid.Strong.WriteCRL(s.dir, nil))
	_, err = s.verifier.Trust().Reload()
	require.NoError(t, err)
	require.ErrorContains(t, s.verifier.FromKeyInfo(values).Verdict(), "revoked")
}

// The chain in the request that Argus's own client sends.
func TestKeyInfoOfArgus(t *testing.T) {
	shared := os.Getenv("GATEHOUSE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(shared, "captures", "hessian", "cli-keyinfo-001.raw")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("no %s: set GATEHOUSE_SHARED to where the test material is", path)
	}
	_, body, _ := strings.Cut(string(raw), "\r\n\r\n")
	message, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(body), ""))
	require.NoError(t, err)
	_, text, _ := strings.Cut(string(message), "-----BEGIN")
	end := strings.LastIndex(text, "-----END CERTIFICATE-----")
	s := newSite(t, true)
	c := s.verifier.FromKeyInfo([]string{"-----BEGIN" + text[:end] + "-----END CERTIFICATE-----\n"})
	require.ErrorContains(t, c.Verdict(), "not among the trusted CAs", "read, and of a CA that nobody here knows")
	chain, _ := gsi.ChainOf(c)
	require.Len(t, chain.Certificates, 2)
}

func FuzzKeyInfo(f *testing.F) {
	s := newSite(f, true)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(f, err)
	f.Add(pemOf(ann.Chain...), "")
	f.Add(baseOf(ann.Cert())[0], baseOf(ann.Cert())[0])
	f.Add("-----BEGIN X-----\n-----END X-----", "")
	f.Fuzz(func(t *testing.T, one, two string) {
		values := []string{one}
		if two != "" {
			values = append(values, two)
		}
		c := s.verifier.FromKeyInfo(values)
		require.NotNil(t, c)
		again := s.verifier.FromKeyInfo(values)
		require.Equal(t, c.Digest, again.Digest)
		require.Equal(t, c.Verdict() == nil, again.Verdict() == nil)
	})
}
