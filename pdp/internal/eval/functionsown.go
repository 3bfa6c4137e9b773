package eval

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// own adds the functions of package profile, which defines each.
func (l functions) own() {
	for id, reader := range keyReaders {
		first := authz.String
		switch id {
		case profile.FunctionFQAN:
			first = acceptsAny // a text stands for the FQAN it spells
		case profile.FunctionSubtree:
			first = authz.X500Name
		}
		l[id] = equality(first, acceptsAny, reader)
	}
	l[profile.FunctionAnchoredRegexp] = predicate(authz.String, acceptsAny, bindAnchored)
	l[profile.FunctionFQANPattern] = predicate(authz.String, acceptsAny, bindFQANPattern)
	l[profile.FunctionBanFQAN] = predicate(authz.String, acceptsAny, bindBanFQAN)
	l[profile.FunctionAnchoredRegexp].needs = needsPrefix
	l[profile.FunctionFQANPattern].needs = needsGroup
	l[profile.FunctionFQANPattern].equality = fqanPatternKey
	l[profile.FunctionBanFQAN].needs = needsGroup
	l[profile.FunctionBanSubtree] = predicate(authz.String, acceptsAny, bindBanSubtree)
	l[profile.FunctionNetwork] = predicate(authz.String, acceptsAny, bindNetwork)
	l[profile.FunctionBanSubtree].needs = needsPiece
	l[profile.FunctionNetwork].needs = needsNetwork
	for id, holds := range map[string]func(int) bool{
		profile.FunctionStrengthLess:           func(c int) bool { return c < 0 },
		profile.FunctionStrengthLessOrEqual:    func(c int) bool { return c <= 0 },
		profile.FunctionStrengthGreater:        func(c int) bool { return c > 0 },
		profile.FunctionStrengthGreaterOrEqual: func(c int) bool { return c >= 0 },
	} {
		l[id] = predicate(authz.String, authz.String, bindStrength(holds))
	}
}

type test = func(authz.Value) (bool, error)

func texts(holds func(string) bool) test {
	return func(v authz.Value) (bool, error) { return holds(v.Text()), nil }
}

// bindAnchored spares the pattern machine for patterns without any operator
// but ".": most are the name of an endpoint as it stands.
func bindAnchored(literal authz.Value) (test, error) {
	pattern := literal.Text()
	compiled, err := regexp.Compile("^(?:" + pattern + ")$")
	switch {
	case err != nil:
		return nil, fmt.Errorf("not a pattern of RE2: %w", err)
	case pattern == ".*":
		return texts(func(s string) bool { return !strings.Contains(s, "\n") }), nil
	case !strings.ContainsAny(pattern, `\.+*?()|[]{}^$`):
		return texts(func(s string) bool { return s == pattern }), nil
	case !strings.ContainsAny(pattern, `\+*?()|[]{}^$`):
		return texts(dotted(pattern, compiled)), nil
	}
	return texts(compiled.MatchString), nil
}

// dotted compares ASCII texts byte by byte; "." stands for any one.
func dotted(pattern string, compiled *regexp.Regexp) func(string) bool {
	return func(s string) bool {
		if len(s) != len(pattern) {
			return !isASCII(s) && compiled.MatchString(s)
		}
		for i := range len(s) {
			if s[i] != pattern[i] && (pattern[i] != '.' || s[i] == '\n' || s[i] >= 0x80) {
				return s[i] >= 0x80 && compiled.MatchString(s)
			}
		}
		return true
	}
}

// literalPrefix returns the text with which every match of a pattern begins.
func literalPrefix(pattern string) string {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	tree = tree.Simplify()
	for tree.Op == syntax.OpConcat || tree.Op == syntax.OpCapture {
		tree = tree.Sub[0]
	}
	if tree.Op != syntax.OpLiteral || tree.Flags&syntax.FoldCase != 0 {
		return ""
	}
	return string(tree.Rune)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func bindFQANPattern(literal authz.Value) (test, error) {
	pattern, err := newFQANPattern(literal.Text())
	return func(v authz.Value) (bool, error) {
		f, ok := v.Data().(authz.FQAN)
		if !ok {
			f, ok = asFQAN(v)
		}
		return ok && pattern.fits(f), nil
	}, err
}

// fqanPatternKey gives the key of the patterns without some role, but for those
// of a group with what is below and one role.
func fqanPatternKey(literal authz.Value) (*keyReader, string) {
	p, err := newFQANPattern(literal.Text())
	switch {
	case err != nil || p.someRole:
		return nil, ""
	case p.below == "":
		f, _ := authz.ParseFQAN(strings.TrimSuffix(p.group+"/Role="+p.role, "/Role="))
		return keyReaders[profile.FunctionFQAN], f.Key()
	case p.role == "":
		return plainGroupKey, p.group
	}
	return nil, ""
}

// fqanPattern is a group, perhaps with all below it, and a role: none, one, or
// some.
type fqanPattern struct {
	group    string
	below    string // the group with "/", if the groups below count too
	role     string
	someRole bool
}

func newFQANPattern(text string) (fqanPattern, error) {
	path, role, hasRole := strings.Cut(text, "/Role=")
	p := fqanPattern{group: path}
	group, below := strings.CutSuffix(path, "/*")
	p.group = group
	form := p.group
	switch {
	case hasRole && role == "*":
		p.someRole = true
	case hasRole:
		form += "/Role=" + role
	}
	if strings.Contains(form, "*") {
		return p, fmt.Errorf(`pattern %q: "*" stands only for the groups below ("/*") or for some role ("/Role=*")`, text)
	}
	f, err := authz.ParseFQAN(form)
	if err != nil {
		return p, fmt.Errorf("pattern %q: %w", text, err)
	}
	p.group, p.role = f.Group(), f.Role()
	if below {
		p.below = p.group + "/"
	}
	return p, nil
}

func (p fqanPattern) fits(f authz.FQAN) bool {
	switch group := f.Group(); {
	case group != p.group && (p.below == "" || !strings.HasPrefix(group, p.below)):
		return false
	case p.someRole:
		return f.Role() != ""
	}
	return f.Role() == p.role
}

// bindBanFQAN takes any text: what is no pattern bans that very text.
func bindBanFQAN(literal authz.Value) (test, error) {
	pattern, err := newFQANPattern(strings.Trim(literal.Text(), xmlBlanks))
	want := trimmed(literal)
	return func(v authz.Value) (bool, error) {
		f, ok := asFQAN(v)
		return err == nil && ok && pattern.fits(f) || trimmed(v) == want, nil
	}, nil
}

func bindStrength(holds func(int) bool) func(authz.Value) (test, error) {
	return func(literal authz.Value) (test, error) {
		want, err := strength(literal)
		return func(v authz.Value) (bool, error) {
			have, err := strength(v)
			return err == nil && holds(want-have), err
		}, err
	}
}

func strength(v authz.Value) (int, error) {
	n := slices.Index(profile.Strengths(), v.Text())
	if n < 0 {
		return 0, fmt.Errorf("no credential strength %q: want %s", v.Text(), strings.Join(profile.Strengths(), ", "))
	}
	return n, nil
}
