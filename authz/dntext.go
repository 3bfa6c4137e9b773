package authz

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// namedType returns the OID of the attribute types that certificates, OpenSSL,
// canl and people name (RFC 4519, RFC 2985, RFC 4524, RFC 2247), or "". The
// name is in upper case.
func namedType(upper []byte) string {
	switch string(upper) {
	case "CN", "COMMONNAME":
		return "2.5.4.3"
	case "SN", "SURNAME":
		return "2.5.4.4"
	case "SERIALNUMBER":
		return "2.5.4.5"
	case "C", "COUNTRYNAME":
		return "2.5.4.6"
	case "L", "LOCALITYNAME":
		return "2.5.4.7"
	case "ST", "S", "STATEORPROVINCENAME":
		return "2.5.4.8"
	case "STREET", "STREETADDRESS":
		return "2.5.4.9"
	case "O", "ORGANIZATIONNAME":
		return "2.5.4.10"
	case "OU", "ORGANIZATIONALUNITNAME":
		return "2.5.4.11"
	case "T", "TITLE":
		return "2.5.4.12"
	case "DESCRIPTION":
		return "2.5.4.13"
	case "BUSINESSCATEGORY":
		return "2.5.4.15"
	case "POSTALCODE":
		return "2.5.4.17"
	case "NAME":
		return "2.5.4.41"
	case "GN", "G", "GIVENNAME":
		return "2.5.4.42"
	case "INITIALS":
		return "2.5.4.43"
	case "DNQ", "DNQUALIFIER":
		return "2.5.4.46"
	case "PSEUDONYM":
		return "2.5.4.65"
	case "ORGANIZATIONIDENTIFIER":
		return "2.5.4.97"
	case "DC", "DOMAINCOMPONENT":
		return "0.9.2342.19200300.100.1.25"
	case "UID", "USERID":
		return "0.9.2342.19200300.100.1.1"
	case "MAIL", "RFC822MAILBOX":
		return "0.9.2342.19200300.100.1.3"
	case "EMAILADDRESS", "EMAIL", "E":
		return "1.2.840.113549.1.9.1"
	case "UNSTRUCTUREDNAME":
		return "1.2.840.113549.1.9.2"
	}
	return ""
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

// typeOID returns the OID of an attribute type given by name, in any case, or
// as a dotted OID, with or without the prefix "OID.".
func typeOID(name string) (string, bool) {
	var room [len("ORGANIZATIONALUNITNAME")]byte // the longest
	if len(name) <= len(room) {
		upper := room[:copy(room[:], name)]
		for i, c := range upper {
			if 'a' <= c && c <= 'z' {
				upper[i] = c - ('a' - 'A')
			}
		}
		if oid := namedType(upper); oid != "" {
			return oid, true
		}
	}
	if len(name) > 4 && strings.EqualFold(name[:4], "OID.") {
		name = name[4:]
	}
	return name, isOID(name)
}

// typeLength returns how many bytes at the start of s an attribute type may
// have.
func typeLength(s string) int {
	n := 0
	for n < len(s) && (isAlnum(s[n]) || s[n] == '-' || s[n] == '.') {
		n++
	}
	return n
}

// isOID reports whether s is two or more numbers with dots between, none with
// a leading zero.
func isOID(s string) bool {
	dots, start := 0, 0 // start of the number
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && i > start:
			dots, start = dots+1, i+1
		case c < '0' || c > '9', i == start+1 && s[start] == '0':
			return false
		}
	}
	return dots > 0 && start < len(s)
}

func typeName(oid string, names map[string]string) string {
	if n, ok := names[oid]; ok {
		return n
	}
	return oid
}

var errEscape = errors.New("a backslash at the end of a name")

// unescape decodes \X, \HH and \xHH (RFC 4514 section 2.4, OpenSSL's
// one-line form).
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
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
