package spl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// meaning renders all that decides, one line for each rule; the order of
// conditions does not count.
func meaning(s *policies.PolicySet) []string {
	lines := []string{headMeaning(&s.Header)}
	for child := range s.Children.All() {
		p, ok := child.(*policies.Policy)
		if !ok {
			return []string{"?"}
		}
		lines = append(lines, headMeaning(&p.Header))
		for r := range p.Rules.All() {
			lines = append(lines, fmt.Sprint(r.Effect, choices(r.Target), conditions(r.Condition), dutyMeaning(r.Obligations), dutyMeaning(r.Advice), r.Because, r.From.UnixNano(), r.Until.UnixNano()))
		}
	}
	return lines
}

func headMeaning(h *policies.Header) string {
	return fmt.Sprintf("%s %v %q %v", choices(h.Target), h.Private, h.Description, dutyMeaning(h.Obligations))
}

func choices(t *policies.Target) []string {
	var all []string
	if t == nil {
		return nil
	}
	for _, a := range t.AnyOf {
		var alternatives []string
		for _, conjunction := range a.AllOf {
			var matches []string
			for _, m := range conjunction.Matches {
				matches = append(matches, fmt.Sprintf("%s(%s,%s)", m.Function, value(m.Value), bag(m.Attribute)))
			}
			slices.Sort(matches)
			if len(a.AllOf) == 1 {
				all = append(all, matches...)
			}
			alternatives = append(alternatives, strings.Join(matches, "&"))
		}
		if len(a.AllOf) != 1 {
			slices.Sort(alternatives)
			all = append(all, strings.Join(alternatives, "|"))
		}
	}
	slices.Sort(all)
	return all
}

func value(v authz.Value) string { return fmt.Sprintf("%s:%q", v.Type(), v.Key()) }

func bag(e policies.Expression) string {
	d, ok := e.(*policies.Designator)
	if !ok {
		return "?"
	}
	return fmt.Sprintf("%s %s %s %q %v", d.Category, d.ID, d.Type, d.Issuer, d.MustBePresent)
}

func conditions(e policies.Expression) []string {
	apply, ok := e.(*policies.Apply)
	switch {
	case e == nil:
		return nil
	case !ok:
		return []string{"?"}
	case apply.Function == profile.FunctionAnd:
		var all []string
		for _, a := range apply.Arguments {
			all = append(all, conditions(a)...)
		}
		slices.Sort(all)
		return all
	}
	text := apply.Function
	for _, a := range apply.Arguments {
		switch a := a.(type) {
		case *policies.FunctionName:
			text += " " + a.Function
		case *policies.Literal:
			text += " " + value(a.Value)
		default:
			text += " " + bag(a)
		}
	}
	return []string{text}
}

func dutyMeaning(duties []policies.Duty) []string {
	var all []string
	for _, d := range duties {
		text := fmt.Sprintf("%q on %s", d.ID, d.On)
		for _, a := range d.Assignments {
			if l, ok := a.Expression.(*policies.Literal); ok {
				text += fmt.Sprintf(" %q=%s", a.ID, value(l.Value))
			}
		}
		all = append(all, text)
	}
	return all
}
