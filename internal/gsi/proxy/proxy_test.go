package proxy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/proxy"
)

func user(t *testing.T, change ...func(*x509.Certificate)) *gridtest.Entity {
	t.Helper()
	ca, err := gridtest.NewCA("/DC=test")
	require.NoError(t, err)
	s := gridtest.Spec{Subject: "/DC=test/OU=people/CN=Ann Other"}
	for _, c := range change {
		s.Change = c
	}
	e, err := ca.Issue(s)
	require.NoError(t, err)
	return e
}

func chainOf(t *testing.T, e *gridtest.Entity, specs ...gridtest.ProxySpec) *gridtest.Entity {
	t.Helper()
	for _, s := range specs {
		var err error
		e, err = e.Proxy(s)
		require.NoError(t, err)
	}
	return e
}

func verify(chain []*x509.Certificate) (*proxy.Path, error) {
	p, err := proxy.Arrange(chain, 0)
	if err != nil {
		return nil, err
	}
	return p, p.CheckSignatures()
}

type spec = gridtest.ProxySpec

func TestGoodChains(t *testing.T) {
	for name, c := range map[string]struct {
		proxies []spec
		limited bool
	}{
		"no proxy":              {},
		"one":                   {proxies: []spec{{}}},
		"three":                 {proxies: []spec{{}, {}, {}}},
		"limited":               {proxies: []spec{{Language: gridtest.Limited}}, limited: true},
		"limited below full":    {proxies: []spec{{}, {Language: gridtest.Limited}, {Language: gridtest.Limited}}, limited: true},
		"path length used up":   {proxies: []spec{{PathLen: gridtest.Length(2)}, {}, {}}},
		"path length zero":      {proxies: []spec{{PathLen: gridtest.Length(0)}}},
		"path length shrinking": {proxies: []spec{{PathLen: gridtest.Length(5)}, {PathLen: gridtest.Length(1)}, {}}},
	} {
		t.Run(name, func(t *testing.T) {
			e := chainOf(t, user(t), c.proxies...)
			p, err := verify(e.Chain)
			require.NoError(t, err)
			require.Equal(t, c.limited, p.Limited)
			require.Equal(t, e.EndEntity(), p.EndEntity)
			require.Len(t, p.Proxies, len(c.proxies))
		})
	}
}

func extension(oid asn1.ObjectIdentifier, critical bool, value ...byte) func(*x509.Certificate) {
	return func(t *x509.Certificate) {
		t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: oid, Critical: critical, Value: value})
	}
}

// ⚿ Every way to make a proxy that is none (threats 6.1).
func TestAttacksOnProxies(t *testing.T) {
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		proxies []spec
		want    string
	}{
		"forged":                          {[]spec{{SignWith: stranger}}, "not signed by"},
		"forged in the middle":            {[]spec{{SignWith: stranger}, {}}, "not signed by"},
		"named as somebody else":          {[]spec{{Change: func(c *x509.Certificate) { c.RawSubject = rawName(t, "/DC=test/OU=people/CN=Root/CN=1") }}}, "issuer and one CN"},
		"named with two CNs":              {[]spec{{Change: func(c *x509.Certificate) { c.RawSubject, _ = gridtest.AppendCN(c.RawSubject, "2") }}}, "issuer and one CN"},
		"named as its issuer":             {[]spec{{Change: func(c *x509.Certificate) { c.RawSubject = rawName(t, "/DC=test/OU=people/CN=Ann Other") }}}, "issuer and one CN"},
		"named with an OU":                {[]spec{{Change: func(c *x509.Certificate) { c.RawSubject = rawName(t, "/DC=test/OU=people/CN=Ann Other/OU=1") }}}, "issuer and one CN"},
		"named with a joined CN":          {[]spec{{Change: func(c *x509.Certificate) { c.RawSubject = rawName(t, "/DC=test/OU=people/CN=Ann Other/CN=1+UID=0") }}}, "issuer and one CN"},
		"path length exceeded":            {[]spec{{PathLen: gridtest.Length(0)}, {}}, "path length"},
		"path length exceeded below":      {[]spec{{PathLen: gridtest.Length(1)}, {}, {}}, "path length"},
		"path length grows":               {[]spec{{PathLen: gridtest.Length(1)}, {PathLen: gridtest.Length(9)}, {}}, "path length"},
		"full below limited":              {[]spec{{Language: gridtest.Limited}, {}}, "below a limited"},
		"independent":                     {[]spec{{Language: gridtest.Independent}}, "independent"},
		"independent above":               {[]spec{{Language: gridtest.Independent}, {}}, "independent"},
		"unknown language":                {[]spec{{Language: asn1.ObjectIdentifier{1, 2, 3}}}, "restricted"},
		"restricted":                      {[]spec{{Policy: []byte("rm -rf")}}, "carries a policy"},
		"a CA":                            {[]spec{{Change: func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }}}, "CA"},
		"may sign certificates":           {[]spec{{Change: func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }}}, "CA"},
		"may not sign":                    {[]spec{{Change: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }}, {}}, "digital signatures"},
		"subject alternative name":        {[]spec{{Change: func(c *x509.Certificate) { c.EmailAddresses = []string{"root@test"} }}}, "alternative name"},
		"issuer alternative name":         {[]spec{{Change: extension(asn1.ObjectIdentifier{2, 5, 29, 18}, false, 0x30, 0)}}, "alternative name"},
		"unknown critical extension":      {[]spec{{Change: extension(asn1.ObjectIdentifier{1, 2, 3, 4}, true, 5, 0)}}, "critical extension"},
		"info not critical":               {[]spec{{Uncritical: true}}, "not critical"},
		"draft":                           {[]spec{{Draft: true}}, "RFC 3820"},
		"draft and RFC":                   {[]spec{{Change: extension(gridtest.DraftProxyCertInfo, true, 0x30, 0)}}, "RFC 3820"},
		"legacy":                          {[]spec{{Legacy: true}}, "RFC 3820"},
		"legacy limited":                  {[]spec{{Legacy: true, Language: gridtest.Limited}}, "RFC 3820"},
		"RFC below legacy":                {[]spec{{Legacy: true}, {}}, "RFC 3820"},
		"info empty":                      {[]spec{{RawInfo: []byte{}}}, "ProxyCertInfo"},
		"info with trailing bytes":        {[]spec{{RawInfo: []byte{0x30, 0x0c, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1, 0}}}, "ProxyCertInfo"},
		"negative path length":            {[]spec{{RawInfo: []byte{0x30, 0x0f, 2, 1, 0xff, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1}}}, "ProxyCertInfo"},
		"path length beyond every number": {[]spec{{RawInfo: append([]byte{0x30, 0x18, 2, 10, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1)}}, "ProxyCertInfo"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verify(chainOf(t, user(t), c.proxies...).Chain)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// ⚿ Whose certificate may carry proxies at all.
func TestAttacksOnEndEntities(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*x509.Certificate)
		want   string
	}{
		"a CA's proxy":              {func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, "CA"},
		"a host's proxy":            {func(c *x509.Certificate) { c.DNSNames = []string{"ce.test"} }, "host"},
		"key without signatures":    {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }, "digital signatures"},
		"signs certificates itself": {func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }, "CA"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verify(chainOf(t, user(t, c.change), spec{}).Chain)
			require.ErrorContains(t, err, c.want)
		})
	}
	ca, err := gridtest.NewCA("/DC=test")
	require.NoError(t, err)
	_, err = verify([]*x509.Certificate{ca.Cert})
	require.ErrorContains(t, err, "signed itself")
}

// A person whom the CA calls "proxy" or "12345" is a person (threats 51).
func TestProxyByStructureNotByName(t *testing.T) {
	ca, err := gridtest.NewCA("/DC=test")
	require.NoError(t, err)
	for _, cn := range []string{"proxy", "limited proxy", "12345"} {
		e, err := ca.User(cn)
		require.NoError(t, err)
		p, err := verify(chainOf(t, e, spec{}).Chain)
		require.NoError(t, err)
		require.Equal(t, e.Cert(), p.EndEntity)
	}
}

func TestAnyOrderAndBounds(t *testing.T) {
	e := chainOf(t, user(t), spec{}, spec{}, spec{}, spec{})
	for range 20 {
		chain := append([]*x509.Certificate{}, e.Chain...)
		mathrand.Shuffle(len(chain)-1, func(i, j int) { chain[i+1], chain[j+1] = chain[j+1], chain[i+1] })
		p, err := verify(chain)
		require.NoError(t, err)
		require.Len(t, p.Proxies, 4)
	}
	doubled := append(append([]*x509.Certificate{}, e.Chain...), e.Chain[1:]...)
	_, err := verify(doubled)
	require.NoError(t, err, "copies do no harm")

	_, err = verify(append(doubled, e.Chain...))
	require.ErrorContains(t, err, "at most 10")
	_, err = verify(nil)
	require.Error(t, err)
	_, err = verify(e.Chain[:2])
	require.ErrorContains(t, err, "missing from the chain")
}

// ⚿ Two different certificates of the issuer's name: no search, no guess.
func TestAmbiguousIssuerIsRefused(t *testing.T) {
	e := user(t)
	p := chainOf(t, e, spec{})
	other := user(t)
	_, err := verify([]*x509.Certificate{p.Cert(), other.Cert(), e.Cert()})
	require.ErrorContains(t, err, "twice")
}

// ⚿ Structure comes before the first signature: the bad link of a chain with a
// forged proxy is what is reported.
func TestStructureBeforeSignatures(t *testing.T) {
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, err = proxy.Arrange(chainOf(t, user(t), spec{Language: gridtest.Independent}, spec{SignWith: stranger}).Chain, 0)
	require.ErrorContains(t, err, "independent")
}

// ⚿ Keys too weak or too costly (threats 22, 23).
func TestKeys(t *testing.T) {
	ca, err := gridtest.NewCA("/DC=test")
	require.NoError(t, err)
	weak, err := gridtest.RSAKey(1024, 0)
	require.NoError(t, err)
	e, err := ca.Issue(gridtest.Spec{Subject: "/DC=test/CN=weak", Key: weak})
	require.NoError(t, err)
	_, err = verify(e.Chain)
	require.ErrorContains(t, err, "1024 bits")
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	e, err = ca.Issue(gridtest.Spec{Subject: "/DC=test/CN=small", Key: small})
	require.NoError(t, err)
	_, err = verify(e.Chain)
	require.ErrorContains(t, err, "P-224")
	e = chainOf(t, user(t), spec{Change: func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }})
	_, err = verify(e.Chain)
	require.ErrorContains(t, err, "SHA1")
	huge := *user(t).Cert()
	huge.PublicKey = &rsa.PublicKey{N: weak.N.Lsh(weak.N, 15*1024), E: 65537}
	start := time.Now()
	_, err = proxy.Arrange([]*x509.Certificate{&huge}, 0)
	require.ErrorContains(t, err, "16384 bits")
	require.Less(t, time.Since(start), 50*time.Millisecond)
}

func TestValidity(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	e := chainOf(t, user(t), spec{NotBefore: now, NotAfter: now.Add(time.Hour)}, spec{NotBefore: now.Add(-time.Minute), NotAfter: now.Add(2 * time.Hour)})
	p, err := verify(e.Chain)
	require.NoError(t, err)
	from, to := p.Validity()
	require.WithinDuration(t, now.Add(-5*time.Minute), from, 0)
	require.WithinDuration(t, now.Add(time.Hour), to, 0)
}

func FuzzParseInfo(f *testing.F) {
	f.Add([]byte{0x30, 0x0f, 2, 1, 3, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1})
	f.Add([]byte{0x30, 0x0e, 0x30, 0x0c, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1, 4, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		info, err := proxy.ParseInfo(der)
		if err == nil {
			require.GreaterOrEqual(t, info.PathLen, proxy.NoLimit)
			require.NotEmpty(t, info.Language)
		}
	})
}

func FuzzParseDraftInfo(f *testing.F) {
	f.Add([]byte{0x30, 0x11, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1, 0xa1, 3, 2, 1, 1})
	f.Add([]byte{0x30, 0x0c, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1})
	f.Fuzz(func(t *testing.T, der []byte) {
		info, err := proxy.ParseDraftInfo(der)
		if err == nil {
			require.GreaterOrEqual(t, info.PathLen, proxy.NoLimit)
			require.NotEmpty(t, info.Language)
		}
	})
}

func TestDraftInfo(t *testing.T) {
	info, err := proxy.ParseDraftInfo([]byte{0x30, 0x11, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1, 0xa1, 3, 2, 1, 1})
	require.NoError(t, err)
	require.Equal(t, proxy.Info{PathLen: 1, Language: proxy.Impersonation}, info)
	for name, der := range map[string][]byte{
		"length first":         {0x30, 0x0f, 2, 1, 3, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1},
		"length not explicit":  {0x30, 0x0f, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1, 0x81, 1, 1},
		"two lengths":          {0x30, 0x14, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1, 0xa1, 6, 2, 1, 1, 2, 1, 1},
		"negative length":      {0x30, 0x11, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1, 0xa1, 3, 2, 1, 0xff},
		"something after it":   {0x30, 0x13, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1, 0xa1, 3, 2, 1, 1, 5, 0},
		"no policy":            {0x30, 0x05, 0xa1, 3, 2, 1, 1},
		"trailing bytes":       {0x30, 0x0c, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1, 0},
		"nothing":              {},
		"another tag's length": {0x30, 0x11, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 21, 1, 0xa2, 3, 2, 1, 1},
	} {
		_, err := proxy.ParseDraftInfo(der)
		require.ErrorContains(t, err, "malformed ProxyCertInfo", name)
	}
}
