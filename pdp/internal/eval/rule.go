package eval

import (
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// owner is the policy that a rule stands in, as its reason names it.
type owner struct{ pap, policy string }

// rule is a compiled policies.Rule. What a decision looks at is in the rule
// itself, not behind an address in it, and nothing else is: among a million rules
// memory is far, and what lies together is fetched at once.
type rule struct {
	effect    authz.Effect
	timed     bool          // it has a time window
	bounded   bool          // it has bounds
	count     uint8         // how many matches there are in near
	condition *expression   // nil is true
	near      [nearby]match // the target, if it is no more and has no alternatives
	duties    *duties       // nil is none
	ready     dutySegment   // the duties, if all in them is literal
	why       atomic.Pointer[authz.Reason]
	*ruleRest
}

// nearby is how many matches most rules have at most.
const nearby = 4

// ruleRest is what else there is to a rule. DANGER: as large as a rule it would lie
// among the rules, which are then twice as far apart; see TestSizes.
type ruleRest struct {
	bounds *bounds // of a permit rule; nil is none
	from   *policies.Rule
	owner  *owner
	filings
	target  target            // from nowhere if the rule has none
	matches [nearby]matchRest // of those that are near
}

// eval follows XACML 3.0 core, table 4, in the view that its effect asks for.
func (r *rule) eval(f *frame, side views) outcome {
	if f.trace != nil {
		return f.trace.rule(r, side)
	}
	return r.answer(f, side)
}

func (r *rule) answer(f *frame, side views) outcome {
	if r.timed && !r.holds(f.now()) {
		return notApplicable
	}
	v := viewOf(r.effect)
	if !side.has(v) {
		return notApplicable
	}
	return r.in(f, v)
}

// holds reports whether a moment is within the rule's window.
func (r *rule) holds(now time.Time) bool {
	return (r.from.From.IsZero() || !now.Before(r.from.From)) && (r.from.Until.IsZero() || now.Before(r.from.Until))
}

func (r *rule) in(f *frame, v view) outcome {
	m, status := r.look(f, v)
	switch m {
	case noMatch:
		f.unmet = f.unmet || r.bounded
		return notApplicable
	case indeterminate:
		f.unmet = f.unmet || r.bounded
		return uncertain(extentOf(r.effect), r, status)
	}
	if r.condition != nil {
		holds, status := r.condition.isTrue(f, v)
		if status != nil {
			return uncertain(extentOf(r.effect), r, status)
		}
		if !holds {
			return notApplicable
		}
	}
	if len(r.ready.obligations)+len(r.ready.advice) > 0 {
		f.duties = append(f.duties, &r.ready)
	} else if status := r.duties.perform(f, v, r.effect); status != nil {
		return uncertain(extentOf(r.effect), r, status)
	}
	return outcome{decision: r.effect, by: r}
}

// look evaluates the target.
func (r *rule) look(f *frame, v view) (match3, *authz.Status) {
	switch {
	case f.assumed == r:
		return r.bounds.rest.eval(f, v)
	case r.count > 0:
		return conjunction(r.near[:r.count]).eval(f, v)
	}
	return r.goal().eval(f, v)
}

func (r *rule) goal() *target {
	if r.target.from == nil {
		return nil
	}
	return &r.target
}

func (r *rule) settle(all crowd) { r.keys = all.filings(r.goal()) }

func (r *rule) where() (place, id string) { return r.from.Place, r.from.ID }

func (r *rule) reason() *authz.Reason {
	if why := r.why.Load(); why != nil {
		return why
	}
	why := &authz.Reason{
		PAP: r.owner.pap, Policy: r.owner.policy, Rule: r.from.ID,
		Position: r.from.Position.String(), Ban: r.from.Ban, Because: r.from.Because,
	}
	if r.from.PAP != "" {
		why.PAP = r.from.PAP
	}
	r.why.CompareAndSwap(nil, why)
	return r.why.Load()
}

var _ child = (*rule)(nil)
