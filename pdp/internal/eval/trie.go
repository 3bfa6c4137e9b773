package eval

import "math/bits"

// trie is a persistent hash trie from hashed keys to the children that have
// them in their targets. An edit copies the few branches on its way; whoever
// reads the trie before it is not disturbed.
//
// It holds hashes only. Two keys of one hash find each other's children, which
// does no harm: who is found still has its target evaluated.
type trie struct{ root *branch }

type branch struct {
	edit   *transaction // who may still change it in place
	bitmap uint64
	twigs  []twig
}

// twig is a branch, or the few entries that need none yet. Entries lie side by
// side: at the end of a way through memory that is far, one fetch shows them.
type twig struct {
	branch  *branch
	entries []entry
}

// entry is one child under one mixed hash.
type entry struct {
	hash  uint64
	child child
}

// transaction marks the branches that one series of edits made.
type transaction struct{ _ byte }

const (
	trieBits  = 6
	trieDepth = 64 / trieBits // below it entries are not told apart
	// mostEntries is how many one twig holds before it becomes a branch.
	mostEntries = 8
)

func slotOf(hash uint64, depth int) uint64 {
	return 1 << (hash >> (depth * trieBits) & (1<<trieBits - 1))
}

// mix tells the same key under different readings apart.
func mix(reading int, hash uint64) uint64 { return hash ^ uint64(reading)*0x9e3779b97f4a7c15 }

// find appends the children under a key.
func (t trie) find(to []child, reading int, hash uint64) []child {
	hash = mix(reading, hash)
	b := t.root
	for depth := 0; b != nil; depth++ {
		bit := slotOf(hash, depth)
		if b.bitmap&bit == 0 {
			return to
		}
		w := &b.twigs[bits.OnesCount64(b.bitmap&(bit-1))]
		for i := range w.entries {
			if w.entries[i].hash == hash {
				to = append(to, w.entries[i].child)
			}
		}
		b = w.branch
	}
	return to
}

// add files a child under a key.
func (t trie) add(tx *transaction, reading int, hash uint64, c child) trie {
	return trie{t.root.add(tx, 0, entry{mix(reading, hash), c})}
}

func (b *branch) add(tx *transaction, depth int, e entry) *branch {
	b = b.own(tx)
	bit := slotOf(e.hash, depth)
	i := bits.OnesCount64(b.bitmap & (bit - 1))
	if b.bitmap&bit == 0 {
		b.bitmap |= bit
		b.twigs = append(b.twigs, twig{})
		copy(b.twigs[i+1:], b.twigs[i:])
		b.twigs[i] = twig{entries: []entry{e}}
		return b
	}
	w := &b.twigs[i]
	switch n := len(w.entries); {
	case w.branch != nil:
		w.branch = w.branch.add(tx, depth+1, e)
	case n < mostEntries || depth == trieDepth:
		more := make([]entry, n+1) // to measure, and never in place: others read
		copy(more, w.entries)
		more[n] = e
		w.entries = more
	default:
		var below *branch
		for _, have := range w.entries {
			below = below.add(tx, depth+1, have)
		}
		*w = twig{branch: below.add(tx, depth+1, e)}
	}
	return b
}

// own returns a branch that the transaction may change.
func (b *branch) own(tx *transaction) *branch {
	switch {
	case b == nil:
		return &branch{edit: tx}
	case b.edit == tx:
		return b
	}
	return &branch{edit: tx, bitmap: b.bitmap, twigs: append(make([]twig, 0, len(b.twigs)+1), b.twigs...)}
}

// remove takes a child from under a key. Empty branches may stay.
func (t trie) remove(tx *transaction, reading int, hash uint64, c child) trie {
	return trie{t.root.remove(tx, 0, entry{mix(reading, hash), c})}
}

func (b *branch) remove(tx *transaction, depth int, e entry) *branch {
	bit := slotOf(e.hash, depth)
	if b == nil || b.bitmap&bit == 0 {
		return b
	}
	b = b.own(tx)
	i := bits.OnesCount64(b.bitmap & (bit - 1))
	w := &b.twigs[i]
	if w.branch != nil {
		w.branch = w.branch.remove(tx, depth+1, e)
		return b
	}
	kept := make([]entry, 0, len(w.entries))
	for _, have := range w.entries {
		if have != e {
			kept = append(kept, have)
		}
	}
	if w.entries = kept; len(kept) == 0 {
		b.twigs = append(b.twigs[:i], b.twigs[i+1:]...)
		b.bitmap &^= bit
	}
	return b
}
