package authz

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

// What follows reads names and makes their keys as the rules say it, step by
// step and without any short way. The program must agree with it.

// plainTypes are the aliases of attribute types, in upper case.
var plainTypes = map[string]string{
	"CN": "2.5.4.3", "COMMONNAME": "2.5.4.3", "SN": "2.5.4.4", "SURNAME": "2.5.4.4", "SERIALNUMBER": "2.5.4.5",
	"C": "2.5.4.6", "COUNTRYNAME": "2.5.4.6", "L": "2.5.4.7", "LOCALITYNAME": "2.5.4.7",
	"ST": "2.5.4.8", "S": "2.5.4.8", "STATEORPROVINCENAME": "2.5.4.8", "STREET": "2.5.4.9", "STREETADDRESS": "2.5.4.9",
	"O": "2.5.4.10", "ORGANIZATIONNAME": "2.5.4.10", "OU": "2.5.4.11", "ORGANIZATIONALUNITNAME": "2.5.4.11",
	"T": "2.5.4.12", "TITLE": "2.5.4.12", "DESCRIPTION": "2.5.4.13", "BUSINESSCATEGORY": "2.5.4.15", "POSTALCODE": "2.5.4.17",
	"NAME": "2.5.4.41", "GN": "2.5.4.42", "G": "2.5.4.42", "GIVENNAME": "2.5.4.42", "INITIALS": "2.5.4.43",
	"DNQ": "2.5.4.46", "DNQUALIFIER": "2.5.4.46", "PSEUDONYM": "2.5.4.65", "ORGANIZATIONIDENTIFIER": "2.5.4.97",
	"DC": "0.9.2342.19200300.100.1.25", "DOMAINCOMPONENT": "0.9.2342.19200300.100.1.25",
	"UID": "0.9.2342.19200300.100.1.1", "USERID": "0.9.2342.19200300.100.1.1",
	"MAIL": "0.9.2342.19200300.100.1.3", "RFC822MAILBOX": "0.9.2342.19200300.100.1.3",
	"EMAILADDRESS": "1.2.840.113549.1.9.1", "EMAIL": "1.2.840.113549.1.9.1", "E": "1.2.840.113549.1.9.1",
	"UNSTRUCTUREDNAME": "1.2.840.113549.1.9.2",
}

func oracleType(name string) (string, bool) {
	upper := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r + 'A' - 'a'
		}
		return r
	}, name)
	if oid, ok := plainTypes[upper]; ok {
		return oid, true
	}
	oid := strings.TrimPrefix(upper, "OID.")
	parts := strings.Split(oid, ".")
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" || len(p) > 1 && p[0] == '0' {
			return "", false
		}
	}
	return oid, len(parts) > 1
}

func oracleStandardKey(rdns []RDN) string {
	var key strings.Builder
	for _, r := range rdns {
		var parts []string
		for _, a := range r {
			parts = append(parts, a.Type+"="+foldStandard(a.Value))
		}
		slices.Sort(parts)
		for i, p := range slices.Compact(parts) {
			key.WriteString([]string{"/", "+"}[min(i, 1)] + strings.NewReplacer(`\`, `\\`, "/", `\/`, "+", `\+`).Replace(p))
		}
	}
	return key.String()
}

// oracleBanKey cuts and folds each part of a name as a text of its own.
func oracleBanKey(rdns []RDN) string {
	var all []string
	for _, r := range rdns {
		for _, a := range r {
			all = oraclePieces(all, a.Type+"="+a.Value)
		}
	}
	return oracleJoin(all)
}

func oracleJoin(pieces []string) string {
	slices.Sort(pieces)
	return strings.Join(pieces, "\x00")
}

func oraclePieces(pieces []string, text string) []string {
	text = oracleHidden.ReplaceAllString(norm.NFKC.String(unescapeAll(text)), "")
	start := 0
	for i := range len(text) {
		if strings.IndexByte("/,+;\n\r", text[i]) >= 0 && oracleStart.MatchString(text[i+1:]) {
			pieces = oraclePiece(pieces, text[start:i])
			start = i + 1
		}
	}
	return oraclePiece(pieces, text[start:])
}

// oracleHidden is what nobody sees: quotes, controls that are no blanks, and
// code points that are ignored by default.
var oracleHidden = regexp.MustCompile("[\"\\x00-\\x08\\x0e-\\x1f\\x7f-\\x84\\x86-\\x9f\\x{34f}\\x{115f}\\x{1160}\\x{17b4}\\x{17b5}\\x{180b}-\\x{180d}\\x{180f}\\x{2065}\\x{3164}\\x{fe00}-\\x{fe0f}\\x{ffa0}\\x{fff0}-\\x{fff8}\\x{e0000}-\\x{e0fff}\\p{Cf}]")

var oracleNumber = regexp.MustCompile(`^[0-9.]*$`)

// oracleZeros are the zeros before a number of an OID.
var oracleZeros = regexp.MustCompile(`(^|\.)0+([0-9])`)

// oracleStart is blanks, an attribute type, blanks and "=".
var oracleStart = regexp.MustCompile(`^[\pZ\t-\r\x{85}]*[A-Za-z0-9.-]+[\pZ\t-\r\x{85}]*=`)

func oraclePiece(pieces []string, piece string) []string {
	ends := func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("/,+;", r) }
	piece = strings.TrimFunc(piece, ends)
	if piece == "" {
		return pieces
	}
	name, value, _ := strings.Cut(piece, "=")
	if !oracleStart.MatchString(piece) {
		return append(pieces, "="+foldAny(piece))
	}
	name = strings.TrimFunc(name, unicode.IsSpace)
	oid, known := oracleType(name)
	if !known {
		oid = strings.ToUpper(name)
		if number := strings.TrimPrefix(oid, "OID."); oracleNumber.MatchString(number) {
			oid = oracleZeros.ReplaceAllString(number, "$1$2")
		}
	}
	value = strings.TrimFunc(value, ends)
	if value == "" {
		return pieces
	}
	if inner, ok := hexText(value); ok {
		return oraclePieces(pieces, oid+"="+inner)
	}
	return append(pieces, oid+"="+foldAny(value))
}

var errOracle = errors.New("not a name")

func oracleParse(s string) ([]RDN, error) {
	if !strings.HasPrefix(s, "/") {
		return oracleComma(s)
	}
	var rdns []RDN
	for s != "" {
		join := s[0] == '+'
		name, rest, found := strings.Cut(s[1:], "=")
		oid, known := oracleType(name)
		if !found || !known || join && rdns == nil {
			return nil, errOracle
		}
		end := 0
		for end < len(rest) {
			next, _, found := strings.Cut(rest[end+1:], "=")
			if _, known := oracleType(next); known && found && (rest[end] == '/' || rest[end] == '+') {
				break
			}
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end, len(rest))
		value, err := unescape(rest[:end])
		if err != nil {
			return nil, err
		}
		a := AttributeTypeAndValue{oid, value}
		if join {
			rdns[len(rdns)-1] = append(rdns[len(rdns)-1], a)
		} else {
			rdns = append(rdns, RDN{a})
		}
		s = rest[end:]
	}
	return rdns, nil
}

func oracleComma(s string) ([]RDN, error) {
	rdns := []RDN{nil}
	for {
		name, rest, found := strings.Cut(s, "=")
		oid, known := oracleType(strings.Trim(name, " "))
		if !found || !known {
			return nil, errOracle
		}
		value, after, err := commaValue(strings.TrimLeft(rest, " "))
		if err != nil {
			return nil, err
		}
		rdns[0] = append(rdns[0], AttributeTypeAndValue{oid, value})
		if after == "" {
			return rdns, nil
		}
		if after[0] != '+' {
			rdns = append([]RDN{nil}, rdns...)
		}
		s = after[1:]
	}
}

func agreesWithOracle(t require.TestingT, s string) {
	require.Equal(t, oracleJoin(oraclePieces(nil, s)), BanKey(s), "%q", s)
	want, wrong := oracleParse(s)
	d, err := ParseDN(s)
	if wrong != nil || len(want) == 0 || len(want) > maxRDNs {
		require.Error(t, err, "%q", s)
		return
	}
	require.NoError(t, err, "%q", s)
	require.Equal(t, want, d.RDNs(), "%q", s)
	require.Equal(t, oracleStandardKey(want), d.Key(), "%q", s)
	require.Equal(t, oracleBanKey(want), d.BanKey(), "%q", s)
	require.Equal(t, BanKey(s), d.BanKey(), "%q", s)
}

// Texts that are nearly names: parts with and without escapes, letters beyond
// ASCII, OIDs, aliases, and separators within values.
func TestNamesAgreeWithTheOracle(t *testing.T) {
	types := rapid.SampledFrom([]string{"CN", "cn", "O", "DC", "domainComponent", "emailAddress", "2.5.4.3", "OID.2.5.4.10", "oid.1.2", "1.02", "01.2", "2.5.4.03", "OID.02.5.4.3", "\u200bCN", "X", "", " CN ",
		"1.2." + strings.Repeat("3", 60), "1.2." + strings.Repeat("3", 61), "ſt", "S T"})
	value := rapid.OneOf(
		rapid.StringMatching(`[A-Za-z0-9 .@'-]{0,12}`),
		rapid.StringMatching(`[a-cA-C/,+;=\\"# <>é\xc3ßİKﬁ\x00\t0-9]{0,8}`),
		rapid.SampledFrom([]string{"host/ce.example.org", "a/CN=b", "a, O=b", `a\/CN=b`, `\41\xC3\xA9`, "#0c0161", "#zz", `"a,b"`, "a ", "  a  b", `a\ `, "Robot: x+y", "a/", "/a", ",+", "Jo\u200be\u00ad", "a\x01\ufe0f", "a\r"}))
	separator := rapid.SampledFrom([]string{"/", "/", "/", ",", ",", "+", ";", ", ", "//", "\n", "\r\n"})
	rapid.Check(t, func(t *rapid.T) {
		var s strings.Builder
		uniform := rapid.Bool().Draw(t, "uniform")
		sep := separator.Draw(t, "separator")
		for i := range rapid.IntRange(1, 7).Draw(t, "parts") {
			if !uniform {
				sep = separator.Draw(t, "separator")
			}
			if i > 0 || sep == "/" {
				s.WriteString(sep)
			}
			s.WriteString(types.Draw(t, "type") + "=" + value.Draw(t, "value"))
		}
		agreesWithOracle(t, s.String())
	})
	agreesWithOracle(t, strings.Repeat("/CN=x", maxRDNs))
	agreesWithOracle(t, strings.Repeat("/CN=x", maxRDNs+1))
	agreesWithOracle(t, "/CN=x"+strings.Repeat("+CN=x", 2*maxRDNs))
	agreesWithOracle(t, strings.Repeat("CN=x,", maxRDNs)+"CN=x")
}

// Structures as certificates give them: any type, any text.
func TestKeysAgreeWithTheOracle(t *testing.T) {
	types := rapid.SampledFrom([]string{"2.5.4.3", "2.5.4.10", "2.5.4.30", "1.2.840.113549.1.9.1", "CN", "cn", "", "1.02", "x", "1.2." + strings.Repeat("3", 60), "1.2." + strings.Repeat("3", 61)})
	value := rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9 /+,.@-]{0,10}`), rapid.StringMatching(`[aA/,+;=\\"# \x00\x7fé1xX0c]{0,8}`), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		var rdns []RDN
		for range rapid.IntRange(1, 5).Draw(t, "rdns") {
			var rdn RDN
			for range rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "set") {
				rdn = append(rdn, AttributeTypeAndValue{types.Draw(t, "type"), value.Draw(t, "value")})
			}
			rdns = append(rdns, rdn)
		}
		d, err := NewDN(rdns)
		require.NoError(t, err)
		require.Equal(t, oracleStandardKey(rdns), d.Key(), "%q", rdns)
		require.Equal(t, oracleBanKey(rdns), d.BanKey(), "%q", rdns)
	})
}
