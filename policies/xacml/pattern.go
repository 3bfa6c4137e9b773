package xacml

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"

	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// mostPattern bounds a pattern that is written.
const mostPattern = 64 << 10

// xpathPattern writes an anchored pattern of RE2 in the dialect of XPath
// (F&O 7.6.1), where a pattern is found anywhere: ^(…)$. What has no exact
// equal there, such as \b, is an error.
func xpathPattern(pattern string) (string, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", err
	}
	if plainPattern(pattern) {
		return "^(" + pattern + ")$", nil
	}
	var b strings.Builder
	b.WriteString("^(")
	if err := writePattern(&b, tree); err != nil {
		return "", fmt.Errorf("regular expression %q: %w", pattern, err)
	}
	b.WriteString(")$")
	if xml.Clean(b.String()) != b.String() {
		return "", fmt.Errorf("regular expression %q: it takes control characters that XML cannot hold", pattern)
	}
	if b.Len() > mostPattern {
		return "", fmt.Errorf("regular expression %q is too large in XPath's dialect", pattern)
	}
	return b.String(), nil
}

// plainPattern tells whether a pattern that RE2 reads means the same in both
// dialects as it stands: no escape, class, anchor or flag in it.
func plainPattern(pattern string) bool {
	return !strings.ContainsAny(pattern, `\[]{}^$`) && !strings.Contains(pattern, "(?") && isPrintable(pattern)
}

func isPrintable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f }) < 0
}

func writePattern(b *strings.Builder, t *syntax.Regexp) error {
	if b.Len() > mostPattern {
		return fmt.Errorf("too large")
	}
	switch t.Op {
	case syntax.OpEmptyMatch:
	case syntax.OpLiteral:
		for _, r := range t.Rune {
			writeLiteral(b, r, t.Flags&syntax.FoldCase != 0)
		}
	case syntax.OpCharClass:
		return writeClass(b, t.Rune)
	case syntax.OpAnyCharNotNL:
		b.WriteByte('.')
	case syntax.OpAnyChar:
		b.WriteString(`[\s\S]`)
	case syntax.OpBeginText:
		b.WriteByte('^')
	case syntax.OpEndText:
		b.WriteByte('$')
	case syntax.OpCapture, syntax.OpConcat, syntax.OpAlternate:
		return writeMany(b, t)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		return writeRepeat(b, t)
	default:
		return fmt.Errorf("%s has no equal in XPath's dialect", t)
	}
	return nil
}

func writeMany(b *strings.Builder, t *syntax.Regexp) error {
	group := t.Op != syntax.OpConcat
	if group {
		b.WriteByte('(')
	}
	for i, sub := range t.Sub {
		if i > 0 && t.Op == syntax.OpAlternate {
			b.WriteByte('|')
		}
		if err := writePattern(b, sub); err != nil {
			return err
		}
	}
	if group {
		b.WriteByte(')')
	}
	return nil
}

func writeRepeat(b *strings.Builder, t *syntax.Regexp) error {
	b.WriteByte('(')
	if err := writePattern(b, t.Sub[0]); err != nil {
		return err
	}
	b.WriteByte(')')
	switch t.Op {
	case syntax.OpStar:
		b.WriteByte('*')
	case syntax.OpPlus:
		b.WriteByte('+')
	case syntax.OpQuest:
		b.WriteByte('?')
	default:
		switch {
		case t.Max == t.Min:
			fmt.Fprintf(b, "{%d}", t.Min)
		case t.Max < 0:
			fmt.Fprintf(b, "{%d,}", t.Min)
		default:
			fmt.Fprintf(b, "{%d,%d}", t.Min, t.Max)
		}
	}
	return nil
}

// writeLiteral writes one character, or under (?i) all that fold to it.
func writeLiteral(b *strings.Builder, r rune, fold bool) {
	if fold && unicode.SimpleFold(r) != r {
		b.WriteByte('[')
		writeMember(b, r)
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			writeMember(b, f)
		}
		b.WriteByte(']')
		return
	}
	writeMember(b, r)
}

// writeMember writes a character so that it means itself, in a class or
// outside one.
func writeMember(b *strings.Builder, r rune) {
	switch r {
	case '\n':
		b.WriteString(`\n`)
	case '\r':
		b.WriteString(`\r`)
	case '\t':
		b.WriteString(`\t`)
	default:
		if strings.ContainsRune(`\|.?*+(){}-[]^$`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
}

// writeClass writes ranges, or what they leave out where they are most
// characters: those that XML cannot hold have no other way in.
func writeClass(b *strings.Builder, ranges []rune) error {
	b.WriteByte('[')
	if n := len(ranges); n > 2 && ranges[0] == 0 && ranges[n-1] == unicode.MaxRune {
		b.WriteByte('^')
		inner := ranges[1 : n-1]
		ranges = make([]rune, len(inner))
		for i := 0; i < len(inner); i += 2 {
			ranges[i], ranges[i+1] = inner[i]+1, inner[i+1]-1
		}
	}
	if len(ranges) == 0 {
		return fmt.Errorf("a class without characters")
	}
	for i := 0; i < len(ranges); i += 2 {
		writeMember(b, ranges[i])
		if ranges[i+1] > ranges[i] {
			b.WriteByte('-')
			writeMember(b, ranges[i+1])
		}
	}
	b.WriteByte(']')
	return nil
}
