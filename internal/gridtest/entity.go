package gridtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// The policy languages of RFC 3820 section 3.8.2 and the Globus one for
// limited proxies, and the OIDs of ProxyCertInfo: RFC 3820's and the draft's.
var (
	Impersonation = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 21, 1}
	Independent   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 21, 2}
	Limited       = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3536, 1, 1, 1, 9}

	ProxyCertInfo      = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 14}
	DraftProxyCertInfo = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 3536, 1, 222}
)

// Entity is somebody with a certificate and its key: a person, a host or a
// proxy of either.
type Entity struct {
	// Chain is the certificate first, then those above it, without the root.
	Chain []*x509.Certificate
	Key   crypto.Signer
	// Now is the clock for the proxies it makes.
	Now func() time.Time
}

// Cert returns the first certificate of the chain.
func (e *Entity) Cert() *x509.Certificate { return e.Chain[0] }

// EndEntity returns the certificate that the proxies of the chain stand on.
func (e *Entity) EndEntity() *x509.Certificate {
	for i, c := range e.Chain {
		legacy := i+1 < len(e.Chain) && bytes.Equal(c.RawIssuer, e.Chain[i+1].RawSubject) && bytes.HasSuffix(c.RawSubject, []byte("proxy"))
		if !legacy && !hasExtension(c, ProxyCertInfo) && !hasExtension(c, DraftProxyCertInfo) {
			return c
		}
	}
	return e.Chain[len(e.Chain)-1]
}

func hasExtension(c *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	for _, x := range c.Extensions {
		if x.Id.Equal(oid) {
			return true
		}
	}
	return false
}

// DN returns the name of the end entity.
func (e *Entity) DN() (authz.DN, error) { return decodeName(e.EndEntity().RawSubject) }

// ProxySpec describes a proxy. The zero value is an impersonation proxy of
// RFC 3820 without a path length, valid for half a day.
type ProxySpec struct {
	Language   asn1.ObjectIdentifier
	Policy     []byte
	PathLen    *int   // pCPathLenConstraint; nil for none
	Name       string // value of the last CN; the serial number if empty
	NotBefore  time.Time
	NotAfter   time.Time
	Key        crypto.Signer // a new P-256 key
	SignWith   crypto.Signer // a key other than the parent's: a forgery
	Draft      bool          // the OID of the draft that Globus 3 used
	Legacy     bool          // no ProxyCertInfo, CN=proxy: Globus 2
	Uncritical bool          // a ProxyCertInfo that is not critical
	RawInfo    []byte        // DER of ProxyCertInfo in place of the one made
	MD5        bool          // signed so; the parent's key must be RSA
	// Change has the last word over the template before it is signed.
	Change func(*x509.Certificate)
}

// Length returns a pointer for ProxySpec.PathLen.
func Length(n int) *int { return &n }

// Proxy makes a proxy of e as the ProxySpec says.
func (e *Entity) Proxy(s ProxySpec) (*Entity, error) {
	key := s.Key
	if key == nil {
		var err error
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, err
		}
	}
	t, err := e.proxyTemplate(s)
	if err != nil {
		return nil, err
	}
	der, err := e.signProxy(t, key.Public(), s.SignWith)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("the proxy as specified cannot be parsed: %w", err)
	}
	if s.MD5 {
		if cert, err = SignMD5(cert, e.Key); err != nil {
			return nil, err
		}
	}
	return &Entity{Chain: append([]*x509.Certificate{cert}, e.Chain...), Key: key, Now: e.Now}, nil
}

func (e *Entity) signProxy(t *x509.Certificate, pub crypto.PublicKey, forger crypto.Signer) ([]byte, error) {
	if forger == nil {
		return x509.CreateCertificate(rand.Reader, t, e.Cert(), pub, e.Key)
	}
	parent := *e.Cert() // the right name, another's key
	parent.PublicKey = forger.Public()
	return x509.CreateCertificate(rand.Reader, t, &parent, pub, forger)
}

func (e *Entity) proxyTemplate(s ProxySpec) (*x509.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: serial(), NotBefore: s.NotBefore, NotAfter: s.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	fillValidity(t, e.Now())
	if s.NotAfter.IsZero() {
		t.NotAfter = e.Now().Add(Life / 2)
	}
	name := s.Name
	switch {
	case name != "":
	case s.Legacy && s.Language.Equal(Limited):
		name = "limited proxy"
	case s.Legacy:
		name = "proxy"
	default:
		name = new(big.Int).Rsh(t.SerialNumber, 96).String()
	}
	var err error
	if t.RawSubject, err = AppendCN(e.Cert().RawSubject, name); err != nil {
		return nil, err
	}
	if !s.Legacy {
		x, err := s.extension()
		if err != nil {
			return nil, err
		}
		t.ExtraExtensions = append(t.ExtraExtensions, x)
	}
	if s.Change != nil {
		s.Change(t)
	}
	return t, nil
}

// AppendCN returns the DER of a name with one more CN.
func AppendCN(rawName []byte, value string) ([]byte, error) {
	var seq []asn1.RawValue
	if _, err := asn1.Unmarshal(rawName, &seq); err != nil {
		return nil, err
	}
	last, err := asn1.Marshal(pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(value)}}})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(append(seq, asn1.RawValue{FullBytes: last}))
}

func (s ProxySpec) extension() (pkix.Extension, error) {
	x := pkix.Extension{Id: ProxyCertInfo, Critical: !s.Uncritical, Value: s.RawInfo}
	if s.Draft {
		x.Id = DraftProxyCertInfo
	}
	if x.Value != nil {
		return x, nil
	}
	var err error
	x.Value, err = s.info()
	return x, err
}

// info is the DER of ProxyCertInfo (RFC 3820 section 3.8), or of the draft's.
func (s ProxySpec) info() ([]byte, error) {
	type policy struct {
		Language asn1.ObjectIdentifier
		Policy   []byte `asn1:"optional,omitempty"`
	}
	p := policy{Language: s.Language, Policy: s.Policy}
	if p.Language == nil {
		p.Language = Impersonation
	}
	if s.PathLen == nil {
		return asn1.Marshal(struct{ Policy policy }{p})
	}
	if s.Draft {
		return asn1.Marshal(struct {
			Policy  policy
			PathLen int `asn1:"explicit,tag:1"`
		}{p, *s.PathLen})
	}
	return asn1.Marshal(struct {
		PathLen int
		Policy  policy
	}{*s.PathLen, p})
}

// TLS returns the chain and key for a tls.Config.
func (e *Entity) TLS() tls.Certificate {
	c := tls.Certificate{PrivateKey: e.Key, Leaf: e.Cert()}
	for _, cert := range e.Chain {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	return c
}

// ClientTLS returns the configuration of a client that trusts the servers
// certified by pool and presents e's chain whatever CAs the server names. A
// nil Entity presents nothing.
func (e *Entity) ClientTLS(pool *x509.CertPool) *tls.Config {
	c := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	if e != nil {
		cert := e.TLS()
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return c
}
