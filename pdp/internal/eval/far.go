package eval

// farIndex is an index so large that most of it is far away in memory, with a
// reading under which it is asked.
type farIndex struct {
	index   *table
	reading int
}

// farFrom is the depth of a directory from which it is far.
const farFrom = 10

// farBelow finds the indexes that every request asks, as far down as no target
// stands in the way.
func farBelow(all []farIndex, c *container) []farIndex {
	if c.target != nil {
		return all
	}
	l := c.children
	if l.index.depth >= farFrom {
		for _, n := range l.readings {
			all = append(all, farIndex{&l.index, n})
		}
	}
	if l.len() < indexFrom {
		for ch := range l.all() {
			if below, ok := ch.(*container); ok {
				all = farBelow(all, below)
			}
		}
	}
	return all
}

// approach looks at what those indexes have for the request, so that it comes out
// of memory at once, not one piece after the other as the evaluation gets there.
func (f *frame) approach(far []farIndex) (sum uint64) {
	for i := range far {
		x := &far[i]
		keys := f.keysAt(cellOf(x.reading, verified))
		for j := range keys {
			hash := mix(x.reading, keys[j].hash)
			sum += x.index.way(hash >> (64 - x.index.depth)).among[0]
		}
	}
	return sum
}
