package context

import (
	"fmt"
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// The scope of a request over a tree of resources (Hierarchical Resource
// profile 2.0, section 4; Multiple Resource profile 2.0, 2.1).
const (
	oneScope = "urn:oasis:names:tc:xacml:1.0:resource:scope"
	twoScope = "urn:oasis:names:tc:xacml:2.0:resource:scope"
)

// scoped makes a group of each resource in the scope that attribute i names.
func (r *Request) scoped(g group, i int) ([]group, error) {
	scope := g.attrs[i]
	if len(scope.Values) != 1 {
		return nil, &Error{g.place(), "a scope must have one value"}
	}
	at := slices.IndexFunc(g.attrs, func(a authz.Attribute) bool { return a.ID == profile.ResourceID })
	if at < 0 || len(g.attrs[at].Values) != 1 {
		return nil, &Error{g.place(), "a scope needs a resource-id with one value"}
	}
	resources, err := r.within(g.attrs[at].Values[0], scope.Values[0].Text())
	if err != nil {
		return nil, &Error{g.place(), err.Error()}
	}
	groups := make([]group, len(resources))
	for k, resource := range resources {
		id := g.attrs[at]
		id.Values, id.IncludeInResult = []authz.Value{resource}, true
		groups[k] = g
		groups[k].attrs = slices.Clone(g.attrs)
		groups[k].attrs[at] = id
		groups[k].attrs = slices.Delete(groups[k].attrs, i, i+1)
	}
	return groups, nil
}

// within lists the resources of a scope, parents before their children.
func (r *Request) within(resource authz.Value, scope string) ([]authz.Value, error) {
	switch scope {
	case "Immediate":
		return []authz.Value{resource}, nil
	case "Children", "Descendants":
	default:
		return nil, fmt.Errorf("scope is %s; want Immediate, Children or Descendants", quote(scope))
	}
	if r.options.Children == nil {
		return nil, fmt.Errorf("scope %s: no tree of resources is known here", scope)
	}
	found, seen := []authz.Value{resource}, map[string]bool{resource.Key(): true}
	for next := 0; next < len(found); next++ {
		children, err := r.options.Children(found[next])
		if err != nil {
			return nil, fmt.Errorf("children of resource %s: %w", quote(found[next].Text()), err)
		}
		for _, child := range children {
			if !seen[child.Key()] {
				seen[child.Key()] = true
				found = append(found, child)
			}
		}
		if len(found) > r.options.MostQuestions {
			return nil, r.tooMany()
		}
		if scope == "Children" {
			break
		}
	}
	return found, nil
}
