package authz

import (
	"errors"
	"strings"
)

// FQAN is a VOMS fully qualified attribute name in normal form: a group path
// and an optional role. "/Role=NULL" and any "/Capability=…" are dropped, as
// every VOMS implementation does.
type FQAN struct {
	group string
	role  string
}

var errFQAN = errors.New(`want "/vo", "/vo/group" or either with "/Role=name"`)

const maxFQAN = 4096

// ParseFQAN reads an FQAN in strict form. Empty path parts, "." and "..", two
// roles, and control characters are errors: they are how one name is dressed
// up as another.
func ParseFQAN(s string) (FQAN, error) {
	if !strings.HasPrefix(s, "/") || len(s) > maxFQAN {
		return FQAN{}, errFQAN
	}
	var f FQAN
	parts := strings.Split(s[1:], "/")
	groups := 0
	for groups < len(parts) && !strings.Contains(parts[groups], "=") {
		if !plainFQANPart(parts[groups]) {
			return FQAN{}, errFQAN
		}
		groups++
	}
	if groups == 0 {
		return FQAN{}, errFQAN
	}
	f.group = "/" + strings.Join(parts[:groups], "/")
	rest := parts[groups:]
	if len(rest) > 0 && strings.HasPrefix(rest[0], "Role=") {
		f.role = strings.TrimPrefix(rest[0], "Role=")
		if !plainFQANPart(f.role) {
			return FQAN{}, errFQAN
		}
		if f.role == "NULL" {
			f.role = ""
		}
		rest = rest[1:]
	}
	if len(rest) > 0 && strings.HasPrefix(rest[0], "Capability=") && !strings.Contains(rest[0][11:], "=") {
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return FQAN{}, errFQAN
	}
	return f, nil
}

func plainFQANPart(p string) bool {
	if p == "" || p == "." || p == ".." || strings.Contains(p, "=") {
		return false
	}
	return !strings.ContainsFunc(p, func(r rune) bool { return r < 0x21 || r == 0x7f || r == '"' || r == '\\' })
}

// Group returns the group path, "/vo/group".
func (f FQAN) Group() string { return f.group }

// Role returns the role, or "" for none.
func (f FQAN) Role() string { return f.role }

// VO returns the first part of the group path, without its slash.
func (f FQAN) VO() string {
	vo, _, _ := strings.Cut(strings.TrimPrefix(f.group, "/"), "/")
	return vo
}

// String returns the normal form: "/vo/group" or "/vo/group/Role=name".
func (f FQAN) String() string {
	if f.role == "" {
		return f.group
	}
	return f.group + "/Role=" + f.role
}

// Key returns the comparison key. FQANs are compared byte by byte.
func (f FQAN) Key() string { return f.String() }
