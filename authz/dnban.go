package authz

import (
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
// The text is unescaped to the end, cut at every "/", "," "+" and ";" that an
// attribute type and "=" follow, each value normalised (NFKC, case folded,
// blanks collapsed), and the pieces sorted.
func BanKey(name string) string {
	return joinPieces(banPieces(nil, name))
}

func joinPieces(pieces []string) string {
	slices.Sort(pieces)
	return strings.Join(pieces, "\x00")
}

func banPieces(pieces []string, text string) []string {
	text = norm.NFKC.String(unescapeAll(text))
	start := 0
	for i := 0; i < len(text); i++ {
		if strings.IndexByte("/,+;", text[i]) >= 0 && startsWithType(text[i+1:]) {
			pieces = banPiece(pieces, text[start:i])
			start = i + 1
		}
	}
	return banPiece(pieces, text[start:])
}

func banPiece(pieces []string, piece string) []string {
	piece = strings.TrimFunc(piece, unicode.IsSpace)
	if piece == "" {
		return pieces
	}
	name, value, ok := strings.Cut(piece, "=")
	if !ok || !startsWithType(piece) {
		return append(pieces, "="+foldBan(piece))
	}
	name = strings.TrimFunc(name, unicode.IsSpace)
	oid, known := typeOID(name)
	if !known {
		oid = strings.ToUpper(name)
	}
	value = strings.TrimFunc(value, unicode.IsSpace)
	if inner, ok := hexText(value); ok {
		return banPieces(pieces, oid+"="+inner)
	}
	return append(pieces, oid+"="+foldBan(value))
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

func foldBan(s string) string {
	if plain, ok := foldPlain(s); ok {
		return plain
	}
	return foldAny(s)
}

// foldPlain is foldAny of printable ASCII without quotes and runs of blanks,
// as nearly all names are: a million bans are folded when they are loaded.
func foldPlain(s string) (folded string, ok bool) {
	upper := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c > '~' || c == '"', c == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' '):
			return "", false
		case 'A' <= c && c <= 'Z':
			upper = true
		}
	}
	if upper {
		s = strings.ToLower(s)
	}
	return s, true
}

func foldAny(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == 0:
			return -1 // quotes dress a value, NUL separates pieces
		case unicode.IsSpace(r):
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

// unescapeAll removes every escape, also one that another escape spells, so
// that a name escaped once, twice or not at all reads the same. It is linear.
func unescapeAll(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return validUTF8(s)
	}
	in, out := []byte(s), make([]byte, 0, len(s))
	for len(in) > 0 {
		if in[0] != '\\' {
			out, in = append(out, in[0]), in[1:]
			continue
		}
		c, n, ok := escaped(in)
		switch {
		case !ok: // a lone backslash at the end
			in = nil
		case c == '\\': // what it escapes may itself be escaped: look again
			in = in[n-1:]
			in[0] = c
		default:
			out, in = append(out, c), in[n:]
		}
	}
	return validUTF8(string(out))
}
