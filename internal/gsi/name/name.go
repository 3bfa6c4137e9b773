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
		var oid asn1.ObjectIdentifier
		var tag cbasn1.Tag
		if !set.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) ||
			!attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
			return nil, errName
		}
		const numberBits = 0x1f
		rdn = append(rdn, authz.AttributeTypeAndValue{Type: oid.String(), Value: authz.DecodeString(int(tag)&numberBits, value)})
	}
	return rdn, nil
}

// Text renders a name for messages, in slash form.
func Text(der []byte) string {
	if d, err := Decode(der); err == nil {
		return d.Slash()
	}
	return "(a name that cannot be read)"
}
