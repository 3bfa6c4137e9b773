package proxy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The sizes of RSA keys, in bits: below, they can be factored; above, they
// cost more time than a stranger may take.
const (
	minRSA = 2048
	maxRSA = 4096
)

// signatureAlgorithms are those accepted; neither MD5 nor SHA-1 is.
var signatureAlgorithms = []x509.SignatureAlgorithm{
	x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA,
	x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
	x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519,
}

func checkStrength(c *x509.Certificate) error {
	if bytes.Equal(c.RawSubject, c.RawIssuer) {
		return nil // a root: never relied on when it is only presented
	}
	if !slices.Contains(signatureAlgorithms, c.SignatureAlgorithm) {
		return fmt.Errorf("%s is signed with %s, which is not accepted", text(c), c.SignatureAlgorithm)
	}
	return CheckKey(c)
}

// CheckKey refuses public keys that are too weak or too costly.
func CheckKey(c *x509.Certificate) error {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSA || n > maxRSA {
			return fmt.Errorf("%s has an RSA key of %d bits: %d to %d are accepted", text(c), n, minRSA, maxRSA)
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P224() {
			return fmt.Errorf("%s has a key on the curve P-224, which is too small", text(c))
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("%s has a key of an unknown kind", text(c))
	}
	return nil
}

func isProxy(c *x509.Certificate) bool {
	return has(c, oidInfo) || has(c, oidDraftInfo)
}

func has(c *x509.Certificate, oid asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(c.Extensions, func(x pkix.Extension) bool { return x.Id.Equal(oid) })
}

// infoOf reads the one critical ProxyCertInfo of c, and refuses the languages
// that give no rights or rights that nobody here can read.
func infoOf(c *x509.Certificate) (Info, error) {
	if has(c, oidDraftInfo) {
		return Info{}, fmt.Errorf("%s is a proxy of the kind before RFC 3820: make a new one with an RFC proxy (voms-proxy-init -rfc)", text(c))
	}
	count, critical, der := 0, false, []byte(nil)
	for _, x := range c.Extensions {
		if x.Id.Equal(oidInfo) {
			count, critical, der = count+1, x.Critical, x.Value
		}
	}
	if count != 1 || !critical {
		return Info{}, fmt.Errorf("the ProxyCertInfo of %s is not critical or not single (RFC 3820, 3.8)", text(c))
	}
	info, err := ParseInfo(der)
	switch {
	case err != nil:
		return Info{}, fmt.Errorf("%s: %w", text(c), err)
	case info.Language.Equal(Independent):
		return Info{}, fmt.Errorf("%s is an independent proxy: it inherits no rights", text(c))
	case !info.Language.Equal(Impersonation) && !info.Language.Equal(Limited):
		return Info{}, fmt.Errorf("%s is a restricted proxy with the policy language %s, which nobody here understands", text(c), info.Language)
	case info.Policy != nil:
		return Info{}, fmt.Errorf("%s carries a policy that its language does not allow (RFC 3820, 3.8.2)", text(c))
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
func checkProxy(c, parent *x509.Certificate) error {
	if _, err := infoOf(c); err != nil {
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
		if !oid.Equal(oidInfo) {
			return fmt.Errorf("%s has a critical extension %s, which nobody here understands", text(c), oid)
		}
	}
	return nil
}

// isIssuerAndCN compares DER, so no reading of the name can be played with.
func isIssuerAndCN(subject, issuer []byte) bool {
	var s, i cryptobyte.String
	sIn, iIn := cryptobyte.String(subject), cryptobyte.String(issuer)
	if !sIn.ReadASN1(&s, cbasn1.SEQUENCE) || !iIn.ReadASN1(&i, cbasn1.SEQUENCE) || !bytes.HasPrefix(s, i) {
		return false
	}
	last := s[len(i):]
	var set, attribute, value cryptobyte.String
	var oid asn1.ObjectIdentifier
	var tag cbasn1.Tag
	return last.ReadASN1(&set, cbasn1.SET) && last.Empty() &&
		set.ReadASN1(&attribute, cbasn1.SEQUENCE) && set.Empty() &&
		attribute.ReadASN1ObjectIdentifier(&oid) && oid.Equal(oidCommonName) &&
		attribute.ReadAnyASN1(&value, &tag) && attribute.Empty() && len(value) > 0
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
	case isIssuerAndCN(c.RawSubject, c.RawIssuer) && isOldProxyName(c.RawSubject):
		return fmt.Errorf("%s: %w", text(c), errOldProxy)
	case has(c, oidKeyUsage) && c.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return fmt.Errorf("%s may not be used for digital signatures, and so for no TLS handshake", text(c))
	case proxied && len(c.DNSNames)+len(c.IPAddresses) > 0:
		return fmt.Errorf("a proxy of the host certificate %s is not accepted", text(c))
	}
	return nil
}

// isOldProxyName looks at structure; a person whose CA calls them "proxy" is
// no proxy, because the CA's name is not the start of theirs.
func isOldProxyName(subject []byte) bool {
	for _, cn := range []string{"proxy", "limited proxy"} {
		if bytes.HasSuffix(subject, append([]byte{byte(len(cn))}, cn...)) {
			return true
		}
	}
	return false
}
