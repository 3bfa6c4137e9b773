package authz

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// attributeTypes maps the names that certificates, OpenSSL, canl and people
// use to OIDs (RFC 4519, RFC 2985, RFC 4524, RFC 2247). Upper case.
var attributeTypes = map[string]string{
	"CN": "2.5.4.3", "COMMONNAME": "2.5.4.3",
	"SN": "2.5.4.4", "SURNAME": "2.5.4.4",
	"SERIALNUMBER": "2.5.4.5",
	"C":            "2.5.4.6", "COUNTRYNAME": "2.5.4.6",
	"L": "2.5.4.7", "LOCALITYNAME": "2.5.4.7",
	"ST": "2.5.4.8", "S": "2.5.4.8", "STATEORPROVINCENAME": "2.5.4.8",
	"STREET": "2.5.4.9", "STREETADDRESS": "2.5.4.9",
	"O": "2.5.4.10", "ORGANIZATIONNAME": "2.5.4.10",
	"OU": "2.5.4.11", "ORGANIZATIONALUNITNAME": "2.5.4.11",
	"T": "2.5.4.12", "TITLE": "2.5.4.12",
	"DESCRIPTION":      "2.5.4.13",
	"BUSINESSCATEGORY": "2.5.4.15",
	"POSTALCODE":       "2.5.4.17",
	"NAME":             "2.5.4.41",
	"GN":               "2.5.4.42", "G": "2.5.4.42", "GIVENNAME": "2.5.4.42",
	"INITIALS": "2.5.4.43",
	"DNQ":      "2.5.4.46", "DNQUALIFIER": "2.5.4.46",
	"PSEUDONYM":              "2.5.4.65",
	"ORGANIZATIONIDENTIFIER": "2.5.4.97",
	"DC":                     "0.9.2342.19200300.100.1.25", "DOMAINCOMPONENT": "0.9.2342.19200300.100.1.25",
	"UID": "0.9.2342.19200300.100.1.1", "USERID": "0.9.2342.19200300.100.1.1",
	"MAIL": "0.9.2342.19200300.100.1.3", "RFC822MAILBOX": "0.9.2342.19200300.100.1.3",
	"EMAILADDRESS": "1.2.840.113549.1.9.1", "EMAIL": "1.2.840.113549.1.9.1", "E": "1.2.840.113549.1.9.1",
	"UNSTRUCTUREDNAME": "1.2.840.113549.1.9.2",
}

// The names to print: OpenSSL's for the slash form, RFC 4514's with the usual
// extras for the comma form.
var (
	slashNames = map[string]string{
		"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
		"2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description", "2.5.4.17": "postalCode",
		"2.5.4.41": "name", "2.5.4.42": "GN", "2.5.4.43": "initials", "2.5.4.46": "dnQualifier", "2.5.4.65": "pseudonym",
		"2.5.4.15": "businessCategory", "2.5.4.97": "organizationIdentifier",
		"0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.3": "mail",
		"1.2.840.113549.1.9.1": "emailAddress", "1.2.840.113549.1.9.2": "unstructuredName",
	}
	commaNames = slashNames
)

// typeOID returns the OID of an attribute type given by name or as a dotted
// OID, with or without the prefix "OID.".
func typeOID(name string) (string, bool) {
	upper := strings.ToUpper(name)
	if oid, ok := attributeTypes[upper]; ok {
		return oid, true
	}
	oid := strings.TrimPrefix(upper, "OID.")
	return oid, isOID(oid)
}

func isOID(s string) bool {
	dots := 0
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || strings.Trim(part, "0123456789") != "" || len(part) > 1 && part[0] == '0' {
			return false
		}
		dots++
	}
	return dots > 1
}

func typeName(oid string, names map[string]string) string {
	if n, ok := names[oid]; ok {
		return n
	}
	return oid
}

var errEscape = errors.New("a backslash at the end of a name")

// unescape decodes \X, \HH and \xHH (RFC 4514 section 2.4, OpenSSL's
// one-line form). Characters of also may stand unescaped.
func unescape(s, also string) (string, error) {
	if !strings.ContainsRune(s, '\\') {
		return validUTF8(s), nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		c, n, ok := escaped(s[i:])
		if !ok {
			return "", errEscape
		}
		out = append(out, c)
		i += n - 1
	}
	return validUTF8(string(out)), nil
}

// escaped decodes the escape at the start of s and returns its length.
func escaped[T string | []byte](s T) (c byte, n int, ok bool) {
	if len(s) >= 4 && s[1] == 'x' {
		if c, ok := hexByte(s[2], s[3]); ok {
			return c, 4, true
		}
	}
	if len(s) >= 3 {
		if c, ok := hexByte(s[1], s[2]); ok {
			return c, 3, true
		}
	}
	if len(s) < 2 {
		return 0, 0, false
	}
	return s[1], 2, true
}

func hexByte(high, low byte) (byte, bool) {
	h, okHigh := hexDigit(high)
	l, okLow := hexDigit(low)
	return h<<4 | l, okHigh && okLow
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// hexValue reads the "#04024869" form: the BER of a string.
func hexValue(s string) (string, error) {
	der, err := hex.DecodeString(s)
	if err != nil {
		return "", fmt.Errorf("bad #hex value in name: %w", err)
	}
	var raw asn1.RawValue
	if rest, err := asn1.Unmarshal(der, &raw); err != nil || len(rest) > 0 {
		return "", errors.New("bad #hex value in name: not one ASN.1 string")
	}
	return DecodeString(raw.Tag, raw.Bytes), nil
}

// DecodeString turns the content of an ASN.1 string into UTF-8: BMPString and
// UniversalString by code points, T61String and invalid UTF-8 as Latin-1, the
// other types as they are. One name thus has one text whatever its encoding.
func DecodeString(tag int, content []byte) string {
	const tagUniversalString = 28
	width := 0
	switch tag {
	case asn1.TagBMPString:
		width = 2
	case tagUniversalString:
		width = 4
	case asn1.TagT61String:
		return latin(string(content))
	}
	if width == 0 || len(content)%width != 0 {
		return validUTF8(string(content))
	}
	var b strings.Builder
	for ; len(content) > 0; content = content[width:] {
		var r rune
		for _, c := range content[:width] {
			r = r<<8 | rune(c)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// validUTF8 reads each byte that is not UTF-8 as Latin-1, byte by byte, so that
// one stray byte does not change how the rest of a name reads.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			r = rune(s[0])
		}
		b.WriteRune(r)
		s = s[n:]
	}
	return b.String()
}

func latin(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

func escape(b *strings.Builder, s, special string) {
	for _, r := range s {
		switch {
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(b, `\x%02X`, r)
		case strings.ContainsRune(special, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
}

func escapeComma(b *strings.Builder, s string) {
	for i, r := range s {
		switch {
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(b, `\%02X`, r)
		case strings.ContainsRune(`,+"\<>;`, r),
			i == 0 && (r == '#' || r == ' '),
			r == ' ' && i == len(s)-1:
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
}
