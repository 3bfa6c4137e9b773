package eval

import (
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// algorithm combines the children of a container (XACML 3.0 core, annex C).
// The duties it leaves on the frame are those of the children whose decision
// is the one it returns.
type algorithm func(c *container, f *frame, side views) outcome

const algorithmPrefix = "urn:oasis:names:tc:xacml:"

// findAlgorithm returns the algorithm of that name for a list of rules or of
// policies; the two differ for the algorithms of XACML 1.x only.
func findAlgorithm(id policies.Algorithm, set bool) (algorithm, bool) {
	rest, ok := strings.CutPrefix(string(id), algorithmPrefix)
	version, rest, _ := strings.Cut(rest, ":")
	kind, name, _ := strings.Cut(rest, ":")
	if !ok || kind != "rule-combining-algorithm" && kind != "policy-combining-algorithm" {
		return nil, false
	}
	table := algorithmsOfRules
	if set {
		table = algorithmsOfPolicies
	}
	a, ok := table[version+":"+name]
	return a, ok
}

// CombinesPolicies reports whether there is an algorithm of that name for
// policies.
func CombinesPolicies(id policies.Algorithm) bool {
	_, ok := findAlgorithm(id, true)
	return ok
}

var algorithmsOfRules = map[string]algorithm{
	"3.0:deny-overrides":           denyOverrides,
	"3.0:permit-overrides":         permitOverrides,
	"3.0:ordered-deny-overrides":   denyOverrides,
	"3.0:ordered-permit-overrides": permitOverrides,
	"3.0:deny-unless-permit":       denyUnlessPermit,
	"3.0:permit-unless-deny":       permitUnlessDeny,
	"1.0:first-applicable":         firstApplicable,
	"1.0:deny-overrides":           oldDenyOverridesOfRules,
	"1.1:ordered-deny-overrides":   oldDenyOverridesOfRules,
	"1.0:permit-overrides":         oldPermitOverridesOfRules,
	"1.1:ordered-permit-overrides": oldPermitOverridesOfRules,
}

var algorithmsOfPolicies = map[string]algorithm{
	"3.0:deny-overrides":           denyOverrides,
	"3.0:permit-overrides":         permitOverrides,
	"3.0:ordered-deny-overrides":   denyOverrides,
	"3.0:ordered-permit-overrides": permitOverrides,
	"3.0:deny-unless-permit":       denyUnlessPermit,
	"3.0:permit-unless-deny":       permitUnlessDeny,
	"1.0:first-applicable":         firstApplicable,
	"1.0:only-one-applicable":      onlyOneApplicable,
	"1.0:deny-overrides":           oldDenyOverridesOfPolicies,
	"1.1:ordered-deny-overrides":   oldDenyOverridesOfPolicies,
	"1.0:permit-overrides":         oldPermitOverridesOfPolicies,
	"1.1:ordered-permit-overrides": oldPermitOverridesOfPolicies,
	"3.0:on-permit-apply-second":   onPermitApplySecond,
}

// tally is what the overrides algorithms remember of the children so far.
type tally struct {
	first  outcome // of the effect that is overridden, if there was one
	extent authz.Extent
	by     reasoner
	status *authz.Status
}

func (t *tally) add(o outcome) {
	if t.extent == authz.ExtentNone {
		t.by, t.status = o.by, o.status
	}
	t.extent |= o.extent
}

func (t *tally) uncertain(e authz.Extent) outcome { return uncertain(e, t.by, t.status) }

// denyOverrides is C.2, and C.6 in order: children are always seen in order.
func denyOverrides(c *container, f *frame, side views) outcome {
	return overrides(c, f, side, authz.Deny, authz.Permit)
}

// permitOverrides is C.4 and C.8.
func permitOverrides(c *container, f *frame, side views) outcome {
	return overrides(c, f, side, authz.Permit, authz.Deny)
}

// overrides is what the two have in common.
func overrides(c *container, f *frame, side views, stronger, weaker authz.Effect) outcome {
	t := tally{first: notApplicable}
	if o := gather(c, f, side, stronger, weaker, &t); o.decision == stronger {
		return o
	}
	strong, weak := extentOf(stronger), extentOf(weaker)
	switch {
	case t.extent&strong != 0 && (t.extent&weak != 0 || t.first.decision == weaker):
		return t.uncertain(authz.ExtentDenyPermit)
	case t.extent&strong != 0:
		return t.uncertain(strong)
	case t.first.decision == weaker:
		return t.first
	case t.extent&weak != 0:
		return t.uncertain(weak)
	}
	return notApplicable
}

// gather evaluates the children until one has the stronger effect, which is
// then the outcome, or tallies what there was otherwise. The duties it leaves are
// those of the children evaluated until then whose decision it is. Of what is
// uncertain the first is reported: the others need not say why.
func gather(c *container, f *frame, side views, stronger, weaker authz.Effect, t *tally) outcome {
	mark, mute := len(f.duties), f.mute
	var it cursor
	c.children.candidates(f, &it)
	for {
		ch := it.next(f)
		if ch == nil {
			f.mute = mute
			return notApplicable
		}
		from := len(f.duties)
		switch o := ch.eval(f, side); o.decision {
		case stronger:
			f.mute = mute
			it.close(f)
			f.keepFrom(mark, from)
			return o
		case weaker:
			if t.first.decision == authz.NotApplicable {
				t.first = o
			}
		case authz.Indeterminate:
			t.add(o)
			f.mute = true
		}
	}
}

// denyUnlessPermit is C.10: never anything but Permit and Deny.
func denyUnlessPermit(c *container, f *frame, side views) outcome {
	return unless(c, f, side, authz.Permit, authz.Deny)
}

// permitUnlessDeny is C.11.
func permitUnlessDeny(c *container, f *frame, side views) outcome {
	return unless(c, f, side, authz.Deny, authz.Permit)
}

func unless(c *container, f *frame, side views, wanted, otherwise authz.Effect) outcome {
	mark, mute := len(f.duties), f.mute
	f.mute = true // what is uncertain counts for nothing
	fallback := outcome{decision: otherwise, by: c}
	var it cursor
	c.children.candidates(f, &it)
	for {
		ch := it.next(f)
		if ch == nil {
			f.mute = mute
			return fallback
		}
		from := len(f.duties)
		o := ch.eval(f, side)
		switch o.decision {
		case wanted:
			f.mute = mute
			it.close(f)
			f.keepFrom(mark, from)
			return o
		case otherwise:
			if fallback.by == reasoner(c) {
				fallback.by = o.by
			}
		}
	}
}

// firstApplicable is C.12: the first child that says anything, be it
// Indeterminate.
func firstApplicable(c *container, f *frame, side views) outcome {
	var it cursor
	c.children.candidates(f, &it)
	for {
		ch := it.next(f)
		if ch == nil {
			return notApplicable
		}
		if o := ch.eval(f, side); o.decision != authz.NotApplicable {
			it.close(f)
			return o
		}
	}
}

// onlyOneApplicable is C.13: targets alone decide which child is evaluated.
func onlyOneApplicable(c *container, f *frame, side views) outcome {
	var only node
	var it cursor
	c.children.candidates(f, &it)
	for {
		ch := it.next(f)
		if ch == nil {
			break
		}
		n := ch.(node)
		m, status := n.applicable(f, side)
		switch {
		case m == indeterminate:
			it.close(f)
			return uncertain(authz.ExtentDenyPermit, c, status)
		case m == matches && only != nil:
			it.close(f)
			return uncertain(authz.ExtentDenyPermit, c, processingError(c.header.Position, "more than one policy of %q is applicable", c.header.ID))
		case m == matches:
			only = n
		}
	}
	if only == nil {
		return notApplicable
	}
	return only.eval(f, side)
}
