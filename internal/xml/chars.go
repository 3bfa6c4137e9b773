package xml

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// class sorts the bytes of markup.
type class uint8

const (
	nameStart class = 1 << iota // may start a name (ASCII, no colon)
	nameByte                    // may stand in a name (ASCII, no colon)
	space                       // white space
	special                     // may end an attribute value, or not stand in it for itself
)

var classes = func() (t [256]class) {
	for c := 'a'; c <= 'z'; c++ {
		t[c] = nameStart | nameByte
		t[c-'a'+'A'] = nameStart | nameByte
	}
	for c := '0'; c <= '9'; c++ {
		t[c] = nameByte
	}
	t['_'] = nameStart | nameByte
	t['-'], t['.'] = nameByte, nameByte
	t[' '], t['\t'], t['\n'], t['\r'] = space, space|special, space|special, space|special
	t['"'], t['\''], t['<'], t['&'] = special, special, special, special
	return t
}()

// isChar is the production Char of XML 1.0.
func isChar(c rune) bool {
	switch {
	case c < 0x20:
		return c == '\t' || c == '\n' || c == '\r'
	case c < 0xD800:
		return true
	default:
		return c >= 0xE000 && c <= 0xFFFD || c >= 0x10000 && c <= 0x10FFFF
	}
}

// nameStartRanges is NameStartChar of XML 1.0 (fifth edition) beyond ASCII; nameRanges is what NameChar adds.
var (
	nameStartRanges = [][2]rune{{0xC0, 0xD6}, {0xD8, 0xF6}, {0xF8, 0x2FF}, {0x370, 0x37D}, {0x37F, 0x1FFF},
		{0x200C, 0x200D}, {0x2070, 0x218F}, {0x2C00, 0x2FEF}, {0x3001, 0xD7FF}, {0xF900, 0xFDCF}, {0xFDF0, 0xFFFD},
		{0x10000, 0xEFFFF}}
	nameRanges = [][2]rune{{0xB7, 0xB7}, {0x300, 0x36F}, {0x203F, 0x2040}}
)

func isNameStart(c rune) bool {
	if c < utf8.RuneSelf {
		return classes[byte(c)]&nameStart != 0
	}
	return in(nameStartRanges, c)
}

func isNameChar(c rune) bool {
	if c < utf8.RuneSelf {
		return classes[byte(c)]&nameByte != 0
	}
	return in(nameStartRanges, c) || in(nameRanges, c)
}

func in(ranges [][2]rune, c rune) bool {
	for _, r := range ranges {
		if c >= r[0] && c <= r[1] {
			return true
		}
	}
	return false
}

// IsNCName tells whether s is a name without a colon (NCName of Namespaces in XML 1.0), as a prefix, a local
// part and a value of xs:ID must be.
func IsNCName(s string) bool {
	if s == "" {
		return false
	}
	i := 0
	for i < len(s) && classes[s[i]]&nameByte != 0 {
		i++
	}
	if i == len(s) {
		return classes[s[0]]&nameStart != 0
	}
	for i, c := range s {
		if !isNameChar(c) || i == 0 && !isNameStart(c) {
			return false
		}
	}
	return utf8.ValidString(s) // U+FFFD, which stands for what is not valid, is a character of names
}

// isBlank tells whether s is white space of XML or empty.
func isBlank(s string) bool {
	for i := range len(s) {
		if classes[s[i]]&space == 0 {
			return false
		}
	}
	return true
}

// traits tell what a document never contains, so that the tokenizer need not look for it.
type traits struct {
	cr      bool // a carriage return: line ends need normalising
	amp     bool // a reference
	bracket bool // a closing bracket: text may hold a stray ]]>
}

// inspect checks the whole document for UTF-8 made of XML characters, eight bytes at a time while they are
// ASCII. bad is the offset of the first offender, or -1.
func inspect(data []byte) (t traits, bad int) {
	const every, top = 0x0101010101010101, 0x8080808080808080
	t.amp = bytes.IndexByte(data, '&') >= 0
	t.bracket = bytes.IndexByte(data, ']') >= 0
	i := 0
	for i+8 <= len(data) {
		word := binary.LittleEndian.Uint64(data[i:])
		if word&top != 0 {
			if i, bad = t.inspectRunes(data, i, i+8); bad >= 0 {
				return t, bad
			}
			continue
		}
		// A borrow may flag an innocent byte after a control character; control looks at each again.
		for low := (word - 0x20*every) & top; low != 0; low &= low - 1 {
			if at := i + bits.TrailingZeros64(low)/8; !t.control(data[at]) {
				return t, at
			}
		}
		i += 8
	}
	_, bad = t.inspectRunes(data, i, len(data))
	return t, bad
}

// inspectRunes goes character by character from i until it has reached end.
func (t *traits) inspectRunes(data []byte, i, end int) (next, bad int) {
	for i < end {
		if c := data[i]; c < utf8.RuneSelf {
			if !t.control(c) {
				return i, i
			}
			i++
			continue
		}
		c, n := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && n == 1 || !isChar(c) {
			return i, i
		}
		i += n
	}
	return i, -1
}

// control notes carriage returns and tells whether the ASCII character c is allowed.
func (t *traits) control(c byte) bool {
	switch {
	case c >= 0x20, c == '\n', c == '\t':
	case c == '\r':
		t.cr = true
	default:
		return false
	}
	return true
}
