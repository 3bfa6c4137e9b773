package gridtest

import (
	"crypto/sha1" //nolint:gosec // OpenSSL names the files of a trust directory by it
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// EncodeName returns the DER of a name in which every value is a string of the
// given ASN.1 tag; tag 0 takes what CAs use: PrintableString for a country,
// IA5String for domain components and mail addresses, else UTF8String.
func EncodeName(d authz.DN, tag int) ([]byte, error) {
	var seq pkix.RDNSequence
	for _, rdn := range d.RDNs() {
		var set pkix.RelativeDistinguishedNameSET
		for _, a := range rdn {
			oid, err := parseOID(a.Type)
			if err != nil {
				return nil, err
			}
			set = append(set, pkix.AttributeTypeAndValue{Type: oid, Value: encodeString(a, tag)})
		}
		seq = append(seq, set)
	}
	return asn1.Marshal(seq)
}

func parseOID(s string) (asn1.ObjectIdentifier, error) {
	var oid asn1.ObjectIdentifier
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, fmt.Errorf("attribute type %q: %w", s, err)
		}
		oid = append(oid, n)
	}
	return oid, nil
}

func encodeString(a authz.AttributeTypeAndValue, tag int) asn1.RawValue {
	if tag == 0 {
		tag = usualTag(a.Type)
	}
	content := []byte(a.Value)
	switch tag {
	case asn1.TagBMPString:
		content = nil
		for _, u := range utf16.Encode([]rune(a.Value)) {
			content = binary.BigEndian.AppendUint16(content, u)
		}
	case asn1.TagT61String:
		content = nil
		for _, r := range a.Value {
			content = append(content, byte(r))
		}
	}
	return asn1.RawValue{Tag: tag, Bytes: content}
}

func usualTag(oid string) int {
	switch oid {
	case "2.5.4.6":
		return asn1.TagPrintableString
	case "0.9.2342.19200300.100.1.25", "1.2.840.113549.1.9.1":
		return asn1.TagIA5String
	}
	return asn1.TagUTF8String
}

// Hash returns the eight hex digits by which OpenSSL 1.0 and later name the
// files of a CA with this subject: SHA-1 over the values as lower-case UTF-8.
func Hash(rawSubject []byte) (string, error) {
	var seq []asn1.RawValue
	if _, err := asn1.Unmarshal(rawSubject, &seq); err != nil {
		return "", err
	}
	var canonical []byte
	for _, raw := range seq {
		set, err := canonicalSet(raw.FullBytes)
		if err != nil {
			return "", err
		}
		canonical = append(canonical, set...)
	}
	sum := sha1.Sum(canonical) //nolint:gosec // see the import
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(sum[:])), nil
}

func canonicalSet(der []byte) ([]byte, error) {
	var attributes []struct {
		Type  asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	if _, err := asn1.UnmarshalWithParams(der, &attributes, "set"); err != nil {
		return nil, err
	}
	for i := range attributes {
		v := &attributes[i].Value
		text := authz.DecodeString(v.Tag, v.Bytes)
		text = strings.ToLower(strings.Join(strings.Fields(text), " "))
		*v = asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(text)}
	}
	return asn1.MarshalWithParams(attributes, "set")
}
