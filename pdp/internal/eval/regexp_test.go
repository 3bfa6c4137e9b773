package eval

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// Trap 29: found anywhere, in the dialect of XML Schema, or refused.
func TestTrap29RegularExpressions(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no string // texts, separated by blanks
	}{
		{`ead|wri`, "read write", "exec"},
		{`^read|write$`, "reading overwrite", "a-read-b"},
		{`[a-z-[aeiou]]+x`, "bx bcdx", "ax eix"},
		{`^[^0-9-[a]]$`, "b", "a 5"},
		{`^\i\c*$`, "abc _a-1. x:y", "1a -a"},
		{`^\p{IsBasicLatin}+$`, "abc", "é"},
		{`^\P{IsBasicLatin}+$`, "é", "abc"},
		{`^\p{Lu}\p{Ll}+$`, "Ann Éva", "ann ANN"},
		{`^\d+$`, "12 ٣", "a"},
		{`^\w+$`, "aé9+", "a-b a.b"},
		{`^\W$`, ". -", "a"},
		{`^a{2,3}$`, "aa aaa", "a aaaa"},
		{`^a{2,}?$`, "aa aaaaa", "a"},
		{`^(a|b)*c$`, "c abc", "ad"},
		{`^[\-\]x]+$`, "-]x", "y"},
		{`^[a-]+$`, "a-a", "b"},
		{`^[-a]+$`, "a-a", "b"},
		{`^a\.b\\$`, `a.b\`, "axb"},
		{`^a#b/c"d$`, `a#b/c"d`, "a"},
		{`^.$`, "é x", "xx"},
		{`^\$1$`, "$1", "1"},
	} {
		compiled, err := compileXPathRegexp(c.pattern)
		require.NoError(t, err, c.pattern)
		for text := range strings.FieldsSeq(c.yes) {
			require.True(t, compiled.MatchString(text), "%s should match %s", c.pattern, text)
		}
		for text := range strings.FieldsSeq(c.no) {
			require.False(t, compiled.MatchString(text), "%s should not match %s", c.pattern, text)
		}
	}
	empty, err := compileXPathRegexp("")
	require.NoError(t, err)
	require.True(t, empty.MatchString("anything"))
	dot, err := compileXPathRegexp("^.$")
	require.NoError(t, err)
	require.False(t, dot.MatchString("\n"))
}

func TestTrap29RefusedPatterns(t *testing.T) {
	for _, pattern := range []string{
		`(a)\1`, `a**`, `a{1}{2}`, `*a`, `(a`, `a)`, `[a`, `[]`, `[z-a]`, `a{,2}`, `a{x}`, `a{1001}`, `\q`, `\`, `\p{No such}`, `\p{IsNowhere}`,
		`\pL`, `(?i)a`, `(?:a)`, `a]`, `}`, `{`, `[a-c-e]`, `[a[b]]`, `[a-\d]`, `\x41`, `\bword`, `[a-z-[aeiou]b]`, `\p{Cs}`, `\p{Greek}`, `\Z`,
		strings.Repeat("(", 1000), strings.Repeat("[a-[", 1000), strings.Repeat("x", maxPattern+1),
	} {
		_, err := compileXPathRegexp(pattern)
		require.Error(t, err, pattern)
	}
}

func TestRuneSets(t *testing.T) {
	s := runeSet{{'c', 'd'}, {'a', 'a'}, {'b', 'c'}}
	require.Equal(t, runeSet{{'a', 'd'}}, s.ordered())
	require.Equal(t, runeSet{{0, '`'}, {'e', unicode.MaxRune}}, s.complement())
	require.Equal(t, s.ordered(), s.complement().complement())
	require.Equal(t, runeSet{{'a', 'a'}, {'d', 'd'}}, s.minus(runeSet{{'b', 'c'}}))
	require.Empty(t, s.minus(s))
}

func FuzzXPathRegexp(f *testing.F) {
	for _, s := range []string{`^[a-z-[aeiou]]+$`, `\p{IsGreek}{2,3}?`, `(a|b)*\i\c\.`, `[^\d\-]`} {
		f.Add(s, "text")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 200 || !utf8.ValidString(pattern) {
			return
		}
		if compiled, err := compileXPathRegexp(pattern); err == nil {
			compiled.MatchString(text)
		}
	})
}
