package authz

import (
	"errors"
	"fmt"
	"strings"
)

// DN is a distinguished name in the standard reading: a sequence of relative
// distinguished names, most significant first, each a set of attributes. It is
// what permits compare. Bans compare [BanKey], which no spelling escapes.
//
// It is one word, so that a Value holds it without a box; the name behind it
// never changes.
type DN struct{ name *name }

// name is a DN with its keys, which share one string.
type name struct {
	rdns    []RDN
	key     string
	ban     string
	banHash uint64
	more    more // of the Value that it was parsed as
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
	d := &name{rdns: rdns}
	d.keys()
	return DN{d}, nil
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
func (d DN) RDNs() []RDN {
	if d.name == nil {
		return nil
	}
	return d.name.rdns
}

// IsZero reports whether d is the zero DN.
func (d DN) IsZero() bool { return d.name == nil }

// Key is the comparison key of the standard reading: NFC, ASCII case folded,
// inner blanks collapsed, order of RDNs kept, each RDN a set.
func (d DN) Key() string {
	if d.name == nil {
		return ""
	}
	return d.name.key
}

// BanKey is the comparison key of the ban reading; see [BanKey].
func (d DN) BanKey() string {
	if d.name == nil {
		return ""
	}
	return d.name.ban
}

// BanHash returns the [Hash] of the ban key.
func (d DN) BanHash() uint64 {
	if d.name == nil {
		return Hash("")
	}
	return d.name.banHash
}

// Equal reports whether two names are the same in the standard reading.
func (d DN) Equal(e DN) bool { return d.name != nil && d.Key() == e.Key() }

// Slash renders the name in OpenSSL's one-line form, "/" and "\" in values
// escaped, control characters as \xHH.
func (d DN) Slash() string {
	var b strings.Builder
	for _, r := range d.RDNs() {
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
	rdns := d.RDNs()
	for i := range rdns {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, a := range rdns[len(rdns)-1-i] {
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
