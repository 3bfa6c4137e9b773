package policies

import (
	"slices"
	"strings"
)

// Builder makes a List of items that come one by one, of which those that become
// rows need not be in memory together. The zero Builder is empty.
type Builder[T Item] struct {
	items     []Item
	rows      packer
	place, id string // of the last one
	unordered bool
}

// Add adds an item. In order is cheapest, but any order will do; of two with the
// same place and id the later one stays. Add reports whether the list will hold
// the item itself: if not, its memory may be used again.
func (b *Builder[T]) Add(item T) (held bool) {
	place, id := item.Where()
	b.unordered = b.unordered || len(b.items) > 0 && compare(b.place, b.id, place, id) >= 0
	b.place, b.id = place, id
	if b.rows.room == 0 {
		b.rows.room = usualChunk
	}
	it := b.rows.pack(item)
	b.items = append(b.items, it)
	return it == Item(item)
}

// List returns the list of what was added and leaves the Builder empty.
func (b *Builder[T]) List() List[T] {
	b.rows.finish()
	items := b.items
	if b.unordered {
		slices.SortStableFunc(items, compareItems)
		items = lastOfEach(items)
	}
	l := List[T]{length: len(items)}
	for c := range slices.Chunk(items, usualChunk) {
		l.chunks = append(l.chunks, slices.Clip(c))
	}
	*b = Builder[T]{}
	return l
}

// lastOfEach drops all but the last of those with the same place and id.
func lastOfEach(sorted []Item) []Item {
	kept := sorted[:0]
	for i, it := range sorted {
		if i+1 == len(sorted) || compareItems(it, sorted[i+1]) != 0 {
			kept = append(kept, it)
		}
	}
	return kept
}

// packer makes rows of rules. Rows that are made one after the other lie side by
// side, and so do their words: memory that is given back when all of them are
// gone.
type packer struct {
	shapes map[common]*Shape
	last   *Shape // which the next rule has as a rule
	room   int    // how many rows lie together
	rows   []Row
	text   []byte // of those rows
	ends   []int
}

// pack returns a rule as a row, which is complete once the packer has finished,
// and any other item as it is.
func (p *packer) pack(it Item) Item {
	r, ok := it.(*Rule)
	if !ok {
		return it
	}
	c, ok := commonOf(r)
	if !ok {
		return it
	}
	if len(p.rows) == cap(p.rows) {
		p.finish()
		p.rows = make([]Row, 0, p.room)
	}
	s := p.shape(c, r)
	w := words{id: r.ID, place: r.Place, because: r.Because, description: r.Description, end: end(r.Until), literal: onlyMatch(r.Target).Value.Text()}
	p.text = w.append(p.text, s)
	p.ends = append(p.ends, len(p.text))
	p.rows = append(p.rows, Row{shape: s, line: int32(r.Position.Line), column: int32(r.Position.Column)})
	return &p.rows[len(p.rows)-1]
}

// finish gives the rows made so far their words.
func (p *packer) finish() {
	text, from := string(p.text), 0
	for i, to := range p.ends {
		p.rows[len(p.rows)-len(p.ends)+i].text = text[from:to]
		from = to
	}
	p.text, p.ends = p.text[:0], p.ends[:0]
}

func (p *packer) shape(c common, first *Rule) *Shape {
	if p.last != nil && p.last.common == c {
		return p.last
	}
	s := p.shapes[c]
	if s == nil {
		s = &Shape{common: c, because: strings.Clone(first.Because), description: strings.Clone(first.Description)} // not all of a file
		if p.shapes == nil {
			p.shapes = map[common]*Shape{}
		}
		p.shapes[c] = s
	}
	p.last = s
	return s
}

// packBeside returns what a list keeps of an item that comes next to another,
// whose shape it shares if it can.
func packBeside(it, other Item) Item {
	p := packer{room: 1}
	if row, ok := other.(*Row); ok {
		p.last = row.shape
	}
	kept := p.pack(it)
	p.finish()
	return kept
}
