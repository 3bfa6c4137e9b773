package xacml

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// bare returns the tree without positions, for comparison.
func bare(n policies.Node) any {
	out := []any{reflect.TypeOf(n).String()}
	switch n := n.(type) {
	case *policies.PolicySet:
		out = append(out, strip(n.Header))
		for c := range n.Children.All() {
			out = append(out, bare(c))
		}
	case *policies.Policy:
		out = append(out, strip(n.Header), strip(n.Variables))
		for r := range n.Rules.All() {
			out = append(out, strip(*r))
		}
	case *policies.Reference:
		out = append(out, strip(*n))
	}
	return out
}

// strip returns a deep copy whose positions are zero.
func strip[T any](v T) T {
	out := reflect.New(reflect.TypeOf(&v).Elem()).Elem()
	out.Set(stripped(reflect.ValueOf(&v).Elem()))
	return out.Interface().(T)
}

func stripped(v reflect.Value) reflect.Value {
	switch {
	case v.Type() == reflect.TypeOf(policies.Position{}):
		return reflect.Zero(v.Type())
	case v.Type() == reflect.TypeOf(authz.Value{}): // NaN is not equal to itself
		value := v.Interface().(authz.Value)
		return reflect.ValueOf(authz.StringValue(string(value.Type()) + "|" + value.Text() + "|" + value.Key()))
	case v.Type() == reflect.TypeOf(time.Time{}):
		return v
	}
	switch v.Kind() {
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		for i := range v.NumField() {
			out.Field(i).Set(stripped(v.Field(i)))
		}
		return out
	case reflect.Slice:
		if v.Len() == 0 {
			return reflect.Zero(v.Type())
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(stripped(v.Index(i)))
		}
		return out
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(stripped(v.Elem()))
		return out
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		return stripped(v.Elem())
	}
	return v
}

// again writes a node and reads it back.
func again(t require.TestingT, n policies.Node, o Options) policies.Node {
	text, err := Write(n, o)
	require.NoError(t, err)
	back, err := Parse("written.xml", text)
	require.NoError(t, err, "%s", text)
	return back
}

func TestEveryPolicyOfTheKitsIsWrittenAsItWasRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(kits(t), "xacml?", "*", "*olicy*.xml"))
	require.NoError(t, err)
	crossed, stayed := 0, 0
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		n, err := Parse(filepath.Base(f), data)
		if err != nil {
			continue // TestEveryPolicyOfTheKitsIsRead knows which
		}
		version := Three
		if strings.Contains(string(data), TwoNamespace) {
			version = Two
		}
		require.Equal(t, bare(n), bare(again(t, n, Options{Version: version})), f)

		// The other version says the same, or is refused.
		if version == Two {
			text, err := Write(n, Options{Version: Three})
			if err != nil {
				require.ErrorContains(t, err, "the path", f)
				stayed++
				continue
			}
			back, err := Parse("written.xml", text)
			require.NoError(t, err)
			require.Equal(t, bare(n), bare(back), f)
			crossed++
		}
	}
	require.Greater(t, crossed, 300)
	require.Less(t, stayed, 30)
}

func first(rules ...*policies.Rule) *policies.Policy {
	for i, place := range policies.Places(len(rules)) {
		rules[i].Place = place
	}
	return &policies.Policy{Header: policies.Header{ID: "p", Version: "1.0", Combining: policies.FirstApplicable}, Rules: policies.NewList(rules...)}
}

var here = policies.Position{File: "f.spl", Line: 3, Column: 4}

func subject(function string, literal authz.Value, bag authz.DataType) policies.Match {
	return of(authz.Subject, profile.SubjectID, function, literal, bag)
}

func of(c authz.Category, id, function string, literal authz.Value, bag authz.DataType) policies.Match {
	return policies.Match{Function: function, Value: literal, Position: here, Attribute: &policies.Designator{Category: c, ID: id, Type: bag, Position: here}}
}

func when(anyOf ...policies.AnyOf) *policies.Target {
	return &policies.Target{AnyOf: anyOf, Position: here}
}

func either(matches ...policies.Match) policies.AnyOf {
	var a policies.AnyOf
	for _, m := range matches {
		a.AllOf = append(a.AllOf, policies.AllOf{Matches: []policies.Match{m}})
	}
	return a
}

func TestRefusedByWrite(t *testing.T) {
	s := authz.StringValue
	deny := func(a ...policies.AnyOf) *policies.Policy {
		return first(&policies.Rule{ID: "r", Effect: authz.Deny, Target: when(a...), Position: here})
	}
	permit := func(r policies.Rule) *policies.Policy {
		r.ID, r.Effect, r.Position = "r", authz.Permit, here
		return first(&r)
	}
	eq := profile.FunctionStringEqual
	for name, c := range map[string]struct {
		n    policies.Node
		o    Options
		want string
	}{
		"foreign": {&policies.PolicySet{Header: policies.Header{Combining: policies.FirstApplicable}, Children: policies.NewList[policies.Node](
			&policies.Foreign{ID: "night-shift", Format: "rego/1", Position: here})}, Options{}, `f.spl:3:4: "night-shift" is written in rego/1`},
		"because":          {permit(policies.Rule{Because: "x"}), Options{}, "f.spl:3:4: because"},
		"ban":              {permit(policies.Rule{Ban: true}), Options{}, "is a ban"},
		"private":          {&policies.Policy{Header: policies.Header{Private: true, Position: here}}, Options{}, "private"},
		"denial of a name": {deny(either(subject(profile.FunctionBanName, s("/CN=x"), ""))), Options{}, "subject: a denial finds the name in every spelling"},
		"network":          {deny(either(of(authz.Subject, profile.Network, profile.FunctionNetwork, s("::1"), authz.String))), Options{Functions: Nearest}, "network-match is a function of ours"},
		"pattern of FQANs": {deny(either(of(authz.Subject, profile.FQAN, profile.FunctionFQANPattern, s("/a/*"), authz.FQANType))), Options{Functions: Nearest}, "fqan-pattern-match"},
		"word boundary":    {deny(either(of(authz.Resource, profile.ResourceID, profile.FunctionAnchoredRegexp, s(`\bx`), authz.String))), Options{}, `resource: regular expression "\\bx"`},
		"form feed":        {deny(either(of(authz.Resource, profile.ResourceID, profile.FunctionAnchoredRegexp, s(`\s`), authz.String))), Options{}, `control characters that XML cannot hold`},
		"mixed choice": {deny(either(subject(eq, s("a"), authz.String), of(authz.Action, "a", eq, s("b"), authz.String))),
			Options{Version: Two}, "f.spl:3:4: a choice between matches of subjects and actions"},
		"algorithm": {&policies.Policy{Header: policies.Header{ID: "p", Combining: policies.DenyUnlessPermit, Position: here}}, Options{Version: Two}, "no combining algorithm"},
		"two effects": {&policies.Policy{Header: policies.Header{ID: "p", Combining: policies.DenyOverrides, Position: here}, Rules: policies.NewList(
			&policies.Rule{ID: "a", Effect: authz.Permit}, &policies.Rule{ID: "b", Effect: authz.Deny})}, Options{Version: Two}, "no combining algorithm"},
		"control":        {permit(policies.Rule{Description: "a\x01b"}), Options{}, "control characters"},
		"reference":      {&policies.Reference{ID: "x", Position: here}, Options{}, "not a reference"},
		"advice":         {permit(policies.Rule{Advice: []policies.Duty{{ID: "a", On: authz.Permit, Position: here}}}), Options{Version: Two}, "no advice"},
		"function":       {permit(policies.Rule{Condition: &policies.Apply{Function: three0 + "string-starts-with", Position: here}}), Options{Version: Two}, "no function"},
		"any type":       {permit(policies.Rule{Condition: &policies.Designator{Position: here}}), Options{}, "every data type"},
		"other than":     {permit(policies.Rule{Condition: &policies.Apply{Function: profile.FunctionNone, Position: here}}), Options{}, "merely asserts"},
		"empty choice":   {deny(policies.AnyOf{}), Options{}, "without alternatives"},
		"empty all":      {deny(policies.AnyOf{AllOf: []policies.AllOf{{}}}), Options{}, "without a match"},
		"bottomless":     {deep(MaxDepth + 1), Options{}, "nested more than"},
		"category":       {deny(either(of("urn:oasis:names:tc:xacml:3.0:attribute-category:x", "a", eq, s("b"), authz.String))), Options{Version: Two}, "no category"},
		"path of a 3.0":  {permit(policies.Rule{Condition: &policies.Selector{Path: "//x", Position: here}}), Options{Version: Two}, `the path "//x"`},
		"computed value": {dutiful(&policies.Designator{Type: authz.String}), Options{Version: Two}, "literal values only"},
	} {
		_, err := Write(c.n, c.o)
		require.ErrorContains(t, err, c.want, name)
	}
	// The caller may choose to lose what is refused.
	r := &policies.Rule{ID: "r", Effect: authz.Deny, Ban: true, PAP: "x", Because: "words", Until: time.Unix(2e9, 0), Target: when(either(subject(profile.FunctionBanName, s("/CN=x"), "")))}
	text, err := Write(first(r), Options{Version: Two, Functions: Nearest, Drop: Losses{Because: true, Bans: true}, Now: time.Unix(1e9, 0)})
	require.NoError(t, err)
	require.Contains(t, string(text), `<Description>words</Description>`)
	require.Contains(t, string(text), `<SubjectMatch MatchId="urn:oasis:names:tc:xacml:1.0:function:x500Name-equal">`)
	require.NotContains(t, string(text), "dateTime")
	text, err = Write(first(r), Options{Now: time.Unix(3e9, 0)})
	require.NoError(t, err)
	require.NotContains(t, string(text), "<Rule", "a rule that has ended is no rule")
}

func deep(n int) policies.Node {
	var node policies.Node = &policies.Policy{Header: policies.Header{Combining: policies.FirstApplicable}}
	for range n {
		node = &policies.PolicySet{Header: policies.Header{Combining: policies.FirstApplicable}, Children: policies.NewList(node)}
	}
	return node
}

func dutiful(e policies.Expression) *policies.Policy {
	return first(&policies.Rule{ID: "r", Effect: authz.Permit, Obligations: []policies.Duty{{ID: "o", On: authz.Permit,
		Assignments: []policies.AssignmentExpression{{ID: "a", Expression: e, Position: here}}}}})
}

// A rule of 2.0 has no obligations: it becomes a policy among policies.
func TestRuleObligationsInTwo(t *testing.T) {
	duty := []policies.Duty{{ID: "o", On: authz.Permit, Assignments: []policies.AssignmentExpression{{ID: "a", Expression: &policies.Literal{Value: authz.StringValue("v")}}}}}
	p := first(
		&policies.Rule{ID: "1", Effect: authz.Deny}, &policies.Rule{ID: "2", Effect: authz.Permit},
		&policies.Rule{ID: "3", Effect: authz.Permit, Obligations: duty}, &policies.Rule{ID: "4", Effect: authz.Permit})
	p.Obligations = []policies.Duty{{ID: "whole", On: authz.Deny}}
	set, ok := again(t, p, Options{Version: Two}).(*policies.PolicySet)
	require.True(t, ok)
	require.Equal(t, "p", set.ID)
	require.Equal(t, policies.Algorithm("urn:oasis:names:tc:xacml:1.0:policy-combining-algorithm:first-applicable"), set.Combining)
	require.Equal(t, "whole", set.Obligations[0].ID)
	var got []string
	for n := range set.Children.All() {
		child := n.(*policies.Policy)
		line := child.ID + ":"
		for r := range child.Rules.All() {
			line += " " + r.ID
		}
		for _, d := range child.Obligations {
			line += " " + d.ID
		}
		got = append(got, line)
	}
	require.Equal(t, []string{"p:1: 1 2", "p:2: 3 o", "p:3: 4"}, got)

	p.Combining = policies.DenyOverrides
	_, err := Write(p, Options{Version: Two})
	require.Error(t, err, "other algorithms do not mean the same over policies")
}

// Targets of 2.0 have one part per kind of category.
func TestTargetsInTwo(t *testing.T) {
	eq := profile.FunctionStringEqual
	who := func(v string) policies.Match { return subject(eq, authz.StringValue(v), authz.String) }
	what := func(v string) policies.Match {
		return of(authz.Action, "a", eq, authz.StringValue(v), authz.String)
	}
	both := policies.AnyOf{AllOf: []policies.AllOf{{Matches: []policies.Match{who("x"), what("y"), who("z")}}}}
	p := first(&policies.Rule{ID: "r", Effect: authz.Permit, Target: when(either(who("a"), who("b")), both, either(who("c"), who("d")))})
	r, _ := again(t, p, Options{Version: Two}).(*policies.Policy).Rules.Find("r")
	require.Len(t, r.Target.AnyOf, 2)
	var all []string
	for _, a := range r.Target.AnyOf[0].AllOf {
		line := ""
		for _, m := range a.Matches {
			line += m.Value.Text()
		}
		all = append(all, line)
	}
	require.Equal(t, []string{"axzc", "axzd", "bxzc", "bxzd"}, all)
	require.Equal(t, "y", r.Target.AnyOf[1].AllOf[0].Matches[0].Value.Text())

	many := make([]policies.Match, 40)
	for i := range many {
		many[i] = who("v")
	}
	_, err := Write(first(&policies.Rule{ID: "r", Effect: authz.Permit, Target: when(either(many...), either(many...))}), Options{Version: Two})
	require.ErrorContains(t, err, "alternatives")
}

func TestWindowIsPartOfTheTarget(t *testing.T) {
	p := first(&policies.Rule{ID: "r", Effect: authz.Permit, From: time.Unix(0, 5e8), Until: time.Unix(1e9, 0)})
	for _, v := range []Version{Two, Three} {
		r, _ := again(t, p, Options{Version: v}).(*policies.Policy).Rules.Find("r")
		require.True(t, r.From.IsZero())
		m := r.Target.AnyOf[0].AllOf[0].Matches
		require.Equal(t, "1970-01-01T00:00:00.5Z", m[0].Value.Text())
		require.Equal(t, one0+"dateTime-less-than-or-equal", m[0].Function)
		require.Equal(t, one0+"dateTime-greater-than", m[1].Function)
	}
}

func TestOwnFunctionsAreReadAsWritten(t *testing.T) {
	p := first(&policies.Rule{ID: "r", Effect: authz.Deny, Target: when(either(subject(profile.FunctionBanName, authz.StringValue("/CN=x"), ""))),
		Condition: &policies.Apply{Function: profile.FunctionNone, Arguments: []policies.Expression{
			&policies.FunctionName{Function: profile.FunctionBanText}, &policies.Literal{Value: authz.StringValue("v")}, &policies.Designator{Category: authz.Subject, ID: "i"}}}})
	for _, v := range []Version{Two, Three} {
		require.Equal(t, bare(p), bare(again(t, p, Options{Version: v, Functions: Own})))
	}
	text, err := Write(p, Options{Functions: Nearest, Version: Two})
	require.NoError(t, err)
	require.Contains(t, string(text), one0+"any-of\"")
	require.NotContains(t, string(text), ownFunctions)
}

func TestStrengthsAreNamed(t *testing.T) {
	for f, want := range map[string]string{
		profile.FunctionStrengthLess: "^(strong)$", profile.FunctionStrengthLessOrEqual: "^(weak|strong)$",
		profile.FunctionStrengthGreater: "^(anonymous)$", profile.FunctionStrengthGreaterOrEqual: "^(anonymous|weak)$",
	} {
		p := first(&policies.Rule{ID: "r", Effect: authz.Permit, Target: when(either(of(authz.Subject, profile.CredentialStrength, f, authz.StringValue("weak"), authz.String)))})
		text, err := Write(p, Options{Functions: Nearest})
		require.NoError(t, err)
		require.Contains(t, string(text), want)
	}
}
