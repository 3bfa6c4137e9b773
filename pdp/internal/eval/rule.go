package eval

import (
	"sync/atomic"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// owner is the policy that a rule stands in, as its reason names it.
type owner struct{ pap, policy string }

type rule struct {
	filings
	from      *policies.Rule
	owner     *owner
	target    *target
	condition *expression // nil is true
	duties    *duties     // nil is none
	bounds    *bounds     // of a permit rule; nil is none
	why       atomic.Pointer[authz.Reason]
}

// eval follows XACML 3.0 core, table 4, in the view that its effect asks for.
func (r *rule) eval(f *frame, side views) outcome {
	if f.trace != nil {
		return f.trace.rule(r, side)
	}
	return r.answer(f, side)
}

func (r *rule) answer(f *frame, side views) outcome {
	if !r.from.From.IsZero() && f.now.Before(r.from.From) || !r.from.Until.IsZero() && !f.now.Before(r.from.Until) {
		return notApplicable
	}
	v := viewOf(r.from.Effect)
	if !side.has(v) {
		return notApplicable
	}
	return r.in(f, v)
}

func (r *rule) in(f *frame, v view) outcome {
	t := r.target
	if f.assumed == r {
		t = r.bounds.rest
	}
	m, status := t.eval(f, v)
	switch m {
	case noMatch:
		return notApplicable
	case indeterminate:
		return uncertain(extentOf(r.from.Effect), r, status)
	}
	if r.condition != nil {
		o, status := r.condition.eval(f, v)
		if status != nil {
			return uncertain(extentOf(r.from.Effect), r, status)
		}
		if !isTrue(o) {
			return notApplicable
		}
	}
	if status := r.duties.perform(f, v, r.from.Effect); status != nil {
		return uncertain(extentOf(r.from.Effect), r, status)
	}
	return outcome{decision: r.from.Effect, by: r}
}

func (r *rule) origin() policies.Item { return r.from }

func (r *rule) goal() *target { return r.target }

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
