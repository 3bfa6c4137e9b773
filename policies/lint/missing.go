package lint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

// Missing finds the references in a library to policies that are not in it.
// Such a reference is Indeterminate when it is asked (XACML 3.0 core, 7.15).
func Missing(library []policies.Node) []Finding {
	var found []Finding
	for _, n := range library {
		found = append(found, missing(n, library)...)
	}
	return found
}

func missing(n policies.Node, library []policies.Node) (found []Finding) {
	switch n := n.(type) {
	case *policies.PolicySet:
		for child := range n.Children.All() {
			found = append(found, missing(child, library)...)
		}
	case *policies.Reference:
		if f, ok := unresolved(n, library); ok {
			found = append(found, f)
		}
	}
	return found
}

func unresolved(r *policies.Reference, library []policies.Node) (Finding, bool) {
	var ids, versions []string
	for _, n := range library {
		h, ok := header(n)
		if _, set := n.(*policies.PolicySet); !ok || set != r.Set {
			continue
		}
		ids = append(ids, h.ID)
		if h.ID != r.ID {
			continue
		}
		if fits(r, h.Version) {
			return Finding{}, false
		}
		versions = append(versions, h.Version)
	}
	kind := "policy"
	if r.Set {
		kind = "policy set"
	}
	if len(versions) > 0 {
		return Finding{Position: r.Position, Message: fmt.Sprintf("no version of the %s %q is one that this refers to", kind, r.ID), Hint: "there is " + strings.Join(versions, ", ")}, true
	}
	return Finding{Position: r.Position, Message: fmt.Sprintf("no %s %q in the files given", kind, r.ID), Hint: spl.Suggest(r.ID, ids)}, true
}

// fits matches a version with the patterns of a reference (XACML 3.0 core,
// 5.12 and 5.13).
func fits(r *policies.Reference, version string) bool {
	v := strings.Split(version, ".")
	return (r.Version == "" || order(v, r.Version) == 0) &&
		(r.Earliest == "" || order(v, r.Earliest) >= 0) &&
		(r.Latest == "" || order(v, r.Latest) <= 0)
}

// order compares a version with a pattern: "*" is any one number, "+" any rest.
func order(v []string, pattern string) int {
	parts := strings.Split(pattern, ".")
	for i, p := range parts {
		switch {
		case i >= len(v):
			return -1
		case p == "+":
			return 0
		case p == "*":
			continue
		}
		have, _ := strconv.ParseUint(v[i], 10, 64)
		want, _ := strconv.ParseUint(p, 10, 64)
		if have != want {
			if have < want {
				return -1
			}
			return 1
		}
	}
	return len(v) - len(parts)
}
