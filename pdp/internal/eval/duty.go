package eval

import (
	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// duties are the obligations and advice of one rule, policy or set, by the
// effect that they go with.
type duties struct{ onPermit, onDeny dutySet }

// dutySet is what goes with one effect: ready made when all of it is literal.
type dutySet struct {
	obligations, advice []duty
	ready               *dutySegment
}

type duty struct {
	from        *policies.Duty
	assignments []assignment
}

type assignment struct {
	from  *policies.AssignmentExpression
	value *expression
}

// perform leaves the duties of an effect on the frame. An error in one of them
// is for the whole rule or policy (XACML 3.0 core, 7.18).
func (d *duties) perform(f *frame, v view, effect authz.Effect) *authz.Status {
	if d == nil {
		return nil
	}
	set := &d.onPermit
	if effect == authz.Deny {
		set = &d.onDeny
	}
	if set.ready != nil {
		f.duties = append(f.duties, set.ready)
		return nil
	}
	if len(set.obligations)+len(set.advice) == 0 {
		return nil
	}
	obligations, status := evaluate(f, v, set.obligations)
	if status != nil {
		return status
	}
	advice, status := evaluate(f, v, set.advice)
	if status != nil {
		return status
	}
	f.duties = append(f.duties, &dutySegment{obligations, advice})
	return nil
}

// readyFor returns the duties of an effect, if all in them is literal.
func (d *duties) readyFor(effect authz.Effect) *dutySegment {
	switch {
	case d == nil:
		return nil
	case effect == authz.Deny:
		return d.onDeny.ready
	}
	return d.onPermit.ready
}

func evaluate(f *frame, v view, list []duty) ([]authz.Obligation, *authz.Status) {
	out := make([]authz.Obligation, len(list))
	for i, d := range list {
		o := authz.Obligation{ID: d.from.ID, Assignments: make([]authz.Assignment, 0, len(d.assignments))}
		for _, a := range d.assignments {
			value, status := a.value.eval(f, v)
			if status != nil {
				return nil, status
			}
			o.Assignments = a.appendTo(o.Assignments, value)
		}
		out[i] = o
	}
	return out, nil
}

// appendTo adds one assignment per value: a bag of none gives none.
func (a *assignment) appendTo(to []authz.Assignment, o operand) []authz.Assignment {
	add := func(v authz.Value) {
		to = append(to, authz.Assignment{ID: a.from.ID, Category: a.from.Category, Issuer: a.from.Issuer, Value: v})
	}
	if !a.value.typ.bag {
		add(o.value)
		return to
	}
	for _, v := range o.bag {
		add(v)
	}
	return to
}

// isReady reports whether nothing in the set depends on the request.
func (s *dutySet) isReady() bool {
	for _, list := range [...][]duty{s.obligations, s.advice} {
		for _, d := range list {
			for _, a := range d.assignments {
				if a.value.constant == nil {
					return false
				}
			}
		}
	}
	return len(s.obligations)+len(s.advice) > 0
}

func (s *dutySet) prepare() {
	if !s.isReady() {
		return
	}
	obligations, _ := evaluate(nil, permitView, s.obligations)
	advice, _ := evaluate(nil, permitView, s.advice)
	s.ready = &dutySegment{obligations, advice}
}
