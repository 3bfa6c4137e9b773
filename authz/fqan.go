package authz

import (
	"errors"
	"strings"
)

// FQAN is a VOMS fully qualified attribute name in normal form: a group path
// and an optional role. "/Role=NULL" and any "/Capability=…" are dropped, as
// every VOMS implementation does.
//
// It is one word, so that a Value holds it without a box; what it points to
// never changes. DANGER: compare FQANs by [FQAN.Equal], never by "==".
type FQAN struct{ path *path }

// path is an FQAN with the hashes of its groups.
type path struct {
	text   string // the normal form
	group  int    // how much of it is the group path
	depth  int    // how many groups there are on it
	hashes [hashedGroups]uint64
	above  lengthsAbove
	more   more // of the Value that it was parsed as
}

// lengthsAbove are the lengths of the groups above an FQAN's own, in bytes modulo
// 64 and plus one: who looks for groups of few lengths need not look further.
// If they are more, the first is manyAbove.
type lengthsAbove [5]uint8

const manyAbove = 0xff

// hashedGroups is how many groups of an FQAN, from the top, are hashed when it
// is read: it seldom has more.
const hashedGroups = 3

var errFQAN = errors.New(`want "/vo", "/vo/group" or either with "/Role=name"`)

const maxFQAN = 4096

// ParseFQAN reads an FQAN in strict form. Empty path parts, "." and "..", two
// roles, and control characters are errors: they are how one name is dressed
// up as another.
func ParseFQAN(s string) (FQAN, error) {
	if len(s) > maxFQAN {
		return FQAN{}, errFQAN
	}
	group := groupPath(s)
	text, rest := s[:group], s[group:]
	if role, after, ok := cutFQANPart(rest, rolePart); ok {
		if !plainFQANPart(role) {
			return FQAN{}, errFQAN
		}
		if role != "NULL" {
			text = s[:group+len(rolePart)+len(role)]
		}
		rest = after
	}
	if capability, after, ok := cutFQANPart(rest, "/Capability="); ok && strings.IndexByte(capability, '=') < 0 {
		rest = after
	}
	if group == 0 || rest != "" {
		return FQAN{}, errFQAN
	}
	f := &path{text: text, group: group}
	f.hashGroups()
	return FQAN{f}, nil
}

func (f *path) hashGroups() {
	for i := 1; i <= f.group; i++ {
		if i < f.group && f.text[i] != '/' {
			continue
		}
		if f.depth < hashedGroups {
			f.hashes[f.depth] = Hash(f.text[:i])
		}
		if i < f.group {
			f.above.note(f.depth, i)
		}
		f.depth++
	}
}

func (l *lengthsAbove) note(n, length int) {
	if n < len(l) {
		l[n] = uint8(length%(1<<lengthBits)) + 1
	} else {
		l[0] = manyAbove
	}
}

// any reports whether one of the groups above may have one of the lengths.
func (l *lengthsAbove) any(lengths uint64) bool {
	if l[0] == manyAbove {
		return true
	}
	for _, n := range l {
		if n == 0 {
			return false
		}
		if lengths>>(n-1)&1 != 0 {
			return true
		}
	}
	return false
}

// inShort returns what a Value keeps of an FQAN.
func (f FQAN) inShort() (group uint64, above lengthsAbove, length uint16) {
	if f.path == nil {
		return Hash(""), above, 0
	}
	return f.GroupHash(f.path.depth - 1), f.path.above, uint16(f.path.group)
}

// Groups returns how many groups lie on the path: 2 of "/vo/group".
func (f FQAN) Groups() int {
	if f.path == nil {
		return 0
	}
	return f.path.depth
}

// GroupHash returns the [Hash] of the nth group on the path, from 0: those of
// "/vo" and "/vo/group".
func (f FQAN) GroupHash(n int) uint64 {
	if n < hashedGroups {
		return f.path.hashes[n]
	}
	return f.path.deepHash(n)
}

func (f *path) deepHash(n int) uint64 { return Hash(f.at(n)) }

// GroupAt returns the nth group on the path, from 0: "/vo" and "/vo/group".
func (f FQAN) GroupAt(n int) string { return f.path.at(n) }

func (f *path) at(n int) string {
	end := 0
	for ; n >= 0; n-- {
		next := strings.IndexByte(f.text[end+1:f.group], '/')
		if next < 0 {
			return f.text[:f.group]
		}
		end += 1 + next
	}
	return f.text[:end]
}

const rolePart = "/Role="

// groupPath returns how much of s is a group path: parts that are plain.
func groupPath(s string) int {
	end := 0
	for end < len(s) && s[end] == '/' {
		part, _, _ := cutFQANPart(s[end:], "/")
		if !plainFQANPart(part) {
			break
		}
		end += len("/") + len(part)
	}
	return end
}

// cutFQANPart cuts the part that begins with prefix from the start of s.
func cutFQANPart(s, prefix string) (part, after string, ok bool) {
	s, ok = strings.CutPrefix(s, prefix)
	if end := strings.IndexByte(s, '/'); end >= 0 {
		return s[:end], s[end:], ok
	}
	return s, "", ok
}

// plainFQANPart reports whether p may stand between the slashes of a path.
func plainFQANPart(p string) bool {
	for i := range len(p) {
		if c := p[i]; c < 0x21 || c == 0x7f || c == '"' || c == '\\' || c == '=' {
			return false
		}
	}
	return p != "" && p != "." && p != ".."
}

// Group returns the group path, "/vo/group".
func (f FQAN) Group() string {
	if f.path == nil {
		return ""
	}
	return f.path.text[:f.path.group]
}

// Role returns the role, or "" for none.
func (f FQAN) Role() string {
	if f.path == nil {
		return ""
	}
	return strings.TrimPrefix(f.path.text[f.path.group:], rolePart)
}

// Equal reports whether two FQANs are the same.
func (f FQAN) Equal(g FQAN) bool { return f.Key() == g.Key() }

// IsZero reports whether f is the zero FQAN, which names nothing.
func (f FQAN) IsZero() bool { return f.path == nil }

// VO returns the first part of the group path, without its slash.
func (f FQAN) VO() string {
	vo, _, _ := strings.Cut(strings.TrimPrefix(f.Group(), "/"), "/")
	return vo
}

// String returns the normal form: "/vo/group" or "/vo/group/Role=name".
func (f FQAN) String() string {
	if f.path == nil {
		return ""
	}
	return f.path.text
}

// Key returns the comparison key. FQANs are compared byte by byte.
func (f FQAN) Key() string { return f.String() }
