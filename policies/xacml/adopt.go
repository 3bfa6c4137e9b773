package xacml

import (
	"regexp/syntax"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// Adopt returns the tree with functions of package profile where a target has
// standard ones that mean exactly the same, and with times from and until in
// place of the matches that [Write] makes of them: the way back from what [Exact]
// writes. It is for writers of languages that know only those.
func Adopt(n policies.Node) policies.Node {
	switch n := n.(type) {
	case *policies.PolicySet:
		next := *n
		next.Target = adoptTarget(n.Target)
		children := make([]policies.Node, 0, n.Children.Len())
		for child := range n.Children.All() {
			children = append(children, Adopt(child))
		}
		next.Children = policies.NewList(children...)
		return &next
	case *policies.Policy:
		next := *n
		next.Target = adoptTarget(n.Target)
		rules := make([]*policies.Rule, 0, n.Rules.Len())
		for r := range n.Rules.All() {
			rule := *r
			rule.Target = adoptTarget(r.Target)
			adoptWindow(&rule)
			rules = append(rules, &rule)
		}
		next.Rules = policies.NewList(rules...)
		return &next
	}
	return n
}

func adoptTarget(t *policies.Target) *policies.Target {
	if t == nil {
		return nil
	}
	next := &policies.Target{Position: t.Position, AnyOf: make([]policies.AnyOf, len(t.AnyOf))}
	for i, a := range t.AnyOf {
		for _, all := range a.AllOf {
			made := policies.AllOf{}
			for _, m := range all.Matches {
				made.Matches = append(made.Matches, adoptMatch(m))
			}
			next.AnyOf[i].AllOf = append(next.AnyOf[i].AllOf, made)
		}
	}
	return next
}

func adoptMatch(m policies.Match) policies.Match {
	d, ok := m.Attribute.(*policies.Designator)
	if !ok {
		return m
	}
	switch {
	case m.Function == one0+"string-regexp-match" && d.Type == authz.String, m.Function == two0+"anyURI-regexp-match" && d.Type == authz.AnyURI:
		if inner, ok := anchoredPattern(m.Value.Text()); ok {
			m.Function, m.Value = profile.FunctionAnchoredRegexp, authz.StringValue(inner)
		}
	case m.Function == one0+"x500Name-match" && d.Type == authz.X500Name:
		m.Function = profile.FunctionSubtree
	}
	return m
}

// anchoredPattern returns what stands between ^( and )$ if it means the same to
// RE2 as in XPath's dialect.
func anchoredPattern(pattern string) (string, bool) {
	inner, head := strings.CutPrefix(pattern, "^(")
	inner, tail := strings.CutSuffix(inner, ")$")
	if !head || !tail || !alike(inner) {
		return "", false
	}
	_, err := syntax.Parse(inner, syntax.Perl) // also refuses ")(", where the ends are no pair
	return inner, err == nil
}

// alike tells whether both dialects read a pattern the same way: plain text,
// operators, escapes of punctuation and simple classes.
func alike(pattern string) bool {
	class, start := false, 0
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c < ' ' || c >= 0x7f:
			return false
		case c == '\\':
			i++
			if i == len(pattern) || !strings.ContainsRune(`\|.?*+(){}-[]^$nrt`, rune(pattern[i])) {
				return false
			}
		case class && (c == '[' || c == '&' || c == '^' && i > start+1):
			return false
		case class && c == ']':
			if i == start+1 || pattern[start+1] == '^' && i == start+2 {
				return false
			}
			class = false
		case class && c == '-' && (i == start+1 || pattern[i+1:] != "" && pattern[i+1] == ']'):
			return false // a "-" that is no range: not worth the risk
		case !class && c == '[':
			class, start = true, i
		case !class && (c == '{' || c == '^' || c == '$'):
			return false
		case !class && c == '(' && strings.HasPrefix(pattern[i+1:], "?"):
			return false
		}
	}
	return !class
}

// adoptWindow takes out of a target what [Write] puts in for a rule's time, if
// that leaves a time at all.
func adoptWindow(r *policies.Rule) {
	if r.Target == nil {
		return
	}
	from, until := r.From, r.Until
	var rest []policies.AnyOf
	for _, a := range r.Target.AnyOf {
		if len(a.AllOf) == 1 { // what is one of several choices is no bound
			kept := policies.AllOf{}
			for _, m := range a.AllOf[0].Matches {
				at, first, ok := windowMatch(m)
				switch {
				case !ok:
					kept.Matches = append(kept.Matches, m)
				case first && at.After(from):
					from = at
				case !first && (until.IsZero() || at.Before(until)):
					until = at
				}
			}
			if len(kept.Matches) == 0 {
				continue
			}
			a = policies.AnyOf{AllOf: []policies.AllOf{kept}}
		}
		rest = append(rest, a)
	}
	if !until.IsZero() && !from.Before(until) {
		return
	}
	target := *r.Target
	r.From, r.Until, r.Target, target.AnyOf = from, until, &target, rest
	if len(rest) == 0 {
		r.Target = nil
	}
}

// windowMatch returns the time of a match as window makes them, and whether it
// is the first one at which the rule holds rather than the first after.
func windowMatch(m policies.Match) (at time.Time, first, ok bool) {
	d, isName := m.Attribute.(*policies.Designator)
	if !isName || d.Category != authz.Environment || d.ID != currentDateTime || d.Type != authz.DateTime || d.Issuer != "" || !d.MustBePresent || m.Value.Type() != authz.DateTime {
		return at, false, false
	}
	at, err := time.Parse(time.RFC3339Nano, m.Value.Text()) // one without a zone is none of ours
	switch {
	case err != nil || at.IsZero():
		return at, false, false
	case m.Function == one0+"dateTime-less-than-or-equal":
		return at, true, true
	}
	return at, false, m.Function == one0+"dateTime-greater-than"
}
