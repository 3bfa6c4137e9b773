package eval

import (
	"math"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// opening is an open child: one that every request has to look at, or only those
// with a value on the right side of a bound. It lies with its neighbours, so that
// those on the wrong side are passed over without being fetched.
type opening struct {
	child child
	beyond
}

// beyond is a bound on one side of an attribute. A child does not apply to requests
// without a value on that side. The zero beyond is none.
type beyond struct {
	rank     uint64
	reading  int32 // of extremes
	given    bool
	lower    bool
	required bool // without the attribute, the child is Indeterminate
}

// admitted leaves out those before the first that a request may have a value for.
func admitted(open []opening, f *frame) []opening {
	extent := f.widest()
	for i := range open {
		if b := &open[i].beyond; !b.given || b.admits(f.keysAt(cellOf(int(b.reading), extent))) || b.required && len(f.keysAt(cellOf(int(b.reading), verified))) == 0 {
			return open[i:]
		}
	}
	return nil
}

// admits reports whether the extremes of a request are on the right side.
func (b *beyond) admits(extremes []hashedKey) bool {
	switch {
	case len(extremes) != 2:
		return len(extremes) > 0
	case b.lower:
		return b.rank <= extremes[1].hash
	}
	return b.rank >= extremes[0].hash
}

// extremesKey is the ranks of the least and of the greatest value, in place of
// hashes; one thing alone if they have no order.
var extremesKey = &keyReader{name: "extremes", bag: extremes}

func extremes(values []authz.Value, to *keyList, _ lengths) {
	least, greatest := uint64(math.MaxUint64), uint64(0)
	for i := range values {
		if isFloating(values[i]) {
			to.put(inDoubt, "")
			return
		}
		n := rank(values[i])
		least, greatest = min(least, n), max(greatest, n)
	}
	if len(values) > 0 {
		to.put(least, "")
		to.put(greatest, "")
	}
}

// oneSided returns the first of some bounds that nobody who fails it is to be told.
func (c *compilation) oneSided(bounds []side) *beyond {
	for _, s := range bounds {
		if !isBound(s.match) {
			by := c.reading(reading{slot: s.match.attr.slot, by: extremesKey})
			return &beyond{s.rank, int32(by), true, s.lower, s.match.required}
		}
	}
	return nil
}
