package eval

import "math/bits"

// trie is a persistent hash trie from keys to the children that have them in
// their targets. An edit copies the few branches on its way; whoever reads the
// trie before it is not disturbed.
type trie struct{ root *branch }

type branch struct {
	edit   *transaction // who may still change it in place
	bitmap uint64
	twigs  []twig
}

// twig is a branch or a leaf.
type twig struct {
	branch *branch
	leaf   *leaf
}

// leaf holds the children of one key; next chains keys of equal hash.
type leaf struct {
	key      hashedKey
	reading  int32
	child    child
	children []child // beyond the first
	next     *leaf
}

// transaction marks the branches that one series of edits made.
type transaction struct{ _ byte }

const (
	trieBits  = 6
	trieDepth = 64 / trieBits // below it only chains
)

func slotOf(hash uint64, depth int) uint64 {
	return 1 << (hash >> (depth * trieBits) & (1<<trieBits - 1))
}

// mix tells the same key under different readings apart.
func mix(reading int, hash uint64) uint64 { return hash ^ uint64(reading)*0x9e3779b97f4a7c15 }

// find returns the leaf of a key, or nil.
func (t trie) find(reading int, k hashedKey) *leaf {
	hash := mix(reading, k.hash)
	b := t.root
	for depth := 0; b != nil; depth++ {
		bit := slotOf(hash, depth)
		if b.bitmap&bit == 0 {
			return nil
		}
		w := &b.twigs[bits.OnesCount64(b.bitmap&(bit-1))]
		if w.leaf != nil {
			return w.leaf.find(reading, k)
		}
		b = w.branch
	}
	return nil
}

func (l *leaf) find(reading int, k hashedKey) *leaf {
	for ; l != nil; l = l.next {
		if l.key.hash == k.hash && int(l.reading) == reading && l.key.key == k.key {
			return l
		}
	}
	return nil
}

// add files a child under a key.
func (t trie) add(tx *transaction, reading int, k hashedKey, c child) trie {
	return trie{t.root.add(tx, 0, reading, k, c)}
}

func (b *branch) add(tx *transaction, depth, reading int, k hashedKey, c child) *branch {
	b = b.own(tx)
	bit := slotOf(mix(reading, k.hash), depth)
	i := bits.OnesCount64(b.bitmap & (bit - 1))
	fresh := &leaf{key: k, reading: int32(reading), child: c}
	if b.bitmap&bit == 0 {
		b.bitmap |= bit
		b.twigs = append(b.twigs, twig{})
		copy(b.twigs[i+1:], b.twigs[i:])
		b.twigs[i] = twig{leaf: fresh}
		return b
	}
	w := &b.twigs[i]
	switch {
	case w.branch != nil:
		w.branch = w.branch.add(tx, depth+1, reading, k, c)
	case mix(int(w.leaf.reading), w.leaf.key.hash) == mix(reading, k.hash) || depth == trieDepth:
		w.leaf = w.leaf.add(fresh)
	default:
		*w = twig{branch: split(tx, depth+1, w.leaf, fresh)}
	}
	return b
}

// split makes a branch of two leaves whose hashes differ further down.
func split(tx *transaction, depth int, a, b *leaf) *branch {
	bitA, bitB := slotOf(mix(int(a.reading), a.key.hash), depth), slotOf(mix(int(b.reading), b.key.hash), depth)
	switch {
	case bitA == bitB && depth == trieDepth:
		b.next = a
		return &branch{edit: tx, bitmap: bitA, twigs: []twig{{leaf: b}}}
	case bitA == bitB:
		return &branch{edit: tx, bitmap: bitA, twigs: []twig{{branch: split(tx, depth+1, a, b)}}}
	case bitA > bitB:
		a, b = b, a
	}
	return &branch{edit: tx, bitmap: bitA | bitB, twigs: []twig{{leaf: a}, {leaf: b}}}
}

// add returns the chain with the child of fresh in it.
func (l *leaf) add(fresh *leaf) *leaf {
	if l == nil {
		return fresh
	}
	next := *l
	if l.key == fresh.key && l.reading == fresh.reading {
		next.children = append(l.children[:len(l.children):len(l.children)], fresh.child)
		return &next
	}
	next.next = l.next.add(fresh)
	return &next
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
func (t trie) remove(tx *transaction, reading int, k hashedKey, c child) trie {
	return trie{t.root.remove(tx, 0, reading, k, c)}
}

func (b *branch) remove(tx *transaction, depth, reading int, k hashedKey, c child) *branch {
	bit := slotOf(mix(reading, k.hash), depth)
	if b == nil || b.bitmap&bit == 0 {
		return b
	}
	b = b.own(tx)
	i := bits.OnesCount64(b.bitmap & (bit - 1))
	w := &b.twigs[i]
	if w.branch != nil {
		w.branch = w.branch.remove(tx, depth+1, reading, k, c)
		return b
	}
	if w.leaf = w.leaf.remove(reading, k, c); w.leaf == nil {
		b.twigs = append(b.twigs[:i], b.twigs[i+1:]...)
		b.bitmap &^= bit
	}
	return b
}

func (l *leaf) remove(reading int, k hashedKey, c child) *leaf {
	if l == nil {
		return nil
	}
	next := *l
	if l.key != k || int(l.reading) != reading {
		next.next = l.next.remove(reading, k, c)
		return &next
	}
	all := append([]child{l.child}, l.children...)
	kept := all[:0]
	for _, have := range all {
		if have != c {
			kept = append(kept, have)
		}
	}
	if len(kept) == 0 {
		return l.next
	}
	next.child, next.children = kept[0], kept[1:]
	return &next
}
