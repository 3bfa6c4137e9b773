package gridtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha1"     //nolint:gosec // key identifiers are made with it
	_ "crypto/sha256" // for crypto.SHA256.New
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The object identifiers of VOMS: the extension of a proxy, the attribute that
// holds the FQANs, and the extension that holds the server's certificate.
var (
	VOMSExtension = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 5}
	VOMSFQANs     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 4}
	VOMSCerts     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 10}
)

// VOMS is a VOMS server of one virtual organization.
type VOMS struct {
	*Entity
	VO, HostName string
}

// VOMS certifies a VOMS server.
func (ca *CA) VOMS(vo, host string) (*VOMS, error) {
	e, err := ca.Host(host)
	if err != nil {
		return nil, err
	}
	return &VOMS{e, vo, host}, nil
}

// LSC returns the file that lists the server: its subject and its CA's.
func (v *VOMS) LSC() ([]byte, error) {
	text := ""
	for _, raw := range [][]byte{v.Cert().RawSubject, v.Cert().RawIssuer} {
		d, err := decodeName(raw)
		if err != nil {
			return nil, err
		}
		text += d.Slash() + "\n"
	}
	return []byte(text), nil
}

// WriteLSC writes the file into a VOMS directory.
func (v *VOMS) WriteLSC(dir string) error {
	text, err := v.LSC()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, v.VO), 0o755); err != nil {
		return err
	}
	return Replace(filepath.Join(dir, v.VO, v.HostName+".lsc"), text, 0o644)
}

// ACSpec describes an attribute certificate. The zero value of each field
// takes the usual.
type ACSpec struct {
	FQANs     []string // "/vo"
	Authority string   // "vo://host:15000"
	NotBefore time.Time
	NotAfter  time.Time
	OldForm   bool                      // the holder is named by its own subject, not by its CA's
	Hosts     []string                  // targets
	Revocable bool                      // without noRevAvail
	KeyID     []byte                    // authority key identifier
	Certs     [][]byte                  // certificates carried, in DER
	SignWith  crypto.Signer             // a key other than the server's: a forgery
	Outer     *pkix.AlgorithmIdentifier // outside, if not as inside
	Hash      crypto.Hash               // SHA-256; Change must name the algorithm of another
	// Change has the last word over the structure before it is signed.
	Change func(*AC)
}

// AC is AttributeCertificateInfo of RFC 5755 section 4.1.
type AC struct {
	Version    int
	Holder     asn1.RawValue
	Issuer     asn1.RawValue
	Algorithm  pkix.AlgorithmIdentifier
	Serial     *big.Int
	Validity   ACValidity
	Attributes []ACAttribute
	Extensions []pkix.Extension
}

// ACValidity is AttCertValidityPeriod.
type ACValidity struct {
	NotBefore time.Time `asn1:"generalized"`
	NotAfter  time.Time `asn1:"generalized"`
}

// ACAttribute is Attribute.
type ACAttribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// Certify makes an attribute certificate for the end entity of holder, in DER.
func (v *VOMS) Certify(holder *Entity, s ACSpec) ([]byte, error) {
	ac := v.template(holder.EndEntity(), s)
	if s.Change != nil {
		s.Change(ac)
	}
	info, err := asn1.Marshal(*ac)
	if err != nil {
		return nil, err
	}
	key := s.SignWith
	if key == nil {
		key = v.Key
	}
	hash := s.Hash
	if hash == 0 {
		hash = crypto.SHA256
	}
	h := hash.New()
	h.Write(info)
	signature, err := key.Sign(rand.Reader, h.Sum(nil), hash)
	if err != nil {
		return nil, err
	}
	outer := ac.Algorithm
	if s.Outer != nil {
		outer = *s.Outer
	}
	return asn1.Marshal(struct {
		Info      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: info}, outer, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
}

func (v *VOMS) template(holder *x509.Certificate, s ACSpec) *AC {
	if s.Authority == "" {
		s.Authority = v.VO + "://" + v.HostName + ":15000"
	}
	if s.FQANs == nil {
		s.FQANs = []string{"/" + v.VO}
	}
	if s.KeyID == nil {
		s.KeyID = KeyID(v.Cert())
	}
	if s.NotBefore.IsZero() {
		s.NotBefore = v.Now().Add(-time.Hour)
	}
	if s.NotAfter.IsZero() {
		s.NotAfter = v.Now().Add(Life / 2)
	}
	named := holder.RawIssuer
	if s.OldForm {
		named = holder.RawSubject
	}
	return &AC{
		Version: 1, Holder: HolderOf(named, holder.SerialNumber), Issuer: ACIssuer(v.Cert().RawSubject),
		Algorithm: algorithmOf(v.Key), Serial: serial(), Validity: ACValidity{s.NotBefore.UTC(), s.NotAfter.UTC()},
		Attributes: []ACAttribute{FQANAttribute(s.Authority, s.FQANs...)}, Extensions: v.extensions(s),
	}
}

// KeyID returns the identifier of a certificate's key, by the first method of
// RFC 5280 section 4.2.1.2 if it states none.
func KeyID(c *x509.Certificate) []byte {
	if len(c.SubjectKeyId) > 0 {
		return c.SubjectKeyId
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	_, _ = asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &info)
	sum := sha1.Sum(info.Key.Bytes) //nolint:gosec // as the RFC says
	return sum[:]
}

func algorithmOf(key crypto.Signer) pkix.AlgorithmIdentifier {
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}
	}
	return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Parameters: asn1.NullRawValue}
}

// der builds DER that cannot fail, by the functions of cryptobyte.
func der(build func(*cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	build(&b)
	return b.BytesOrPanic()
}

func tagged(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

func addName(b *cryptobyte.Builder, rawName []byte) {
	const directoryName = 4
	b.AddASN1(tagged(directoryName), func(b *cryptobyte.Builder) { b.AddBytes(rawName) })
}

// HolderOf returns a Holder by issuer and serial number.
func HolderOf(rawIssuer []byte, number *big.Int) asn1.RawValue {
	return asn1.RawValue{FullBytes: der(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tagged(0), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addName(b, rawIssuer) })
				b.AddASN1BigInt(number)
			})
		})
	})}
}

// ACIssuer returns an AttCertIssuer with one name.
func ACIssuer(rawName []byte) asn1.RawValue {
	return asn1.RawValue{FullBytes: der(func(b *cryptobyte.Builder) {
		b.AddASN1(tagged(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { addName(b, rawName) })
		})
	})}
}

// FQANAttribute returns the attribute that holds FQANs.
func FQANAttribute(authority string, fqans ...string) ACAttribute {
	const uri = 6
	return ACAttribute{VOMSFQANs, []asn1.RawValue{{FullBytes: der(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(tagged(0), func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.Tag(uri).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(authority)) })
			})
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, f := range fqans {
					b.AddASN1OctetString([]byte(f))
				}
			})
		})
	})}}}
}

func (v *VOMS) extensions(s ACSpec) []pkix.Extension {
	certs := s.Certs
	if certs == nil {
		for _, c := range v.Chain {
			certs = append(certs, c.Raw)
		}
	}
	all := []pkix.Extension{{Id: VOMSCerts, Value: nested(certs...)}, {Id: asn1.ObjectIdentifier{2, 5, 29, 35}, Value: der(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(s.KeyID) })
		})
	})}}
	if !s.Revocable {
		all = append(all, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 56}, Value: []byte{5, 0}})
	}
	if s.Hosts != nil {
		all = append(all, targetsOf(s.Hosts))
	}
	return all
}

// nested returns a sequence that holds a sequence of the elements.
func nested(elements ...[]byte) []byte {
	return der(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, e := range elements {
					b.AddBytes(e)
				}
			})
		})
	})
}

// targetsOf returns the extension of RFC 5755 section 4.3.2 for DNS names.
func targetsOf(hosts []string) pkix.Extension {
	const dnsName = 2
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 55}, Critical: true, Value: der(func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, h := range hosts {
				b.AddASN1(tagged(0), func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.Tag(dnsName).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(h)) })
				})
			}
		})
	})}
}

// ACExtension returns the extension in which a proxy carries attribute
// certificates.
func ACExtension(acs ...[]byte) pkix.Extension {
	return pkix.Extension{Id: VOMSExtension, Value: nested(acs...)}
}

// Carrying returns a change for a ProxySpec that puts attribute certificates
// into the proxy.
func Carrying(acs ...[]byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, ACExtension(acs...)) }
}

// VOMSProxy makes a proxy of e with an attribute certificate of v for the
// FQANs, the first of which is the primary.
func (e *Entity) VOMSProxy(v *VOMS, fqans ...string) (*Entity, error) {
	ac, err := v.Certify(e, ACSpec{FQANs: fqans})
	if err != nil {
		return nil, fmt.Errorf("attribute certificate: %w", err)
	}
	return e.Proxy(ProxySpec{Change: Carrying(ac)})
}
