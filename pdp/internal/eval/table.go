package eval

import "slices"

// table is a persistent hash table from hashed keys to the children that have
// them in their targets. An edit copies the page it changes and its part of the
// directory; whoever reads the table before it is not disturbed.
//
// It is laid out for memory that is far: the directory is small enough to be
// near, and tells of most keys which nobody has, as most are, that their page need
// not be fetched. In a page a hash lies beside what stands under it.
//
// It holds hashes only. Two keys of one hash find each other's children, which
// does no harm: who is found still has its target evaluated.
type table struct {
	edit  *transaction // who may still change it in place
	few   []entry      // all of it, while that is not much
	parts []*part      // the directory: ways by the first bits of a hash
	depth uint         // how many bits
}

// part is as much of the directory as an edit copies. Neighbours may lead to the
// same page; while the directory has fewer bits than a part, the rest is zero.
type part struct {
	ways [1 << partBits]way // first, so that none of them crosses a line of memory
	edit *transaction
}

// way leads to the page of some first bits, and knows by a Bloom filter which of
// the hashes with these bits are there: what it does not admit is not; what it
// admits may have gone since the way was made.
type way struct {
	page  *page
	among [3]uint64
}

// bitsOf returns a bit of each word of a filter: those of a hash that tell
// neither its way nor, mostly, its slot.
func bitsOf(hash uint64) (a, b, c uint64) { return hash >> 16 & 63, hash >> 22 & 63, hash >> 28 & 63 }

func (w *way) note(hash uint64) {
	a, b, c := bitsOf(hash)
	w.among[0] |= 1 << a
	w.among[1] |= 1 << b
	w.among[2] |= 1 << c
}

func (w *way) admits(hash uint64) bool {
	a, b, c := bitsOf(hash)
	return w.among[0]>>a&(w.among[1]>>b)&(w.among[2]>>c)&1 != 0
}

const partBits = 6

// entry is what stands under one mixed hash: a child, or a *bunch.
type entry struct {
	hash uint64
	what any
}

// transaction marks what one series of edits made.
type transaction struct{ _ byte }

const (
	mostFew  = 16 // entries that need no page
	pageSize = 63 // with it a page fills a size class of the allocator
	pageFull = 52 // more make the ways through a page long
)

// page holds the entries whose hashes begin with the same bits: each in the
// first free slot after the one that its hash asks for.
type page struct {
	edit    *transaction
	depth   uint8 // how many bits its hashes share
	used    uint8
	entries [pageSize]entry // without a hash: free
}

// mix tells the same key under different readings apart, and spreads what
// differs in a hash over its first bits. It is never 0.
func mix(reading int, hash uint64) uint64 {
	return (hash^uint64(reading)<<32)*0x9e3779b97f4a7c15 | 1
}

// find returns what stands under a key: nil, a child or a *bunch.
func (t *table) find(reading int, hash uint64) any {
	hash = mix(reading, hash)
	if t.parts == nil {
		for i := range t.few {
			if t.few[i].hash == hash {
				return t.few[i].what
			}
		}
		return nil
	}
	w := t.way(hash >> (64 - t.depth))
	if !w.admits(hash) {
		return nil
	}
	if i, found := w.page.slot(hash); found {
		return w.page.entries[i].what
	}
	return nil
}

// way returns the way under the first bits of a hash.
func (t *table) way(bits uint64) *way { return &t.parts[bits>>partBits].ways[bits%(1<<partBits)] }

// slot returns where a hash is or belongs. A page is never full.
func (p *page) slot(hash uint64) (i uint, found bool) {
	i = uint(hash & 0xffff * pageSize >> 16)
	for {
		switch p.entries[i].hash {
		case hash:
			return i, true
		case 0:
			return i, false
		}
		if i++; i == pageSize {
			i = 0
		}
	}
}

// add files a child under a key.
func (t table) add(tx *transaction, reading int, hash uint64, c child) table {
	t.own(tx)
	f := file{reading, hash}
	hash = mix(reading, hash)
	if t.parts == nil {
		if i := t.indexOf(hash); i >= 0 {
			t.few[i].what = together(tx, t.few[i].what, f, c)
			return t
		}
		if len(t.few) < mostFew {
			t.few = append(t.few, entry{hash, c})
			return t
		}
		t.turn(tx)
	}
	for {
		p := t.page(tx, hash)
		switch i, found := p.slot(hash); {
		case found:
			e := &p.entries[i]
			e.what = together(tx, e.what, f, c)
			return t
		case p.used < pageFull:
			p.put(entry{hash, c})
			t.way(hash >> (64 - t.depth)).note(hash)
			return t
		}
		t.split(p)
	}
}

// remove takes a child from under a key. Empty pages stay.
func (t table) remove(tx *transaction, reading int, hash uint64, c child) table {
	t.own(tx)
	hash = mix(reading, hash)
	if t.parts == nil {
		if i := t.indexOf(hash); i >= 0 {
			if t.few[i].what = without(tx, t.few[i].what, c); t.few[i].what == nil {
				t.few = slices.Delete(t.few, i, i+1)
			}
		}
		return t
	}
	p := t.page(tx, hash)
	if i, found := p.slot(hash); found {
		e := &p.entries[i]
		if e.what = without(tx, e.what, c); e.what == nil {
			p.drop(i)
		}
	}
	return t
}

// own makes a table that the transaction may change.
func (t *table) own(tx *transaction) {
	if t.edit != tx {
		t.edit, t.few, t.parts = tx, slices.Clone(t.few), slices.Clone(t.parts)
	}
}

func (t *table) indexOf(hash uint64) int {
	return slices.IndexFunc(t.few, func(e entry) bool { return e.hash == hash })
}

// turn takes the few into a first page.
func (t *table) turn(tx *transaction) {
	p := &page{edit: tx}
	for _, e := range t.few {
		p.put(e)
	}
	t.few, t.parts = nil, []*part{{edit: tx}}
	t.set(p, 0)
}

// page returns the page of a hash, which the transaction may then change.
func (t *table) page(tx *transaction, hash uint64) *page {
	p := t.way(hash >> (64 - t.depth)).page
	if p.edit != tx {
		own := *p
		own.edit = tx
		p = &own
		t.set(p, hash)
	}
	return p
}

// set enters a page in the directory wherever the bits of a hash that it shares
// lead.
func (t *table) set(p *page, hash uint64) {
	n := uint64(1) << (t.depth - uint(p.depth))
	first := hash >> (64 - t.depth) &^ (n - 1)
	for bits := first; bits < first+n; bits++ {
		d := &t.parts[bits>>partBits]
		if (*d).edit != p.edit {
			own := **d
			own.edit = p.edit
			*d = &own
		}
		*t.way(bits) = t.wayTo(p, bits)
	}
}

// wayTo makes the way to a page for those of its hashes that have the bits.
func (t *table) wayTo(p *page, bits uint64) way {
	w := way{page: p}
	for i := range p.entries {
		if h := p.entries[i].hash; h != 0 && h>>(64-t.depth) == bits {
			w.note(h)
		}
	}
	return w
}

// split parts a full page by one more bit. Hashes are as good as random to
// everybody outside, so those of a page do not go on sharing bits.
func (t *table) split(p *page) {
	hash := p.entries[slices.IndexFunc(p.entries[:], func(e entry) bool { return e.hash != 0 })].hash
	if uint(p.depth) == t.depth {
		t.double(p.edit)
	}
	bit := uint64(1) << (63 - p.depth)
	halves := [2]*page{{edit: p.edit, depth: p.depth + 1}, {edit: p.edit, depth: p.depth + 1}}
	for _, e := range &p.entries {
		if e.hash != 0 {
			halves[min(e.hash&bit, 1)].put(e)
		}
	}
	t.set(halves[0], hash&^bit)
	t.set(halves[1], hash|bit)
}

// double tells the ways of the directory apart by one more bit.
func (t *table) double(tx *transaction) {
	old := *t
	t.depth++
	t.parts = make([]*part, (uint64(1)<<t.depth-1)>>partBits+1)
	for i := range t.parts {
		t.parts[i] = &part{edit: tx}
	}
	for bits := range uint64(1) << t.depth {
		*t.way(bits) = t.wayTo(old.way(bits/2).page, bits)
	}
}

// put enters what the page has not.
func (p *page) put(e entry) {
	i, _ := p.slot(e.hash)
	p.entries[i] = e
	p.used++
}

// drop frees a slot: those after it move up, so that no way is cut.
func (p *page) drop(i uint) {
	p.used--
	for {
		p.entries[i] = entry{}
		j := i
		for {
			if j++; j == pageSize {
				j = 0
			}
			if p.entries[j].hash == 0 {
				return
			}
			if to, _ := p.slot(p.entries[j].hash); to == i {
				break
			}
		}
		p.entries[i] = p.entries[j]
		i = j
	}
}
