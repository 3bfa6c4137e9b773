package eval

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// rangeKey is the stretches that a value lies in, of ranks that begin with the
// same bits. A range is filed under the shortest stretch that has all of it; of
// ranges apart from each other a stretch is that of one at most, the one across
// its middle, so a value finds as many as there are lengths (an interval tree).
//
// Of several values one may be above the lower bound and another below the upper
// one: they are in doubt, and so is a time of day without a zone.
var rangeKey = &keyReader{name: "range", bag: rangeKeys}

func rangeKeys(values []authz.Value, to *keyList, wanted lengths) {
	switch {
	case len(values) == 0:
		return
	case len(values) > 1 || isFloating(values[0]):
		to.put(inDoubt, "")
		return
	}
	n := rank(values[0])
	for left := uint64(wanted); left != 0; left &= left - 1 {
		to.put(stretchHash(n, bits.TrailingZeros64(left)), "")
	}
}

// stretchHash is that of the ranks that have the first bits of one.
func stretchHash(rank uint64, length int) uint64 {
	var key [9]byte
	binary.BigEndian.PutUint64(key[:], rank&^(math.MaxUint64>>length))
	key[8] = byte(length)
	return authz.Hash(string(key[:]))
}

// side is a match that bounds its attribute on one side.
type side struct {
	match *match
	rank  uint64
	lower bool
}

// needsSide notes a bound, for ranges.
func needsSide(lower bool) func(*compilation, *match) {
	return func(c *compilation, m *match) {
		if !isFloating(m.from.Value) {
			c.sides = append(c.sides, side{m, rank(m.from.Value), lower})
		}
	}
}

// ranges files, of the bounds noted since, each lower one that has an upper one
// beside it by the range between: whoever is outside fails one or the other. If
// there is none, it returns a bound that stands alone.
func (c *compilation) ranges(since int) *beyond {
	paired := false
	for _, low := range c.sides[since:] {
		for _, high := range c.sides[since:] {
			if low.lower && !high.lower && low.match.attr.slot == high.match.attr.slot {
				c.needsRange(low, high)
				paired = true
				break
			}
		}
	}
	alone := c.sides[since:]
	c.sides = c.sides[:since]
	if paired {
		return nil
	}
	return c.oneSided(alone)
}

func (c *compilation) needsRange(low, high side) {
	by := c.reading(reading{slot: low.match.attr.slot, by: rangeKey})
	length := min(bits.LeadingZeros64(low.rank^high.rank), 63)
	c.wants(by, uint64(length))
	low.match.needs(file{by, stretchHash(low.rank, length)}, file{by, inDoubt})
}

// rank maps the values of a type to numbers in their order. So all between two of
// them begin with the bits that those have in common. Near ones may share one.
func rank(v authz.Value) uint64 {
	switch d := v.Data().(type) {
	case *big.Int:
		switch {
		case d.IsInt64():
			return signed(d.Int64())
		case d.Sign() < 0:
			return 0
		}
		return math.MaxUint64
	case float64: // NaN is in no order: whatever it is taken for, it is compared
		if d < 0 {
			return ^math.Float64bits(d)
		}
		return math.Float64bits(d) | 1<<63
	case authz.Moment:
		return signed(d.UTC().Whole())
	}
	var first [8]byte
	copy(first[:], v.Text())
	return binary.BigEndian.Uint64(first[:])
}

func signed(n int64) uint64 { return uint64(n) ^ 1<<63 }

// isFloating reports whether a value is a time of day without a zone, which has
// no order among those with one.
func isFloating(v authz.Value) bool {
	if v.Type() != authz.Time {
		return false
	}
	_, zoned := moment(v).Zone()
	return !zoned
}
