package eval

import (
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

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
