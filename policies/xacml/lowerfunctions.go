package xacml

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// comparison is a function over a literal and any value of an attribute.
type comparison struct {
	function string
	literal  authz.Value
	bag      *policies.Designator
}

var ownFunctions = strings.TrimSuffix(profile.FunctionNone, "none-of")

func isOwn(function string) bool { return strings.HasPrefix(function, ownFunctions) }

func notStandard(function string) string {
	return fmt.Sprintf("%s is a function of ours that XACML cannot say exactly", strings.TrimPrefix(function, ownFunctions))
}

// comparison says what the options allow of a comparison.
func (l *lowering) comparison(c comparison, at policies.Position) comparison {
	if l.o.Functions == Own || !isOwn(c.function) && c.bag.Type != "" {
		return c
	}
	made, err := exact(c)
	if err != nil && l.o.Functions == Nearest {
		made, err = nearest(c)
	}
	if err != nil {
		l.refuse(at, "%s: %v", name(c.bag), err)
		return c
	}
	return made
}

// name returns the name by which people know an attribute.
func name(d *policies.Designator) string {
	if row, ok := profile.ByID(d.Category, d.ID); ok {
		return row.Name
	}
	return d.ID
}

func (c comparison) with(function string, literal authz.Value, bag authz.DataType) comparison {
	next := *c.bag
	next.Type = bag
	return comparison{function, literal, &next}
}

// exact returns a standard comparison of the same meaning.
func exact(c comparison) (comparison, error) {
	switch {
	case c.bag.Type == "":
		return c, fmt.Errorf("a denial finds the name in every spelling and under every data type, which XACML cannot say")
	case c.function == profile.FunctionAnchoredRegexp && (c.bag.Type == authz.String || c.bag.Type == authz.AnyURI):
		return anchored(c)
	case c.function == profile.FunctionFQANPattern && c.bag.Type == authz.FQANType && !strings.Contains(c.literal.Text(), "*"):
		v, err := authz.ParseValue(authz.FQANType, c.literal.Text())
		return c.with(profile.FunctionFQAN, v, c.bag.Type), err
	case c.function == profile.FunctionSubtree && c.bag.Type == authz.X500Name:
		return c.with(one0+"x500Name-match", c.literal, c.bag.Type), nil
	}
	return c, fmt.Errorf("%s", notStandard(c.function))
}

func anchored(c comparison) (comparison, error) {
	pattern, err := xpathPattern(c.literal.Text())
	function := one0 + "string-regexp-match"
	if c.bag.Type == authz.AnyURI {
		function = two0 + "anyURI-regexp-match"
	}
	return c.with(function, authz.StringValue(pattern), c.bag.Type), err
}

// nearest returns the comparison that Argus makes instead.
func nearest(c comparison) (comparison, error) {
	row, _ := profile.ByID(c.bag.Category, c.bag.ID)
	typ := cmp.Or(c.bag.Type, row.Type, authz.String)
	text := c.literal.Text()
	as := func(function string, t authz.DataType, text string) (comparison, error) {
		v, err := authz.ParseValue(t, text)
		return c.with(function, v, t), err
	}
	switch c.function {
	case profile.FunctionBanName:
		return as(profile.FunctionX500NameEqual, authz.X500Name, text)
	case profile.FunctionBanSubtree:
		return as(one0+"x500Name-match", authz.X500Name, text)
	case profile.FunctionBanText, profile.FunctionBanURI:
		return as(profile.FunctionStringEqual, authz.String, text)
	case profile.FunctionFQAN, profile.FunctionBanFQAN, profile.FunctionFQANPattern:
		if !strings.Contains(text, "*") {
			return as(profile.FunctionFQAN, authz.FQANType, text)
		}
	case profile.FunctionBanVO: // members of a VO have its group
		if typ == authz.FQANType {
			return as(profile.FunctionFQAN, typ, "/"+text)
		}
		return as(profile.FunctionStringEqual, typ, "/"+text)
	case profile.FunctionAnchoredRegexp:
		return exact(c.with(c.function, c.literal, typ))
	case profile.FunctionStrengthLess, profile.FunctionStrengthLessOrEqual, profile.FunctionStrengthGreater, profile.FunctionStrengthGreaterOrEqual:
		return c.with(one0+"string-regexp-match", authz.StringValue("^("+strings.Join(strengths(c.function, text), "|")+")$"), authz.String), nil
	}
	return c, fmt.Errorf("%s", notStandard(c.function))
}

// strengths returns those for which function(literal, strength) holds.
func strengths(function, literal string) []string {
	all := profile.Strengths()
	at := slices.Index(all, literal)
	switch {
	case at < 0:
		return nil
	case function == profile.FunctionStrengthLess:
		return all[at+1:]
	case function == profile.FunctionStrengthLessOrEqual:
		return all[at:]
	case function == profile.FunctionStrengthGreater:
		return all[:at]
	}
	return all[:at+1]
}

// expression replaces our own functions.
func (l *lowering) expression(e policies.Expression) policies.Expression {
	if e == nil || !l.deeper(e.At()) {
		return e
	}
	defer func() { l.depth-- }()
	switch e := e.(type) {
	case *policies.Apply:
		if e.Function == profile.FunctionNone && l.o.Functions == Nearest {
			return l.noneOf(e)
		}
		l.standard(e.Position, e.Function)
		next := &policies.Apply{Function: e.Function, Position: e.Position}
		for _, a := range e.Arguments {
			next.Arguments = append(next.Arguments, l.expression(a))
		}
		return next
	case *policies.FunctionName:
		l.standard(e.Position, e.Function)
	case *policies.Designator:
		if e.Type == "" && l.o.Functions != Own {
			l.refuse(e.Position, "%s: a bag of every data type, which XACML does not have", name(e))
		}
	}
	return e
}

func (l *lowering) standard(at policies.Position, function string) {
	if !isOwn(function) || l.o.Functions == Own {
		return
	}
	if function == profile.FunctionNone {
		l.refuse(at, `"!=" also sees what a request merely asserts, which XACML cannot say`)
		return
	}
	l.refuse(at, "%s", notStandard(function))
}

// noneOf writes "!=" as not(any-of(…)).
func (l *lowering) noneOf(e *policies.Apply) policies.Expression {
	var f *policies.FunctionName
	var literal *policies.Literal
	var bag *policies.Designator
	ok := len(e.Arguments) == 3
	if ok {
		var first, second, third bool
		f, first = e.Arguments[0].(*policies.FunctionName)
		literal, second = e.Arguments[1].(*policies.Literal)
		bag, third = e.Arguments[2].(*policies.Designator)
		ok = first && second && third
	}
	if !ok {
		l.refuse(e.Position, "%s", notStandard(e.Function))
		return e
	}
	c := l.comparison(comparison{f.Function, literal.Value, bag}, e.Position)
	anyOf := three0 + "any-of"
	if l.o.Version == Two {
		anyOf = one0 + "any-of"
	}
	return &policies.Apply{Function: one0 + "not", Position: e.Position, Arguments: []policies.Expression{
		&policies.Apply{Function: anyOf, Position: e.Position, Arguments: []policies.Expression{
			&policies.FunctionName{Function: c.function, Position: f.Position},
			&policies.Literal{Value: c.literal, Position: literal.Position},
			c.bag,
		}},
	}}
}
