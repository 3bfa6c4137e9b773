// Package name reads distinguished names from certificates by their structure
// (RFC 5280 section 4.1.2.4), never through a string, which cannot tell a "/"
// in a value from a separator.
package name

import (
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/gatehouse-authz/gatehouse/authz"
)

var errName = errors.New("not an ASN.1 distinguished name")

// Decode reads a Name in DER, such as the RawSubject of a certificate. The
// empty name is an error.
func Decode(der []byte) (authz.DN, error) {
	input := cryptobyte.String(der)
	var seq cryptobyte.String
	if !input.ReadASN1(&seq, cbasn1.SEQUENCE) || !input.Empty() {
		return authz.DN{}, errName
	}
	var rdns []authz.RDN
	for !seq.Empty() {
		var set cryptobyte.String
		if !seq.ReadASN1(&set, cbasn1.SET) {
			return authz.DN{}, errName
		}
		rdn, err := decodeRDN(set)
		if err != nil {
			return authz.DN{}, err
		}
		rdns = append(rdns, rdn)
	}
	return authz.NewDN(rdns)
}

func decodeRDN(set cryptobyte.String) (authz.RDN, error) {
	var rdn authz.RDN
	for !set.Empty() {
		var attribute, value cryptobyte.String
		var tag cbasn1.Tag
		if !set.ReadASN1(&attribute, cbasn1.SEQUENCE) {
			return nil, errName
		}
		oid, ok := readType(&attribute)
		if !ok || !attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
			return nil, errName
		}
		const numberBits = 0x1f
		rdn = append(rdn, authz.AttributeTypeAndValue{Type: oid, Value: authz.DecodeString(int(tag)&numberBits, value)})
	}
	return rdn, nil
}

// common are the types of nearly all parts of names, by their DER: writing an
// identifier with dots costs more than the rest.
var common = map[string]string{
	"\x06\x03\x55\x04\x03":                             "2.5.4.3",
	"\x06\x03\x55\x04\x06":                             "2.5.4.6",
	"\x06\x03\x55\x04\x07":                             "2.5.4.7",
	"\x06\x03\x55\x04\x08":                             "2.5.4.8",
	"\x06\x03\x55\x04\x0a":                             "2.5.4.10",
	"\x06\x03\x55\x04\x0b":                             "2.5.4.11",
	"\x06\x0a\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19": "0.9.2342.19200300.100.1.25",
	"\x06\x0a\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01": "0.9.2342.19200300.100.1.1",
}

func readType(s *cryptobyte.String) (oid string, ok bool) {
	var der cryptobyte.String
	if !s.ReadASN1Element(&der, cbasn1.OBJECT_IDENTIFIER) {
		return "", false
	}
	if oid, ok = common[string(der)]; ok {
		return oid, true
	}
	var read asn1.ObjectIdentifier
	ok = der.ReadASN1ObjectIdentifier(&read)
	return read.String(), ok
}

// Text renders a name for messages, in slash form.
func Text(der []byte) string {
	if d, err := Decode(der); err == nil {
		return d.Slash()
	}
	return "(a name that cannot be read)"
}
