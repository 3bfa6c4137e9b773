package eval

import (
	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// attribute compiles what a match or an expression takes a bag from.
func (c *compilation) attribute(e policies.Expression) *attribute {
	switch e := e.(type) {
	case *policies.Designator:
		typ := e.Type.Canonical()
		if typ != anyData && !typ.Known() {
			c.fail(e.Position, "attribute %s: unknown data type %q", e.ID, e.Type)
			return nil
		}
		n := c.slot(slot{attributeName{e.Category, e.ID}, typ, e.Issuer})
		if e.MustBePresent {
			return &attribute{slot: n, typ: typ, required: true, missing: missing(e)}
		}
		return c.plainAttribute(n, typ)
	case *policies.Selector:
		return c.selector(e)
	case nil:
		c.fail(policies.Position{}, "no attribute to match")
		return nil
	}
	c.fail(e.At(), "a match needs an attribute designator or selector")
	return nil
}

// plainAttribute is shared by all that ask for the slot.
func (c *compilation) plainAttribute(slot int, t authz.DataType) *attribute {
	all := c.compiler.names.plain
	if all[slot] == nil {
		all[slot] = &attribute{slot: slot, typ: t}
	}
	return all[slot]
}

func (c *compilation) checkLiteral(v authz.Value, p policies.Position) bool {
	if !v.Type().Known() {
		c.fail(p, "unknown data type %q", v.Type())
		return false
	}
	return true
}

// expression compiles an expression; nil after an error.
func (c *compilation) expression(e policies.Expression) *expression {
	if e == nil {
		c.fail(policies.Position{}, "an expression is missing")
		return nil
	}
	if !c.deeper(e.At()) {
		return nil
	}
	defer func() { c.depth-- }()
	switch e := e.(type) {
	case *policies.Literal:
		return c.literal(e)
	case *policies.Designator, *policies.Selector:
		return c.bagOf(e)
	case *policies.Apply:
		return c.apply(e)
	case *policies.VariableName:
		return c.variable(e)
	case *policies.FunctionName:
		c.fail(e.Position, "the name of a function stands only as an argument of a higher-order function")
	default:
		c.fail(e.At(), "a %T is no expression", e)
	}
	return nil
}

func (c *compilation) literal(e *policies.Literal) *expression {
	if !c.checkLiteral(e.Value, e.Position) {
		return nil
	}
	constant := one(e.Value)
	return constantExpression(typ{data: e.Value.Type()}, e.Position, constant)
}

func constantExpression(t typ, p policies.Position, o operand) *expression {
	x := &expression{typ: t, at: p, constant: &o, eval: func(*frame, view) (operand, *authz.Status) { return o, nil }}
	if !t.bag {
		x.value = func(*frame, view) (*authz.Value, *authz.Status) { return &o.value, nil }
	}
	return x
}

// folded returns what an expression over constants alone comes to, unless that
// is an error: what is computed may fail where it is asked for only.
func folded(x *expression, args []*expression) *expression {
	for _, a := range args {
		if a.constant == nil {
			return x
		}
	}
	o, status := x.eval(new(frame), permitView)
	if status != nil {
		return x
	}
	return constantExpression(x.typ, x.at, o)
}

func isLiteral(e policies.Expression) bool {
	_, ok := e.(*policies.Literal)
	return ok
}

func (c *compilation) bagOf(e policies.Expression) *expression {
	a := c.attribute(e)
	if a == nil {
		return nil
	}
	return &expression{
		typ: typ{data: a.typ, bag: true}, at: e.At(), attr: a,
		eval: func(f *frame, v view) (operand, *authz.Status) {
			bag, status := a.bag(f, v, false)
			return operand{bag: bag}, status
		},
	}
}

// apply compiles the application of a function; special forms look at their
// arguments themselves.
func (c *compilation) apply(e *policies.Apply) *expression {
	if len(e.Arguments) > maxParameters {
		c.fail(e.Position, "more than %d arguments", maxParameters)
		return nil
	}
	if form, ok := c.compiler.forms[e.Function]; ok {
		return form(c, e)
	}
	f, ok := lookupFunction(e.Function)
	if !ok {
		c.fail(e.Position, "no function %q%s", e.Function, c.suggestion(e.Function))
		return nil
	}
	args, types, ok := c.arguments(e.Arguments)
	if !ok {
		return nil
	}
	if err := f.accepts(types); err != nil {
		c.fail(e.Position, "%s: %s", shortName(e.Function), err)
		return nil
	}
	x := c.application(e, f, args)
	if x == nil {
		return nil
	}
	return folded(x, args)
}

func (c *compilation) arguments(list []policies.Expression) (args []*expression, types []typ, ok bool) {
	ok = true
	for _, e := range list {
		x := c.expression(e)
		if x == nil {
			ok = false
			continue
		}
		args, types = append(args, x), append(types, x.typ)
	}
	return args, types, ok
}

// application makes the call of a function of checked arguments. A constant
// first argument of a predicate is prepared once and, where it is a literal,
// refused once.
func (c *compilation) application(e *policies.Apply, f *function, args []*expression) *expression {
	if f.two != nil && len(args) == 2 && args[0].value != nil && args[1].value != nil {
		return comparison(e, f, args[0].value, args[1].value)
	}
	x := &expression{typ: f.resultOf(args), at: e.Position}
	if f.only && args[0].attr != nil {
		x.value = theOnly(e, args[0].attr)
	}
	if f.bind != nil && len(args) == 2 && args[0].constant != nil {
		test, err := f.bind(args[0].constant.value)
		if err != nil && isLiteral(e.Arguments[0]) {
			c.fail(e.Position, "%s: %s", shortName(e.Function), err)
			return nil
		}
		if err != nil {
			test = func(authz.Value) (bool, error) { return false, err }
		}
		second := args[1]
		x.eval = func(fr *frame, v view) (operand, *authz.Status) {
			o, status := second.eval(fr, v)
			if status != nil {
				return operand{}, status
			}
			b, err := test(o.value)
			if err != nil {
				return operand{}, failed(e.Position, e.Function, err)
			}
			return truth(b), nil
		}
		return x
	}
	x.eval = func(fr *frame, v view) (operand, *authz.Status) {
		mark := len(fr.stack)
		defer fr.release(mark)
		values, status := fr.arguments(v, args)
		if status != nil {
			return operand{}, status
		}
		o, err := f.call(values)
		if err != nil {
			return operand{}, failed(e.Position, e.Function, err)
		}
		return o, nil
	}
	return x
}

// comparison is the call of a predicate of two values that are at hand.
func comparison(e *policies.Apply, f *function, first, second func(*frame, view) (*authz.Value, *authz.Status)) *expression {
	return decided(e.Position, func(fr *frame, v view) (bool, *authz.Status) {
		a, status := first(fr, v)
		if status != nil {
			return false, status
		}
		b, status := second(fr, v)
		if status != nil {
			return false, status
		}
		ok, err := f.two(a, b)
		if err != nil {
			return false, failed(e.Position, e.Function, err)
		}
		return ok, nil
	})
}

// theOnly takes the one value of an attribute where it lies.
func theOnly(e *policies.Apply, a *attribute) func(*frame, view) (*authz.Value, *authz.Status) {
	return func(f *frame, v view) (*authz.Value, *authz.Status) {
		bag, status := a.bag(f, v, false)
		if status != nil {
			return nil, status
		}
		value, err := onlyOne(bag)
		if err != nil {
			return nil, failed(e.Position, e.Function, err)
		}
		return value, nil
	}
}

// scope is the variables of the policy that is being compiled.
type scope struct {
	defined map[string]*policies.Variable
	made    map[string]*variable
	making  []string // on the way, to find circles
}

func (c *compilation) newScope(list []policies.Variable) *scope {
	s := &scope{defined: map[string]*policies.Variable{}, made: map[string]*variable{}}
	was := c.scope
	c.scope = s
	for i := range list {
		v := &list[i]
		if s.defined[v.ID] != nil {
			c.fail(v.Position, "variable %q is defined twice", v.ID)
			continue
		}
		s.defined[v.ID] = v
	}
	for i := range list { // unused ones are checked too
		c.define(list[i].ID, list[i].Position)
	}
	c.scope = was
	return s
}

func (c *compilation) variable(e *policies.VariableName) *expression {
	if c.scope == nil {
		c.fail(e.Position, "variable %q: there are no variables outside a policy", e.Variable)
		return nil
	}
	x := c.define(e.Variable, e.Position)
	if x == nil || x.value == nil {
		return nil
	}
	if x.value.constant != nil {
		return constantExpression(x.value.typ, e.Position, *x.value.constant)
	}
	return &expression{typ: x.value.typ, at: e.Position, eval: x.eval}
}

// define compiles a variable when it is first met, which may be before its
// definition stands (XACML 3.0 core, 5.26).
func (c *compilation) define(id string, from policies.Position) *variable {
	s := c.scope
	if x, ok := s.made[id]; ok {
		return x
	}
	v := s.defined[id]
	if v == nil {
		c.fail(from, "variable %q is not defined in this policy", id)
		return nil
	}
	for _, on := range s.making {
		if on == id {
			c.fail(from, "variable %q is defined by way of itself", id)
			return nil
		}
	}
	s.making = append(s.making, id)
	x := &variable{value: c.expression(v.Expression)}
	s.making = s.making[:len(s.making)-1]
	s.made[id] = x
	return x
}
