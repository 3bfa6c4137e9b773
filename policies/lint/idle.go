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
	Hint     string            // what to write instead; "" when nothing comes to mind
	By       policies.Position // of the other item that the message is about
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
		return idleRules(n, above.and(n.Target))
	}
	return nil
}

func idleChildren(s *policies.PolicySet, above around) (found []Finding) {
	var total []policies.Node
	by := combiningOf(&s.Header)
	for child := range s.Children.All() {
		if earlier := hiding(child, total, above, by); earlier != nil {
			found = append(found, Finding{Position: child.At(), By: earlier.At(), Message: fmt.Sprintf("this %s never applies: %s before it always decides", kind(child), name("the "+kind(earlier), earlier, earlier.At(), child.At()))})
			continue
		}
		found = append(found, idle(child, above)...)
		if by == firstApplicable && alwaysDenies(child) || by.stops == authz.Deny && surelyDenies(child) {
			total = append(total, child)
		}
	}
	return found
}

// hiding returns the one of the earlier children, which always deny, that is
// asked first whenever the child could be.
func hiding(child policies.Node, earlier []policies.Node, above around, by combining) policies.Node {
	if !above.growing() {
		return nil
	}
	for _, e := range earlier {
		h, _ := header(e)
		if target, ok := targetOf(child); ok && implied(h.Target, above.and(target), true) && (by == firstApplicable || sureTarget(h.Target)) {
			return e
		}
	}
	return nil
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
// where it is: in which file, if not in that of the place it is named at.
func name(kind string, item policies.Item, at, from policies.Position) string {
	_, id := item.Where()
	if id != "" && (at.File == "" || !strings.HasPrefix(id, at.File+":")) {
		kind = fmt.Sprintf("%s %q", kind, id)
	}
	switch {
	case at.Line == 0:
		return kind
	case at.File != from.File:
		return fmt.Sprintf("%s (%s, line %d)", kind, at.File, at.Line)
	}
	return fmt.Sprintf("%s (line %d)", kind, at.Line)
}
