package voms

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The bounds of what one extension may hold; they hold before anything else.
const (
	MaxBytes        = 64 << 10
	MaxFQANs        = 256
	MaxCertificates = 10 // attribute certificates, and certificates in each
)

// OID is that of the extension in which a proxy carries its attribute
// certificates.
var OID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 5}

var (
	oidFQANs        = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 4}
	oidCerts        = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 10}
	oidTargets      = asn1.ObjectIdentifier{2, 5, 29, 55}
	oidNoRevAvail   = asn1.ObjectIdentifier{2, 5, 29, 56}
	oidAuthorityKey = asn1.ObjectIdentifier{2, 5, 29, 35}
)

// Certificate is an attribute certificate as read: nothing in it is verified.
type Certificate struct {
	Raw []byte
	// VO and Server are from the policy authority, "vo://server:port".
	VO, Server string
	// FQANs are as they were written, at most MaxFQANs.
	FQANs               []string
	NotBefore, NotAfter time.Time
	// Certs holds the VOMS server's certificate and those above it.
	Certs []*x509.Certificate

	holder     holder
	issuer     []byte   // name in DER
	targets    []string // hosts; only if targeted
	targeted   bool
	noRevAvail bool
	authority  keyID
	info       []byte // what is signed
	algorithm  x509.SignatureAlgorithm
	signature  []byte
	fault      error // why nothing here can count, whatever the time
}

// Fault returns why the certificate is refused as it stands, nil if its
// structure is as it must be. What was read of it is there all the same.
func (c *Certificate) Fault() error { return c.fault }

var errDER = errors.New("not an attribute certificate in DER")

// Read reads the value of the extension. Whatever cannot be read yields a
// Certificate with a Fault, so the result is never empty.
func Read(extension []byte) []*Certificate {
	all, err := list(extension)
	if err == nil {
		return all
	}
	for _, c := range all {
		c.fault = err
	}
	if len(all) == 0 {
		all = []*Certificate{{fault: err}}
	}
	return all
}

func list(extension []byte) (all []*Certificate, err error) {
	if len(extension) > MaxBytes {
		return nil, fmt.Errorf("attribute certificates of %d bytes: at most %d are accepted", len(extension), MaxBytes)
	}
	input := cryptobyte.String(extension)
	var lists, certs cryptobyte.String
	if !input.ReadASN1(&lists, cbasn1.SEQUENCE) {
		return nil, errDER
	}
	for !lists.Empty() {
		if !lists.ReadASN1(&certs, cbasn1.SEQUENCE) {
			return all, errDER
		}
		for !certs.Empty() {
			var der cryptobyte.String
			if !certs.ReadASN1Element(&der, cbasn1.SEQUENCE) {
				return all, errDER
			}
			if len(all) == MaxCertificates {
				return all, fmt.Errorf("more than %d attribute certificates", MaxCertificates)
			}
			all = append(all, parse(der))
		}
	}
	if !input.Empty() || len(all) == 0 {
		return all, errDER
	}
	return all, nil
}

func parse(der []byte) *Certificate {
	c := &Certificate{Raw: der}
	input := cryptobyte.String(der)
	var cert, info, algorithm cryptobyte.String
	if !input.ReadASN1(&cert, cbasn1.SEQUENCE) || !input.Empty() ||
		!cert.ReadASN1Element(&info, cbasn1.SEQUENCE) || !cert.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) ||
		!cert.ReadASN1BitStringAsBytes(&c.signature) || !cert.Empty() {
		c.fault = errDER
		return c
	}
	c.info = info
	c.fault = c.readInfo(info, algorithm)
	return c
}

// readInfo reads AttributeCertificateInfo (RFC 5755 section 4.1). It reads on
// after a fault: what is presented counts against the caller.
func (c *Certificate) readInfo(info, algorithm cryptobyte.String) error {
	var body, holder, issuer, inner, validity, attributes, extensions cryptobyte.String
	var version int64
	serial := new(big.Int)
	extended := false
	if !info.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1Integer(&version) ||
		!body.ReadASN1(&holder, cbasn1.SEQUENCE) || !body.ReadASN1(&issuer, choice(0)) ||
		!body.ReadASN1Element(&inner, cbasn1.SEQUENCE) || !body.ReadASN1Integer(serial) ||
		!body.ReadASN1(&validity, cbasn1.SEQUENCE) || !body.ReadASN1(&attributes, cbasn1.SEQUENCE) ||
		!body.SkipOptionalASN1(cbasn1.BIT_STRING) || !body.ReadOptionalASN1(&extensions, &extended, cbasn1.SEQUENCE) || !body.Empty() {
		return errDER
	}
	faults := []error{
		c.readAttributes(attributes), c.readHolder(holder), c.readIssuer(issuer),
		c.readAlgorithm(inner, algorithm), c.readValidity(validity), c.readExtensions(extensions),
	}
	if version != version2 {
		return errors.New("not an attribute certificate of version 2")
	}
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

const version2 = 1

func choice(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }

func (c *Certificate) readValidity(s cryptobyte.String) error {
	if !s.ReadASN1GeneralizedTime(&c.NotBefore) || !s.ReadASN1GeneralizedTime(&c.NotAfter) || !s.Empty() || c.NotAfter.Before(c.NotBefore) {
		return errors.New("its time of validity cannot be read")
	}
	return nil
}

// algorithms are those known, by the DER of their identifiers (RFC 4055,
// 3279, 5758 and 8410). Which of them are accepted is for Verify to say.
var algorithms = map[string]x509.SignatureAlgorithm{
	"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04\x05\x00": x509.MD5WithRSA,
	"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00": x509.SHA1WithRSA,
	"\x30\x09\x06\x07\x2a\x86\x48\xce\x3d\x04\x01":                 x509.ECDSAWithSHA1,
	"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00": x509.SHA256WithRSA,
	"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00": x509.SHA384WithRSA,
	"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00": x509.SHA512WithRSA,
	"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02":             x509.ECDSAWithSHA256,
	"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03":             x509.ECDSAWithSHA384,
	"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04":             x509.ECDSAWithSHA512,
	"\x30\x05\x06\x03\x2b\x65\x70":                                 x509.PureEd25519,
}

func (c *Certificate) readAlgorithm(inner, outer cryptobyte.String) error {
	if !bytes.Equal(inner, outer) {
		return errors.New("it names one signature algorithm inside and another outside")
	}
	var ok bool
	if c.algorithm, ok = algorithms[string(inner)]; !ok {
		var oid asn1.ObjectIdentifier
		var id cryptobyte.String
		if !inner.ReadASN1(&id, cbasn1.SEQUENCE) || !id.ReadASN1ObjectIdentifier(&oid) {
			return errDER
		}
		return fmt.Errorf("signature algorithm %s is not accepted", oid)
	}
	return nil
}

// readAttributes finds the one attribute that holds the FQANs; there may be
// others, which nobody here reads.
func (c *Certificate) readAttributes(s cryptobyte.String) error {
	found := false
	for !s.Empty() {
		var attribute, values, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !s.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
			!attribute.ReadASN1(&values, cbasn1.SET) || !attribute.Empty() {
			return errDER
		}
		if !oid.Equal(oidFQANs) {
			continue
		}
		if found || !values.ReadASN1(&value, cbasn1.SEQUENCE) || !values.Empty() {
			return errors.New("it has more than one list of FQANs")
		}
		found = true
		if err := c.readFQANs(value); err != nil {
			return err
		}
	}
	if !found {
		return errors.New("it has no FQANs")
	}
	return nil
}

// readFQANs reads IetfAttrSyntax (RFC 5755 section 4.4) as VOMS fills it.
func (c *Certificate) readFQANs(s cryptobyte.String) error {
	var authority, uri, values cryptobyte.String
	const uniformResourceIdentifier = 6
	if !s.ReadASN1(&authority, choice(0)) || !authority.ReadASN1(&uri, cbasn1.Tag(uniformResourceIdentifier).ContextSpecific()) || !authority.Empty() {
		return errors.New("it names no policy authority")
	}
	parts := policyAuthority.FindSubmatch(uri)
	if parts != nil {
		c.VO, c.Server = string(parts[1]), string(parts[2])
	}
	if !s.ReadASN1(&values, cbasn1.SEQUENCE) || !s.Empty() {
		return errDER
	}
	for !values.Empty() {
		var fqan cryptobyte.String
		if !values.ReadASN1(&fqan, cbasn1.OCTET_STRING) {
			return errors.New("an FQAN is not an octet string")
		}
		if len(c.FQANs) == MaxFQANs {
			return fmt.Errorf("more than %d FQANs", MaxFQANs)
		}
		c.FQANs = append(c.FQANs, string(fqan))
	}
	if parts == nil {
		return fmt.Errorf("its policy authority %.100q is not vo://server:port", []byte(uri))
	}
	return nil
}

var policyAuthority = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]{0,254})://([A-Za-z0-9][A-Za-z0-9.-]{0,254}):[0-9]{1,5}$`)
