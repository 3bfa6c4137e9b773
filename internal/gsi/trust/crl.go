package trust

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
)

// crl is a revocation list that was read but not necessarily verified.
type crl struct {
	issuer     []byte // DER
	thisUpdate time.Time
	nextUpdate time.Time
	revoked    map[string]struct{} // serial numbers, big-endian

	tbs, signature []byte
	algorithm      x509.SignatureAlgorithm
}

// parseCRL reads a list in DER, of version 1 or 2. Lists that cover only a
// part (delta, indirect, partitioned) are errors: taking one for the whole
// would let the rest of the revoked in.
func parseCRL(der []byte) (*crl, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		if old, oldErr := parseOldCRL(der); oldErr == nil {
			return old, nil
		}
		return nil, err
	}
	for _, x := range list.Extensions {
		if x.Critical {
			return nil, fmt.Errorf("critical extension %s: only complete, direct lists are accepted", x.Id)
		}
	}
	c := &crl{
		issuer: list.RawIssuer, thisUpdate: list.ThisUpdate, nextUpdate: list.NextUpdate, revoked: make(map[string]struct{}, len(list.RevokedCertificateEntries)),
		tbs: list.RawTBSRevocationList, signature: list.Signature, algorithm: list.SignatureAlgorithm,
	}
	for i := range list.RevokedCertificateEntries {
		e := &list.RevokedCertificateEntries[i]
		for _, x := range e.Extensions {
			if x.Critical {
				return nil, fmt.Errorf("an entry has the critical extension %s: only direct lists are accepted", x.Id)
			}
		}
		c.revoked[serialKey(e.SerialNumber)] = struct{}{}
	}
	return c, nil
}

func serialKey(n *big.Int) string {
	if n == nil {
		return ""
	}
	return string(append([]byte{byte(n.Sign() + 1)}, n.Bytes()...))
}

// The structure of version 1 (RFC 5280 section 5.1 without version and
// extensions), which [x509.ParseRevocationList] refuses and many CAs publish.
type oldList struct {
	TBS struct {
		Raw        asn1.RawContent
		Signature  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		ThisUpdate time.Time
		NextUpdate time.Time `asn1:"optional"`
		Revoked    []struct {
			Serial *big.Int
			Time   time.Time
		} `asn1:"optional"`
	}
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
}

func parseOldCRL(der []byte) (*crl, error) {
	var list oldList
	rest, err := asn1.Unmarshal(der, &list)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 || !list.TBS.Signature.Algorithm.Equal(list.Algorithm.Algorithm) || !bytes.Equal(list.TBS.Signature.Parameters.FullBytes, list.Algorithm.Parameters.FullBytes) {
		return nil, errors.New("malformed list")
	}
	algorithm, ok := oldAlgorithms[list.Algorithm.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("signature algorithm %s is not accepted", list.Algorithm.Algorithm)
	}
	c := &crl{
		issuer: list.TBS.Issuer.FullBytes, thisUpdate: list.TBS.ThisUpdate, nextUpdate: list.TBS.NextUpdate, revoked: make(map[string]struct{}, len(list.TBS.Revoked)),
		tbs: list.TBS.Raw, signature: list.Signature.RightAlign(), algorithm: algorithm,
	}
	for _, e := range list.TBS.Revoked {
		c.revoked[serialKey(e.Serial)] = struct{}{}
	}
	return c, nil
}

// oldAlgorithms are the signature algorithms of RFC 3279, 4055, 5758 and 8410.
// Which of them are accepted is for signedBy to say.
var oldAlgorithms = map[string]x509.SignatureAlgorithm{
	"1.2.840.113549.1.1.4":  x509.MD5WithRSA,
	"1.2.840.113549.1.1.5":  x509.SHA1WithRSA,
	"1.2.840.10045.4.1":     x509.ECDSAWithSHA1,
	"1.2.840.113549.1.1.11": x509.SHA256WithRSA,
	"1.2.840.113549.1.1.12": x509.SHA384WithRSA,
	"1.2.840.113549.1.1.13": x509.SHA512WithRSA,
	"1.2.840.10045.4.3.2":   x509.ECDSAWithSHA256,
	"1.2.840.10045.4.3.3":   x509.ECDSAWithSHA384,
	"1.2.840.10045.4.3.4":   x509.ECDSAWithSHA512,
	"1.3.101.112":           x509.PureEd25519,
}

// signedBy checks that the list is that CA's own.
func (c *crl) signedBy(ca *x509.Certificate, accept weak.Switches) error {
	switch {
	case !bytes.Equal(c.issuer, ca.RawSubject):
		return errors.New("issued by another CA")
	case ca.KeyUsage != 0 && ca.KeyUsage&x509.KeyUsageCRLSign == 0:
		return errors.New("the CA's key may not sign lists")
	}
	return accept.CheckSignature(ca, c.algorithm, c.tbs, c.signature)
}

func (c *crl) revokes(cert *x509.Certificate) bool {
	_, yes := c.revoked[serialKey(cert.SerialNumber)]
	return yes
}
