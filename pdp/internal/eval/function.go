package eval

import (
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// function is a function of the library: its signature and what it does. Its
// arguments are evaluated before it; an error in one of them is its own.
type function struct {
	params []typ
	rest   *typ // of further arguments; nil if there are none
	result typ
	call   func(args []operand) (operand, error)
	// bind, of a predicate of two, prepares it for a literal first argument;
	// the error refuses the literal when policies are loaded.
	bind func(literal authz.Value) (func(v authz.Value) (bool, error), error)
	// two, of some predicates of two, is call without copies.
	two func(a, b *authz.Value) (bool, error)
	// only marks the functions that take the one value of a bag.
	only bool
	// reader, of an equality, says by which keys it compares.
	reader *keyReader
	// equality, of a predicate that for some literals is equality of keys, gives the
	// reader and the literal's key; nil for the others.
	equality func(literal authz.Value) (*keyReader, string)
	// needs files a match by keys that its values must have.
	needs func(c *compilation, m *match)
}

var boolean = typ{data: authz.Boolean}

// accepts checks the types of arguments.
func (f *function) accepts(types []typ) error {
	if len(types) < len(f.params) || len(types) > len(f.params) && f.rest == nil {
		return fmt.Errorf("want %d arguments, have %d", len(f.params), len(types))
	}
	for i, have := range types {
		want := f.rest
		if i < len(f.params) {
			want = &f.params[i]
		}
		if have.bag != want.bag || want.data != have.data && want.data != acceptsAny {
			return fmt.Errorf("argument %d must be %s, not %s%s", i+1, want, have, unbagged(*want, have))
		}
	}
	return nil
}

// unbagged helps where an attribute stands for its only value, the commonest
// mistake in conditions.
func unbagged(want, have typ) string {
	if have.bag && !want.bag && have.data == want.data {
		return fmt.Sprintf(": take its only value by %s-one-and-only, or compare each by any-of", have.data.Name())
	}
	return ""
}

// acceptsAny is the data type of parameters that take a value of any type,
// even of one that is not known beforehand.
const acceptsAny authz.DataType = "any"

func (f *function) resultOf([]*expression) typ { return f.result }

// bindLiteral fixes the first argument of a predicate of two.
func (f *function) bindLiteral(literal authz.Value) (func(authz.Value) (bool, error), error) {
	if f.bind != nil {
		return f.bind(literal)
	}
	return func(v authz.Value) (bool, error) {
		o, err := f.call([]operand{one(literal), one(v)})
		return isTrue(o), err
	}, nil
}

// predicate makes a function of two values from its prepared form.
func predicate(first, second authz.DataType, bind func(authz.Value) (func(authz.Value) (bool, error), error)) *function {
	return &function{
		params: []typ{{data: first}, {data: second}}, result: boolean, bind: bind,
		call: func(args []operand) (operand, error) {
			test, err := bind(args[0].value)
			if err != nil {
				return operand{}, err
			}
			b, err := test(args[1].value)
			return truth(b), err
		},
	}
}

// equality makes the predicate that a key reader amounts to.
func equality(first, second authz.DataType, r *keyReader) *function {
	f := predicate(first, second, func(literal authz.Value) (func(authz.Value) (bool, error), error) {
		var want keyList
		r.literal(literal, &want)
		return func(v authz.Value) (bool, error) {
			var have keyList
			r.value(v, &have)
			return shareKey(want.keys, have.keys), nil
		}, nil
	})
	f.reader = r
	if r == ownKey {
		f.two = func(a, b *authz.Value) (bool, error) { return a.Hash() == b.Hash() && a.Key() == b.Key(), nil }
	}
	return f
}

func shareKey(a, b []hashedKey) bool {
	for i := range a {
		for j := range b {
			if a[i] == b[j] {
				return true
			}
		}
	}
	return false
}

// lookupFunction finds a function by its identifier.
func lookupFunction(id string) (*function, bool) {
	f, ok := library[id]
	return f, ok
}

// library holds every function that evaluates its arguments first. It is
// written once, here, and only read.
var library = newLibrary()

func newLibrary() map[string]*function {
	l := functions{}
	l.equalities()
	l.comparisons()
	l.arithmetic()
	l.strings()
	l.conversions()
	l.times()
	l.regexps()
	l.names()
	l.bags()
	l.sets()
	l.own()
	return l
}

type functions map[string]*function

const (
	one0   = "urn:oasis:names:tc:xacml:1.0:function:"
	two0   = "urn:oasis:names:tc:xacml:2.0:function:"
	three0 = "urn:oasis:names:tc:xacml:3.0:function:"
)

// add names a function, under every version that has it.
func (l functions) add(name string, f *function, versions ...string) {
	for _, v := range versions {
		l[v+name] = f
	}
}

// plain makes a function of fixed arguments and types.
func plain(result authz.DataType, call func(args []operand) (authz.Value, error), params ...authz.DataType) *function {
	f := &function{result: typ{data: result}, call: func(args []operand) (operand, error) {
		v, err := call(args)
		return one(v), err
	}}
	for _, p := range params {
		f.params = append(f.params, typ{data: p})
	}
	return f
}

// shortName is a function's name as people use it.
func shortName(id string) string { return id[strings.LastIndexAny(id, ":/#")+1:] }

// suggestion helps where the name is right and the version is not, or where one
// letter is wrong.
func (c *compilation) suggestion(id string) string {
	for _, v := range []string{one0, two0, three0} {
		if _, ok := library[v+shortName(id)]; ok {
			return fmt.Sprintf("; did you mean %q?", v+shortName(id))
		}
		if _, ok := c.compiler.forms[v+shortName(id)]; ok {
			return fmt.Sprintf("; did you mean %q?", v+shortName(id))
		}
	}
	near := ""
	for known := range library {
		if oneEdit(shortName(known), shortName(id)) && (near == "" || known < near) {
			near = known
		}
	}
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}

// oneEdit tells whether one letter more, less or different, or two neighbours
// swapped, make one name of the other.
func oneEdit(a, b string) bool {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return len(a) <= 1 && len(b) <= 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}
