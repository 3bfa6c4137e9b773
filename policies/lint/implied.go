package lint

import (
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// implied tells whether a target is not False wherever the facts are not. With
// mixed effects the target sees more values than the facts do; a fact that
// asks for a value to be there then proves nothing.
func implied(t *policies.Target, facts []policies.AnyOf, mixed bool) bool {
	if t == nil {
		return true
	}
	for _, a := range t.AnyOf {
		if !slices.ContainsFunc(facts, func(b policies.AnyOf) bool { return choiceImplied(a, b, mixed) }) {
			return false
		}
	}
	return true
}

// choiceImplied tells whether b, a fact, implies a.
func choiceImplied(a, b policies.AnyOf, mixed bool) bool {
	for _, given := range b.AllOf {
		if !slices.ContainsFunc(a.AllOf, func(want policies.AllOf) bool { return allImplied(want, given, mixed) }) {
			return false
		}
	}
	return len(b.AllOf) > 0
}

func allImplied(want, given policies.AllOf, mixed bool) bool {
	for _, m := range want.Matches {
		if !slices.ContainsFunc(given.Matches, func(g policies.Match) bool { return matchImplied(m, g, mixed) }) {
			return false
		}
	}
	return true
}

// matchImplied tells whether g, a fact, implies m.
func matchImplied(m, g policies.Match, mixed bool) bool {
	a, isName := m.Attribute.(*policies.Designator)
	b, also := g.Attribute.(*policies.Designator)
	if !isName || !also {
		return m.Function == g.Function && m.Value.Equal(g.Value) && sameExpression(m.Attribute, g.Attribute)
	}
	switch {
	case a.Category != b.Category || a.ID != b.ID || a.Issuer != "" && a.Issuer != b.Issuer:
		return false
	case a.Type != "" && a.Type != b.Type:
		return false
	case b.MustBePresent && (mixed || !a.MustBePresent):
		return false
	}
	return weaker(m, g)
}

// readings tells by which function a denial finds all that a permit's function
// finds of the same text.
var readings = map[[2]string]bool{
	{profile.FunctionBanText, profile.FunctionStringEqual}: true,
	{profile.FunctionBanURI, profile.FunctionStringEqual}:  true,
	{profile.FunctionBanFQAN, profile.FunctionFQAN}:        true,
}

// weaker tells whether the comparison of m holds wherever that of g does.
func weaker(m, g policies.Match) bool {
	switch {
	case m.Function == g.Function && (m.Value.Equal(g.Value) || looser(m, g)):
		return true
	case m.Function == profile.FunctionBanName && g.Function == profile.FunctionX500NameEqual:
		d, ok := g.Value.Data().(authz.DN)
		return ok && authz.BanKey(m.Value.Text()) == d.BanKey()
	}
	if readings[[2]string{m.Function, g.Function}] && m.Value.Text() == g.Value.Text() {
		return true
	}
	return contains(m, g)
}

// looser compares the literals of two bounds. The literal comes first: what
// function(literal, value) asks of values is tighter the nearer they must be.
func looser(m, g policies.Match) bool {
	order, ok := compare(m.Function, m.Value, g.Value)
	switch {
	case !ok:
		return false
	case strings.HasSuffix(m.Function, "-greater-than"), strings.HasSuffix(m.Function, "-greater-than-or-equal"):
		return order >= 0
	case strings.HasSuffix(m.Function, "-less-than"), strings.HasSuffix(m.Function, "-less-than-or-equal"):
		return order <= 0
	}
	return false
}

func compare(function string, a, b authz.Value) (int, bool) {
	x, isNumber := a.Data().(*big.Int)
	y, also := b.Data().(*big.Int)
	if isNumber && also {
		return x.Cmp(y), true
	}
	switch function {
	case profile.FunctionStrengthLess, profile.FunctionStrengthLessOrEqual, profile.FunctionStrengthGreater, profile.FunctionStrengthGreaterOrEqual:
		ranks := profile.Strengths()
		i, j := slices.Index(ranks, a.Text()), slices.Index(ranks, b.Text())
		return i - j, i >= 0 && j >= 0
	}
	return 0, false
}

// sameExpression compares two expressions, positions aside. Variables of one
// policy are the same by name.
func sameExpression(a, b policies.Expression) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case *policies.Literal:
		b, ok := b.(*policies.Literal)
		return ok && a.Value.Equal(b.Value)
	case *policies.Designator:
		b, ok := b.(*policies.Designator)
		if !ok {
			return false
		}
		x, y := *a, *b
		x.Position, y.Position = policies.Position{}, policies.Position{}
		return x == y
	case *policies.Selector:
		b, ok := b.(*policies.Selector)
		if !ok {
			return false
		}
		x, y := *a, *b
		x.Position, y.Position = policies.Position{}, policies.Position{}
		return reflect.DeepEqual(x, y)
	case *policies.FunctionName:
		b, ok := b.(*policies.FunctionName)
		return ok && a.Function == b.Function
	case *policies.VariableName:
		b, ok := b.(*policies.VariableName)
		return ok && a.Variable == b.Variable
	case *policies.Apply:
		b, ok := b.(*policies.Apply)
		return ok && a.Function == b.Function && slices.EqualFunc(a.Arguments, b.Arguments, sameExpression)
	}
	return false
}
