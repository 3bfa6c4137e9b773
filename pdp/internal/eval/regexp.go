package eval

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The regular expressions of XACML are those of XPath's fn:matches (XQuery 1.0
// and XPath 2.0 Functions and Operators, 7.6.1): the dialect of XML Schema with
// ^ and $ as anchors, found anywhere in the text. They are translated to RE2,
// which differs in its classes and escapes and has no back-references. What has
// no exact translation is refused.

// maxPattern bounds a pattern and its translation, in bytes.
const (
	maxPattern     = 16 << 10
	maxTranslation = 256 << 10
)

// compileXPathRegexp translates and compiles a pattern.
func compileXPathRegexp(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("a pattern longer than %d bytes", maxPattern)
	}
	t := translation{in: []rune(pattern)}
	err := t.expression(0)
	if err == nil && t.at < len(t.in) {
		err = errors.New(`")" without "("`)
	}
	if err == nil && t.out.Len() > maxTranslation {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, fmt.Errorf("pattern %q, character %d: %w", pattern, t.at+1, err)
	}
	compiled, err := regexp.Compile(t.out.String())
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	return compiled, nil
}

// translation reads a pattern and writes RE2.
type translation struct {
	in  []rune
	at  int
	out strings.Builder
}

const end = rune(-1)

func (t *translation) peek() rune {
	if t.at < len(t.in) {
		return t.in[t.at]
	}
	return end
}

func (t *translation) take() rune {
	r := t.peek()
	if r != end {
		t.at++
	}
	return r
}

// maxGroups bounds the nesting of groups.
const maxGroups = 200

// expression reads branches up to ")" or the end.
func (t *translation) expression(depth int) error {
	if depth > maxGroups {
		return errors.New("groups nested too deep")
	}
	for {
		switch t.peek() {
		case end, ')':
			return nil
		case '|':
			t.take()
			t.out.WriteByte('|')
		default:
			if err := t.piece(depth); err != nil {
				return err
			}
		}
	}
}

func (t *translation) piece(depth int) error {
	if err := t.atom(depth); err != nil {
		return err
	}
	return t.quantifier()
}

func (t *translation) atom(depth int) error {
	switch r := t.take(); r {
	case '^', '$', '.':
		t.out.WriteRune(r)
	case '(':
		t.out.WriteString("(?:")
		if err := t.expression(depth + 1); err != nil {
			return err
		}
		if t.take() != ')' {
			return errors.New(`"(" without ")"`)
		}
		t.out.WriteByte(')')
	case '[':
		set, err := t.class(0)
		if err != nil {
			return err
		}
		set.write(&t.out)
	case '\\':
		return t.escape()
	case '?', '*', '+', '{', '}', ']':
		return fmt.Errorf("%q must be escaped here", r)
	default:
		t.out.WriteString(regexp.QuoteMeta(string(r)))
	}
	return nil
}

// quantifier reads ?, *, +, {n}, {n,} or {n,m} and the "?" of a reluctant one.
func (t *translation) quantifier() error {
	switch r := t.peek(); r {
	case '?', '*', '+':
		t.out.WriteRune(t.take())
	case '{':
		start := t.at
		for t.peek() != '}' {
			if r := t.take(); r == end || !strings.ContainsRune("{,0123456789", r) {
				return errors.New("want {n}, {n,} or {n,m}")
			}
		}
		t.take()
		text := string(t.in[start:t.at])
		if !quantity.MatchString(text) {
			return errors.New("want {n}, {n,} or {n,m}")
		}
		t.out.WriteString(text)
	default:
		return nil
	}
	if t.peek() == '?' {
		t.out.WriteRune(t.take())
	}
	if r := t.peek(); r == '?' || r == '*' || r == '+' || r == '{' {
		return errors.New("a quantifier after a quantifier")
	}
	return nil
}

var quantity = regexp.MustCompile(`^\{[0-9]+(,[0-9]*)?\}$`)

// escape reads what follows a backslash outside a class.
func (t *translation) escape() error {
	if r := t.peek(); '0' <= r && r <= '9' {
		return errors.New("a back-reference has no equal in RE2")
	}
	r, set, err := t.escaped()
	switch {
	case err != nil:
		return err
	case set != nil:
		set.write(&t.out)
	default:
		t.out.WriteString(regexp.QuoteMeta(string(r)))
	}
	return nil
}

// escaped reads an escape: one character, or a set.
func (t *translation) escaped() (rune, runeSet, error) {
	switch r := t.take(); r {
	case 'n':
		return '\n', nil, nil
	case 'r':
		return '\r', nil, nil
	case 't':
		return '\t', nil, nil
	case '\\', '|', '.', '?', '*', '+', '(', ')', '{', '}', '-', '[', ']', '^', '$':
		return r, nil, nil
	case 'p', 'P':
		set, err := t.property()
		if r == 'P' {
			set = set.complement()
		}
		return 0, set, err
	case end:
		return 0, nil, errors.New("a backslash at the end")
	default:
		if set := multiEscape(r); set != nil {
			return 0, set, nil
		}
		return 0, nil, fmt.Errorf(`no escape \%c in XML Schema`, r)
	}
}

// property reads "{name}" after \p: a general category, or a block.
func (t *translation) property() (runeSet, error) {
	name := ""
	if t.take() != '{' {
		return nil, errors.New(`want \p{…}`)
	}
	for r := t.take(); r != '}'; r = t.take() {
		if r == end || len(name) > 64 {
			return nil, errors.New(`want \p{…}`)
		}
		name += string(r)
	}
	set := property(name)
	if set == nil {
		return nil, fmt.Errorf("no category or block %q", name)
	}
	return set, nil
}

// class reads a class after its "[", subtractions included.
func (t *translation) class(depth int) (runeSet, error) {
	if depth > maxGroups {
		return nil, errors.New("classes nested too deep")
	}
	negated := t.peek() == '^'
	if negated {
		t.take()
	}
	var set runeSet
	for first := true; ; first = false {
		switch r := t.peek(); {
		case r == end:
			return nil, errors.New(`"[" without "]"`)
		case r == ']' && first:
			return nil, errors.New("an empty class")
		case r == ']':
			t.take()
			return set.finish(negated), nil
		case r == '-' && !first && t.at+1 < len(t.in) && t.in[t.at+1] == '[':
			return t.subtraction(set.finish(negated), depth)
		}
		more, err := t.member(first)
		if err != nil {
			return nil, err
		}
		set = append(set, more...)
	}
}

func (t *translation) subtraction(from runeSet, depth int) (runeSet, error) {
	t.take()
	t.take()
	less, err := t.class(depth + 1)
	if err != nil {
		return nil, err
	}
	if t.take() != ']' {
		return nil, errors.New("a subtraction must end its class")
	}
	return from.minus(less), nil
}

// member reads one character, range or escape of a class.
func (t *translation) member(first bool) (runeSet, error) {
	low, set, err := t.single(first)
	if err != nil || set != nil {
		return set, err
	}
	if t.peek() != '-' || t.at+1 >= len(t.in) || t.in[t.at+1] == ']' || t.in[t.at+1] == '[' {
		return runeSet{{low, low}}, nil
	}
	t.take()
	high, set, err := t.single(false)
	switch {
	case err != nil:
		return nil, err
	case set != nil || high < low:
		return nil, errors.New("a range that is none")
	}
	return runeSet{{low, high}}, nil
}

func (t *translation) single(first bool) (rune, runeSet, error) {
	switch r := t.take(); r {
	case '\\':
		return t.escaped()
	case '[', ']':
		return 0, nil, fmt.Errorf("%q must be escaped in a class", r)
	case '-':
		if !first && t.peek() != ']' {
			return 0, nil, errors.New(`"-" must be escaped here`)
		}
		return r, nil, nil
	case end:
		return 0, nil, errors.New(`"[" without "]"`)
	default:
		return r, nil, nil
	}
}
