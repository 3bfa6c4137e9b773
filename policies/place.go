package policies

import (
	"fmt"
	"strings"
)

// digits of a place, in the order of their bytes.
const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Places returns n places in ascending order, as short as they can be of one
// length, with room between, before and after them.
func Places(n int) []string {
	places := make([]string, n)
	for i := range places {
		places[i] = NthPlace(i, n)
	}
	return places
}

// NthPlace returns the i-th of Places(n), from 0.
func NthPlace(i, n int) string {
	width, room := 1, len(digits)
	for room < 4*(n+2) {
		width++
		room *= len(digits)
	}
	return fixed((i+1)*(room/(n+1)), width)
}

func fixed(v, width int) string {
	b := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		b[i] = digits[v%len(digits)]
		v /= len(digits)
	}
	// A place never ends in the lowest digit, or nothing would fit before it.
	if b[width-1] == digits[0] {
		b = append(b, digits[len(digits)/2])
	}
	return string(b)
}

// Between returns a place that sorts after a and before b, where "" stands for
// the start and the end of the list. It fails if a does not sort before b or
// if one of them is no place. The result is about as long as its neighbours.
func Between(a, b string) (string, error) {
	switch {
	case !isPlace(a) || !isPlace(b):
		return "", fmt.Errorf("not a place: %q, %q", a, b)
	case b != "" && a >= b:
		return "", fmt.Errorf("no place between %q and %q", a, b)
	case b == "":
		return after(a), nil
	case a == "":
		return before(b), nil
	}
	return middle(a, b), nil
}

func isPlace(s string) bool {
	return strings.Trim(s, digits) == "" && !strings.HasSuffix(s, digits[:1])
}

// after returns a place behind a: the last digit that can grow, grown by one
// so that appending a million items keeps places short.
func after(a string) string {
	if a == "" {
		return digits[len(digits)/2 : len(digits)/2+1]
	}
	for i := len(a) - 1; i >= 0; i-- {
		if d := strings.IndexByte(digits, a[i]); d+1 < len(digits) {
			grown := a[:i] + digits[d+1:d+2]
			if i < 3 { // keep a few digits, so that later ones have room
				grown += strings.Repeat(digits[:1], 3-i) + digits[1:2]
			}
			return grown
		}
	}
	return a + digits[len(digits)/2:len(digits)/2+1]
}

// before returns a place in front of b, likewise.
func before(b string) string {
	last := len(b) - 1
	for i := last; i >= 0; i-- {
		d := strings.IndexByte(digits, b[i])
		if d == 0 || d == 1 && i == last && i > 0 {
			continue // no place ends in the lowest digit: borrow further left
		}
		shrunk := b[:i] + digits[d-1:d]
		if i < 3 || d == 1 {
			shrunk += strings.Repeat(digits[len(digits)-1:], max(3-i, 1))
		}
		return shrunk
	}
	return b[:last] + digits[:1] + digits[len(digits)-1:]
}

// middle returns a place between a and b, digit by digit, where a is extended
// with the lowest digit.
func middle(a, b string) string {
	n := 0
	for n < len(b) && digitAt(a, n) == strings.IndexByte(digits, b[n]) {
		n++
	}
	prefix := b[:n]
	low, high := digitAt(a, n), len(digits)
	if n < len(b) {
		high = strings.IndexByte(digits, b[n])
	}
	if high-low > 1 {
		mid := (low + high) / 2
		return prefix + digits[mid:mid+1]
	}
	rest := ""
	if n < len(a) {
		rest = a[n+1:]
	}
	return prefix + digits[low:low+1] + after(rest)
}

func digitAt(s string, i int) int {
	if i < len(s) {
		return strings.IndexByte(digits, s[i])
	}
	return 0
}
