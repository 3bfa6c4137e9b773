package kit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	wire "github.com/gatehouse-authz/gatehouse/pdp/context"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// Compare says how an answer differs from an oracle in what means something:
// the decision, the status code where the oracle gives one other than ok, the
// obligations and advice, the attributes returned and the policies that
// applied, all as multisets. Results are told apart by what they echo.
func Compare(want, got wire.Response) error {
	if len(want.Results) != len(got.Results) {
		return fmt.Errorf("want %d results, have %d", len(want.Results), len(got.Results))
	}
	rest := slices.Clone(got.Results)
	want.Results = slices.Clone(want.Results)
	if len(want.Results) == 1 {
		want.Results[0].Resource = "" // nothing to tell apart
	}
	for _, w := range want.Results {
		var first error
		i := slices.IndexFunc(rest, func(g wire.Result) bool {
			err := CompareOne(w, g)
			if first == nil {
				first = err
			}
			return err == nil
		})
		if i < 0 {
			return first
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return nil
}

// CompareOne compares one result.
func CompareOne(want, got wire.Result) error {
	switch {
	case want.Decision != got.Decision:
		return fmt.Errorf("want %s, have %s", want.Decision, got.Decision)
	case want.Status != nil && want.Status.Code != authz.StatusOK && (got.Status == nil || got.Status.Code != want.Status.Code):
		return fmt.Errorf("want status %s, have %v", want.Status.Code, got.Status)
	}
	if want.Resource != "" {
		// The kit for 3.0 names the resource as 2.0 does; we echo its attribute.
		if want.Resource != resourceOf(&got) {
			return fmt.Errorf("want resource %s, have %s", want.Resource, resourceOf(&got))
		}
		got.Attributes = slices.DeleteFunc(slices.Clone(got.Attributes), func(a authz.Attribute) bool { return a.ID == profile.ResourceID })
	}
	for what, sides := range map[string][2][]string{
		"obligations": {dutyLines(want.Obligations), dutyLines(got.Obligations)},
		"advice":      {dutyLines(want.Advice), dutyLines(got.Advice)},
		"attributes":  {attributeLines(want.Attributes), attributeLines(got.Attributes)},
		"policies":    {policyLines(want.Policies), policyLines(got.Policies)},
	} {
		if !slices.Equal(sides[0], sides[1]) {
			return fmt.Errorf("%s: want\n  %s\nhave\n  %s", what, strings.Join(sides[0], "\n  "), strings.Join(sides[1], "\n  "))
		}
	}
	return nil
}

func resourceOf(r *wire.Result) string {
	for _, a := range r.Attributes {
		if a.ID == profile.ResourceID {
			return a.Values[0].Text()
		}
	}
	return r.Resource
}

func dutyLines(all []authz.Obligation) (lines []string) {
	for _, o := range all {
		var parts []string
		for _, a := range o.Assignments {
			parts = append(parts, strings.Join([]string{a.ID, string(a.Category), a.Issuer, meaning(a.Value)}, " "))
		}
		slices.Sort(parts)
		lines = append(lines, o.ID+" "+strings.Join(parts, "; "))
	}
	slices.Sort(lines)
	return lines
}

func attributeLines(all []authz.Attribute) (lines []string) {
	for _, a := range all {
		for _, v := range a.Values {
			lines = append(lines, strings.Join([]string{string(a.Category), a.ID, a.Issuer, meaning(v)}, " "))
		}
	}
	slices.Sort(lines)
	return lines
}

func policyLines(all []authz.PolicyID) (lines []string) {
	for _, p := range all {
		lines = append(lines, fmt.Sprint(p.ID, " ", p.Version, " ", p.Set))
	}
	slices.Sort(lines)
	return lines
}

// meaning is the type and the comparison key of a value. The prefixes around an
// XPath expression and its category are not compared: the oracles leave them
// out, or have those of another element.
func meaning(v authz.Value) string {
	if x, ok := v.Data().(authz.XPath); ok {
		return "xpath " + canonicalPath(x.Expression)
	}
	return string(v.Type()) + " " + v.Key()
}

// canonicalPath gives the selector of a node as we write it for the two nodes
// of IIIE301.
func canonicalPath(expression string) string {
	for i := range 2 {
		if expression == fmt.Sprintf("//md:records/md:record[%d]", i+1) {
			return fmt.Sprintf("/*[1]/*[%d]", i+1)
		}
	}
	return expression
}
