package lint

import (
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

// Names finds designators below a node that ask for an attribute of the
// profiles' own namespaces that these do not have, or for one under a category
// or data type under which it does not come. Other namespaces are a site's.
func Names(n policies.Node) []Finding {
	v := &names{known: map[string]profile.Attribute{}, spaces: map[string][]string{}}
	for _, a := range profile.Attributes() {
		v.known[a.ID] = a
		if space, short := cut(a.ID); !strings.HasPrefix(space, "urn:oasis:") {
			v.spaces[space] = append(v.spaces[space], short)
		}
	}
	walk(n, v.expression)
	return v.found
}

// alsoKnown are attributes of the namespaces that have no name in SPL.
var alsoKnown = map[string]bool{profile.PilotClassifer: true, profile.EMIProfileID: true}

type names struct {
	known  map[string]profile.Attribute
	spaces map[string][]string // the short names in each namespace
	found  []Finding
}

func cut(id string) (space, short string) {
	i := strings.LastIndexAny(id, "/:#") + 1
	return id[:i], id[i:]
}

func (v *names) expression(e policies.Expression) {
	d, ok := e.(*policies.Designator)
	if !ok || alsoKnown[d.ID] {
		return
	}
	space, short := cut(d.ID)
	row, known := v.known[d.ID]
	switch {
	case !known && v.spaces[space] != nil:
		v.found = append(v.found, Finding{Position: d.Position, Message: fmt.Sprintf("unknown attribute %q", d.ID), Hint: spl.Suggest(short, v.spaces[space])})
	case !known || v.spaces[space] == nil: // those of XACML itself come as a site likes
	case d.Category != row.Category:
		v.found = append(v.found, Finding{Position: d.Position, Message: fmt.Sprintf("attribute %q comes in another category", d.ID), Hint: fmt.Sprintf("did you mean %q?", row.Category)})
	case d.Type != "" && d.Type != row.Type && row.Type != authz.FQANType:
		v.found = append(v.found, Finding{Position: d.Position, Message: fmt.Sprintf("attribute %q comes with another data type than %s", d.ID, d.Type.Name()), Hint: fmt.Sprintf("did you mean %q?", row.Type)})
	}
}

// walk calls visit for every expression below a node.
func walk(n policies.Node, visit func(policies.Expression)) {
	switch n := n.(type) {
	case *policies.PolicySet:
		walkHeader(&n.Header, visit)
		for child := range n.Children.All() {
			walk(child, visit)
		}
	case *policies.Policy:
		walkHeader(&n.Header, visit)
		for _, v := range n.Variables {
			walkExpression(v.Expression, visit)
		}
		for r := range n.Rules.All() {
			walkTarget(r.Target, visit)
			walkExpression(r.Condition, visit)
			walkDuties(r.Obligations, visit)
			walkDuties(r.Advice, visit)
		}
	}
}

func walkHeader(h *policies.Header, visit func(policies.Expression)) {
	walkTarget(h.Target, visit)
	walkDuties(h.Obligations, visit)
	walkDuties(h.Advice, visit)
}

func walkTarget(t *policies.Target, visit func(policies.Expression)) {
	if t == nil {
		return
	}
	for _, a := range t.AnyOf {
		for _, all := range a.AllOf {
			for _, m := range all.Matches {
				visit(m.Attribute)
			}
		}
	}
}

func walkDuties(duties []policies.Duty, visit func(policies.Expression)) {
	for _, d := range duties {
		for _, a := range d.Assignments {
			walkExpression(a.Expression, visit)
		}
	}
}

func walkExpression(e policies.Expression, visit func(policies.Expression)) {
	if e == nil {
		return
	}
	visit(e)
	if apply, ok := e.(*policies.Apply); ok {
		for _, a := range apply.Arguments {
			walkExpression(a, visit)
		}
	}
}
