package voms

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // key identifiers are made with it (RFC 5280 section 4.2.1.2)
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
)

// holder is the Holder of RFC 5755 section 4.2.2 by baseCertificateID.
type holder struct {
	issuer []byte // name of the CA, or, in the old form, of the holder, in DER
	serial *big.Int
	entity []byte // the holder's name, if it is given too
}

func (c *Certificate) readHolder(s cryptobyte.String) error {
	var base, entity, issuer cryptobyte.String
	var based, named bool
	if !s.ReadOptionalASN1(&base, &based, choice(0)) || !s.ReadOptionalASN1(&entity, &named, choice(1)) {
		return errDER
	}
	if !based || !s.Empty() {
		return errors.New("it does not name its holder by issuer and serial number alone")
	}
	c.holder.serial = new(big.Int)
	if !base.ReadASN1(&issuer, cbasn1.SEQUENCE) || !base.ReadASN1Integer(c.holder.serial) || !base.Empty() {
		return errDER
	}
	var err error
	if c.holder.issuer, err = directoryName(issuer); err == nil && named {
		c.holder.entity, err = directoryName(entity)
	}
	return err
}

// readIssuer reads V2Form, which must hold exactly one name.
func (c *Certificate) readIssuer(s cryptobyte.String) (err error) {
	var names cryptobyte.String
	if !s.ReadASN1(&names, cbasn1.SEQUENCE) || !s.Empty() {
		return errors.New("it does not name its issuer by name alone")
	}
	c.issuer, err = directoryName(names)
	return err
}

// directoryName reads the content of GeneralNames with one directoryName and
// returns that in DER.
func directoryName(names cryptobyte.String) ([]byte, error) {
	const tag = 4
	var one cryptobyte.String
	if !names.ReadASN1(&one, choice(tag)) || !names.Empty() || one.Empty() {
		return nil, errors.New("it names somebody by other than one distinguished name")
	}
	return one, nil
}

// sameName compares names in DER: nearly always they are the same bytes, and
// else they may still be the same name in another encoding.
func sameName(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	one, err := name.Decode(a)
	if err != nil {
		return false
	}
	other, err := name.Decode(b)
	return err == nil && one.Equal(other)
}

func (c *Certificate) readExtensions(s cryptobyte.String) error {
	seen := map[string]bool{}
	for !s.Empty() {
		var extension, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		critical := false
		if !s.ReadASN1(&extension, cbasn1.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&oid) ||
			extension.PeekASN1Tag(cbasn1.BOOLEAN) && !extension.ReadASN1Boolean(&critical) ||
			!extension.ReadASN1(&value, cbasn1.OCTET_STRING) || !extension.Empty() {
			return errDER
		}
		if seen[oid.String()] {
			return fmt.Errorf("it has the extension %s twice", oid)
		}
		seen[oid.String()] = true
		if err := c.readExtension(oid, critical, value); err != nil {
			return err
		}
	}
	switch {
	case !c.noRevAvail:
		return errors.New("it can be revoked (no noRevAvail), and nobody here could learn of that")
	case len(c.Certs) == 0:
		return errors.New("it does not carry the certificate of its VOMS server")
	}
	return nil
}

func (c *Certificate) readExtension(oid asn1.ObjectIdentifier, critical bool, value cryptobyte.String) (err error) {
	switch {
	case oid.Equal(oidNoRevAvail):
		c.noRevAvail = string(value) == "\x05\x00" // NULL
	case oid.Equal(oidCerts):
		c.Certs, err = readCerts(value)
	case oid.Equal(oidTargets):
		c.targeted = true
		err = c.readTargets(value, 0)
	case oid.Equal(oidAuthorityKey):
		err = c.authority.read(value)
	case critical:
		err = fmt.Errorf("it has a critical extension %s, which nobody here understands", oid)
	}
	return err
}

func readCerts(s cryptobyte.String) (certs []*x509.Certificate, err error) {
	var outer, list cryptobyte.String
	if !s.ReadASN1(&outer, cbasn1.SEQUENCE) || !s.Empty() || !outer.ReadASN1(&list, cbasn1.SEQUENCE) || !outer.Empty() {
		return nil, errors.New("the certificates it carries are not a list")
	}
	for !list.Empty() {
		var der cryptobyte.String
		if !list.ReadASN1Element(&der, cbasn1.SEQUENCE) {
			return nil, errDER
		}
		if len(certs) == MaxCertificates {
			return nil, fmt.Errorf("it carries more than %d certificates", MaxCertificates)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("a certificate it carries: %w", err)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// readTargets reads the hosts out of Targets (RFC 5755 section 4.3.2), which
// VOMS wraps in more sequences than the RFC does. Targets of other kinds name
// nobody here.
func (c *Certificate) readTargets(s cryptobyte.String, depth int) error {
	const maxDepth, maxTargets = 4, 64
	errTargets := errors.New("its targets cannot be read")
	for !s.Empty() {
		var element cryptobyte.String
		var tag cbasn1.Tag
		if depth > maxDepth || len(c.targets) > maxTargets || !s.ReadAnyASN1(&element, &tag) {
			return errTargets
		}
		switch tag {
		case cbasn1.SEQUENCE:
			if err := c.readTargets(element, depth+1); err != nil {
				return err
			}
		case choice(0):
			var text cryptobyte.String
			if !element.ReadAnyASN1(&text, &tag) || !element.Empty() {
				return errTargets
			}
			c.targets = append(c.targets, targetHost(tag, string(text)))
		}
	}
	return nil
}

// targetHost returns the host that a GeneralName stands for, or "".
func targetHost(tag cbasn1.Tag, text string) string {
	const dnsName, uri = 2, 6
	switch tag {
	case cbasn1.Tag(dnsName).ContextSpecific():
	case cbasn1.Tag(uri).ContextSpecific():
		if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
			text = u.Hostname()
		}
	default:
		return ""
	}
	return strings.ToLower(text)
}

// keyID is AuthorityKeyIdentifier (RFC 5280 section 4.2.1.1).
type keyID struct {
	id     []byte
	issuer []byte
	serial *big.Int
}

func (k *keyID) read(s cryptobyte.String) error {
	var body, id, issuer cryptobyte.String
	var identified, named bool
	if !s.ReadASN1(&body, cbasn1.SEQUENCE) || !s.Empty() ||
		!body.ReadOptionalASN1(&id, &identified, cbasn1.Tag(0).ContextSpecific()) ||
		!body.ReadOptionalASN1(&issuer, &named, choice(1)) {
		return errDER
	}
	if k.id = id; identified && len(id) == 0 {
		return errDER
	}
	if !named {
		return nil
	}
	k.serial = new(big.Int)
	const serial = 2
	var number cryptobyte.String
	if !body.ReadASN1(&number, cbasn1.Tag(serial).ContextSpecific()) || !body.Empty() || len(number) == 0 {
		return errDER
	}
	k.serial.SetBytes(number)
	var err error
	k.issuer, err = directoryName(issuer)
	return err
}

// fits reports whether the identifier is that of the certificate's key.
func (k *keyID) fits(c *x509.Certificate) bool {
	if k.id != nil && !bytes.Equal(k.id, c.SubjectKeyId) && (len(c.SubjectKeyId) > 0 || !bytes.Equal(k.id, keyHash(c))) {
		return false
	}
	return k.serial == nil || k.serial.Cmp(c.SerialNumber) == 0 && sameName(k.issuer, c.RawIssuer)
}

// keyHash is the identifier of a key whose certificate states none.
func keyHash(c *x509.Certificate) []byte {
	var info, algorithm cryptobyte.String
	var key []byte
	der := cryptobyte.String(c.RawSubjectPublicKeyInfo)
	if !der.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&key) {
		return nil
	}
	sum := sha1.Sum(key) //nolint:gosec // see the import
	return sum[:]
}
