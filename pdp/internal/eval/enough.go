package eval

import (
	"cmp"
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// bounds are the parts of a permit rule's target that a user can do something
// about: ask for less, come with a better credential (DECISIONS 8).
type bounds struct {
	limits []limit
	rest   *target // the target without them
}

// limit is one match with its form in words.
type limit struct {
	match *match
	bound authz.Bound
}

// boundsOf takes a target apart; nil if it has no bounds.
func boundsOf(t *target) *bounds {
	if t == nil {
		return nil
	}
	b := &bounds{rest: &target{from: t.from}}
	alternatives := false
	for i := range t.anyOf {
		any := t.anyOf[i]
		if len(any.allOf) == 1 { // alternatives are no plain bound
			kept := allOf{}
			for j := range any.allOf[0].matches {
				m := &any.allOf[0].matches[j]
				if bound, ok := boundOf(m); ok {
					b.limits = append(b.limits, limit{m, bound})
				} else {
					kept.matches = append(kept.matches, *m)
				}
			}
			any = anyOf{allOf: []allOf{kept}}
			b.rest.plain = append(b.rest.plain, kept.matches...)
		} else {
			alternatives = true
		}
		b.rest.anyOf = append(b.rest.anyOf, any)
	}
	if len(b.limits) == 0 {
		return nil
	}
	if alternatives {
		b.rest.plain = nil
	}
	return b
}

func isBound(m *match) bool { _, ok := boundOf(m); return ok }

// boundOf says what a match asks for, if it is a bound.
func boundOf(m *match) (authz.Bound, bool) {
	d, ok := designatorOf(m)
	if !ok || d.ID != profile.RequestedCPUTime && d.ID != profile.CredentialStrength {
		return authz.Bound{}, false
	}
	row, ok := profile.ByID(d.Category, d.ID)
	if !ok {
		return authz.Bound{}, false
	}
	if m.from.Function == row.Match {
		return authz.Bound{Attribute: row.Name, Operator: "=", Value: m.from.Value.Text()}, true
	}
	for _, c := range row.Comparisons() {
		if c.Function == m.from.Function {
			return authz.Bound{Attribute: row.Name, Operator: c.Operator, Value: m.from.Value.Text()}, true
		}
	}
	return authz.Bound{}, false
}

// mostTried bounds how many rules are tried for one refusal.
const mostTried = 64

// enough returns what would have been enough: for each permit rule that matches
// but for its bounds, and whose way down from the root is open, the bounds that
// fail, if the whole request were permitted without them. A ban is beyond any bound.
// A rule that was not come across, or whose bounds held, changes nothing.
func (p *Program) enough(f *frame, refused *authz.Response) [][]authz.Bound {
	if !f.unmet || refused.Reason != nil && refused.Reason.Ban || f.trace != nil {
		return nil
	}
	var all [][]authz.Bound
	f.unbound, f.mute = true, true
	for _, r := range f.boundedRules(nil, p.root) {
		failing := r.bounds.failing(f)
		if len(failing) == 0 || weaker(failing, f.strength()) {
			continue
		}
		f.assumed = r
		f.drop(0)
		f.variables = f.variables[:0]
		if p.run(f).decision == authz.Permit {
			all = append(all, failing)
		}
	}
	f.unbound, f.mute = false, false
	f.assumed = nil
	slices.SortStableFunc(all, func(a, b []authz.Bound) int { return cmp.Compare(len(a), len(b)) })
	return slices.CompactFunc(all, slices.Equal)
}

// boundedRules collects the rules that match but for their bounds, below
// targets that match.
func (f *frame) boundedRules(found []*rule, c *container) []*rule {
	if m, _ := c.target.eval(f, permitView); m != matches || !c.children.bounded || len(found) >= mostTried {
		return found
	}
	var it cursor
	c.children.candidates(f, &it)
	for {
		switch ch := it.next(f).(type) {
		case nil:
			return found
		case *rule:
			if ch.bounds == nil || len(found) == mostTried {
				continue
			}
			if m, _ := ch.bounds.rest.eval(f, permitView); m == matches {
				found = append(found, ch)
			}
		case *container:
			found = f.boundedRules(found, ch)
		}
	}
}

func (b *bounds) failing(f *frame) []authz.Bound {
	var failing []authz.Bound
	for i := range b.limits {
		if m, _ := b.limits[i].match.eval(f, permitView); m != matches {
			failing = append(failing, b.limits[i].bound)
		}
	}
	return failing
}

// strength is the rank of the caller's credential; -1 when it has none.
func (f *frame) strength() int {
	v, ok := f.request.Verified(authz.Subject, profile.CredentialStrength)
	if !ok {
		return -1
	}
	n, err := strength(v)
	if err != nil {
		return -1
	}
	return n
}

// weaker reports whether bounds ask for a credential below the caller's, which
// nobody should be told to come with.
func weaker(bounds []authz.Bound, have int) bool {
	for _, b := range bounds {
		if b.Attribute == "credential-strength" && slices.Index(profile.Strengths(), b.Value) < have {
			return true
		}
	}
	return false
}
