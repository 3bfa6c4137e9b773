package lint

import (
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// combining is what matters here of a combining algorithm.
type combining struct {
	first bool         // the first item that is not NotApplicable decides
	stops authz.Effect // the effect that decides by itself; none if there is none
}

const none = authz.NotApplicable

var firstApplicable = combining{first: true, stops: none}

func combiningOf(h *policies.Header) combining {
	name := string(h.Combining)
	switch strings.TrimPrefix(name[strings.LastIndexByte(name, ':')+1:], "ordered-") {
	case "first-applicable":
		return firstApplicable
	case "deny-overrides", "permit-unless-deny":
		return combining{stops: authz.Deny}
	case "permit-overrides", "deny-unless-permit":
		return combining{stops: authz.Permit}
	}
	return combining{stops: none}
}

func isAlgorithm(h *policies.Header, name string) bool {
	return strings.HasSuffix(string(h.Combining), ":"+name)
}

// growing tells whether the targets around match at least as much in the view of
// a denial, which sees more, as in that of a permit: so they do unless
// something must be present, or content is looked into.
func (a around) growing() bool {
	return everyMatch(a, func(m policies.Match) bool {
		d, ok := m.Attribute.(*policies.Designator)
		return ok && !d.MustBePresent
	})
}

// sure returns the targets around that are never Indeterminate: where one is, an
// item can be less certain than another that asks for more.
func (a around) sure() (all around) {
	for _, any := range a {
		if sureChoice(any) {
			all = append(all, any)
		}
	}
	return all
}

func everyMatch(all []policies.AnyOf, holds func(policies.Match) bool) bool {
	for _, any := range all {
		for _, choice := range any.AllOf {
			for _, m := range choice.Matches {
				if !holds(m) {
					return false
				}
			}
		}
	}
	return true
}

// sureTarget tells whether a target is never Indeterminate.
func sureTarget(t *policies.Target) bool { return t == nil || everyMatch(t.AnyOf, sureMatch) }

func sureChoice(a policies.AnyOf) bool { return everyMatch([]policies.AnyOf{a}, sureMatch) }

func sureMatch(m policies.Match) bool {
	d, ok := m.Attribute.(*policies.Designator)
	return ok && !d.MustBePresent && total[m.Function]
}

const one0 = "urn:oasis:names:tc:xacml:1.0:function:"

// total are functions that give an answer for all values of their types.
var total = map[string]bool{
	profile.FunctionStringEqual: true, profile.FunctionX500NameEqual: true, profile.FunctionFQAN: true, profile.FunctionFQANPattern: true,
	profile.FunctionBanName: true, profile.FunctionBanText: true, profile.FunctionBanURI: true, profile.FunctionBanVO: true,
	profile.FunctionBanFQAN: true, profile.FunctionBanSubtree: true, profile.FunctionSubtree: true, profile.FunctionAnchoredRegexp: true,
	profile.FunctionBooleanEqual: true, profile.FunctionIntegerEqual: true, profile.FunctionAnyURIEqual: true, profile.FunctionStringRegexp: true,
	one0 + "rfc822Name-equal": true, one0 + "integer-greater-than": true, one0 + "integer-greater-than-or-equal": true,
	one0 + "integer-less-than": true, one0 + "integer-less-than-or-equal": true,
}

// sureDuties tells whether duties never make an error of what they go with.
func sureDuties(lists ...[]policies.Duty) bool {
	for _, duties := range lists {
		for _, d := range duties {
			for _, a := range d.Assignments {
				designator, isBag := a.Expression.(*policies.Designator)
				_, isLiteral := a.Expression.(*policies.Literal)
				if !isLiteral && (!isBag || designator.MustBePresent) {
					return false
				}
			}
		}
	}
	return true
}

// alwaysDenies tells whether a node whose target holds is never NotApplicable,
// whatever the request.
func alwaysDenies(n policies.Node) bool {
	h, ok := header(n)
	switch {
	case !ok:
		return false
	case isAlgorithm(h, "deny-unless-permit"):
		return true
	case combiningOf(h) != firstApplicable:
		return surelyDenies(n)
	}
	switch n := n.(type) {
	case *policies.Policy:
		for r := range n.Rules.All() {
			if r.Effect == authz.Deny && unconditional(r) {
				return true
			}
		}
	case *policies.PolicySet:
		for child := range n.Children.All() {
			if c, ok := header(child); ok && c.Target == nil && alwaysDenies(child) {
				return true
			}
		}
	}
	return false
}

// surelyDenies tells whether a node whose target holds denies, whatever the
// request: an unconditional denial in it decides.
func surelyDenies(n policies.Node) bool {
	h, ok := header(n)
	if !ok || !sureDuties(h.Obligations, h.Advice) {
		return false
	}
	by, first := combiningOf(h), true
	denies := func(sure bool) bool {
		found := sure && (by.stops == authz.Deny || by == firstApplicable && first)
		first = false
		return found
	}
	switch n := n.(type) {
	case *policies.Policy:
		for r := range n.Rules.All() {
			if denies(r.Effect == authz.Deny && unconditional(r) && sureDuties(r.Obligations, r.Advice)) {
				return true
			}
		}
	case *policies.PolicySet:
		for child := range n.Children.All() {
			if c, ok := header(child); denies(ok && c.Target == nil && surelyDenies(child)) {
				return true
			}
		}
	}
	return false
}

func unconditional(r *policies.Rule) bool {
	return r.Target == nil && r.Condition == nil && r.From.IsZero() && r.Until.IsZero()
}

func isFalse(e policies.Expression) bool {
	l, ok := e.(*policies.Literal)
	if !ok {
		return false
	}
	value, isBoolean := l.Value.Data().(bool)
	return isBoolean && !value
}

// negated returns the match that an expression excludes.
func negated(e policies.Expression) (policies.Match, bool) {
	apply, ok := e.(*policies.Apply)
	if !ok || apply.Function != profile.FunctionNone || len(apply.Arguments) != 3 {
		return policies.Match{}, false
	}
	function, isName := apply.Arguments[0].(*policies.FunctionName)
	literal, isLiteral := apply.Arguments[1].(*policies.Literal)
	if !isName || !isLiteral {
		return policies.Match{}, false
	}
	return policies.Match{Function: function.Function, Value: literal.Value, Attribute: apply.Arguments[2]}, true
}
