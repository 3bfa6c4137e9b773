package context

import (
	"fmt"
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// The scope of a request over a tree of resources (Hierarchical Resource
// profile 2.0, section 4; Multiple Resource profile 2.0, 2.1, 2.2 and 3.1). The
// tree is that of Options.Children, or, where the resource-id is an
// xpathExpression, that of the elements of the content.
const (
	oneScope = "urn:oasis:names:tc:xacml:1.0:resource:scope"
	twoScope = "urn:oasis:names:tc:xacml:2.0:resource:scope"
)

// The values of a scope.
const (
	immediate       = "Immediate"
	children        = "Children"
	descendants     = "Descendants"
	xpathExpression = "XPath-expression" // the nodes that the resource-id selects
	entireHierarchy = "EntireHierarchy"  // as descendants, with one answer for all
)

// hierarchy is the tree that one answer is asked for.
type hierarchy struct{ id authz.Attribute }

// hasScope reports whether a group is about a scope of resources.
func hasScope(g group) bool {
	return g.category == authz.Resource && slices.ContainsFunc(g.attrs, func(a authz.Attribute) bool { return a.ID == twoScope || a.ID == oneScope })
}

// scoped makes a group of each resource in the scope that attribute i names.
func (r *Request) scoped(g group, i int) ([]group, error) {
	if len(g.attrs[i].Values) != 1 {
		return nil, &Error{g.place.position(), "a scope must have one value"}
	}
	scope := g.attrs[i].Values[0].Text()
	isID := func(a authz.Attribute) bool { return a.ID == profile.ResourceID }
	at := slices.IndexFunc(g.attrs, isID)
	// ⚿ A second one would be a resource of every question: who may have that
	// would be told that they may have the others.
	if at < 0 || len(g.attrs[at].Values) != 1 || slices.ContainsFunc(g.attrs[at+1:], isID) {
		return nil, &Error{g.place.position(), "a scope needs a resource-id with one value"}
	}
	resources, err := r.within(g, g.attrs[at].Values[0], scope)
	if err != nil {
		return nil, &Error{g.place.position(), err.Error()}
	}
	var whole *hierarchy
	if scope == entireHierarchy {
		whole = &hierarchy{g.attrs[at]}
	}
	groups := make([]group, len(resources))
	for k, resource := range resources {
		id := g.attrs[at]
		id.Values, id.IncludeInResult = []authz.Value{resource}, true
		groups[k] = g
		groups[k].whole = whole
		groups[k].attrs = slices.Clone(g.attrs)
		groups[k].attrs[at] = id
		groups[k].attrs = slices.Delete(groups[k].attrs, i, i+1)
	}
	return groups, nil
}

// within lists the resources of a scope, parents before their children.
func (r *Request) within(g group, resource authz.Value, scope string) ([]authz.Value, error) {
	path, isPath := resource.Data().(authz.XPath)
	switch scope {
	case immediate:
		return []authz.Value{resource}, nil
	case xpathExpression:
		if !isPath || g.content == nil {
			return nil, fmt.Errorf("scope %s: want a resource-id of type xpathExpression, and content", scope)
		}
	case children, descendants, entireHierarchy:
	default:
		return nil, fmt.Errorf("scope is %s; want %s, %s, %s, %s or %s", quote(scope), immediate, children, descendants, xpathExpression, entireHierarchy)
	}
	if isPath && g.content != nil {
		return r.nodesWithin(g, path, scope)
	}
	if r.options.Children == nil {
		return nil, fmt.Errorf("scope %s: no tree of resources is known here", scope)
	}
	return r.below(resource, scope)
}

// below walks the tree of Options.Children.
func (r *Request) below(resource authz.Value, scope string) ([]authz.Value, error) {
	found, seen := []authz.Value{resource}, map[string]bool{resource.Key(): true}
	for next := 0; next < len(found); next++ {
		below, err := r.options.Children(found[next])
		if err != nil {
			return nil, fmt.Errorf("children of resource %s: %w", quote(found[next].Text()), err)
		}
		for _, child := range below {
			if !seen[child.Key()] {
				seen[child.Key()] = true
				found = append(found, child)
			}
		}
		if len(found) > r.options.MostQuestions {
			return nil, r.tooMany()
		}
		if scope == children {
			break
		}
	}
	return found, nil
}

// answer makes one result of those for the nodes of a hierarchy: Permit only if
// every node is permitted, with the duties of all; else the gravest of the
// answers, a Deny before an Indeterminate before a NotApplicable, with the
// duties of the nodes that gave it.
func (h *hierarchy) answer(nodes []Result) Result {
	one := nodes[0]
	for _, n := range nodes[1:] {
		if gravity(n.Decision) > gravity(one.Decision) {
			one.Response = n.Response
		}
	}
	one.Obligations, one.Advice, one.Policies = nil, nil, nil
	for _, n := range nodes {
		if n.Decision == one.Decision {
			one.Obligations = append(one.Obligations, n.Obligations...)
			one.Advice = append(one.Advice, n.Advice...)
		}
		for _, p := range n.Policies {
			if !slices.Contains(one.Policies, p) {
				one.Policies = append(one.Policies, p)
			}
		}
	}
	one.Resource = h.id.Values[0].Text()
	one.Attributes = slices.Clone(one.Attributes)
	for i := range one.Attributes {
		if a := &one.Attributes[i]; a.ID == profile.ResourceID && a.Category == authz.Resource {
			a.Values = h.id.Values
		}
	}
	return one
}

// gravity orders decisions; whatever is no decision is Indeterminate.
func gravity(d authz.Decision) int {
	switch d {
	case authz.Permit:
		return 0
	case authz.NotApplicable:
		return 1
	case authz.Deny:
		return 3
	}
	return 2
}
