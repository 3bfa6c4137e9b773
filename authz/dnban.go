package authz

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// BanKey returns the comparison key under which bans look up a name in any
// spelling: slash or comma form, either order, any escapes, any alias of an
// attribute type, any case, any encoding. Names that differ only in what a
// spelling can hide share a key, so a ban may match a little too much and
// never too little. Permits never use it.
//
// The text is unescaped to the end, what is not seen in it taken out, and cut at
// every "/", ",", "+", ";" and end of line that an attribute type and "="
// follow. Each value is normalised (NFKC, case folded, blanks collapsed, no
// separators at its ends), pieces without a value count for nothing, and the
// others are sorted.
func BanKey(name string) string {
	var r banReading
	r.folded.Grow(len(name) + 16*strings.Count(name, "=")) // an OID is longer than a name
	r.read(name)
	var key strings.Builder
	key.Grow(r.folded.Len() + len(r.pieces))
	writeBanKey(&key, r.pieces)
	return key.String()
}

// banReading collects the pieces of a name, which lie side by side in one text.
type banReading struct {
	folded strings.Builder
	pieces []string
}

// read adds the pieces of a text.
func (r *banReading) read(text string) {
	text = visible(norm.NFKC.String(unescapeAll(text)))
	if r.pieces == nil {
		r.pieces = make([]string, 0, strings.Count(text, "=")+1)
	}
	start := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '/', ',', '+', ';', '\n', '\r':
			if startsWithType(text[i+1:]) {
				r.piece(text[start:i])
				start = i + 1
			}
		}
	}
	r.piece(text[start:])
}

// piece adds one piece: "OID=value", or "=text" for what names no type.
func (r *banReading) piece(piece string) {
	piece = strings.TrimFunc(piece, dresses)
	if !startsWithType(piece) {
		r.add("", piece)
		return
	}
	name, value, _ := strings.Cut(piece, "=")
	oid := banType(strings.TrimFunc(name, unicode.IsSpace))
	value = strings.TrimFunc(value, dresses)
	if inner, ok := hexText(value); ok {
		r.read(oid + "=" + inner)
		return
	}
	r.add(oid, value)
}

func (r *banReading) add(oid, value string) {
	if value == "" {
		return
	}
	start := r.folded.Len()
	r.folded.WriteString(oid)
	r.folded.WriteByte('=')
	room := make([]byte, 0, 256)
	if plain, ok := foldPlain(room, value); ok {
		r.folded.Write(plain)
	} else {
		r.folded.WriteString(foldAny(value))
	}
	r.pieces = append(r.pieces, r.folded.String()[start:])
}

// dresses reports whether a rune says nothing at the end of a piece.
func dresses(r rune) bool {
	return r == '/' || r == ',' || r == '+' || r == ';' || unicode.IsSpace(r)
}

// banType returns the OID of an attribute type, also of one whose numbers have
// zeros before them, or else its name in upper case.
func banType(name string) string {
	if oid, known := typeOID(name); known {
		return oid
	}
	oid := strings.TrimPrefix(strings.ToUpper(name), "OID.")
	if strings.Trim(oid, ".0123456789") != "" {
		return strings.ToUpper(name)
	}
	numbers := strings.Split(oid, ".")
	for i, n := range numbers {
		numbers[i] = cmp.Or(strings.TrimLeft(n, "0"), n[:min(len(n), 1)])
	}
	return strings.Join(numbers, ".")
}

// visible takes out what a reader does not see and a comparison should not:
// quotes, control characters and code points that are ignored by default.
func visible(s string) string {
	plain := true
	for i := 0; plain && i < len(s); i++ {
		plain = ' ' <= s[i] && s[i] <= '~' && s[i] != '"'
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
		case r == '"', unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			return -1
		}
		return r
	}, s)
}

// writeBanKey writes the sorted multiset of the pieces.
func writeBanKey(key *strings.Builder, pieces []string) {
	slices.Sort(pieces)
	for i, p := range pieces {
		if i > 0 {
			key.WriteByte(0)
		}
		key.WriteString(p)
	}
}

// hexText decodes "#0c03616263"; the text it hides is read like any other.
func hexText(value string) (string, bool) {
	if !strings.HasPrefix(value, "#") {
		return "", false
	}
	if _, err := hex.DecodeString(value[1:]); err != nil {
		return "", false
	}
	text, err := hexValue(value[1:])
	return text, err == nil
}

// foldPlain appends what foldAny makes of printable ASCII without quotes and
// runs of blanks, as nearly all names are; ok is false for other text.
func foldPlain(text []byte, s string) (folded []byte, ok bool) {
	last := byte(' ') // a blank at either end, or a second one, is not plain
	for i := range len(s) {
		c := s[i]
		switch {
		case c < ' ' || c > '~' || c == '"', c == ' ' && last == ' ':
			return text, false
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		text = append(text, c)
		last = c
	}
	return text, last != ' ' || s == ""
}

func foldAny(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return foldRune(r)
	}, s)
	return collapse(norm.NFKC.String(s))
}

// foldRune returns the smallest rune of r's simple case folding orbit.
func foldRune(r rune) rune {
	if r < 0x80 {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}
	least := r
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		least = min(least, o)
	}
	if 'A' <= least && least <= 'Z' {
		return least + 'a' - 'A'
	}
	return least
}

// startsWithType reports whether blanks, an attribute type and "=" begin s.
func startsWithType(s string) bool {
	s = strings.TrimLeftFunc(s, unicode.IsSpace)
	n := typeLength(s)
	return n > 0 && strings.HasPrefix(strings.TrimLeftFunc(s[n:], unicode.IsSpace), "=")
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// mostEscaped bounds how often an escape may be escaped; more would make a
// short name long work.
const mostEscaped = 16

// unescapeAll removes every escape, also one that another escape spells, so
// that a name escaped once, twice or not at all reads the same.
func unescapeAll(s string) string {
	for range mostEscaped {
		if strings.IndexByte(s, '\\') < 0 {
			break
		}
		plain, err := unescape(s)
		if err != nil { // a lone backslash at the end
			plain = s[:len(s)-1]
		}
		s = plain
	}
	return validUTF8(strings.ReplaceAll(s, `\`, ""))
}
