package gsi_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
)

// The limbo is a matrix of credentials: kinds of end entities by kinds of
// proxies, each good shape spoilt by each fault at each place, and each good
// chain with each kind of attribute certificate. What is expected is put
// together from the rows, never taken from the verifier.

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
	{name: "Unicode", subject: limboBase + "CN=Ännchen Öther"},
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

// limboCase is one credential with what is expected of it.
type limboCase struct {
	name    string
	kind    string // of end entity
	shape   string
	fault   string
	chain   []*x509.Certificate
	subject string // accepted, as this
	limited bool
	refused []string // or refused, for one of these reasons
	member  bool     // it has an attribute certificate
	fqans   []string
	ignored string
}

// limbo is the grid in which the cases are made.
type limbo struct {
	t                       *testing.T
	grid                    *gridtest.Grid
	sub, unknown, namesake  *gridtest.CA
	person, bob             *gridtest.Entity
	server, other, impostor *gridtest.VOMS
	rsa, weakRSA            crypto.Signer
	revoked                 []*gridtest.Entity
	trustDir                string
	verifier                *gsi.Verifier
	cases                   []limboCase
}

func newECKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return k
}

func newEdKey(t *testing.T) crypto.Signer {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return k
}

// issuedBy is what somebody signs who is no CA.
func issuedBy(e *gridtest.Entity, s gridtest.Spec) (*gridtest.Entity, error) {
	forger := &gridtest.CA{Cert: e.Cert(), Key: e.Key, Now: time.Now}
	issued, err := forger.Issue(s)
	if err != nil {
		return nil, err
	}
	issued.Chain = append(issued.Chain, e.Chain...)
	return issued, nil
}

func selfSigned(s gridtest.Spec) (*gridtest.Entity, error) {
	ca, err := gridtest.NewCAFrom("/", gridtest.Spec{Subject: s.Subject, Change: func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = false, false, x509.KeyUsageDigitalSignature
	}})
	if err != nil {
		return nil, err
	}
	return &gridtest.Entity{Chain: []*x509.Certificate{ca.Cert}, Key: ca.Key, Now: time.Now}, nil
}

func newLimbo(t *testing.T) *limbo {
	t.Helper()
	l := &limbo{t: t, trustDir: t.TempDir()}
	var err error
	must := func() { t.Helper(); require.NoError(t, err) }
	l.grid, err = gridtest.New()
	must()
	l.sub, err = l.grid.Strong.Sub("/DC=test/DC=strong/DC=below")
	must()
	l.unknown, err = gridtest.NewCA("/DC=test/DC=unknown")
	must()
	l.namesake, err = gridtest.NewCA("/DC=test/DC=strong")
	must()
	l.person, err = l.grid.Strong.User("Somebody Else")
	must()
	l.bob, err = l.grid.Strong.User("Bob")
	must()
	l.server, err = l.grid.Strong.VOMS("testvo", "voms.test")
	must()
	l.other, err = l.grid.Strong.VOMS("othervo", "voms.other")
	must()
	l.impostor, err = l.namesake.VOMS("testvo", "voms.test")
	must()
	l.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must()
	l.weakRSA, err = rsa.GenerateKey(rand.Reader, 1024)
	must()
	l.build()
	for _, e := range l.revoked {
		l.grid.Strong.Revoke(e)
	}
	require.NoError(t, gridtest.WriteTrust(l.trustDir, l.grid.Strong, l.grid.Weak, l.sub))
	vomsDir := t.TempDir()
	require.NoError(t, l.server.WriteLSC(vomsDir))
	require.NoError(t, l.other.WriteLSC(vomsDir))
	authorities, err := trust.Open(trust.Options{Dir: l.trustDir})
	must()
	directory, err := voms.Open(voms.Options{Dir: vomsDir, Hosts: []string{"ce.test"}})
	must()
	l.verifier = gsi.NewVerifier(authorities, nil, gsi.WithVOMS(directory, nil))
	return l
}

// build makes the three parts of the matrix.
func (l *limbo) build() {
	for _, kind := range limboEntities {
		for _, shape := range limboShapes {
			l.add(kind, shape, "", 0, limboFault{})
		}
	}
	for _, kind := range limboEntities {
		if kind.name != "person" && kind.name != "below a CA below" {
			continue
		}
		for _, shape := range limboShapes[1:] {
			if shape.refused != "" {
				continue
			}
			for _, fault := range limboFaults {
				if fault.chain != nil {
					l.add(kind, shape, fault.name, -1, fault)
					continue
				}
				for at := range shape.proxies {
					l.add(kind, shape, fault.name, at, fault)
				}
			}
		}
	}
	for _, kind := range limboEntities {
		if kind.refused != "" || kind.unproxied != "" {
			continue
		}
		for _, shape := range []limboShape{limboShapes[1], limboShapes[3]} {
			for _, m := range limboMemberships {
				l.join(kind, shape, m)
			}
		}
	}
}

func (l *limbo) entity(kind limboEntity) (*gridtest.Entity, string) {
	s := gridtest.Spec{Subject: kind.subject}
	if s.Subject == "" {
		s.Subject = limboAnn
	}
	subject := s.Subject
	if kind.spec != nil {
		kind.spec(l, &s)
	}
	issue := kind.make
	if issue == nil {
		issue = func(l *limbo, s gridtest.Spec) (*gridtest.Entity, error) { return l.grid.Strong.Issue(s) }
	}
	e, err := issue(l, s)
	require.NoError(l.t, err, kind.name)
	return e, subject
}

func (l *limbo) add(kind limboEntity, shape limboShape, fault string, at int, f limboFault) {
	e, subject := l.entity(kind)
	c := limboCase{name: fmt.Sprintf("%s/%s/%s %d", kind.name, shape.name, fault, at), kind: kind.name, shape: shape.name, fault: fault, subject: subject, limited: shape.limited}
	for i, spec := range shape.proxies {
		if i == at && f.proxy != nil {
			f.proxy(l, &spec)
		}
		next, err := e.Proxy(spec)
		require.NoError(l.t, err, c.name)
		e = next
	}
	c.chain = e.Chain
	if f.chain != nil {
		c.chain = f.chain(l, e.Chain)
	}
	c.refused = append(c.refused, f.refused...)
	if kind.refused != "" {
		c.refused = append(c.refused, strings.Split(kind.refused, "|")...)
	}
	if shape.refused != "" {
		c.refused = append(c.refused, shape.refused)
	}
	if kind.unproxied != "" && len(shape.proxies) > 0 {
		c.refused = append(c.refused, kind.unproxied)
	}
	l.cases = append(l.cases, c)
}

func (l *limbo) join(kind limboEntity, shape limboShape, m limboMembership) {
	e, subject := l.entity(kind)
	server, holder := l.server, e
	if m.server != nil {
		server = m.server(l)
	}
	if m.holder != nil {
		holder = m.holder(l, e)
	}
	ac, err := server.Certify(holder, m.spec)
	require.NoError(l.t, err)
	c := limboCase{name: fmt.Sprintf("%s/%s/member: %s", kind.name, shape.name, m.name), kind: kind.name, shape: shape.name, fault: m.name, member: true, subject: subject, fqans: m.fqans, ignored: m.ignored}
	for i, spec := range shape.proxies {
		if i == 0 { // as voms-proxy-init makes it; what follows is delegation
			spec.Change = gridtest.Carrying(ac)
		}
		next, err := e.Proxy(spec)
		require.NoError(l.t, err, c.name)
		e = next
	}
	c.chain = e.Chain
	l.cases = append(l.cases, c)
}

// fails returns what is not as expected, "" if nothing.
func (l *limbo) fails(c limboCase) string {
	credential := l.verifier.Verify(c.chain)
	chain, _ := gsi.ChainOf(credential)
	if err := credential.Verdict(); err != nil || len(c.refused) > 0 {
		if err == nil {
			return "accepted"
		}
		if !slices.ContainsFunc(c.refused, func(reason string) bool { return strings.Contains(err.Error(), reason) }) {
			return "refused: " + err.Error()
		}
		if chain.VOMS != nil {
			return "refused, with FQANs"
		}
		return ""
	}
	want, err := authz.ParseDN(c.subject)
	switch {
	case err != nil:
		return err.Error()
	case !chain.Subject.Equal(want):
		return "is " + chain.Subject.Slash()
	case chain.Limited != c.limited:
		return fmt.Sprintf("limited: %v", chain.Limited)
	case !slices.Equal(fqans(chain), c.fqans):
		return fmt.Sprintf("FQANs %q, ignored %v", fqans(chain), chain.Ignored)
	case c.ignored == "" && len(chain.Ignored) > 0, c.ignored != "" && (len(chain.Ignored) != 1 || !strings.Contains(chain.Ignored[0].Err.Error(), c.ignored)):
		return fmt.Sprintf("ignored: %v", chain.Ignored)
	}
	return ""
}

func TestLimbo(t *testing.T) {
	l := newLimbo(t)
	require.GreaterOrEqual(t, len(l.cases), 600)
	t.Run("as expected", l.asExpected)
	t.Run("second opinion", l.secondOpinions)
}

func (l *limbo) asExpected(t *testing.T) {
	accepted, failed := 0, 0
	for _, c := range l.cases {
		if len(c.refused) == 0 {
			accepted++
		}
		if problem := l.fails(c); problem != "" {
			failed++
			t.Errorf("%s: %s; want %q refused %q FQANs %q", c.name, problem, c.subject, c.refused, c.fqans)
		}
	}
	t.Logf("%d cases, %d to be accepted, %d not as expected", len(l.cases), accepted, failed)
}
