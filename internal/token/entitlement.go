package token

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// entitlement is a membership as AARC-G002 and AARC-G069 write it:
//
//	urn:NID:NAMESPACE[:…]:group:GROUP[:SUBGROUP…][:role=ROLE][#AUTHORITY]
//
// G069 takes the scheme, NID and namespace in any case and percent-encodes what
// else needs it; the normal form has those in small letters and encodes only
// what must be.
type entitlement struct {
	namespace string // "urn:mace:egi.eu"
	groups    []string
	role      string
	authority string
}

var errEntitlement = errors.New("no group membership in the form of AARC-G002 or G069")

// maxGroups bounds the depth of a group.
const maxGroups = 16

func parseEntitlement(text string) (entitlement, error) {
	var e entitlement
	text, authority, has := strings.Cut(text, "#")
	parts := strings.Split(text, ":")
	if has {
		var err error
		if e.authority, err = unescape(authority); err != nil {
			return e, err
		}
	}
	at := groupAt(parts)
	if at < 0 || len(parts) == at+1 || len(parts)-at > maxGroups {
		return e, errEntitlement
	}
	e.namespace = strings.ToLower(strings.Join(parts[:at], ":"))
	for k, part := range parts[at+1:] {
		name, err := unescape(part)
		if err != nil {
			return e, err
		}
		role, isRole := strings.CutPrefix(part, "role=")
		switch {
		case isRole && role != "" && k > 0 && at+1+k == len(parts)-1:
			e.role = strings.TrimPrefix(name, "role=")
		case isRole || strings.HasPrefix(name, "role="):
			return e, fmt.Errorf("a role that is not the last part: %w", errEntitlement)
		default:
			e.groups = append(e.groups, name)
		}
	}
	return e, nil
}

// groupAt finds the part "group" that ends the namespace, or returns -1.
func groupAt(parts []string) int {
	if len(parts) < 4 || !strings.EqualFold(parts[0], "urn") {
		return -1
	}
	for k, part := range parts {
		if k >= 3 && part == "group" {
			return k
		}
		if k >= 3 && strings.EqualFold(part, "group") {
			return -1 // in small letters it would end the namespace early
		}
		if part == "" || strings.Trim(part, namespaceLetters) != "" {
			return -1
		}
	}
	return -1
}

const namespaceLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

// plain are the letters that stand for themselves (RFC 8141: pchar without ":"
// and "%").
const plain = namespaceLetters + "~!$&'()*+,;=@"

// unescape decodes one part. A separator that was hidden in it is an error: it
// is how one group is dressed up as another.
func unescape(part string) (string, error) {
	var b strings.Builder
	for k := 0; k < len(part); k++ {
		c := part[k]
		if c == '%' {
			if k+2 >= len(part) {
				return "", errEntitlement
			}
			n, err := strconv.ParseUint(part[k+1:k+3], 16, 8)
			if err != nil {
				return "", errEntitlement
			}
			c, k = byte(n), k+2
			if strings.IndexByte(":/#?%", c) >= 0 {
				return "", fmt.Errorf("an encoded separator: %w", errEntitlement)
			}
		} else if strings.IndexByte(plain, c) < 0 {
			return "", errEntitlement
		}
		b.WriteByte(c)
	}
	s := b.String()
	if s == "" || clean(strings.ToValidUTF8(s, "\ufffd")) != nil {
		return "", errEntitlement
	}
	return s, nil
}

// escape is the normal form of a part.
func escape(s string) string {
	var b strings.Builder
	for k := range len(s) {
		if strings.IndexByte(plain, s[k]) >= 0 {
			b.WriteByte(s[k])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[k])
		}
	}
	return b.String()
}

// bare is the normal form without role and authority.
func (e entitlement) bare() string {
	s := e.namespace + ":group"
	for _, g := range e.groups {
		s += ":" + escape(g)
	}
	return s
}

// implied returns what the membership satisfies, itself first: without the
// role, the groups above, and each of these without the authority.
func (e entitlement) implied() []string {
	bare := e.bare()
	all := []string{}
	if e.role != "" {
		all = append(all, bare+":role="+escape(e.role))
	}
	for n := len(e.groups); n > 0; n-- {
		all = append(all, entitlement{namespace: e.namespace, groups: e.groups[:n]}.bare())
	}
	if e.authority == "" {
		return all
	}
	with := make([]string, 0, 2*len(all))
	for _, s := range all {
		with = append(with, s+"#"+escape(e.authority), s)
	}
	return with
}

// entitlementPrefix normalises the start of an entitlement, up to some group.
func entitlementPrefix(text string) (string, error) {
	if strings.HasSuffix(text, ":group") {
		e, err := parseEntitlement(text + ":x")
		return strings.TrimSuffix(e.bare(), ":x"), err
	}
	e, err := parseEntitlement(text)
	if err == nil && (e.role != "" || e.authority != "") {
		err = errors.New("want no role and no authority")
	}
	return e.bare(), err
}
