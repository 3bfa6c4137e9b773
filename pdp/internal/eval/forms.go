package eval

import (
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// form compiles the application of a function that does not just take the
// values of its arguments.
type form func(c *compilation, e *policies.Apply) *expression

// specialForms returns the logical functions (A.3.5), the higher-order ones
// (A.3.12), those over XML (A.3.15), access-permitted (A.3.16) and
// profile.FunctionNone.
func specialForms() map[string]form {
	return map[string]form{
		one0 + "and":                logical(false),
		one0 + "or":                 logical(true),
		one0 + "n-of":               nOf,
		one0 + "not":                not,
		one0 + "any-of":             higher(oldAnyOf, valueThenBag),
		one0 + "all-of":             higher(allOfBag, valueThenBag),
		one0 + "any-of-any":         higher(anyOfAny, twoBags),
		one0 + "all-of-any":         higher(allOfAny, twoBags),
		one0 + "any-of-all":         higher(anyOfAll, twoBags),
		one0 + "all-of-all":         higher(allOfAll, twoBags),
		one0 + "map":                mapForm(true),
		three0 + "any-of":           higher(oldAnyOf, oneBag),
		three0 + "all-of":           higher(allOfBag, oneBag),
		three0 + "any-of-any":       higher(anyOfAny, anyBags),
		three0 + "map":              mapForm(false),
		profile.FunctionNone:        none,
		three0 + "access-permitted": accessPermitted,
		one0 + "xpath-node-count":   xpathForm(countNodes),
		three0 + "xpath-node-count": xpathForm(countNodes),
		one0 + "xpath-node-equal":   xpathForm(equalNodes),
		three0 + "xpath-node-equal": xpathForm(equalNodes),
		one0 + "xpath-node-match":   xpathForm(matchNodes),
		three0 + "xpath-node-match": xpathForm(matchNodes),
	}
}

// booleans compiles arguments that must all be boolean.
func (c *compilation) booleans(e *policies.Apply, list []policies.Expression) ([]*expression, bool) {
	args, types, ok := c.arguments(list)
	for i, t := range types {
		if t != boolean {
			c.fail(args[i].at, "%s: an argument must be boolean, not %s", shortName(e.Function), t)
			ok = false
		}
	}
	return args, ok
}

// logical is "and" and "or": one argument that decides beats the error of an
// earlier one (as ACAL 1.0 settles what XACML 3.0 leaves open). Arguments
// after one that decides are not evaluated.
func logical(decides bool) form {
	return func(c *compilation, e *policies.Apply) *expression {
		all, ok := c.booleans(e, e.Arguments)
		if !ok {
			return nil
		}
		args := make([]*expression, 0, len(all))
		for _, a := range all {
			switch {
			case a.constant == nil:
				args = append(args, a)
			case isTrue(*a.constant) == decides:
				return constantExpression(boolean, e.Position, truth(decides))
			}
		}
		if len(args) == 0 {
			return constantExpression(boolean, e.Position, truth(!decides))
		}
		return decided(e.Position, func(f *frame, v view) (bool, *authz.Status) {
			var first *authz.Status
			for _, a := range args {
				holds, status := a.isTrue(f, v)
				if status == nil && holds == decides {
					return decides, nil
				}
				if first == nil {
					first = status
				}
			}
			return !decides, first
		})
	}
}

func not(c *compilation, e *policies.Apply) *expression {
	args, ok := c.booleans(e, e.Arguments)
	if !ok {
		return nil
	}
	if len(args) != 1 {
		c.fail(e.Position, "not: want 1 argument, have %d", len(args))
		return nil
	}
	return folded(decided(e.Position, func(f *frame, v view) (bool, *authz.Status) {
		holds, status := args[0].isTrue(f, v)
		return !holds, status
	}), args)
}

// nOf is true when enough arguments are, false when too few can still be, and
// an error when it is one of the others that would tell.
func nOf(c *compilation, e *policies.Apply) *expression {
	if len(e.Arguments) == 0 {
		c.fail(e.Position, "n-of: the number is missing")
		return nil
	}
	number := c.expression(e.Arguments[0])
	args, ok := c.booleans(e, e.Arguments[1:])
	if number == nil || !ok {
		return nil
	}
	if number.typ != (typ{data: authz.Integer}) {
		c.fail(e.Position, "n-of: argument 1 must be integer, not %s", number.typ)
		return nil
	}
	x := &expression{typ: boolean, at: e.Position, eval: func(f *frame, v view) (operand, *authz.Status) {
		o, status := number.eval(f, v)
		if status != nil {
			return operand{}, status
		}
		n := integer(o.value)
		if n.Sign() < 0 || !n.IsInt64() || n.Int64() > int64(len(args)) {
			return operand{}, failed(e.Position, e.Function, fmt.Errorf("%s of %d arguments cannot be true", n, len(args)))
		}
		return atLeast(f, v, int(n.Int64()), args)
	}}
	return folded(x, append(args, number))
}

func atLeast(f *frame, v view, n int, args []*expression) (operand, *authz.Status) {
	var first *authz.Status
	open := 0
	for i, a := range args {
		if n <= 0 {
			return yes, nil
		}
		if n > open+len(args)-i {
			return no, nil
		}
		o, status := a.eval(f, v)
		switch {
		case status != nil:
			open++
			if first == nil {
				first = status
			}
		case isTrue(o):
			n--
		}
	}
	switch {
	case n <= 0:
		return yes, nil
	case n > open:
		return no, nil
	}
	return operand{}, first
}

// none is profile.FunctionNone: its bag is seen the other way round.
func none(c *compilation, e *policies.Apply) *expression {
	f, ok := c.functionArgument(e)
	if !ok {
		return nil
	}
	if len(e.Arguments) != 3 {
		c.fail(e.Position, "none-of: want a function, a literal and an attribute")
		return nil
	}
	literal, isLiteral := e.Arguments[1].(*policies.Literal)
	designator, isDesignator := e.Arguments[2].(*policies.Designator)
	if !isLiteral || !isDesignator {
		c.fail(e.Position, "none-of: want a function, a literal and an attribute designator")
		return nil
	}
	a := c.attribute(designator)
	if a == nil || !c.checkLiteral(literal.Value, literal.Position) || !c.elements(e, f, []typ{{data: literal.Value.Type()}, {data: a.typ, bag: true}}) {
		return nil
	}
	holds, err := f.f.bindLiteral(literal.Value)
	if err != nil || f.f.result != boolean {
		c.fail(literal.Position, "none-of: %s: %v", shortName(f.name.Function), err)
		return nil
	}
	return &expression{typ: boolean, at: e.Position, eval: func(fr *frame, v view) (operand, *authz.Status) {
		bag, status := a.bag(fr, v, true)
		if status != nil {
			return operand{}, status
		}
		found := false
		for _, value := range bag {
			ok, err := holds(value)
			if err != nil {
				return operand{}, failed(e.Position, f.name.Function, err)
			}
			found = found || ok
		}
		return truth(!found), nil
	}}
}
