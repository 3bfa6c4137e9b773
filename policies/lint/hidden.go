package lint

import (
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// Each rule is held against so many earlier ones that a list takes seconds at
// most: in a list of a million only the first few are seen to hide others.
const (
	mostCompared  = 2000
	leastCompared = 50
	comparisons   = 20_000_000
)

func idleRules(p *policies.Policy, above around) (found []Finding) {
	by := combiningOf(&p.Header)
	var earlier []*policies.Rule
	most := min(max(comparisons/max(p.Rules.Len(), 1), leastCompared), mostCompared)
	for r := range p.Rules.All() {
		switch f, idle := idleRule(r, earlier, above, by); {
		case idle:
			found = append(found, f)
		case len(earlier) < most:
			earlier = append(earlier, r)
		}
	}
	return found
}

func idleRule(r *policies.Rule, earlier []*policies.Rule, above around, by combining) (Finding, bool) {
	if why := neverHolds(r, above); why != "" {
		return Finding{Position: r.Position, Message: "this rule never applies: " + why}, true
	}
	for _, e := range earlier {
		message := ""
		switch {
		case by.hides(e, r, above):
			message = "this rule never applies: %s before it always decides"
		case by.repeats(e, r, above):
			message = "this rule changes nothing: %s before it says the same wherever this one does"
		default:
			continue
		}
		return Finding{Position: r.Position, By: e.Position, Message: fmt.Sprintf(message, name("the rule", e, e.Position, r.Position))}, true
	}
	return Finding{}, false
}

// hides tells whether e before r decides, or does nothing else than r would,
// wherever r could be anything but NotApplicable.
func (c combining) hides(e, r *policies.Rule, above around) bool {
	switch {
	case c == firstApplicable && e.Effect == r.Effect:
		return sayTheSame(e, r, above)
	case c == firstApplicable:
		return precedes(e, r, above)
	case c.stops != e.Effect || !sureDuties(e.Obligations, e.Advice):
		return false
	case e.Effect == r.Effect: // where e is Indeterminate, r is too, to the same extent
		return sayTheSame(e, r, above.sure())
	}
	return sureTarget(e.Target) && precedes(e, r, above)
}

// repeats tells whether r, which decides nothing, adds nothing to e, which has
// the same effect and stands before it.
func (c combining) repeats(e, r *policies.Rule, above around) bool {
	return c.stops != none && c.stops != e.Effect && e.Effect == r.Effect &&
		len(r.Obligations)+len(r.Advice) == 0 && sureDuties(e.Obligations, e.Advice) && sayTheSame(e, r, above.sure())
}

// sayTheSame tells whether e, of the same effect, applies wherever r does, and
// is not NotApplicable where r is Indeterminate. Its condition says no more
// than r's, which r only asks where its target matches.
func sayTheSame(e, r *policies.Rule, above around) bool {
	return covers(e, r) && implied(e.Target, above.and(r.Target), false) &&
		(e.Condition == nil || sameExpression(e.Condition, r.Condition) && sureTarget(r.Target))
}

// precedes tells whether e, of the other effect, is not NotApplicable wherever
// r is not. It looks at the request in another view than r does (DECISIONS 12):
// a denial sees more, which is no hindrance where seeing more never makes a
// target around the two match less; a permit sees less.
func precedes(e, r *policies.Rule, above around) bool {
	switch {
	case e.Condition != nil || !covers(e, r):
		return false
	case e.Effect == authz.Permit:
		return len(above) == 0 && e.Target == nil
	}
	return above.growing() && implied(e.Target, above.and(r.Target), true)
}

// covers tells whether the time of e contains that of r.
func covers(e, r *policies.Rule) bool {
	from := e.From.IsZero() || !r.From.IsZero() && !r.From.Before(e.From)
	until := e.Until.IsZero() || !r.Until.IsZero() && !e.Until.Before(r.Until)
	return from && until
}

// neverHolds says why a rule is never anything but NotApplicable, by itself.
func neverHolds(r *policies.Rule, above around) string {
	if !sureTarget(r.Target) {
		return ""
	}
	for _, part := range conjuncts(r.Condition) {
		if isFalse(part) {
			return "its condition is always false"
		}
		// A permit's none-of sees all that its target sees and more; a denial's less.
		if denied, ok := negated(part); ok && r.Effect == authz.Permit && contradicts(denied, above.and(r.Target)) {
			return "what its condition excludes is what its target asks for"
		}
	}
	return ""
}

// conjuncts returns the parts of which one that is false makes a condition so,
// whatever error another one makes.
func conjuncts(e policies.Expression) []policies.Expression {
	apply, ok := e.(*policies.Apply)
	switch {
	case e == nil:
		return nil
	case !ok || apply.Function != profile.FunctionAnd:
		return []policies.Expression{e}
	}
	var parts []policies.Expression
	for _, a := range apply.Arguments {
		parts = append(parts, conjuncts(a)...)
	}
	return parts
}

// contradicts tells whether one of the facts, which cannot be an error, implies
// the match.
func contradicts(m policies.Match, facts around) bool {
	want := policies.AnyOf{AllOf: []policies.AllOf{{Matches: []policies.Match{m}}}}
	for _, fact := range facts {
		if sureChoice(fact) && choiceImplied(want, fact, false) {
			return true
		}
	}
	return false
}
