package lint

import (
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// Finding is one mistake and its place.
type Finding struct {
	Position policies.Position
	Message  string
	Hint     string // what to write instead; "" when nothing comes to mind
}

// around is what is known where an item is evaluated: the targets of the
// policies above it.
type around []policies.AnyOf

func (a around) and(t *policies.Target) around {
	if t == nil {
		return a
	}
	return append(a[:len(a):len(a)], t.AnyOf...)
}

// Idle finds the rules and policies below a node that can never decide.
func Idle(n policies.Node) []Finding { return idle(n, nil) }

func idle(n policies.Node, above around) []Finding {
	switch n := n.(type) {
	case *policies.PolicySet:
		return idleChildren(n, above.and(n.Target))
	case *policies.Policy:
		if firstApplicable(&n.Header) {
			return idleRules(n, above.and(n.Target))
		}
	}
	return nil
}

func firstApplicable(h *policies.Header) bool {
	return strings.HasSuffix(string(h.Combining), ":first-applicable")
}

func idleChildren(s *policies.PolicySet, above around) (found []Finding) {
	var total []policies.Node
	for child := range s.Children.All() {
		hidden := false
		for _, earlier := range total {
			h, _ := header(earlier)
			if target, ok := targetOf(child); ok && implied(h.Target, above.and(target), true) {
				found = append(found, Finding{Position: child.At(), Message: fmt.Sprintf("this %s never applies: %s before it always decides", kind(child), name("the "+kind(earlier), earlier, earlier.At()))})
				hidden = true
				break
			}
		}
		if hidden {
			continue
		}
		found = append(found, idle(child, above)...)
		if firstApplicable(&s.Header) && alwaysDenies(child) {
			total = append(total, child)
		}
	}
	return found
}

func header(n policies.Node) (*policies.Header, bool) {
	switch n := n.(type) {
	case *policies.PolicySet:
		return &n.Header, true
	case *policies.Policy:
		return &n.Header, true
	}
	return nil, false
}

// targetOf returns what a child asks for; nothing is known of references and
// other languages, which is no hindrance.
func targetOf(n policies.Node) (*policies.Target, bool) {
	if h, ok := header(n); ok {
		return h.Target, true
	}
	return nil, true
}

func kind(n policies.Node) string {
	if _, set := n.(*policies.PolicySet); set {
		return "policy set"
	}
	return "policy"
}

// name calls an item by its id, unless that was made from its place, and says
// where it is.
func name(kind string, item policies.Item, at policies.Position) string {
	_, id := item.Where()
	if id != "" && (at.File == "" || !strings.HasPrefix(id, at.File+":")) {
		kind = fmt.Sprintf("%s %q", kind, id)
	}
	if at.Line == 0 {
		return kind
	}
	return fmt.Sprintf("%s (line %d)", kind, at.Line)
}

// alwaysDenies tells whether a node whose target holds is never NotApplicable,
// whatever the request.
func alwaysDenies(n policies.Node) bool {
	h, ok := header(n)
	switch {
	case !ok:
		return false
	case strings.HasSuffix(string(h.Combining), ":deny-unless-permit"):
		return true
	case !firstApplicable(h):
		return false
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

func unconditional(r *policies.Rule) bool {
	return r.Target == nil && r.Condition == nil && r.From.IsZero() && r.Until.IsZero()
}

// Each rule is held against so many earlier ones that a list takes seconds at
// most: in a list of a million only the first few are seen to hide others.
const (
	mostCompared  = 2000
	leastCompared = 50
	comparisons   = 20_000_000
)

func idleRules(p *policies.Policy, above around) (found []Finding) {
	var earlier []*policies.Rule
	most := min(max(comparisons/max(p.Rules.Len(), 1), leastCompared), mostCompared)
	for r := range p.Rules.All() {
		if by := hiddenBy(r, earlier, above); by != nil {
			found = append(found, Finding{Position: r.Position, Message: fmt.Sprintf("this rule never applies: %s before it always decides", name("the rule", by, by.Position))})
		} else if len(earlier) < most {
			earlier = append(earlier, r)
		}
	}
	return found
}

func hiddenBy(r *policies.Rule, earlier []*policies.Rule, above around) *policies.Rule {
	facts := above.and(r.Target)
	for _, e := range earlier {
		mixed := e.Effect != r.Effect
		switch {
		case mixed && e.Effect == authz.Permit && (len(above) > 0 || e.Target != nil || e.Condition != nil):
		case e.Condition != nil && (mixed || !sameExpression(e.Condition, r.Condition)):
		case !covers(e, r):
		case implied(e.Target, facts, mixed):
			return e
		}
	}
	return nil
}

// covers tells whether the time of e contains that of r.
func covers(e, r *policies.Rule) bool {
	from := e.From.IsZero() || !r.From.IsZero() && !r.From.Before(e.From)
	until := e.Until.IsZero() || !r.Until.IsZero() && !e.Until.Before(r.Until)
	return from && until
}
