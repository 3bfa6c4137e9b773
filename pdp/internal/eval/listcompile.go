package eval

import (
	"iter"
	"slices"

	"github.com/gatehouse-authz/gatehouse/policies"
)

// all yields the children in order.
func (l *list) all() iter.Seq[child] {
	return func(yield func(child) bool) {
		for _, c := range l.chunks {
			for _, ch := range c.children {
				if !yield(ch) {
					return
				}
			}
		}
	}
}

// compileItem compiles an item, a row into the room given if it can be a ban; nil
// after an error.
type compileItem func(policies.Item, *slab[ban]) child

// compileList compiles the items of a list. Chunks that the old list has too
// are taken as they are, and so are single items of other chunks; only what
// came and went is compiled and changes the index.
func compileList[T policies.Item](c *compilation, items policies.List[T], old *list, compile compileItem) *list {
	if old == nil {
		old = &list{}
	}
	now := items.Chunks()
	head := 0
	for head < len(now) && head < len(old.chunks) && old.chunks[head].isOf(now[head]) {
		head++
	}
	tail := 0
	for tail < len(now)-head && tail < len(old.chunks)-head && old.chunks[len(old.chunks)-1-tail].isOf(now[len(now)-1-tail]) {
		tail++
	}
	out := &list{length: items.Len(), index: old.index, chunks: make([]*chunk, 0, len(now))}
	kept, gone := parted(old.chunks[head:len(old.chunks)-tail], now[head:len(now)-tail])
	out.chunks = append(out.chunks, old.chunks[:head]...)
	for _, k := range now[head : len(now)-tail] {
		same, ok := kept[&k[0]]
		if !ok {
			same = compileChunk(c, out, k, gone, compile)
		}
		out.chunks = append(out.chunks, same)
	}
	out.chunks = append(out.chunks, old.chunks[len(old.chunks)-tail:]...)
	c.hashBans(out.bans)
	for _, b := range out.bans {
		out.index = out.index.add(c.tx, b.kind.reading, b.hash, b)
	}
	out.bans = nil
	for _, ch := range gone {
		for _, f := range ch.filed() {
			if f.hash != inDoubt {
				out.index = out.index.remove(c.tx, f.reading, f.hash, ch)
			}
		}
	}
	out.sum()
	return out
}

// parted tells the old chunks that are among the new ones from the rest, whose
// children may or may not be.
func parted(old []*chunk, now [][]policies.Item) (kept map[*policies.Item]*chunk, gone map[policies.Item]child) {
	kept, gone = make(map[*policies.Item]*chunk, len(old)), map[policies.Item]child{}
	for _, k := range old {
		kept[&k.items[0]] = k
	}
	still := make(map[*policies.Item]bool, len(now))
	for _, items := range now {
		if k := kept[&items[0]]; k != nil && k.isOf(items) {
			still[&items[0]] = true
		}
	}
	for _, k := range old {
		if still[&k.items[0]] {
			continue
		}
		delete(kept, &k.items[0])
		for i, ch := range k.children {
			gone[k.items[i]] = ch
		}
	}
	return kept, gone
}

// isOf reports whether the chunk was compiled from these items.
func (k *chunk) isOf(items []policies.Item) bool {
	return len(k.items) == len(items) && &k.items[0] == &items[0]
}

// compileChunk compiles one chunk into a list; what it takes over from the old
// list it takes out of gone.
func compileChunk(c *compilation, into *list, items []policies.Item, gone map[policies.Item]child, compile compileItem) *chunk {
	k := &chunk{items: items, children: make([]child, 0, len(items))}
	crowd := crowd{}
	fresh := make([]bool, 0, len(items))
	room := slab[ban]{size: 1}
	if len(gone) == 0 { // all are fresh
		room.size = len(items)
	}
	for _, it := range items {
		ch, kept := gone[it]
		if kept {
			delete(gone, it)
		} else if ch = compile(it, &room); ch == nil {
			continue // an error, already noted: nothing is made of this list
		}
		k.children = append(k.children, ch)
		k.count(ch)
		fresh = append(fresh, !kept)
		crowd.count(ch.goal())
	}
	for i, ch := range k.children {
		if fresh[i] {
			ch.settle(crowd)
		}
		k.file(c, into, ch, fresh[i])
	}
	return k
}

// file notes where a child is found, and puts a fresh one there.
func (k *chunk) file(c *compilation, into *list, ch child, fresh bool) {
	if b, ok := ch.(*ban); ok {
		k.readings = addOnce(k.readings, b.kind.reading)
		if fresh {
			into.bans = append(into.bans, b) // they are hashed together
		}
		return
	}
	filings := ch.filed()
	if len(filings) == 0 {
		o := opening{child: ch}
		if t := ch.goal(); t != nil && t.beyond != nil {
			o.beyond = *t.beyond
		}
		k.open = append(k.open, o)
	}
	doubtful := false
	for _, f := range filings {
		if f.required >= 0 {
			k.required, doubtful = addOnce(k.required, f.required), true
		}
		if f.hash == inDoubt {
			k.doubts, doubtful = addOnce(k.doubts, f.reading), true
			continue
		}
		if fresh {
			into.index = into.index.add(c.tx, f.reading, f.hash, ch)
		}
		k.readings = addOnce(k.readings, f.reading)
	}
	if doubtful {
		k.doubtful = append(k.doubtful, ch)
	}
}

func addOnce(to []int, n int) []int {
	if slices.Contains(to, n) {
		return to
	}
	return append(to, n)
}

func (k *chunk) count(ch child) {
	switch ch := ch.(type) {
	case *ban:
		k.counts.ofRule(ch.row.Ban())
	case *rule:
		k.bounded = k.bounded || ch.bounds != nil
		k.counts.ofRule(ch.from.Ban)
	case *container:
		k.bounded = k.bounded || ch.children.bounded
		k.counts.Policies++
		k.counts.add(ch.children.counts)
	default:
		k.counts.Policies++
	}
}

func (c *Counts) ofRule(ban bool) {
	if ban {
		c.Bans++
	} else {
		c.Rules++
	}
}

func (c *Counts) add(d Counts) {
	c.Bans, c.Rules, c.Policies = c.Bans+d.Bans, c.Rules+d.Rules, c.Policies+d.Policies
}

// sum gathers what the list has to know of its chunks.
func (l *list) sum() {
	for _, k := range l.chunks {
		l.doubtful = l.doubtful || len(k.doubtful) > 0
		l.open = append(l.open, k.open...)
		l.bounded = l.bounded || k.bounded
		l.counts.add(k.counts)
		for _, n := range k.readings {
			l.readings = addOnce(l.readings, n)
		}
		for _, n := range k.required {
			l.required = addOnce(l.required, n)
		}
		for _, n := range k.doubts {
			l.doubts = addOnce(l.doubts, n)
		}
	}
}

// filings are what a child is found by: kept with it, so that it leaves the index
// as it came.
type filings struct{ keys []filing }

func (f *filings) filed() []filing { return f.keys }

// filing is one key under which a child stands in the index.
type filing struct {
	reading  int
	required int // slot, or -1
	hash     uint64
}

// crowd counts, within one chunk, how many matches ask for the same key: the
// fewer, the better a key tells requests apart.
type crowd map[file]int

func (c crowd) count(t *target) {
	if t == nil {
		return
	}
	for i := range t.anyOf {
		for j := range t.anyOf[i].allOf {
			for _, m := range t.anyOf[i].allOf[j].matches {
				for _, f := range m.needed() {
					if f.hash != inDoubt { // which hardly any request has
						c[f]++
					}
				}
			}
		}
	}
}

// filings returns the keys of which a request must have one for a child with
// that target to be anything but NotApplicable; none if there is no such set.
func (c crowd) filings(t *target) []filing {
	if t == nil {
		return nil
	}
	var best []filing
	least := 0
	for i := range t.anyOf {
		keys, n := c.alternatives(&t.anyOf[i])
		if len(keys) > 0 && (best == nil || n < least) {
			best, least = keys, n
		}
	}
	return best
}

// alternatives returns the keys of one disjunction, those of one match of each
// conjunction in it, and how crowded they are.
func (c crowd) alternatives(a *anyOf) (keys []filing, n int) {
	for i := range a.allOf {
		m, crowded := c.rarest(a.allOf[i].matches)
		if m == nil {
			return nil, 0
		}
		required := -1
		if m.attr.required {
			required = m.attr.slot
		}
		for _, f := range m.needed() {
			keys = filedOnce(keys, filing{f.reading, required, f.hash})
		}
		n += crowded
	}
	return keys, n
}

// filedOnce adds a key, which two conjunctions may have in common: a child that
// stood under it twice would be found, and count, twice.
func filedOnce(keys []filing, key filing) []filing {
	for i := range keys {
		if k := &keys[i]; k.reading == key.reading && k.hash == key.hash {
			k.required = max(k.required, key.required) // of the reading's one slot, or -1
			return keys
		}
	}
	return append(keys, key)
}

// rarest returns the match to file a conjunction by, if one of its matches
// compares keys at all.
func (c crowd) rarest(ms []match) (best *match, least int) {
	for i := range ms {
		if isBound(&ms[i]) { // whoever fails it is to be told of it
			continue
		}
		n, files := 0, ms[i].needed()
		for _, f := range files {
			n += c[f]
		}
		if len(files) > 0 && (best == nil || n < least) {
			best, least = &ms[i], n
		}
	}
	return best, least
}
