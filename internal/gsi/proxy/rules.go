package proxy

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
)

func (p *Path) checkStrength(c *x509.Certificate) error {
	if bytes.Equal(c.RawSubject, c.RawIssuer) {
		return nil // a root: never relied on when it is only presented
	}
	if err := p.accept.CheckAlgorithm(c.SignatureAlgorithm); err != nil {
		return fmt.Errorf("%s is %w", text(c), err)
	}
	return p.accept.CheckKey(c)
}

// Kind is a kind of proxies.
type Kind string

// The kinds. Those before RFC 3820 are let in by switches of package weak.
const (
	None   Kind = ""       // no proxy
	RFC    Kind = "RFC"    // RFC 3820
	Draft  Kind = "draft"  // Globus 3: as in RFC 3820, under another identifier
	Legacy Kind = "legacy" // Globus 2: only the name tells
)

// kindOf says what kind of proxy c is by its structure. A legacy proxy is one
// only for who lets it in; for others a certificate without ProxyCertInfo is
// an end entity's, and checkEndEntity says why it is refused.
func (p *Path) kindOf(c *x509.Certificate) Kind {
	switch {
	case has(c, oidInfo):
		return RFC
	case has(c, oidDraftInfo):
		return Draft
	case p.accept.Has(weak.LegacyProxies) && legacyLanguage(c) != nil:
		return Legacy
	}
	return None
}

func has(c *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(c.Extensions, func(x pkix.Extension) bool { return x.Id.Equal(oid) })
}

// infoOf reads the ProxyCertInfo of c, one and critical, or what the name of a
// legacy proxy stands for, and refuses the languages that give no rights or
// rights that nobody here can read.
func (p *Path) infoOf(c *x509.Certificate) (info Info, err error) {
	switch kind := p.kindOf(c); {
	case kind == Legacy:
		return Info{PathLen: NoLimit, Language: legacyLanguage(c)}, nil
	case has(c, oidDraftInfo) && !p.accept.Has(weak.DraftProxies):
		return Info{}, fmt.Errorf("%s is a proxy of the kind before RFC 3820: make a new one with an RFC proxy (voms-proxy-init -rfc)", text(c))
	case has(c, oidDraftInfo) && has(c, oidInfo):
		return Info{}, fmt.Errorf("%s is a proxy of RFC 3820 and of the kind before at once", text(c))
	case kind == Draft:
		info, err = readInfo(c, oidDraftInfo, ParseDraftInfo)
	default:
		info, err = readInfo(c, oidInfo, ParseInfo)
	}
	switch {
	case err != nil:
		return Info{}, err
	case info.Language.Equal(Independent):
		return Info{}, fmt.Errorf("%s is an independent proxy: it inherits no rights", text(c))
	case !info.Language.Equal(Impersonation) && !info.Language.Equal(Limited):
		return Info{}, fmt.Errorf("%s is a restricted proxy with the policy language %s, which nobody here understands", text(c), info.Language)
	case info.Policy != nil:
		return Info{}, fmt.Errorf("%s carries a policy that its language does not allow (RFC 3820, 3.8.2)", text(c))
	}
	return info, nil
}

func readInfo(c *x509.Certificate, oid asn1.ObjectIdentifier, parse func([]byte) (Info, error)) (Info, error) {
	count, critical, der := 0, false, []byte(nil)
	for _, x := range c.Extensions {
		if x.Id.Equal(oid) {
			count, critical, der = count+1, x.Critical, x.Value
		}
	}
	if count != 1 || !critical {
		return Info{}, fmt.Errorf("the ProxyCertInfo of %s is not critical or not single (RFC 3820, 3.8)", text(c))
	}
	info, err := parse(der)
	if err != nil {
		return Info{}, fmt.Errorf("%s: %w", text(c), err)
	}
	return info, nil
}

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidIssuerAltName  = asn1.ObjectIdentifier{2, 5, 29, 18}
	oidKeyUsage       = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidCommonName     = asn1.ObjectIdentifier{2, 5, 4, 3}
)

// checkProxy applies RFC 3820 section 3 to a proxy and the certificate above.
func (p *Path) checkProxy(c, parent *x509.Certificate) error {
	if _, err := p.infoOf(c); err != nil {
		return err
	}
	var problem string
	switch {
	case c.Version != 3:
		problem = "is not an X.509 v3 certificate"
	case c.IsCA || c.KeyUsage&x509.KeyUsageCertSign != 0:
		problem = "claims to be a CA"
	case has(c, oidSubjectAltName) || has(c, oidIssuerAltName):
		problem = "carries an alternative name"
	case has(c, oidKeyUsage) && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		problem = "may not be used for digital signatures"
	case has(parent, oidKeyUsage) && parent.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		problem = "is signed by a key that may not be used for digital signatures"
	case !isIssuerAndCN(c.RawSubject, parent.RawSubject):
		problem = "is not named as its issuer and one CN"
	default:
		return checkCritical(c)
	}
	return fmt.Errorf("the proxy %s %s", text(c), problem)
}

func checkCritical(c *x509.Certificate) error {
	for _, oid := range c.UnhandledCriticalExtensions {
		if !oid.Equal(oidInfo) && !oid.Equal(oidDraftInfo) { // infoOf said which
			return fmt.Errorf("%s has a critical extension %s, which nobody here understands", text(c), oid)
		}
	}
	return nil
}

// isIssuerAndCN compares DER, so no reading of the name can be played with.
func isIssuerAndCN(subject, issuer []byte) bool {
	_, ok := lastCN(subject, issuer)
	return ok
}

// lastCN returns the value of the one CN by which the subject is longer than
// the issuer.
func lastCN(subject, issuer []byte) (cn []byte, ok bool) {
	var s, i cryptobyte.String
	sIn, iIn := cryptobyte.String(subject), cryptobyte.String(issuer)
	if !sIn.ReadASN1(&s, cbasn1.SEQUENCE) || !iIn.ReadASN1(&i, cbasn1.SEQUENCE) || !bytes.HasPrefix(s, i) {
		return nil, false
	}
	last := s[len(i):]
	var set, attribute, value cryptobyte.String
	var oid asn1.ObjectIdentifier
	var tag cbasn1.Tag
	ok = last.ReadASN1(&set, cbasn1.SET) && last.Empty() &&
		set.ReadASN1(&attribute, cbasn1.SEQUENCE) && set.Empty() &&
		attribute.ReadASN1ObjectIdentifier(&oid) && oid.Equal(oidCommonName) &&
		attribute.ReadAnyASN1(&value, &tag) && attribute.Empty() && len(value) > 0
	return value, ok
}

// legacyLanguage returns what the name of a legacy proxy stands for, nil if
// this cannot be one. It looks at structure: a person whose CA calls them
// "proxy" is no proxy unless the CA's name is the start of theirs.
func legacyLanguage(c *x509.Certificate) asn1.ObjectIdentifier {
	cn, _ := lastCN(c.RawSubject, c.RawIssuer)
	switch string(cn) {
	case "proxy":
		return Impersonation
	case "limited proxy":
		return Limited
	}
	return nil
}

var errOldProxy = errors.New("a proxy of the kind before RFC 3820: make a new one with an RFC proxy (voms-proxy-init -rfc)")

// checkEndEntity refuses what cannot be a person or host, and proxies of what
// is not a person's.
func checkEndEntity(c *x509.Certificate, proxied bool) error {
	switch {
	case bytes.Equal(c.RawSubject, c.RawIssuer):
		return fmt.Errorf("%s signed itself", text(c))
	case c.IsCA || c.KeyUsage&x509.KeyUsageCertSign != 0:
		return fmt.Errorf("%s is a CA, not a person or host", text(c))
	case legacyLanguage(c) != nil:
		return fmt.Errorf("%s: %w", text(c), errOldProxy)
	case has(c, oidKeyUsage) && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return fmt.Errorf("%s may not be used for digital signatures, and so for no TLS handshake", text(c))
	case proxied && len(c.DNSNames)+len(c.IPAddresses) > 0:
		return fmt.Errorf("a proxy of the host certificate %s is not accepted", text(c))
	}
	return nil
}
