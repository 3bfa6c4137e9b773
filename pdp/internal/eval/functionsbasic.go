package eval

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// named are the data types with the first part of their functions' names.
var named = []struct {
	name string
	typ  authz.DataType
}{
	{"string", authz.String}, {"boolean", authz.Boolean}, {"integer", authz.Integer}, {"double", authz.Double},
	{"time", authz.Time}, {"date", authz.Date}, {"dateTime", authz.DateTime}, {"anyURI", authz.AnyURI},
	{"hexBinary", authz.HexBinary}, {"base64Binary", authz.Base64Binary},
	{"dayTimeDuration", authz.DayTimeDuration}, {"yearMonthDuration", authz.YearMonthDuration},
	{"x500Name", authz.X500Name}, {"rfc822Name", authz.RFC822Name},
}

// versions returns those that have a function of a type: the duration types
// were renamed in XACML 3.0 and keep their old names.
func versions(name string) []string {
	if strings.HasSuffix(name, "Duration") {
		return []string{one0, three0}
	}
	return []string{one0}
}

// equalities are A.3.1: every type's own equality, which its key expresses.
func (l functions) equalities() {
	for _, t := range named {
		l.add(t.name+"-equal", equality(t.typ, t.typ, ownKey), versions(t.name)...)
	}
	folded := alike("fold", func(v authz.Value, to *keyList) { to.add(lowerCase(v.Text())) })
	l.add("string-equal-ignore-case", equality(authz.String, authz.String, folded), three0)
}

// order compares two values of one type that has an order.
type order func(a, b authz.Value) (int, error)

func compareIntegers(a, b authz.Value) (int, error) { return integer(a).Cmp(integer(b)), nil }

func compareStrings(a, b authz.Value) (int, error) { return strings.Compare(a.Text(), b.Text()), nil }

func compareMoments(a, b authz.Value) (int, error) { return moment(a).Compare(moment(b)), nil }

var errZones = errors.New("a time with a zone and one without cannot be ordered")

func compareTimes(a, b authz.Value) (int, error) {
	_, zonedA := moment(a).Zone()
	_, zonedB := moment(b).Zone()
	if zonedA != zonedB {
		return 0, errZones
	}
	return moment(a).Compare(moment(b)), nil
}

func integer(v authz.Value) *big.Int      { return v.Data().(*big.Int) }
func double(v authz.Value) float64        { return v.Data().(float64) }
func moment(v authz.Value) authz.Moment   { return v.Data().(authz.Moment) }
func seconds(v authz.Value) authz.Seconds { return v.Data().(authz.Seconds) }
func months(v authz.Value) int64          { return v.Data().(int64) }

// comparisons are A.3.6 to A.3.8. NaN is in no order.
func (l functions) comparisons() {
	results := map[string]func(int) bool{
		"greater-than":          func(c int) bool { return c > 0 },
		"greater-than-or-equal": func(c int) bool { return c >= 0 },
		"less-than":             func(c int) bool { return c < 0 },
		"less-than-or-equal":    func(c int) bool { return c <= 0 },
	}
	for name, holds := range results {
		for _, t := range []struct {
			name string
			typ  authz.DataType
			by   order
		}{
			{"integer", authz.Integer, compareIntegers}, {"string", authz.String, compareStrings},
			{"time", authz.Time, compareTimes}, {"date", authz.Date, compareMoments}, {"dateTime", authz.DateTime, compareMoments},
		} {
			f := ordered(t.typ, t.by, holds)
			f.needs = needsSide(holds(-1))
			l.add(t.name+"-"+name, f, one0)
		}
		f := plain(authz.Boolean, func(a []operand) (authz.Value, error) {
			x, y := double(a[0].value), double(a[1].value)
			c := 0
			switch {
			case math.IsNaN(x) || math.IsNaN(y):
				return authz.BooleanValue(false), nil
			case x < y:
				c = -1
			case x > y:
				c = 1
			}
			return authz.BooleanValue(holds(c)), nil
		}, authz.Double, authz.Double)
		f.needs = needsSide(holds(-1))
		l.add("double-"+name, f, one0)
	}
}

func ordered(t authz.DataType, by order, holds func(int) bool) *function {
	f := predicate(t, t, func(first authz.Value) (test, error) {
		return func(v authz.Value) (bool, error) {
			c, err := by(first, v)
			return err == nil && holds(c), err
		}, nil
	})
	f.two = func(a, b *authz.Value) (bool, error) {
		c, err := by(*a, *b)
		return err == nil && holds(c), err
	}
	return f
}

var errZero = errors.New("division by zero")

// arithmetic is A.3.2 and A.3.4 (numbers): integers are unbounded, doubles
// IEEE 754 except that division by zero is an error.
func (l functions) arithmetic() {
	l.integers("add", (*big.Int).Add, true)
	l.integers("multiply", (*big.Int).Mul, true)
	l.integers("subtract", (*big.Int).Sub, false)
	l.doubles("add", func(x, y float64) (float64, error) { return x + y, nil }, true)
	l.doubles("multiply", func(x, y float64) (float64, error) { return x * y, nil }, true)
	l.doubles("subtract", func(x, y float64) (float64, error) { return x - y, nil }, false)
	l.doubles("divide", func(x, y float64) (float64, error) {
		if y == 0 {
			return 0, errZero
		}
		return x / y, nil
	}, false)
	for name, op := range map[string]func(z, x, y *big.Int) *big.Int{"divide": (*big.Int).Quo, "mod": (*big.Int).Rem} {
		l.add("integer-"+name, plain(authz.Integer, func(a []operand) (authz.Value, error) {
			if integer(a[1].value).Sign() == 0 {
				return authz.Value{}, errZero
			}
			return authz.BigIntegerValue(op(new(big.Int), integer(a[0].value), integer(a[1].value))), nil
		}, authz.Integer, authz.Integer), one0)
	}
	l.add("integer-abs", plain(authz.Integer, func(a []operand) (authz.Value, error) {
		return authz.BigIntegerValue(new(big.Int).Abs(integer(a[0].value))), nil
	}, authz.Integer), one0)
	for name, op := range map[string]func(float64) float64{"double-abs": math.Abs, "round": math.RoundToEven, "floor": math.Floor} {
		l.add(name, plain(authz.Double, func(a []operand) (authz.Value, error) {
			return authz.DoubleValue(op(double(a[0].value))), nil
		}, authz.Double), one0)
	}
	l.add("double-to-integer", plain(authz.Integer, doubleToInteger, authz.Double), one0)
	l.add("integer-to-double", plain(authz.Double, func(a []operand) (authz.Value, error) {
		f, _ := new(big.Float).SetInt(integer(a[0].value)).Float64()
		return authz.DoubleValue(f), nil
	}, authz.Integer), one0)
}

func doubleToInteger(a []operand) (authz.Value, error) {
	f := double(a[0].value)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return authz.Value{}, fmt.Errorf("%s is no integer", a[0].value)
	}
	n, _ := big.NewFloat(f).Int(nil) // toward zero
	return authz.BigIntegerValue(n), nil
}

// maxBits bounds what products grow to.
const maxBits = 1 << 16

func (l functions) integers(name string, op func(z, x, y *big.Int) *big.Int, several bool) {
	f := plain(authz.Integer, func(a []operand) (authz.Value, error) {
		z := new(big.Int).Set(integer(a[0].value))
		for _, o := range a[1:] {
			if op(z, z, integer(o.value)); z.BitLen() > maxBits {
				return authz.Value{}, fmt.Errorf("the result has more than %d bits", maxBits)
			}
		}
		return authz.BigIntegerValue(z), nil
	}, authz.Integer, authz.Integer)
	if several {
		f.rest = &typ{data: authz.Integer}
	}
	l.add("integer-"+name, f, one0)
}

func (l functions) doubles(name string, op func(x, y float64) (float64, error), several bool) {
	f := plain(authz.Double, func(a []operand) (authz.Value, error) {
		z := double(a[0].value)
		for _, o := range a[1:] {
			var err error
			if z, err = op(z, double(o.value)); err != nil {
				return authz.Value{}, err
			}
		}
		return authz.DoubleValue(z), nil
	}, authz.Double, authz.Double)
	if several {
		f.rest = &typ{data: authz.Double}
	}
	l.add("double-"+name, f, one0)
}
