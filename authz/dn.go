package authz

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// DN is a distinguished name in the standard reading: a sequence of relative
// distinguished names, most significant first, each a set of attributes. It is
// what permits compare. Bans compare [BanKey], which no spelling escapes.
type DN struct {
	rdns []RDN
	key  string
	ban  string
}

// RDN is one relative distinguished name: one attribute, seldom several.
type RDN []AttributeTypeAndValue

// AttributeTypeAndValue is one attribute of a name; Type is a dotted OID.
type AttributeTypeAndValue struct{ Type, Value string }

// MaxDN bounds the text of a distinguished name, in bytes.
const MaxDN = 8 << 10

const maxRDNs = 64

var (
	errDNForm  = errors.New(`want "/C=XX/O=Org/CN=Name" or "CN=Name,O=Org,C=XX"`)
	errDNSize  = fmt.Errorf("longer than %d bytes or %d parts", MaxDN, maxRDNs)
	errDNEmpty = errors.New("empty name")
)

// NewDN makes a name from its structure, as a certificate gives it, most
// significant RDN first. Types are dotted OIDs.
func NewDN(rdns []RDN) (DN, error) {
	n := 0
	for _, r := range rdns {
		if len(r) == 0 {
			return DN{}, errDNForm
		}
		for _, a := range r {
			n += len(a.Value)
		}
	}
	switch {
	case len(rdns) == 0:
		return DN{}, errDNEmpty
	case n > MaxDN || len(rdns) > maxRDNs:
		return DN{}, errDNSize
	}
	d := DN{rdns: rdns}
	d.key = d.standardKey()
	d.ban = d.banKey()
	return d, nil
}

// ParseDN reads a name in its standard reading: the slash form of OpenSSL, cut
// only before a known attribute type, or the comma form of RFC 2253 and
// RFC 4514, least significant first. A certificate's name never goes through
// here: a string cannot tell "/" in a value from a separator.
func ParseDN(s string) (DN, error) {
	if len(s) > MaxDN {
		return DN{}, errDNSize
	}
	if strings.HasPrefix(s, "/") {
		return parseSlash(s)
	}
	return parseComma(s)
}

// RDNs returns the structure, most significant first. It must not be changed.
func (d DN) RDNs() []RDN { return d.rdns }

// IsZero reports whether d is the zero DN.
func (d DN) IsZero() bool { return len(d.rdns) == 0 }

// Key is the comparison key of the standard reading: NFC, ASCII case folded,
// inner blanks collapsed, order of RDNs kept, each RDN a set.
func (d DN) Key() string { return d.key }

// BanKey is the comparison key of the ban reading; see [BanKey].
func (d DN) BanKey() string { return d.ban }

// Equal reports whether two names are the same in the standard reading.
func (d DN) Equal(e DN) bool { return d.key == e.key && d.key != "" }

// Slash renders the name in OpenSSL's one-line form, "/" and "\" in values
// escaped, control characters as \xHH.
func (d DN) Slash() string {
	var b strings.Builder
	for _, r := range d.rdns {
		for i, a := range r {
			b.WriteByte("/+"[min(i, 1)])
			b.WriteString(typeName(a.Type, slashNames))
			b.WriteByte('=')
			escape(&b, a.Value, `/+\`)
		}
	}
	return b.String()
}

// Comma renders the name in the form of RFC 2253, least significant first.
func (d DN) Comma() string {
	var b strings.Builder
	for i := range d.rdns {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, a := range d.rdns[len(d.rdns)-1-i] {
			if j > 0 {
				b.WriteByte('+')
			}
			b.WriteString(typeName(a.Type, commaNames))
			b.WriteByte('=')
			escapeComma(&b, a.Value)
		}
	}
	return b.String()
}

// String is the slash form, which grid administrators read and write.
func (d DN) String() string { return d.Slash() }

var keyEscapes = strings.NewReplacer("\\", "\\\\", "/", "\\/", "+", "\\+")

func (d DN) standardKey() string {
	var b strings.Builder
	for _, r := range d.rdns {
		parts := make([]string, len(r))
		for i, a := range r {
			parts[i] = a.Type + "=" + foldStandard(a.Value)
		}
		slices.Sort(parts)
		for i, p := range slices.Compact(parts) {
			b.WriteByte("/+"[min(i, 1)])
			b.WriteString(keyEscapes.Replace(p))
		}
	}
	return b.String()
}

func foldStandard(s string) string {
	s = strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, norm.NFC.String(s))
	return collapse(s)
}

func collapse(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' }), " ")
}

// parseSlash cuts "/C=XX/O=a/b/CN=x" before each "/" that a known attribute
// type and "=" follow; a "+" likewise joins attributes into one RDN.
func parseSlash(s string) (DN, error) {
	var rdns []RDN
	for len(s) > 0 {
		if len(rdns) > maxRDNs {
			return DN{}, errDNSize
		}
		join := s[0] == '+'
		oid, rest, ok := cutType(s[1:])
		if !ok || join && len(rdns) == 0 {
			return DN{}, errDNForm
		}
		n := nextCut(rest, "/+")
		value, err := unescape(rest[:n], "")
		if err != nil {
			return DN{}, err
		}
		a := AttributeTypeAndValue{Type: oid, Value: value}
		if join {
			rdns[len(rdns)-1] = append(rdns[len(rdns)-1], a)
		} else {
			rdns = append(rdns, RDN{a})
		}
		s = rest[n:]
	}
	return NewDN(rdns)
}

// nextCut returns where the value at the start of s ends.
func nextCut(s, separators string) int {
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
			continue
		}
		if strings.IndexByte(separators, s[i]) >= 0 {
			if _, _, ok := cutType(s[i+1:]); ok {
				return i
			}
		}
	}
	return len(s)
}

// cutType reads "type=" at the start of s, with a type of the alias table or
// a dotted OID.
func cutType(s string) (oid, rest string, ok bool) {
	name, rest, ok := strings.Cut(s, "=")
	if !ok || len(name) > 64 {
		return "", "", false
	}
	oid, ok = typeOID(name)
	return oid, rest, ok
}

// parseComma reads RFC 4514 and, as RFC 2253 section 4 allows, ";" for ","
// and blanks around separators and quoted values.
func parseComma(s string) (DN, error) {
	var rdns []RDN
	rdn := RDN{}
	for {
		name, rest, ok := strings.Cut(s, "=")
		oid, known := typeOID(strings.Trim(name, " "))
		if !ok || !known || len(rdns) > maxRDNs {
			return DN{}, errDNForm
		}
		value, after, err := commaValue(strings.TrimLeft(rest, " "))
		if err != nil {
			return DN{}, err
		}
		rdn = append(rdn, AttributeTypeAndValue{Type: oid, Value: value})
		if after == "" || after[0] != '+' {
			rdns, rdn = append(rdns, rdn), RDN{}
		}
		if after == "" {
			break
		}
		s = after[1:]
	}
	slices.Reverse(rdns)
	return NewDN(rdns)
}

// commaValue reads one value and returns what follows it, separator first.
func commaValue(s string) (value, after string, err error) {
	if strings.HasPrefix(s, `"`) {
		end := 1
		for end < len(s) && s[end] != '"' {
			if s[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(s) {
			return "", "", errors.New("unterminated quote in name")
		}
		after = strings.TrimLeft(s[end+1:], " ")
		if after != "" && !strings.ContainsRune(",;+", rune(after[0])) {
			return "", "", errDNForm
		}
		value, err = unescape(s[1:end], `"`)
		return value, after, err
	}
	end := 0
	for end < len(s) && !strings.ContainsRune(",;+", rune(s[end])) {
		if s[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(s))
	raw := strings.TrimRight(s[:end], " ")
	if slashes := len(raw) - len(strings.TrimRight(raw, `\`)); slashes%2 == 1 && len(raw) < end {
		raw += " " // an escaped blank at the end belongs to the value
	}
	if strings.HasPrefix(raw, "#") {
		value, err = hexValue(raw[1:])
		return value, s[end:], err
	}
	value, err = unescape(raw, "")
	return value, s[end:], err
}
