package authz

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
)

// Seconds is an exact number of seconds, with a fraction of any length: the
// data of a dayTimeDuration and the measure of a [Moment].
type Seconds struct {
	whole    int64
	fraction string // digits after the point, without trailing zeros; always added to whole
}

var errRange = errors.New("beyond the range of times that is kept, some billion years")

// maxWhole keeps sums of a few Seconds far from overflow.
const maxWhole = 1 << 58

// SecondsOf returns n seconds.
func SecondsOf(n int64) Seconds { return Seconds{whole: n} }

// Whole returns the number of whole seconds, rounded down.
func (s Seconds) Whole() int64 { return s.whole }

// Compare returns -1, 0 or +1.
func (s Seconds) Compare(t Seconds) int {
	return cmp.Or(cmp.Compare(s.whole, t.whole), strings.Compare(s.fraction, t.fraction))
}

// Add returns s+t, or an error when it leaves the range that is kept.
func (s Seconds) Add(t Seconds) (Seconds, error) {
	fraction, carry := addFractions(s.fraction, t.fraction)
	sum := Seconds{whole: s.whole + t.whole + carry, fraction: fraction}
	if sum.whole > maxWhole || sum.whole < -maxWhole {
		return Seconds{}, errRange
	}
	return sum, nil
}

// Negate returns -s.
func (s Seconds) Negate() Seconds {
	if s.fraction == "" {
		return Seconds{whole: -s.whole}
	}
	digits := []byte(s.fraction)
	for i := range digits {
		digits[i] = '9' - digits[i] + '0'
	}
	digits[len(digits)-1]++ // the last digit is not 0, so this does not overflow
	return Seconds{whole: -s.whole - 1, fraction: string(digits)}
}

// String returns the number in decimal: "-1.5".
func (s Seconds) String() string {
	if s.fraction == "" {
		return strconv.FormatInt(s.whole, 10)
	}
	if s.whole >= 0 {
		return strconv.FormatInt(s.whole, 10) + "." + s.fraction
	}
	return "-" + s.Negate().String()
}

func (s Seconds) key() string { return strconv.FormatInt(s.whole, 10) + "." + s.fraction }

func addFractions(a, b string) (sum string, carry int64) {
	if len(a) < len(b) {
		a, b = b, a
	}
	digits := []byte(a)
	over := byte(0)
	for i := len(b) - 1; i >= 0; i-- {
		d := digits[i] + b[i] - '0' + over
		over = 0
		if d > '9' {
			d, over = d-10, 1
		}
		digits[i] = d
	}
	return strings.TrimRight(string(digits), "0"), int64(over)
}
