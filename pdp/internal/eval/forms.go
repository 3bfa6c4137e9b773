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
// (A.3.12), those over XML (A.3.15) and profile.FunctionNone.
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
		args, ok := c.booleans(e, e.Arguments)
		if !ok {
			return nil
		}
		return &expression{typ: boolean, at: e.Position, eval: func(f *frame, v view) (operand, *authz.Status) {
			var first *authz.Status
			for _, a := range args {
				o, status := a.eval(f, v)
				if status == nil && isTrue(o) == decides {
					return truth(decides), nil
				}
				if first == nil {
					first = status
				}
			}
			return truth(!decides), first
		}}
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
	return &expression{typ: boolean, at: e.Position, eval: func(f *frame, v view) (operand, *authz.Status) {
		o, status := args[0].eval(f, v)
		return truth(!isTrue(o)), status
	}}
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
	return &expression{typ: boolean, at: e.Position, eval: func(f *frame, v view) (operand, *authz.Status) {
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

// higherOrder is a function that applies another to the values of bags.
type higherOrder func(call func(args ...authz.Value) (bool, error), args []operand, bags []bool) (bool, error)

// shape checks which arguments may be bags.
type shape func(bags []bool) error

func valueThenBag(bags []bool) error {
	if len(bags) != 2 || bags[0] || !bags[1] {
		return fmt.Errorf("want a function, a value and a bag")
	}
	return nil
}

func twoBags(bags []bool) error {
	if len(bags) != 2 || !bags[0] || !bags[1] {
		return fmt.Errorf("want a function and two bags")
	}
	return nil
}

func oneBag(bags []bool) error {
	n := 0
	for _, b := range bags {
		if b {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf("want exactly one bag among the arguments, have %d", n)
	}
	return nil
}

func anyBags(bags []bool) error {
	if len(bags) == 0 {
		return fmt.Errorf("want a function and its arguments")
	}
	return nil
}

// functionArgument reads the function that is passed as the first argument.
func (c *compilation) functionArgument(e *policies.Apply) (called, bool) {
	if len(e.Arguments) > 0 {
		if name, ok := e.Arguments[0].(*policies.FunctionName); ok {
			f, ok := c.callable(name)
			return f, ok
		}
	}
	c.fail(e.Position, "%s: the first argument must name a function", shortName(e.Function))
	return called{}, false
}

// called is a function that is passed by name: one of the library, or a
// logical one.
type called struct {
	name *policies.FunctionName
	f    *function
}

func (c *compilation) callable(name *policies.FunctionName) (called, bool) {
	f, ok := lookupFunction(name.Function)
	if !ok {
		f, ok = passedLogical[name.Function]
	}
	if !ok {
		c.fail(name.Position, "no function %q that can be passed%s", name.Function, c.suggestion(name.Function))
	}
	return called{name: name, f: f}, ok
}

// passedLogical are the logical functions as values: what is passed to them is
// evaluated already.
var passedLogical = map[string]*function{
	one0 + "and": booleanFold(true, func(a, b bool) bool { return a && b }),
	one0 + "or":  booleanFold(false, func(a, b bool) bool { return a || b }),
	one0 + "not": {params: []typ{boolean}, result: boolean, call: func(a []operand) (operand, error) { return truth(!isTrue(a[0])), nil }},
}

func booleanFold(start bool, op func(a, b bool) bool) *function {
	return &function{rest: &boolean, result: boolean, call: func(a []operand) (operand, error) {
		b := start
		for _, o := range a {
			b = op(b, isTrue(o))
		}
		return truth(b), nil
	}}
}

// elements checks the passed function against the types of the arguments with
// bags taken apart.
func (c *compilation) elements(e *policies.Apply, f called, types []typ) bool {
	single := make([]typ, len(types))
	for i, t := range types {
		single[i] = typ{data: t.data}
	}
	if err := f.f.accepts(single); err != nil {
		c.fail(e.Position, "%s: %s: %s", shortName(e.Function), shortName(f.name.Function), err)
		return false
	}
	return true
}

func higher(apply higherOrder, fits shape) form {
	return func(c *compilation, e *policies.Apply) *expression {
		f, ok := c.functionArgument(e)
		if !ok {
			return nil
		}
		args, types, ok := c.arguments(e.Arguments[1:])
		if !ok {
			return nil
		}
		bags := make([]bool, len(types))
		for i, t := range types {
			bags[i] = t.bag
		}
		if err := fits(bags); err != nil {
			c.fail(e.Position, "%s: %s", shortName(e.Function), err)
			return nil
		}
		if !c.elements(e, f, types) {
			return nil
		}
		if f.f.result != boolean {
			c.fail(e.Position, "%s: %s is no predicate", shortName(e.Function), shortName(f.name.Function))
			return nil
		}
		return higherExpression(e, f, args, bags, apply)
	}
}

func higherExpression(e *policies.Apply, f called, args []*expression, bags []bool, apply higherOrder) *expression {
	return &expression{typ: boolean, at: e.Position, eval: func(fr *frame, v view) (operand, *authz.Status) {
		mark := len(fr.stack)
		defer fr.release(mark)
		values, status := fr.arguments(v, args)
		if status != nil {
			return operand{}, status
		}
		b, err := apply(f.holds, values, bags)
		if err != nil {
			return operand{}, failed(e.Position, f.name.Function, err)
		}
		return truth(b), nil
	}}
}

func (f called) holds(args ...authz.Value) (bool, error) {
	operands := make([]operand, len(args))
	for i, v := range args {
		operands[i] = one(v)
	}
	o, err := f.f.call(operands)
	return isTrue(o), err
}

// exists is true if some value makes it so, whatever errors others make.
func exists(bag []authz.Value, holds func(authz.Value) (bool, error)) (bool, error) {
	var first error
	for _, v := range bag {
		ok, err := holds(v)
		if err == nil && ok {
			return true, nil
		}
		if first == nil {
			first = err
		}
	}
	return false, first
}

// each is false if some value makes it so, whatever errors others make.
func each(bag []authz.Value, holds func(authz.Value) (bool, error)) (bool, error) {
	found, err := exists(bag, func(v authz.Value) (bool, error) {
		ok, err := holds(v)
		return !ok && err == nil, err
	})
	return !found && err == nil, err
}

// spread calls the function with the one bag's values in its place.
func spread(quantify func([]authz.Value, func(authz.Value) (bool, error)) (bool, error)) higherOrder {
	return func(call func(...authz.Value) (bool, error), args []operand, bags []bool) (bool, error) {
		single := make([]authz.Value, len(args))
		place := 0
		for i := range args {
			single[i] = args[i].value
			if bags[i] {
				place = i
			}
		}
		return quantify(args[place].bag, func(v authz.Value) (bool, error) {
			single[place] = v
			return call(single...)
		})
	}
}

var (
	oldAnyOf = spread(exists)
	allOfBag = spread(each)
)

// anyOfAny tries every combination of values.
func anyOfAny(call func(...authz.Value) (bool, error), args []operand, bags []bool) (bool, error) {
	single := make([]authz.Value, len(args))
	steps := 0
	var try func(i int) (bool, error)
	try = func(i int) (bool, error) {
		if i == len(args) {
			if steps++; steps > maxCombinations {
				return false, fmt.Errorf("more than %d combinations of values", maxCombinations)
			}
			return call(single...)
		}
		if !bags[i] {
			single[i] = args[i].value
			return try(i + 1)
		}
		return exists(args[i].bag, func(v authz.Value) (bool, error) {
			single[i] = v
			return try(i + 1)
		})
	}
	return try(0)
}

// maxCombinations bounds what any-of-any tries.
const maxCombinations = 1 << 20

func allOfAny(call func(...authz.Value) (bool, error), args []operand, _ []bool) (bool, error) {
	return each(args[0].bag, func(a authz.Value) (bool, error) {
		return exists(args[1].bag, func(b authz.Value) (bool, error) { return call(a, b) })
	})
}

func anyOfAll(call func(...authz.Value) (bool, error), args []operand, _ []bool) (bool, error) {
	return exists(args[0].bag, func(a authz.Value) (bool, error) {
		return each(args[1].bag, func(b authz.Value) (bool, error) { return call(a, b) })
	})
}

func allOfAll(call func(...authz.Value) (bool, error), args []operand, _ []bool) (bool, error) {
	return each(args[0].bag, func(a authz.Value) (bool, error) {
		return each(args[1].bag, func(b authz.Value) (bool, error) { return call(a, b) })
	})
}

// mapForm applies a function to each value of one bag. In XACML 1.x the bag is
// the only argument.
func mapForm(old bool) form {
	return func(c *compilation, e *policies.Apply) *expression {
		f, ok := c.functionArgument(e)
		if !ok {
			return nil
		}
		args, types, ok := c.arguments(e.Arguments[1:])
		if !ok {
			return nil
		}
		bags, place := make([]bool, len(types)), 0
		for i, t := range types {
			if bags[i] = t.bag; t.bag {
				place = i
			}
		}
		if err := oneBag(bags); err != nil || old && len(args) != 1 {
			c.fail(e.Position, "map: want a function and one bag")
			return nil
		}
		if !c.elements(e, f, types) {
			return nil
		}
		if f.f.result.bag {
			c.fail(e.Position, "map: %s gives a bag of its own", shortName(f.name.Function))
			return nil
		}
		return mapExpression(e, f, args, place)
	}
}

func mapExpression(e *policies.Apply, f called, args []*expression, place int) *expression {
	return &expression{typ: typ{data: f.f.result.data, bag: true}, at: e.Position, eval: func(fr *frame, v view) (operand, *authz.Status) {
		mark := len(fr.stack)
		defer fr.release(mark)
		values, status := fr.arguments(v, args)
		if status != nil {
			return operand{}, status
		}
		bag := values[place].bag
		out := make([]authz.Value, len(bag))
		for i := range bag {
			values[place] = one(bag[i])
			o, err := f.f.call(values)
			if err != nil {
				return operand{}, failed(e.Position, f.name.Function, err)
			}
			out[i] = o.value
		}
		return operand{bag: out}, nil
	}}
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
