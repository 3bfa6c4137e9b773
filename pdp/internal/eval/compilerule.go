package eval

import (
	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

func (c *compilation) rule(r *policies.Rule) child {
	out := c.newRule(r)
	if r.Effect != authz.Permit && r.Effect != authz.Deny {
		c.fail(r.Position, "rule %q: effect %s is neither Permit nor Deny", r.ID, r.Effect)
	}
	if !r.Until.IsZero() && !r.From.IsZero() && !r.From.Before(r.Until) {
		c.fail(r.Position, "rule %q ends before it begins", r.ID)
	}
	if r.Condition != nil {
		out.condition = c.condition(r.Condition)
	}
	out.duties = c.duties(r.Obligations, r.Advice)
	if ready := out.duties.readyFor(r.Effect); ready != nil {
		out.ready = *ready
	}
	if r.Effect == authz.Permit {
		out.bounds = boundsOf(out.goal())
		out.bounded = out.bounds != nil
	}
	return out
}

// newRule makes a rule with its target, whose matches lie within the rule if they
// are no more than most have.
func (c *compilation) newRule(r *policies.Rule) *rule {
	out := &rule{effect: r.Effect, timed: isTimed(r), ruleRest: &ruleRest{from: r, owner: c.owner}}
	switch n := matchesIn(r.Target); {
	case n > 0 && n <= nearby:
		c.targetInto(&out.target, r.Target, out.near[:n], out.matches[:n])
		if out.target.plain != nil {
			out.count = uint8(n)
		}
	case r.Target != nil && len(r.Target.AnyOf) > 0:
		c.targetInto(&out.target, r.Target, make([]match, n), make([]matchRest, n))
	}
	return out
}

func isTimed(r *policies.Rule) bool { return !r.From.IsZero() || !r.Until.IsZero() }

func (c *compilation) condition(e policies.Expression) *expression {
	x := c.expression(e)
	if x != nil && x.typ != (typ{data: authz.Boolean}) {
		c.fail(e.At(), "a condition must be boolean, not %s", x.typ)
	}
	return x
}

// target compiles a target; nil matches everything.
func (c *compilation) target(t *policies.Target) *target {
	if t == nil || len(t.AnyOf) == 0 {
		return nil
	}
	out := new(target)
	n := matchesIn(t)
	c.targetInto(out, t, make([]match, n), make([]matchRest, n))
	return out
}

// matchesIn counts the matches of a target.
func matchesIn(t *policies.Target) (n int) {
	if t == nil {
		return 0
	}
	for i := range t.AnyOf {
		for j := range t.AnyOf[i].AllOf {
			n += len(t.AnyOf[i].AllOf[j].Matches)
		}
	}
	return n
}

// targetInto compiles a target, with room for its matches.
func (c *compilation) targetInto(out *target, t *policies.Target, room []match, rest []matchRest) {
	for i := range room {
		room[i].matchRest = &rest[i]
	}
	out.from, out.anyOf, out.plain = t, make([]anyOf, len(t.AnyOf)), room
	before := len(c.sides)
	for i, a := range t.AnyOf {
		if len(a.AllOf) != 1 {
			out.plain = nil
		}
		out.anyOf[i].allOf = make([]allOf, len(a.AllOf))
		for j, all := range a.AllOf {
			n, since := len(all.Matches), len(c.sides)
			out.anyOf[i].allOf[j].matches, room = room[:n:n], room[n:]
			for k := range all.Matches {
				c.match(&all.Matches[k], &out.anyOf[i].allOf[j].matches[k])
			}
			if len(a.AllOf) > 1 {
				c.ranges(since)
			}
		}
	}
	out.beyond = c.ranges(before)
}

func (c *compilation) duties(obligations, advice []policies.Duty) *duties {
	if len(obligations)+len(advice) == 0 {
		return nil
	}
	out := &duties{}
	out.add(c, obligations, func(s *dutySet) *[]duty { return &s.obligations })
	out.add(c, advice, func(s *dutySet) *[]duty { return &s.advice })
	if len(c.errs) == 0 {
		out.onPermit.prepare()
		out.onDeny.prepare()
	}
	return out
}

func (d *duties) add(c *compilation, list []policies.Duty, of func(*dutySet) *[]duty) {
	for i := range list {
		from := &list[i]
		made := duty{from: from}
		for j := range from.Assignments {
			a := &from.Assignments[j]
			made.assignments = append(made.assignments, assignment{from: a, value: c.expression(a.Expression)})
		}
		switch from.On {
		case authz.Permit:
			*of(&d.onPermit) = append(*of(&d.onPermit), made)
		case authz.Deny:
			*of(&d.onDeny) = append(*of(&d.onDeny), made)
		default:
			c.fail(from.Position, "%q is fulfilled on %s, neither Permit nor Deny", from.ID, from.On)
		}
	}
}
