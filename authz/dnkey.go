package authz

import (
	"bytes"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// keys makes both keys of a name. An RDN of one attribute with plain text, as
// nearly all are, is folded once for both: there the two readings agree.
func (d *name) keys() {
	n := 0
	for _, r := range d.rdns {
		n += 2 * (len(r[0].Type) + len(r[0].Value) + len("/="))
	}
	var both strings.Builder
	both.Grow(n)
	room, pieces := make([]byte, 0, 256), make([]string, 0, 16)
	for _, r := range d.rdns {
		if folded, ok := appendPlain(room, r); ok {
			both.WriteByte('/')
			pieces = append(pieces, addPlain(&both, folded))
			continue
		}
		addStandard(&both, r)
		var ban banReading
		for _, a := range r {
			ban.read(a.Type + "=" + a.Value)
		}
		pieces = append(pieces, ban.pieces...)
	}
	standard := both.Len()
	writeBanKey(&both, pieces)
	d.key, d.ban = both.String()[:standard], both.String()[standard:]
	d.banHash = Hash(d.ban)
}

// appendPlain appends "type=value" of the only attribute of an RDN, folded; ok
// is false when that takes more than lower case in either reading.
func appendPlain(text []byte, r RDN) (folded []byte, ok bool) {
	if len(r) != 1 || r[0].Value == "" || strings.Trim(r[0].Value, "/,+;") != r[0].Value || !isOID(r[0].Type) || strings.HasPrefix(r[0].Value, "#") || strings.IndexByte(r[0].Value, '\\') >= 0 || strings.IndexByte(r[0].Value, '=') >= 0 {
		return text, false
	}
	return foldPlain(append(append(text, r[0].Type...), '='), r[0].Value)
}

// addPlain writes a plain piece to the standard key, escaped as keyEscapes
// does, and returns it as it was.
func addPlain(key *strings.Builder, piece []byte) string {
	start := key.Len()
	if bytes.IndexByte(piece, '/') < 0 && bytes.IndexByte(piece, '+') < 0 {
		key.Write(piece)
		return key.String()[start:]
	}
	for _, c := range piece {
		if c == '/' || c == '+' {
			key.WriteByte('\\')
		}
		key.WriteByte(c)
	}
	return string(piece)
}

var keyEscapes = strings.NewReplacer("\\", "\\\\", "/", "\\/", "+", "\\+")

// addStandard writes an RDN to the standard key.
func addStandard(key *strings.Builder, r RDN) {
	parts := make([]string, len(r))
	for i, a := range r {
		parts[i] = a.Type + "=" + foldStandard(a.Value)
	}
	slices.Sort(parts)
	for i, p := range slices.Compact(parts) {
		key.WriteByte("/+"[min(i, 1)])
		key.WriteString(keyEscapes.Replace(p))
	}
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
