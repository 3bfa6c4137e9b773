package account

import (
	"errors"
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Identity is what the map files look at.
type Identity struct {
	Name    authz.DN
	Primary authz.FQAN   // zero if there is none
	FQANs   []authz.FQAN // the others
}

// Preference holds Argus's options. The zero value is not Argus's default,
// which is true, true, false.
type Preference struct {
	DNForLogin    bool // a line for the name goes before one for the FQAN
	DNForGroup    bool // its groups come first, so that the first is primary
	GroupRequired bool // no primary group is an error
}

// Choice is what the map files say. A Login that begins with "." stands for an
// account out of the pool of that name.
type Choice struct {
	Login  string
	Line   int      // of the account map
	Groups []string // the first is primary; may repeat and may be empty
}

var (
	// ErrNoLogin is wrapped when the configuration names no account for a caller.
	ErrNoLogin = errors.New("no line of the account map matches")
	// ErrNoGroup is wrapped when a primary group is required and there is none.
	ErrNoGroup = errors.New("no line of the group map gives a primary group")
)

// Choose applies Argus's rules (argus.md 5.5): the login comes from the first
// line for the name or for the primary FQAN, never for another FQAN.
func Choose(accounts, groups []Entry, id Identity, prefer Preference) (Choice, error) {
	return choose(newIndex(accounts), newIndex(groups), id, prefer)
}

func choose(accounts, groups *index, id Identity, prefer Preference) (Choice, error) {
	byName, byFQAN := accounts.named(id.Name), accounts.matching(id.Primary)
	lines := byFQAN
	if len(byFQAN) == 0 || prefer.DNForLogin && len(byName) > 0 {
		lines = byName
	}
	if len(lines) == 0 {
		return Choice{}, ErrNoLogin
	}
	line := &accounts.entries[lines[0]]
	c := Choice{Login: line.Values[0], Line: line.Line}
	var err error
	c.Groups, err = groups.of(id, prefer)
	return c, err
}

// of are the groups that a group map gives, the primary first.
func (x *index) of(id Identity, prefer Preference) (names []string, err error) {
	lines := x.linesOf(id, prefer)
	for i := range lines {
		names = append(names, x.values(lines[i])...)
	}
	if len(names) == 0 && prefer.GroupRequired {
		return nil, ErrNoGroup
	}
	return names, nil
}

// linesOf are the lines that give groups, in three sets of which each names a
// group once: by the name, by the primary FQAN and by the others, in the order
// that is preferred.
func (x *index) linesOf(id Identity, prefer Preference) [3][]int {
	others := slices.DeleteFunc(slices.Clone(id.FQANs), id.Primary.Equal)
	named, primary, rest := x.named(id.Name), x.matching(id.Primary), x.matching(others...)
	if prefer.DNForGroup {
		return [3][]int{named, primary, rest}
	}
	return [3][]int{primary, rest, named}
}

// index finds the lines of a map file, of which many are for names and few for
// patterns, without walking through it.
type index struct {
	entries  []Entry
	names    map[string][]int // lines by key of the name, in order
	patterns []int            // the other lines, in order
}

func newIndex(entries []Entry) *index {
	x := &index{entries: entries, names: map[string][]int{}}
	for i := range entries {
		if e := &entries[i]; e.pattern != nil {
			x.patterns = append(x.patterns, i)
		} else if !e.name.IsZero() {
			x.names[e.name.Key()] = append(x.names[e.name.Key()], i)
		}
	}
	return x
}

func (x *index) named(d authz.DN) []int {
	if d.IsZero() {
		return nil
	}
	return x.names[d.Key()]
}

// matching returns the lines whose pattern matches one of the FQANs.
func (x *index) matching(fqans ...authz.FQAN) []int {
	var lines []int
	for _, i := range x.patterns {
		if slices.ContainsFunc(fqans, x.entries[i].isPattern) {
			lines = append(lines, i)
		}
	}
	return lines
}

// values returns the values of those lines, each once.
func (x *index) values(lines []int) []string {
	var all []string
	for _, i := range lines {
		for _, v := range x.entries[i].Values {
			if !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	return all
}

func (e *Entry) isName(d authz.DN) bool { return e.name.Equal(d) }

func (e *Entry) isPattern(f authz.FQAN) bool {
	return e.pattern != nil && !f.IsZero() && e.pattern.matches(f)
}
