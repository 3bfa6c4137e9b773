package gridtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Life is how long certificates and CRLs live unless asked otherwise. They
// begin an hour ago, for clocks that differ.
const Life = 24 * time.Hour

// CA is a certification authority.
type CA struct {
	Cert *x509.Certificate
	Key  crypto.Signer
	// Base is the start of the names of those it certifies: "/DC=test/DC=strong".
	Base string
	// Now is the clock for what it issues.
	Now func() time.Time

	chain   []*x509.Certificate // itself and those above it, without the root
	revoked []x509.RevocationListEntry
	number  int64
}

// Spec describes a certificate. The zero value of each field takes the usual.
type Spec struct {
	Subject    string // slash or comma form; required unless RawSubject is set
	RawSubject []byte // DER, see EncodeName
	NotBefore  time.Time
	NotAfter   time.Time
	KeyUsage   x509.KeyUsage // digitalSignature and keyEncipherment
	Hosts      []string      // DNS names and IP addresses
	Key        crypto.Signer // a new P-256 key
	// Change has the last word over the template before it is signed.
	Change func(*x509.Certificate)
}

// NewCA makes a self-signed CA whose users are named below base, in slash
// form: the CA of "/DC=test/DC=strong" is "/DC=test/DC=strong/CN=CA".
func NewCA(base string) (*CA, error) {
	return NewCAFrom(base, Spec{Subject: base + "/CN=CA"})
}

// NewCAFrom makes a self-signed CA as the Spec says.
func NewCAFrom(base string, s Spec) (*CA, error) {
	ca := &CA{Base: base, Now: time.Now}
	template, key, err := ca.template(caSpec(s))
	if err != nil {
		return nil, err
	}
	ca.Key = key
	ca.Cert, err = sign(template, template, key.Public(), key)
	return ca, err
}

// Sub makes a CA certified by this one.
func (ca *CA) Sub(base string) (*CA, error) {
	sub := &CA{Base: base, Now: ca.Now}
	template, key, err := ca.template(caSpec(Spec{Subject: base + "/CN=CA"}))
	if err != nil {
		return nil, err
	}
	sub.Key = key
	if sub.Cert, err = sign(template, ca.Cert, key.Public(), ca.Key); err != nil {
		return nil, err
	}
	sub.chain = append([]*x509.Certificate{sub.Cert}, ca.chain...)
	return sub, nil
}

func caSpec(s Spec) Spec {
	change := s.Change
	s.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	s.Change = func(t *x509.Certificate) {
		t.IsCA, t.BasicConstraintsValid = true, true
		if change != nil {
			change(t)
		}
	}
	return s
}

// Chain returns the CA's certificate and those above it, without the root.
func (ca *CA) Chain() []*x509.Certificate { return slices.Clone(ca.chain) }

// User certifies a person "Base/OU=people/CN=name".
func (ca *CA) User(name string) (*Entity, error) {
	return ca.Issue(Spec{Subject: ca.Base + "/OU=people/CN=" + name})
}

// Host certifies a host by its names and addresses, the first of which is the
// common name, for use as server and as client.
func (ca *CA) Host(hosts ...string) (*Entity, error) {
	return ca.Issue(Spec{Subject: ca.Base + "/OU=hosts/CN=" + hosts[0], Hosts: hosts})
}

// Issue makes a certificate as the Spec says.
func (ca *CA) Issue(s Spec) (*Entity, error) {
	template, key, err := ca.template(s)
	if err != nil {
		return nil, err
	}
	cert, err := sign(template, ca.Cert, key.Public(), ca.Key)
	if err != nil {
		return nil, err
	}
	return &Entity{Chain: append([]*x509.Certificate{cert}, ca.chain...), Key: key, Now: ca.Now}, nil
}

func (ca *CA) template(s Spec) (*x509.Certificate, crypto.Signer, error) {
	raw := s.RawSubject
	if raw == nil {
		d, err := authz.ParseDN(s.Subject)
		if err != nil {
			return nil, nil, fmt.Errorf("subject %q: %w", s.Subject, err)
		}
		if raw, err = EncodeName(d, 0); err != nil {
			return nil, nil, err
		}
	}
	key := s.Key
	if key == nil {
		var err error
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return nil, nil, err
		}
	}
	t := &x509.Certificate{SerialNumber: serial(), RawSubject: raw, KeyUsage: s.KeyUsage, NotBefore: s.NotBefore, NotAfter: s.NotAfter}
	if t.KeyUsage == 0 {
		t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	}
	fillValidity(t, ca.Now())
	for _, h := range s.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	if s.Change != nil {
		s.Change(t)
	}
	return t, key, nil
}

func fillValidity(t *x509.Certificate, now time.Time) {
	if t.NotBefore.IsZero() {
		t.NotBefore = now.Add(-time.Hour)
	}
	if t.NotAfter.IsZero() {
		t.NotAfter = now.Add(Life)
	}
}

func sign(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func serial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

// Revoke adds the end-entity certificate of e to the CRLs to come.
func (ca *CA) Revoke(e *Entity) {
	ca.revoked = append(ca.revoked, x509.RevocationListEntry{SerialNumber: e.EndEntity().SerialNumber, RevocationTime: ca.Now()})
}

// Unrevoke empties the CRLs to come.
func (ca *CA) Unrevoke() { ca.revoked = nil }

// CRL returns a fresh v2 CRL in DER; Change may spoil it before it is signed.
func (ca *CA) CRL(change ...func(*x509.RevocationList)) ([]byte, error) {
	ca.number++
	list := &x509.RevocationList{
		Number: big.NewInt(ca.number), ThisUpdate: ca.Now().Add(-time.Hour), NextUpdate: ca.Now().Add(Life),
		RevokedCertificateEntries: slices.Clone(ca.revoked),
	}
	for _, c := range change {
		c(list)
	}
	return x509.CreateRevocationList(rand.Reader, list, ca.Cert, ca.Key)
}

// OldCRL returns a fresh CRL of version 1 in DER, which a third of the grid's
// CAs still publish and the standard library cannot read. The CA's key must be
// ECDSA.
func (ca *CA) OldCRL() ([]byte, error) {
	algorithm := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}
	type entry struct {
		Serial *big.Int
		Time   time.Time `asn1:"utc"`
	}
	list := struct {
		Signature           pkix.AlgorithmIdentifier
		Issuer              asn1.RawValue
		ThisUpdate          time.Time `asn1:"utc"`
		NextUpdate          time.Time `asn1:"utc"`
		RevokedCertificates []entry   `asn1:"omitempty"`
	}{Signature: algorithm, Issuer: asn1.RawValue{FullBytes: ca.Cert.RawSubject}, ThisUpdate: ca.Now().Add(-time.Hour).UTC(), NextUpdate: ca.Now().Add(Life).UTC()}
	for _, r := range ca.revoked {
		list.RevokedCertificates = append(list.RevokedCertificates, entry{r.SerialNumber, r.RevocationTime.UTC()})
	}
	tbs, err := asn1.Marshal(list)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(tbs)
	signature, err := ca.Key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct {
		List      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: tbs}, algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
}

// SigningPolicy returns a signing_policy file that lets the CA sign the
// subjects below its base, or those matching the given patterns.
func (ca *CA) SigningPolicy(patterns ...string) ([]byte, error) {
	subject, err := decodeName(ca.Cert.RawSubject)
	if err != nil {
		return nil, err
	}
	if len(patterns) == 0 {
		patterns = []string{ca.Base + "/*"}
	}
	text := fmt.Sprintf("access_id_CA  X509    '%s'\npos_rights    globus  CA:sign\ncond_subjects globus  '", subject.Slash())
	for i, p := range patterns {
		if i > 0 {
			text += " "
		}
		text += `"` + p + `"`
	}
	return []byte(text + "'\n"), nil
}

func decodeName(der []byte) (authz.DN, error) {
	var seq pkix.RDNSequence
	if _, err := asn1.Unmarshal(der, &seq); err != nil {
		return authz.DN{}, err
	}
	var rdns []authz.RDN
	for _, set := range seq {
		var rdn authz.RDN
		for _, a := range set {
			rdn = append(rdn, authz.AttributeTypeAndValue{Type: a.Type.String(), Value: fmt.Sprint(a.Value)})
		}
		rdns = append(rdns, rdn)
	}
	return authz.NewDN(rdns)
}
