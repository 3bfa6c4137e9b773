package authz

import (
	"errors"
	"slices"
	"strings"
)

// pieces collects the attributes of a name while it is read. The RDNs of a
// name share one array: each is cut to its length, so that one that grows
// moves away.
type pieces struct {
	attrs []AttributeTypeAndValue
	rdns  []RDN
}

func newPieces(text string) pieces {
	n := min(strings.Count(text, "="), maxRDNs)
	return pieces{make([]AttributeTypeAndValue, 0, n), make([]RDN, 0, n)}
}

// add appends an attribute: an RDN of its own, or one more of the last.
func (p *pieces) add(oid, value string, join bool) {
	a := AttributeTypeAndValue{Type: oid, Value: value}
	if join {
		last := &p.rdns[len(p.rdns)-1]
		*last = append(*last, a)
		return
	}
	p.attrs = append(p.attrs, a)
	n := len(p.attrs)
	p.rdns = append(p.rdns, RDN(p.attrs[n-1:n:n]))
}

// parseSlash cuts "/C=XX/O=a/b/CN=x" before each "/" that a known attribute
// type and "=" follow; a "+" likewise joins attributes into one RDN.
func parseSlash(s string) (DN, error) {
	p := newPieces(s)
	for len(s) > 0 {
		if len(p.rdns) > maxRDNs {
			return DN{}, errDNSize
		}
		join := s[0] == '+'
		oid, rest, ok := cutType(s[1:])
		if !ok || join && len(p.rdns) == 0 {
			return DN{}, errDNForm
		}
		n := nextCut(rest)
		value, err := unescape(rest[:n])
		if err != nil {
			return DN{}, err
		}
		p.add(oid, value, join)
		s = rest[n:]
	}
	return NewDN(p.rdns)
}

// nextCut returns where the value at the start of s ends.
func nextCut(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '/', '+':
			if _, _, ok := cutType(s[i+1:]); ok {
				return i
			}
		}
	}
	return len(s)
}

// cutType reads "type=" at the start of s, with a type of the alias table or
// a dotted OID.
func cutType(s string) (oid, rest string, ok bool) {
	n := typeLength(s)
	if n == len(s) || s[n] != '=' {
		return "", "", false
	}
	oid, ok = typeOID(s[:n])
	return oid, s[n+1:], ok
}

// parseComma reads RFC 4514 and, as RFC 2253 section 4 allows, ";" for ","
// and blanks around separators and quoted values.
func parseComma(s string) (DN, error) {
	p := newPieces(s)
	for join := false; ; {
		name, rest, ok := strings.Cut(s, "=")
		oid, known := typeOID(strings.Trim(name, " "))
		if !ok || !known || len(p.rdns) > maxRDNs {
			return DN{}, errDNForm
		}
		value, after, err := commaValue(strings.TrimLeft(rest, " "))
		if err != nil {
			return DN{}, err
		}
		p.add(oid, value, join)
		if after == "" {
			break
		}
		join, s = after[0] == '+', after[1:]
	}
	slices.Reverse(p.rdns)
	return NewDN(p.rdns)
}

// commaValue reads one value and returns what follows it, separator first.
func commaValue(s string) (value, after string, err error) {
	if strings.HasPrefix(s, `"`) {
		end := 1
		for end < len(s) && s[end] != '"' {
			if s[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(s) {
			return "", "", errors.New("unterminated quote in name")
		}
		after = strings.TrimLeft(s[end+1:], " ")
		if after != "" && !separates(after[0]) {
			return "", "", errDNForm
		}
		value, err = unescape(s[1:end])
		return value, after, err
	}
	end := 0
	for end < len(s) && !separates(s[end]) {
		if s[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(s))
	raw := strings.TrimRight(s[:end], " ")
	if slashes := len(raw) - len(strings.TrimRight(raw, `\`)); slashes%2 == 1 && len(raw) < end {
		raw += " " // an escaped blank at the end belongs to the value
	}
	if strings.HasPrefix(raw, "#") {
		value, err = hexValue(raw[1:])
		return value, s[end:], err
	}
	value, err = unescape(raw)
	return value, s[end:], err
}

// separates reports whether c ends a value of the comma form.
func separates(c byte) bool { return c == ',' || c == ';' || c == '+' }
