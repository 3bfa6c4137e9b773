package eval

import (
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// strings are A.3.3 and A.3.9.
func (l functions) strings() {
	l.add("string-normalize-space", plain(authz.String, func(a []operand) (authz.Value, error) {
		return authz.StringValue(strings.Trim(a[0].value.Text(), xmlBlanks)), nil
	}, authz.String), one0)
	l.add("string-normalize-to-lower-case", plain(authz.String, func(a []operand) (authz.Value, error) {
		return authz.StringValue(lowerCase(a[0].value.Text())), nil
	}, authz.String), one0)
	concatenate := plain(authz.String, func(a []operand) (authz.Value, error) {
		s, err := concatenated(a)
		return authz.StringValue(s), err
	}, authz.String, authz.String)
	concatenate.rest = &typ{data: authz.String}
	l.add("string-concatenate", concatenate, two0)
	uri := plain(authz.AnyURI, func(a []operand) (authz.Value, error) {
		s, err := concatenated(a)
		return authz.URIValue(s), err
	}, authz.AnyURI, authz.String)
	uri.rest = &typ{data: authz.String}
	l.add("uri-string-concatenate", uri, two0)
	l.add("url-string-concatenate", uri, two0) // the text of XACML 2.0 has both spellings
	for _, t := range []struct {
		name string
		typ  authz.DataType
	}{{"string", authz.String}, {"anyURI", authz.AnyURI}} {
		l.parts(t.name, t.typ)
	}
}

// lowerCase is the full mapping of Unicode, of no language in particular.
func lowerCase(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s)
}

// maxText bounds what concatenation grows to, in bytes.
const maxText = 1 << 20

func concatenated(a []operand) (string, error) {
	n := 0
	for _, o := range a {
		n += len(o.value.Text())
	}
	if n > maxText {
		return "", fmt.Errorf("the result is longer than %d bytes", maxText)
	}
	var b strings.Builder
	for _, o := range a {
		b.WriteString(o.value.Text())
	}
	return b.String(), nil
}

// parts are the predicates on parts of a text: the part comes first.
func (l functions) parts(name string, t authz.DataType) {
	for suffix, holds := range map[string]func(s, part string) bool{
		"-starts-with": strings.HasPrefix, "-ends-with": strings.HasSuffix, "-contains": strings.Contains,
	} {
		l.add(name+suffix, predicate(authz.String, t, func(part authz.Value) (test, error) {
			return texts(func(s string) bool { return holds(s, part.Text()) }), nil
		}), three0)
	}
	l.add(name+"-substring", plain(authz.String, substring, t, authz.Integer, authz.Integer), three0)
}

// substring cuts by characters, from begin to before end; -1 is the end.
func substring(a []operand) (authz.Value, error) {
	text := a[0].value.Text()
	length := int64(utf8.RuneCountInString(text))
	begin, end := integer(a[1].value), integer(a[2].value)
	if end.Cmp(big.NewInt(-1)) == 0 {
		end = big.NewInt(length)
	}
	if begin.Sign() < 0 || end.Cmp(begin) < 0 || end.Cmp(big.NewInt(length)) > 0 {
		return authz.Value{}, fmt.Errorf("no characters %s to %s in a text of %d", begin, end, length)
	}
	runes := []rune(text)
	return authz.StringValue(string(runes[begin.Int64():end.Int64()])), nil
}

// conversions are A.3.9: string-from-X gives the canonical form, X-from-string
// reads what the type allows.
func (l functions) conversions() {
	types := append(named[1:len(named):len(named)], []struct {
		name string
		typ  authz.DataType
	}{{"ipAddress", authz.IPAddress}, {"dnsName", authz.DNSName}}...)
	for _, t := range types {
		if t.typ == authz.HexBinary || t.typ == authz.Base64Binary {
			continue
		}
		l.add(t.name+"-from-string", plain(t.typ, func(a []operand) (authz.Value, error) {
			return authz.ParseValue(t.typ, a[0].value.Text())
		}, authz.String), three0)
		l.add("string-from-"+t.name, plain(authz.String, func(a []operand) (authz.Value, error) {
			return authz.StringValue(a[0].value.Canonical()), nil
		}, t.typ), three0)
	}
}

// regexps are A.3.13: a pattern of XPath, found anywhere in the text.
func (l functions) regexps() {
	for name, version := range map[string]string{
		"string": one0, "anyURI": two0, "ipAddress": two0, "dnsName": two0, "rfc822Name": two0, "x500Name": two0,
	} {
		l.add(name+"-regexp-match", predicate(authz.String, typeNamed(name), bindXPathRegexp), version)
	}
	l[one0+"regexp-string-match"] = l[one0+"string-regexp-match"] // its name in XACML 1.0
}

func typeNamed(name string) authz.DataType {
	switch name {
	case "ipAddress":
		return authz.IPAddress
	case "dnsName":
		return authz.DNSName
	}
	for _, t := range named {
		if t.name == name {
			return t.typ
		}
	}
	return ""
}

func bindXPathRegexp(pattern authz.Value) (test, error) {
	compiled, err := compileXPathRegexp(pattern.Text())
	if err != nil {
		return nil, err
	}
	return texts(compiled.MatchString), nil
}

// names are A.3.14: partial names.
func (l functions) names() {
	l.add("x500Name-match", equality(authz.X500Name, authz.X500Name, subtreeReader), one0)
	l.add("rfc822Name-match", predicate(authz.String, authz.RFC822Name, bindMailbox), one0)
}

// bindMailbox reads "a@b" as one mailbox, "b" as every mailbox of a domain and
// ".b" as every mailbox of the domains below it.
func bindMailbox(literal authz.Value) (test, error) {
	pattern := literal.Text()
	at := strings.LastIndexByte(pattern, '@')
	domain := strings.ToLower(pattern[at+1:])
	return func(v authz.Value) (bool, error) {
		m := v.Data().(authz.Mailbox)
		switch {
		case at >= 0:
			return m.Local == pattern[:at] && m.Domain == domain, nil
		case strings.HasPrefix(domain, "."):
			return strings.HasSuffix(m.Domain, domain), nil
		}
		return m.Domain == domain, nil
	}, nil
}
