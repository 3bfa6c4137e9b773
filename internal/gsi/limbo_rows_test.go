package gsi_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
)

// limboEntity is a kind of end entity. With refused, the chain is refused for
// that reason, or one of those between "|"; with unproxied, as soon as it has
// a proxy.
type limboEntity struct {
	name      string
	subject   string // "/DC=test/DC=strong/OU=people/CN=Ann Other"
	make      func(l *limbo, s gridtest.Spec) (*gridtest.Entity, error)
	spec      func(l *limbo, s *gridtest.Spec)
	refused   string
	unproxied string
}

const limboBase, limboAnn = "/DC=test/DC=strong/OU=people/", "/DC=test/DC=strong/OU=people/CN=Ann Other"

func changed(f func(*x509.Certificate)) func(*limbo, *gridtest.Spec) {
	return func(_ *limbo, s *gridtest.Spec) { s.Change = f }
}

func keyed(k func(*limbo) crypto.Signer) func(*limbo, *gridtest.Spec) {
	return func(l *limbo, s *gridtest.Spec) { s.Key = k(l) }
}

func encoded(tag int) func(*limbo, *gridtest.Spec) {
	return func(l *limbo, s *gridtest.Spec) {
		d, err := authz.ParseDN(s.Subject)
		require.NoError(l.t, err)
		s.RawSubject, err = gridtest.EncodeName(d, tag)
		require.NoError(l.t, err)
	}
}

var limboEntities = []limboEntity{
	{name: "person"},
	{name: "person called proxy", subject: limboBase + "CN=proxy"},
	{name: "person called 12345", subject: limboBase + "CN=12345"},
	{name: "two CNs", subject: limboBase + "CN=ann/CN=777/CN=Ann Other"},
	{name: "joined RDN", subject: limboBase + "CN=Ann Other+UID=ann"},
	{name: "Unicode", subject: limboBase + "CN=Ännchen Müller"},
	{name: "BMPString", spec: encoded(asn1.TagBMPString)},
	{name: "PrintableString", spec: encoded(asn1.TagPrintableString)},
	{name: "T61String", spec: encoded(asn1.TagT61String)},
	{name: "mail address", spec: changed(func(c *x509.Certificate) { c.EmailAddresses = []string{"ann@test"} })},
	{name: "robot", subject: limboBase + "CN=Robot: pilot factory"},
	{name: "for clients", spec: changed(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })},
	{name: "below a CA below", subject: "/DC=test/DC=strong/DC=below/CN=Carl", make: func(l *limbo, s gridtest.Spec) (*gridtest.Entity, error) { return l.sub.Issue(s) }},
	{name: "RSA 2048", spec: keyed(func(l *limbo) crypto.Signer { return l.rsa })},
	{name: "P-384", spec: keyed(func(l *limbo) crypto.Signer { return newECKey(l.t, elliptic.P384()) })},
	{name: "Ed25519", spec: keyed(func(l *limbo) crypto.Signer { return newEdKey(l.t) })},
	{name: "host", subject: "/DC=test/DC=strong/OU=hosts/CN=ce.test", spec: func(_ *limbo, s *gridtest.Spec) { s.Hosts = []string{"ce.test"} }, unproxied: "host certificate"},

	{name: "expired", spec: func(_ *limbo, s *gridtest.Spec) {
		s.NotBefore, s.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}, refused: "expired"},
	{name: "future", spec: func(_ *limbo, s *gridtest.Spec) { s.NotBefore = time.Now().Add(time.Hour) }, refused: "not yet valid"},
	{name: "revoked", make: func(l *limbo, s gridtest.Spec) (*gridtest.Entity, error) {
		e, err := l.grid.Strong.Issue(s)
		l.revoked = append(l.revoked, e)
		return e, err
	}, refused: "revoked"},
	{name: "unknown CA", make: func(l *limbo, s gridtest.Spec) (*gridtest.Entity, error) { return l.unknown.Issue(s) }, refused: "not among the trusted CAs"},
	{name: "CA of a trusted name", make: func(l *limbo, s gridtest.Spec) (*gridtest.Entity, error) { return l.namesake.Issue(s) }, refused: "did not sign it"},
	{name: "outside the signing policy", subject: "/DC=test/DC=elsewhere/CN=Ann Other", refused: "outside what its CA"},
	{name: "signed by a person", subject: limboAnn + "/OU=x/CN=minion", make: func(l *limbo, s gridtest.Spec) (*gridtest.Entity, error) { return issuedBy(l.person, s) }, refused: "did not sign it"},
	{name: "a CA", make: func(l *limbo, s gridtest.Spec) (*gridtest.Entity, error) {
		return &gridtest.Entity{Chain: l.sub.Chain(), Key: l.sub.Key, Now: time.Now}, nil
	}, subject: "/DC=test/DC=strong/DC=below/CN=CA", refused: "is a CA|may not be used for digital signatures"},
	{name: "self-signed", make: func(l *limbo, s gridtest.Spec) (*gridtest.Entity, error) { return selfSigned(s) }, refused: "signed itself"},
	{name: "for servers", spec: changed(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), refused: "incompatible key usage"},
	{name: "key not for signing", spec: changed(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), refused: "digital signatures"},
	{name: "critical extension", spec: changed(extension(asn1.ObjectIdentifier{1, 2, 3, 4}, true, 5, 0)), refused: "unhandled critical extension"},
	{name: "P-224", spec: keyed(func(l *limbo) crypto.Signer { return newECKey(l.t, elliptic.P224()) }), refused: "P-224"},
	{name: "RSA 1024", spec: keyed(func(l *limbo) crypto.Signer { return l.weakRSA }), refused: "1024 bits"},
}

func extension(oid asn1.ObjectIdentifier, critical bool, value ...byte) func(*x509.Certificate) {
	return func(t *x509.Certificate) {
		t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: oid, Critical: critical, Value: value})
	}
}

// limboShape is a kind of chain, from the end entity down.
type limboShape struct {
	name    string
	proxies []gridtest.ProxySpec
	limited bool
	refused string
}

var limboShapes = []limboShape{
	{name: "no proxy"},
	{name: "a proxy", proxies: []gridtest.ProxySpec{{}}},
	{name: "two", proxies: []gridtest.ProxySpec{{}, {}}},
	{name: "three", proxies: []gridtest.ProxySpec{{}, {}, {}}},
	{name: "limited", proxies: []gridtest.ProxySpec{{Language: gridtest.Limited}}, limited: true},
	{name: "full, limited", proxies: []gridtest.ProxySpec{{}, {Language: gridtest.Limited}}, limited: true},
	{name: "limited twice", proxies: []gridtest.ProxySpec{{Language: gridtest.Limited}, {Language: gridtest.Limited}}, limited: true},
	{name: "length 0", proxies: []gridtest.ProxySpec{{PathLen: gridtest.Length(0)}}},
	{name: "length used up", proxies: []gridtest.ProxySpec{{PathLen: gridtest.Length(2)}, {}, {}}},
	{name: "limited, full", proxies: []gridtest.ProxySpec{{Language: gridtest.Limited}, {}}, refused: "below a limited"},
	{name: "length exceeded", proxies: []gridtest.ProxySpec{{PathLen: gridtest.Length(0)}, {}}, refused: "path length"},
	{name: "length exceeded below", proxies: []gridtest.ProxySpec{{PathLen: gridtest.Length(1)}, {}, {}}, refused: "path length"},
	{name: "length growing", proxies: []gridtest.ProxySpec{{PathLen: gridtest.Length(1)}, {PathLen: gridtest.Length(9)}, {}}, refused: "path length"},
	{name: "length shrinking", proxies: []gridtest.ProxySpec{{PathLen: gridtest.Length(9)}, {PathLen: gridtest.Length(1)}, {}}},
}

// limboFault spoils one proxy of a chain, or the chain.
type limboFault struct {
	name    string
	proxy   func(l *limbo, s *gridtest.ProxySpec)
	chain   func(l *limbo, chain []*x509.Certificate) []*x509.Certificate
	refused []string // one of these reasons; none if it is no fault at all
}

func spoilt(f func(*x509.Certificate)) func(*limbo, *gridtest.ProxySpec) {
	return func(_ *limbo, s *gridtest.ProxySpec) { s.Change = f }
}

var limboFaults = []limboFault{
	{name: "forged", proxy: func(l *limbo, s *gridtest.ProxySpec) { s.SignWith = l.person.Key }, refused: []string{"not signed by"}},
	{name: "expired", proxy: func(_ *limbo, s *gridtest.ProxySpec) {
		s.NotBefore, s.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}, refused: []string{"ended"}},
	{name: "future", proxy: func(_ *limbo, s *gridtest.ProxySpec) { s.NotBefore = time.Now().Add(time.Hour) }, refused: []string{"only from"}},
	{name: "clock ahead", proxy: func(_ *limbo, s *gridtest.ProxySpec) { s.NotBefore = time.Now().Add(3 * time.Minute) }},
	{name: "outlives its issuer", proxy: func(_ *limbo, s *gridtest.ProxySpec) { s.NotAfter = time.Now().Add(10 * gridtest.Life) }},
	{name: "another's name", proxy: func(l *limbo, s *gridtest.ProxySpec) {
		s.Change = func(c *x509.Certificate) { c.RawSubject = l.bob.Cert().RawSubject }
	}, refused: []string{"issuer and one CN", "missing from the chain"}},
	{name: "two CNs", proxy: spoilt(func(c *x509.Certificate) { c.RawSubject, _ = gridtest.AppendCN(c.RawSubject, "2") }), refused: []string{"issuer and one CN"}},
	{name: "legacy", proxy: func(_ *limbo, s *gridtest.ProxySpec) { s.Legacy, s.Language = true, nil }, refused: []string{"RFC 3820", "not among the trusted CAs", "did not sign"}},
	{name: "draft", proxy: func(_ *limbo, s *gridtest.ProxySpec) { s.Draft = true }, refused: []string{"RFC 3820"}},
	{name: "draft and RFC", proxy: spoilt(extension(gridtest.DraftProxyCertInfo, true, 0x30, 0)), refused: []string{"RFC 3820"}},
	{name: "info not critical", proxy: func(_ *limbo, s *gridtest.ProxySpec) { s.Uncritical = true }, refused: []string{"not critical"}},
	{name: "info empty", proxy: func(_ *limbo, s *gridtest.ProxySpec) { s.RawInfo = []byte{} }, refused: []string{"malformed ProxyCertInfo"}},
	{name: "independent", proxy: func(_ *limbo, s *gridtest.ProxySpec) { s.Language = gridtest.Independent }, refused: []string{"independent"}},
	{name: "unknown language", proxy: func(_ *limbo, s *gridtest.ProxySpec) { s.Language = asn1.ObjectIdentifier{1, 2, 3} }, refused: []string{"restricted"}},
	{name: "restricted", proxy: func(_ *limbo, s *gridtest.ProxySpec) { s.Policy = []byte("rm") }, refused: []string{"carries a policy"}},
	{name: "a CA", proxy: spoilt(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }), refused: []string{"claims to be a CA"}},
	{name: "signs certificates", proxy: spoilt(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }), refused: []string{"claims to be a CA"}},
	{name: "key not for signing", proxy: spoilt(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), refused: []string{"digital signatures"}},
	{name: "alternative name", proxy: spoilt(func(c *x509.Certificate) { c.EmailAddresses = []string{"root@test"} }), refused: []string{"alternative name"}},
	{name: "issuer alternative name", proxy: spoilt(extension(asn1.ObjectIdentifier{2, 5, 29, 18}, false, 0x30, 0)), refused: []string{"alternative name"}},
	{name: "critical extension", proxy: spoilt(extension(asn1.ObjectIdentifier{1, 2, 3, 4}, true, 5, 0)), refused: []string{"critical extension"}},
	{name: "other extension", proxy: spoilt(extension(asn1.ObjectIdentifier{1, 2, 3, 4}, false, 5, 0))},
	{name: "P-224", proxy: func(l *limbo, s *gridtest.ProxySpec) { s.Key = newECKey(l.t, elliptic.P224()) }, refused: []string{"P-224"}},
	{name: "RSA 1024", proxy: func(l *limbo, s *gridtest.ProxySpec) { s.Key = l.weakRSA }, refused: []string{"1024 bits"}},
	{name: "RSA 2048", proxy: func(l *limbo, s *gridtest.ProxySpec) { s.Key = l.rsa }},

	{name: "shuffled", chain: func(_ *limbo, c []*x509.Certificate) []*x509.Certificate {
		rest := slices.Clone(c[1:])
		slices.Reverse(rest)
		return append(slices.Clone(c[:1]), rest...)
	}},
	{name: "root sent along", chain: func(l *limbo, c []*x509.Certificate) []*x509.Certificate {
		return append(slices.Clone(c), l.grid.Strong.Cert)
	}},
	{name: "stranger sent along", chain: func(l *limbo, c []*x509.Certificate) []*x509.Certificate {
		return append(slices.Clone(c), l.bob.Cert())
	}},
	{name: "a certificate twice", chain: func(_ *limbo, c []*x509.Certificate) []*x509.Certificate { return append(slices.Clone(c), c[1]) }},
	{name: "link missing", chain: func(_ *limbo, c []*x509.Certificate) []*x509.Certificate {
		return append(slices.Clone(c[:1]), c[2:]...)
	}, refused: []string{"missing from the chain"}},
	{name: "on another's end", chain: func(l *limbo, c []*x509.Certificate) []*x509.Certificate {
		return append(slices.Clone(c[:1]), l.bob.Chain...)
	}, refused: []string{"missing from the chain"}},
	{name: "too many", chain: func(l *limbo, c []*x509.Certificate) []*x509.Certificate {
		for len(c) <= 10 {
			c = append(slices.Clone(c), l.bob.Cert())
		}
		return c
	}, refused: []string{"at most 10"}},
}

// limboMembership is a kind of attribute certificate in one of the proxies.
type limboMembership struct {
	name    string
	server  func(l *limbo) *gridtest.VOMS
	spec    gridtest.ACSpec
	holder  func(l *limbo, own *gridtest.Entity) *gridtest.Entity
	fqans   []string
	ignored string
}

const limboRole = "/testvo/Role=pilot"

var limboMemberships = []limboMembership{
	{name: "member", fqans: []string{"/testvo"}},
	{name: "old form", spec: gridtest.ACSpec{OldForm: true, FQANs: []string{limboRole, "/testvo"}}, fqans: []string{limboRole, "/testvo"}},
	{name: "of two groups", spec: gridtest.ACSpec{FQANs: []string{"/testvo/b", "/testvo/a", "/testvo/b/Role=NULL"}}, fqans: []string{"/testvo/b", "/testvo/a"}},
	{name: "of another VO too", spec: gridtest.ACSpec{FQANs: []string{"/othervo/Role=x", limboRole}}, fqans: []string{limboRole}, ignored: "own virtual organization"},
	{name: "of another VO only", spec: gridtest.ACSpec{FQANs: []string{"/othervo/Role=x"}}, ignored: "none of its FQANs"},
	{name: "stolen", holder: func(l *limbo, _ *gridtest.Entity) *gridtest.Entity { return l.bob }, ignored: "holder of another"},
	{name: "stolen, old form", holder: func(l *limbo, _ *gridtest.Entity) *gridtest.Entity { return l.bob }, spec: gridtest.ACSpec{OldForm: true}, ignored: "holder of another"},
	{name: "expired", spec: gridtest.ACSpec{NotAfter: time.Now().Add(-time.Minute)}, ignored: "it ended"},
	{name: "future", spec: gridtest.ACSpec{NotBefore: time.Now().Add(time.Hour)}, ignored: "valid only from"},
	{name: "other server", server: func(l *limbo) *gridtest.VOMS { return l.impostor }, ignored: "not trusted"},
	{name: "other VO's server", server: func(l *limbo) *gridtest.VOMS { return l.other }, spec: gridtest.ACSpec{Authority: "testvo://voms.test:15000", FQANs: []string{"/testvo"}}, ignored: "not listed"},
	{name: "elsewhere", spec: gridtest.ACSpec{Hosts: []string{"se.test"}}, ignored: "other hosts"},
	{name: "here", spec: gridtest.ACSpec{Hosts: []string{"ce.test"}}, fqans: []string{"/testvo"}},
	{name: "revocable", spec: gridtest.ACSpec{Revocable: true}, ignored: "noRevAvail"},
}
