package eval

import (
	"cmp"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// child is what a container combines: a rule, or a node.
type child interface {
	eval(f *frame, side views) outcome
	// where returns the place and id that order it among its siblings.
	where() (place, id string)
	// goal returns its target, by which it is found; nil for none.
	goal() *target
	// settle chooses, once, the keys under which it goes into the index.
	settle(crowd)
	// filed returns those keys; none if every request has to look at it.
	filed() []filing
}

// node is a compiled policies.Node.
type node interface {
	child
	// applicable evaluates the target alone, in the views given, for
	// only-one-applicable: Match in one view beats Indeterminate in another.
	applicable(f *frame, side views) (match3, *authz.Status)
}

// container is a compiled policy or policy set.
type container struct {
	filings
	from     policies.Node
	header   *policies.Header
	set      bool
	target   *target
	children *list
	combine  algorithm
	duties   *duties
	why      *authz.Reason
	only     child // whose answer is the container's; nil if more goes into that
}

var _ node = (*container)(nil)

func (c *container) goal() *target { return c.target }

func (c *container) settle(all crowd) { c.keys = all.filings(c.target) }

func (c *container) where() (place, id string) { return c.header.Place, c.header.ID }

func (c *container) reason() *authz.Reason { return c.why }

// eval follows XACML 3.0 core, tables 5 to 7, view by view (package comment).
func (c *container) eval(f *frame, side views) outcome {
	if f.trace != nil {
		return f.trace.container(c, side)
	}
	return c.answer(f, side)
}

func (c *container) answer(f *frame, side views) outcome {
	if c.only != nil && !f.request.ReturnPolicyIDs {
		return c.only.eval(f, side)
	}
	below, permits, denies, status := c.look(f, side)
	if below == 0 {
		return notApplicable
	}
	mark := len(f.duties)
	o := c.restrict(c.combine(c, f, below), below, permits, denies, status)
	switch o.decision {
	case authz.Permit, authz.Deny:
		o = c.perform(f, o, mark)
	default:
		f.drop(mark)
	}
	if f.request.ReturnPolicyIDs && (o.decision == authz.Permit || o.decision == authz.Deny) {
		f.applied = append(f.applied, authz.PolicyID{ID: c.header.ID, Version: c.header.Version, Set: c.set})
	}
	return o
}

// pass finds out whether all there is to the container is one child: the
// policies of a site are often one policy within one set. What is no rule and no
// container may answer beyond the views it is asked for: restrict is still needed.
func (c *container) pass() {
	if c.target != nil || c.duties != nil || c.children.len() != 1 || !strings.HasSuffix(string(c.header.Combining), ":first-applicable") {
		return
	}
	switch only := c.children.at(0).(type) {
	case *rule, *ban, *container:
		c.only = only
	}
}

// look evaluates the target in each view and returns the views in which
// children count, and how far a Permit and a Deny of theirs can be relied on.
func (c *container) look(f *frame, side views) (below views, permits, denies match3, status *authz.Status) {
	if c.target == nil {
		return side, matches, matches, nil
	}
	if f.uniform {
		m, status := c.target.eval(f, permitView)
		if m == noMatch {
			return 0, m, m, nil
		}
		return side, m, m, status
	}
	var fromPermits, fromDenies *authz.Status
	if side.has(permitView) {
		if permits, fromPermits = c.target.eval(f, permitView); permits != noMatch {
			below |= permitSide
		}
	}
	if side.has(denyView) {
		if denies, fromDenies = c.target.eval(f, denyView); denies != noMatch {
			below |= denySide
		}
	}
	return below, permits, denies, cmp.Or(fromPermits, fromDenies)
}

// restrict turns what the children came to into what the container may say.
func (c *container) restrict(o outcome, below views, permits, denies match3, status *authz.Status) outcome {
	switch {
	case o.decision == authz.Permit && below&permitSide == 0, o.decision == authz.Deny && below&denySide == 0:
		return notApplicable // a default of the combining algorithm
	case o.decision == authz.Permit && permits == indeterminate:
		return uncertain(authz.ExtentPermit, c, status)
	case o.decision == authz.Deny && denies == indeterminate:
		return uncertain(authz.ExtentDeny, c, status)
	case o.decision == authz.Indeterminate:
		if below&permitSide == 0 {
			o.extent &^= authz.ExtentPermit
		}
		if below&denySide == 0 {
			o.extent &^= authz.ExtentDeny
		}
		if o.extent == authz.ExtentNone {
			return notApplicable
		}
	}
	return o
}

// perform adds the container's own duties to its children's.
func (c *container) perform(f *frame, o outcome, mark int) outcome {
	if c.duties == nil {
		return o
	}
	if status := c.duties.perform(f, viewOf(o.decision), o.decision); status != nil {
		f.drop(mark)
		return uncertain(extentOf(o.decision), c, status)
	}
	return o
}

func (c *container) applicable(f *frame, side views) (match3, *authz.Status) {
	below, permits, denies, status := c.look(f, side)
	if below == 0 {
		return noMatch, nil
	}
	return max(permits, denies), status
}
