package eval

import "github.com/gatehouse-authz/gatehouse/authz"

// The algorithms of XACML 1.x (XACML 3.0 core, C.14 to C.21). They know one
// Indeterminate; the extent given here is what it could have been.

// oldDenyOverridesOfRules tells an error in a deny rule from one in a permit
// rule: the latter gives way to a Permit.
func oldDenyOverridesOfRules(c *container, f *frame, side views) outcome {
	return oldOverridesOfRules(c, f, side, authz.Deny, authz.Permit)
}

func oldPermitOverridesOfRules(c *container, f *frame, side views) outcome {
	return oldOverridesOfRules(c, f, side, authz.Permit, authz.Deny)
}

func oldOverridesOfRules(c *container, f *frame, side views, stronger, weaker authz.Effect) outcome {
	t := tally{first: notApplicable}
	if o := gather(c, f, side, stronger, weaker, &t); o.decision == stronger {
		return o
	}
	switch strong := extentOf(stronger); {
	case t.extent&strong != 0:
		if t.first.decision == weaker {
			t.extent |= extentOf(weaker)
		}
		return t.uncertain(t.extent)
	case t.first.decision == weaker:
		return t.first
	case t.extent != authz.ExtentNone:
		return t.uncertain(t.extent)
	}
	return notApplicable
}

// oldDenyOverridesOfPolicies makes a Deny of any Indeterminate.
func oldDenyOverridesOfPolicies(c *container, f *frame, side views) outcome {
	mark := len(f.duties)
	first := notApplicable
	var it cursor
	c.children.candidates(f, &it)
	for {
		ch := it.next(f)
		if ch == nil {
			return first
		}
		from := len(f.duties)
		switch o := ch.eval(f, side); o.decision {
		case authz.Indeterminate:
			it.close(f)
			f.drop(mark)
			return outcome{decision: authz.Deny, by: o.by, status: o.status}
		case authz.Deny:
			it.close(f)
			f.keepFrom(mark, from)
			return o
		case authz.Permit:
			if first.decision == authz.NotApplicable {
				first = o
			}
		}
	}
}

// oldPermitOverridesOfPolicies lets a Deny beat any Indeterminate.
func oldPermitOverridesOfPolicies(c *container, f *frame, side views) outcome {
	t := tally{first: notApplicable}
	if o := gather(c, f, side, authz.Permit, authz.Deny, &t); o.decision == authz.Permit {
		return o
	}
	switch {
	case t.first.decision == authz.Deny:
		return t.first
	case t.extent != authz.ExtentNone:
		return t.uncertain(t.extent)
	}
	return notApplicable
}

// onPermitApplySecond is that of the profile of additional combining
// algorithms: the first child is a condition on the second; the third, if
// there is one, applies otherwise. An error that could have been a Permit
// leaves it open which of them applies.
func onPermitApplySecond(c *container, f *frame, side views) outcome {
	n := c.children.len()
	if n < 2 || n > 3 {
		return uncertain(authz.ExtentDenyPermit, c, processingError(c.header.Position, "%q combines %d policies where two or three are needed", c.header.ID, n))
	}
	mark := len(f.duties)
	first := c.children.at(0).eval(f, side)
	var chosen child
	switch {
	case first.decision == authz.Permit:
		chosen = c.children.at(1)
	case first.decision == authz.Indeterminate && first.extent != authz.ExtentDeny:
		return uncertain(authz.ExtentDenyPermit, first.by, first.status)
	case n == 2:
		return notApplicable
	default:
		chosen = c.children.at(2)
	}
	from := len(f.duties)
	o := chosen.eval(f, side)
	if o.decision != first.decision {
		f.keepFrom(mark, from)
	}
	return o
}
