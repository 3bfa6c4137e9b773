package eval

import (
	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// typ is the static type of an expression: a data type or a bag of it.
type typ struct {
	data authz.DataType
	bag  bool
}

// anyData is the element type of a designator that names no type, and of the
// parameters that accept it: only functions of package profile do.
const anyData authz.DataType = ""

func (t typ) String() string {
	name := t.data.Name()
	if t.data == anyData {
		name = "any type"
	}
	if t.bag {
		return "bag of " + name
	}
	return name
}

// operand is a value at run time: one, or a bag.
type operand struct {
	value authz.Value
	bag   []authz.Value
}

func one(v authz.Value) operand { return operand{value: v} }

var (
	yes = one(authz.BooleanValue(true))
	no  = one(authz.BooleanValue(false))
)

func truth(b bool) operand {
	if b {
		return yes
	}
	return no
}

func isTrue(o operand) bool { b, _ := o.value.Data().(bool); return b }

// expression is a compiled policies.Expression of a known type. A status
// stands for Indeterminate.
type expression struct {
	typ      typ
	at       policies.Position
	eval     func(f *frame, v view) (operand, *authz.Status)
	holds    func(f *frame, v view) (bool, *authz.Status)         // eval without copies, of some that are boolean
	value    func(f *frame, v view) (*authz.Value, *authz.Status) // likewise, of some single values
	constant *operand                                             // of a literal, or of what comes to one
	attr     *attribute                                           // of a designator or selector
}

// decided makes a boolean expression.
func decided(at policies.Position, holds func(f *frame, v view) (bool, *authz.Status)) *expression {
	return &expression{typ: boolean, at: at, holds: holds, eval: func(f *frame, v view) (operand, *authz.Status) {
		b, status := holds(f, v)
		return truth(b), status
	}}
}

// isTrue evaluates a boolean expression.
func (x *expression) isTrue(f *frame, v view) (bool, *authz.Status) {
	if x.holds != nil {
		return x.holds(f, v)
	}
	o, status := x.eval(f, v)
	return isTrue(o), status
}

// variable is a VariableDefinition: evaluated when first referred to, at most
// once per request and view.
type variable struct {
	value *expression
}

type variableCell struct {
	of     *variable
	view   view
	value  operand
	status *authz.Status
}

func (x *variable) eval(f *frame, v view) (operand, *authz.Status) {
	for i := range f.variables {
		if c := &f.variables[i]; c.of == x && (c.view == v || f.uniform) {
			return c.value, c.status
		}
	}
	value, status := x.value.eval(f, v)
	f.variables = append(f.variables, variableCell{x, v, value, status})
	return value, status
}

// arguments evaluates all arguments of a function onto the frame's stack.
func (f *frame) arguments(v view, of []*expression) ([]operand, *authz.Status) {
	mark := len(f.stack)
	for range of {
		f.stack = append(f.stack, operand{})
	}
	args := f.stack[mark:len(f.stack):len(f.stack)]
	for i, x := range of {
		o, status := x.eval(f, v)
		if status != nil {
			return nil, status
		}
		args[i] = o
	}
	return args, nil
}

// release gives back the arguments on top of the stack.
func (f *frame) release(n int) {
	clear(f.stack[n:])
	f.stack = f.stack[:n]
}
