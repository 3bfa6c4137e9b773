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
	errNoLogin = errors.New("no line of the account map matches")
	errNoGroup = errors.New("no line of the group map gives a primary group")
)

// Choose applies Argus's rules (argus.md 5.5): the login comes from the first
// line for the name or for the primary FQAN, never for another FQAN.
func Choose(accounts, groups []Entry, id Identity, prefer Preference) (Choice, error) {
	byName := slices.IndexFunc(accounts, func(e Entry) bool { return e.isName(id.Name) })
	byFQAN := slices.IndexFunc(accounts, func(e Entry) bool { return e.isPattern(id.Primary) })
	line := byName
	if line < 0 || !prefer.DNForLogin && byFQAN >= 0 {
		line = byFQAN
	}
	if line < 0 {
		return Choice{}, errNoLogin
	}
	c := Choice{Login: accounts[line].Values[0], Line: accounts[line].Line}
	named := collect(groups, func(e Entry) bool { return e.isName(id.Name) })
	primary := collect(groups, func(e Entry) bool { return e.isPattern(id.Primary) })
	others := collect(groups, func(e Entry) bool {
		return slices.ContainsFunc(id.FQANs, func(f authz.FQAN) bool { return f != id.Primary && e.isPattern(f) })
	})
	if prefer.DNForGroup {
		c.Groups = slices.Concat(named, primary, others)
	} else {
		c.Groups = slices.Concat(primary, others, named)
	}
	if len(c.Groups) == 0 && prefer.GroupRequired {
		return Choice{}, errNoGroup
	}
	return c, nil
}

func (e *Entry) isName(d authz.DN) bool { return e.name.Equal(d) }

func (e *Entry) isPattern(f authz.FQAN) bool {
	return e.pattern != nil && f != authz.FQAN{} && e.pattern.matches(f)
}

// collect returns the values of all lines that match, in the order of the
// file, each once.
func collect(entries []Entry, match func(Entry) bool) []string {
	var all []string
	for _, e := range entries {
		if !match(e) {
			continue
		}
		for _, v := range e.Values {
			if !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	return all
}
