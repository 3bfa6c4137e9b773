package xml

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// characters reads the text at pos up to the next tag: character data, references and CDATA sections, joined
// across comments.
func (r *Reader) characters() (string, error) {
	segment, err := r.charData()
	if err != nil || r.at(r.pos+1) != '!' {
		return segment, err
	}
	buf := append(r.buf[:0], segment...)
	for r.pos < r.end && (r.text[r.pos] != '<' || r.at(r.pos+1) == '!') {
		switch {
		case r.text[r.pos] != '<':
			segment, err = r.charData()
		case strings.HasPrefix(r.text[r.pos:r.end], cdataOpen):
			segment, err = r.cdata()
		default:
			segment, err = "", r.comment()
		}
		if err != nil {
			return "", err
		}
		buf = append(buf, segment...)
	}
	r.buf = buf
	return string(buf), nil
}

// charData reads character data up to the next <.
func (r *Reader) charData() (string, error) {
	start := r.pos
	n := strings.IndexByte(r.text[start:r.end], '<')
	if n < 0 {
		return "", r.unclosed()
	}
	r.pos = start + n
	s := r.text[start:r.pos]
	if r.bracket {
		if i := strings.Index(s, "]]>"); i >= 0 {
			return "", r.malformed(start+i, "]]> in text")
		}
	}
	if r.cr && strings.IndexByte(s, '\r') >= 0 || r.amp && strings.IndexByte(s, '&') >= 0 {
		return r.normalise(start, s, false)
	}
	return s, nil
}

const (
	cdataOpen  = "<![CDATA["
	cdataClose = "]]>"
)

func (r *Reader) cdata() (string, error) {
	start := r.pos + len(cdataOpen)
	n := strings.Index(r.text[start:r.end], cdataClose)
	if n < 0 {
		return "", r.malformed(r.pos, "CDATA section is not closed")
	}
	r.pos = start + n + len(cdataClose)
	return lineEnds(r.text[start : start+n]), nil
}

// lineEnds turns CR LF and CR into LF (XML 1.0, section 2.11).
func lineEnds(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// attributeValue reads = and the quoted value behind an attribute's name.
func (r *Reader) attributeValue() (string, error) {
	if r.at(r.pos) != '=' {
		r.skipSpace()
		if r.at(r.pos) != '=' {
			return "", r.malformed(r.pos, "= wanted after the attribute name")
		}
	}
	r.pos++
	quote := r.at(r.pos)
	if quote != '"' && quote != '\'' {
		r.skipSpace()
		if quote = r.at(r.pos); quote != '"' && quote != '\'' {
			return "", r.malformed(r.pos, "attribute value is not quoted")
		}
	}
	start := r.pos + 1
	i := start
	for i < r.end && classes[r.text[i]]&special == 0 {
		i++
	}
	if r.at(i) == quote {
		r.pos = i + 1
		return r.text[start:i], nil
	}
	return r.specialValue(start, quote)
}

// specialValue reads the value that begins at start and holds more than characters that stand for themselves.
func (r *Reader) specialValue(start int, quote byte) (string, error) {
	n := strings.IndexByte(r.text[start:r.end], quote)
	if n < 0 {
		return "", r.malformed(start-1, "attribute value is not closed")
	}
	s := r.text[start : start+n]
	if i := strings.IndexByte(s, '<'); i >= 0 {
		return "", r.malformed(start+i, "< in an attribute value")
	}
	r.pos = start + n + 1
	if strings.ContainsAny(s, "&\t\n\r") {
		return r.normalise(start, s, true)
	}
	return s, nil
}

// normalise replaces references and line ends in s, which stands at offset; in an attribute value literal white
// space becomes a space, but a character reference to white space keeps what it names (XML 1.0, section 3.3.3).
func (r *Reader) normalise(offset int, s string, attribute bool) (string, error) {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '&':
			n, err := r.reference(&b, offset+i, s[i:])
			if err != nil {
				return "", err
			}
			i += n - 1
			continue
		case '\r':
			if i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
			c = '\n'
		}
		if attribute && (c == '\n' || c == '\t') {
			c = ' '
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// reference writes what the reference at the start of s stands for and gives the length of the reference.
func (r *Reader) reference(b *strings.Builder, offset int, s string) (int, error) {
	end := max(strings.IndexByte(s, ';'), 1)
	name := s[1:end]
	if strings.HasPrefix(name, "#") {
		c, ok := characterReference(name[1:])
		if !ok {
			return 0, r.malformed(offset, "%s is not a reference to a character of XML", clip(s[:end+1]))
		}
		b.WriteRune(c)
		return end + 1, nil
	}
	c, ok := predefined[name]
	switch {
	case !IsNCName(name):
		return 0, r.malformed(offset, "& does not begin a reference")
	case !ok:
		return 0, r.fail(offset, ErrForbidden, "%q is none of the predefined entities", clip(s[:end+1]))
	}
	b.WriteByte(c)
	return end + 1, nil
}

var predefined = map[string]byte{"lt": '<', "gt": '>', "amp": '&', "apos": '\'', "quot": '"'}

// characterReference reads the digits between &# and ;.
func characterReference(s string) (rune, bool) {
	base := rune(10)
	if strings.HasPrefix(s, "x") {
		base, s = 16, s[1:]
	}
	c := rune(0)
	for _, d := range []byte(s) {
		v, ok := digit(d, base)
		if !ok {
			return 0, false
		}
		if c = c*base + v; c > utf8.MaxRune {
			return 0, false
		}
	}
	return c, s != "" && isChar(c)
}

func digit(d byte, base rune) (rune, bool) {
	switch {
	case d >= '0' && d <= '9':
		return rune(d - '0'), true
	case base == 16 && d >= 'a' && d <= 'f':
		return rune(d-'a') + 10, true
	case base == 16 && d >= 'A' && d <= 'F':
		return rune(d-'A') + 10, true
	}
	return 0, false
}

func codePoint(c rune) string { return fmt.Sprintf("U+%04X", c) }
