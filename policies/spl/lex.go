package spl

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-authz/gatehouse/policies"
)

// Version is a version of the language.
type Version int

// The versions.
const (
	One Version = 1
	Two Version = 2
)

type kind uint8

const (
	eof  kind = iota
	word      // bare
	quoted
	keyword
	open
	closing
	operator
	openList
	closeList
)

// token is one token with the comments before it. The parser marks those that
// begin a statement, for the printer.
type token struct {
	kind       kind
	text       string // as written
	value      string // what a word or string means
	at         policies.Position
	start, end int // in the text
	comments   []comment
	blank      bool // an empty line before it or its comments
	begins     bool // a statement begins here
	flat       bool // an opening brace: the block fits on its line
}

// comment is one comment, from "#" on.
type comment struct {
	text  string
	own   bool // nothing but blanks before it on its line
	blank bool // an empty line before it
	start int
}

var keywordsOne = []string{"permit", "deny", "description", "obligation", "action", "rule", "resource", "private"}

var keywordsTwo = append(slices.Clone(keywordsOne), "advice", "because", "from", "until", "in", "matches")

// lexer cuts a text into tokens. It goes on after an error, as if what it does
// not know were a word, so that the parser has the rest to report on.
type lexer struct {
	text     string
	version  Version
	keywords []string
	at       int
	line     int
	column   int
	file     string
	report   *report
	tokens   []token
	comments []comment
	newlines int  // since the last token or comment
	fresh    bool // nothing but blanks so far on this line
}

func newLexer(text string, origin policies.Position, v Version, r *report) *lexer {
	l := &lexer{text: text, version: v, keywords: keywordsOne, line: origin.Line, column: origin.Column, file: origin.File, report: r, fresh: true}
	if v == Two {
		l.keywords = keywordsTwo
	}
	return l
}

// usualToken is less than most files have bytes for each token: with it the
// tokens of a large file are not copied while there come to be more of them.
const usualToken = 16

// all cuts all that is left of the text.
func (l *lexer) all() {
	l.tokens = make([]token, 0, (len(l.text)-l.at)/usualToken+1)
	for l.more() {
	}
}

// more cuts one token more; false if it is the end.
func (l *lexer) more() bool {
	for n := len(l.tokens); l.at < len(l.text); {
		if l.next(); len(l.tokens) > n {
			return true
		}
	}
	l.add(eof, l.at, "", l.position())
	return false
}

// version finds the statement that begins version 2: the first line that is
// neither empty nor a comment.
func version(text string) Version {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if rest, ok := strings.CutPrefix(line, "spl"); ok && strings.TrimLeft(rest, " \t") != rest {
			return Two
		}
		break
	}
	return One
}

func (l *lexer) position() policies.Position {
	return policies.Position{File: l.file, Line: l.line, Column: l.column}
}

// advance passes n bytes, which end at the end of a character.
func (l *lexer) advance(n int) {
	for _, r := range l.text[l.at : l.at+n] {
		if r == '\n' {
			l.line, l.column = l.line+1, 1
			l.newlines++
			l.fresh = true
			continue
		}
		l.column++
	}
	l.at += n
}

func (l *lexer) next() {
	switch c := l.text[l.at]; {
	case c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f':
		l.advance(1)
	case c == '#':
		l.comment()
	case c == '"' || c == '\'':
		l.quoted(c)
	case isBare(c):
		l.bare()
	case c == '{':
		l.symbol(open, 1)
	case c == '}':
		l.symbol(closing, 1)
	case c == '=':
		l.symbol(operator, 1)
	case l.version == Two && l.two(c):
	default:
		l.unknown()
	}
}

// two reads the symbols of version 2.
func (l *lexer) two(c byte) bool {
	switch {
	case c == '(':
		l.symbol(openList, 1)
	case c == ')':
		l.symbol(closeList, 1)
	case strings.HasPrefix(l.text[l.at:], "!="), strings.HasPrefix(l.text[l.at:], "<="), strings.HasPrefix(l.text[l.at:], ">="):
		l.symbol(operator, 2)
	case c == '<' || c == '>':
		l.symbol(operator, 1)
	default:
		return false
	}
	return true
}

func (l *lexer) symbol(k kind, n int) {
	at := l.position()
	start := l.at
	l.advance(n)
	l.add(k, start, l.text[start:l.at], at)
}

func isBare(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

func (l *lexer) bare() {
	at, start := l.position(), l.at
	n := 0
	for start+n < len(l.text) && isBare(l.text[start+n]) {
		n++
	}
	l.advance(n)
	text := l.text[start:l.at]
	if slices.Contains(l.keywords, text) {
		l.add(keyword, start, text, at)
		return
	}
	l.add(word, start, text, at)
}

// unknown reports what no token begins with and takes it, up to the next blank,
// quote or brace, for a word.
func (l *lexer) unknown() {
	at, start := l.position(), l.at
	n := strings.IndexAny(l.text[start:], " \t\r\n\"'{}#")
	if n < 0 {
		n = len(l.text) - start
	}
	text := l.text[start : start+n]
	r, _ := utf8.DecodeRuneInString(text)
	hint := `put a value in quotes unless it is letters, digits, "_" and "-"`
	switch {
	case r == '\ufeff':
		hint = "save the file without a byte order mark"
	case strings.Trim(text, ",;") == "":
		hint = "nothing separates conditions but blanks"
	case strings.ContainsAny(text[:1], "!<>()") && l.version == One:
		hint = `only after the statement "spl 2"`
	}
	l.report.add(at, hint, "unexpected %q", r)
	l.advance(n)
	if strings.Trim(text, ",;\ufeff") != "" {
		l.add(word, start, text, at)
	}
}

func (l *lexer) quoted(quote byte) {
	at, start := l.position(), l.at
	l.advance(1)
	sound := true
	for {
		n := strings.IndexAny(l.text[l.at:], "\\\n\r"+string(quote))
		if n < 0 {
			n = len(l.text) - l.at
		}
		if part := l.text[l.at : l.at+n]; !utf8.ValidString(part) {
			l.report.add(l.position(), "", "string is not valid UTF-8")
			sound = false
		}
		l.advance(n)
		if l.at == len(l.text) || l.text[l.at] == '\n' || l.text[l.at] == '\r' {
			l.report.add(l.position(), `close it with `+string(quote), "string does not end on its line")
			l.add(quoted, start, l.text[start:l.at], at)
			return
		}
		if l.text[l.at] == quote {
			break
		}
		sound = l.escape() && sound
	}
	l.advance(1)
	l.add(quoted, start, l.text[start:l.at], at)
	t := &l.tokens[len(l.tokens)-1]
	t.value = t.text[1 : len(t.text)-1]
	if l.version == Two && sound {
		t.value = decode(t.value)
	}
}

// escape checks an escape and passes it.
func (l *lexer) escape() bool {
	l.advance(1)
	if l.at == len(l.text) {
		return true // reported as unclosed
	}
	c := l.text[l.at]
	switch {
	case strings.IndexByte(`ntbrf\'"`, c) >= 0:
		l.advance(1)
		return true
	case isOctal(c):
		l.advance(octalLength(l.text[l.at:]))
		return true
	case c == '\n' || c == '\r':
		return true
	}
	r, n := utf8.DecodeRuneInString(l.text[l.at:])
	hint := `write \\ for a backslash`
	if r == '.' {
		hint = `write [.] for a dot in a regular expression`
	}
	l.report.add(l.position(), hint, "unknown escape \\%c", r)
	l.advance(n)
	return false
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }

// octalLength returns how many of the digits at the start of s an octal escape
// takes: three if the first is at most 3, else two.
func octalLength(s string) int {
	most := 2
	if s[0] <= '3' {
		most = 3
	}
	n := 0
	for n < len(s) && n < most && isOctal(s[n]) {
		n++
	}
	return n
}

// decode replaces the escapes of a sound string by what they mean.
func decode(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if j := strings.IndexByte(`ntbrf\'"`, s[i]); j >= 0 {
			b.WriteByte("\n\t\b\r\f\\'\""[j])
			continue
		}
		n, r := octalLength(s[i:]), rune(0)
		for _, d := range s[i : i+n] {
			r = r<<3 | (d - '0')
		}
		b.WriteRune(r)
		i += n - 1
	}
	return b.String()
}

// comment reads to the end of the line or, in version 1, to the next "#".
func (l *lexer) comment() {
	start := l.at
	rest := l.text[start+1:]
	n := strings.IndexByte(rest, '\n')
	if n < 0 {
		n = len(rest)
	}
	ended := false
	if i := strings.IndexByte(rest[:n], '#'); i >= 0 && l.version == One {
		n, ended = i+1, true
	}
	if !utf8.ValidString(rest[:n]) {
		l.report.add(l.position(), "", "comment is not valid UTF-8")
	}
	text := l.text[start : start+1+n]
	if !ended {
		text = strings.TrimRight(text, " \t\r\f")
	}
	l.comments = append(l.comments, comment{text: text, own: l.fresh, blank: l.newlines > 1, start: start})
	l.advance(1 + n)
	l.newlines, l.fresh = 0, false
}

func (l *lexer) add(k kind, start int, text string, at policies.Position) {
	l.tokens = append(l.tokens, token{kind: k, text: text, value: text, at: at, start: start, end: l.at, comments: l.comments, blank: l.newlines > 1})
	l.comments, l.newlines, l.fresh = nil, 0, false
}
