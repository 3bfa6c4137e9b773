package policies

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// Item is what a List holds. Its place and its id order it; they never change
// while it is in a list.
type Item interface{ Where() (place, id string) }

// List is a persistent list ordered by place, then id. Put and Remove return a
// new list that shares all but one chunk with the old one; both stay valid and
// may be read at the same time. The zero List is empty.
//
// Of a rule that a Row can hold the list keeps the Row, and hands out rules made
// of it, equal to the one put in but not the same.
type List[T Item] struct {
	chunks [][]Item // each a T or a Row; none empty, ascending within and across
	length int
}

// chunkSize bounds a chunk: with it a change to a list of a million items
// copies some five thousand slice headers and one chunk.
const (
	chunkSize  = 256
	usualChunk = chunkSize * 3 / 4
)

// NewList returns a list of the items, which need not be in order. Of two
// items with the same place and id the later one stays.
func NewList[T Item](items ...T) List[T] {
	var b Builder[T]
	for _, it := range items {
		b.Add(it)
	}
	return b.List()
}

// Len returns the number of items.
func (l List[T]) Len() int { return l.length }

// All yields the items in order.
func (l List[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, c := range l.chunks {
			for _, it := range c {
				if !yield(whole[T](it)) {
					return
				}
			}
		}
	}
}

// whole makes the item of what the list keeps of it.
func whole[T Item](it Item) T {
	if r, ok := it.(*Row); ok {
		it = r.Rule()
	}
	return it.(T)
}

// Chunks returns what the list keeps of its items, in order, some at a time: a T
// or a Row. A chunk that two lists share is the same slice in both, and an item
// that they share the same pointer, so that what was derived from it can be kept.
// It is the list itself, which must not be changed.
func (l List[T]) Chunks() [][]Item { return l.chunks }

// Get returns the item with that place and id.
func (l List[T]) Get(place, id string) (T, bool) {
	if c, i, found := l.find(place, id); found {
		return whole[T](l.chunks[c][i]), true
	}
	var none T
	return none, false
}

// Find returns the first item with that id, by looking at all of them.
func (l List[T]) Find(id string) (T, bool) {
	for _, c := range l.chunks {
		for _, it := range c {
			if _, have := it.Where(); have == id {
				return whole[T](it), true
			}
		}
	}
	var none T
	return none, false
}

// Put returns the list with the item in its place, replacing one with the same
// place and id. To move an item, Remove it from its old place as well.
func (l List[T]) Put(item T) List[T] {
	if len(l.chunks) == 0 {
		return NewList(item)
	}
	c, i, found := l.find(item.Where())
	chunk := slices.Clone(l.chunks[c])
	kept := packBeside(item, chunk[min(i, len(chunk)-1)])
	if found {
		chunk[i] = kept
		return List[T]{chunks: l.with(c, chunk), length: l.length}
	}
	chunk = slices.Insert(chunk, i, kept)
	if len(chunk) <= chunkSize {
		return List[T]{chunks: l.with(c, chunk), length: l.length + 1}
	}
	half := len(chunk) / 2
	return List[T]{chunks: l.with(c, chunk[:half:half], chunk[half:]), length: l.length + 1}
}

// Remove returns the list without the item of that place and id, and whether
// there was one.
func (l List[T]) Remove(place, id string) (List[T], bool) {
	c, i, found := l.find(place, id)
	if !found {
		return l, false
	}
	chunk := slices.Delete(slices.Clone(l.chunks[c]), i, i+1)
	if len(chunk) == 0 {
		return List[T]{chunks: l.with(c), length: l.length - 1}, true
	}
	return List[T]{chunks: l.with(c, chunk), length: l.length - 1}, true
}

// with returns the chunks with chunk c replaced by the given ones.
func (l List[T]) with(c int, by ...[]Item) [][]Item {
	return slices.Concat(l.chunks[:c], by, l.chunks[c+1:])
}

// find returns the chunk and index where the item is or belongs.
func (l List[T]) find(place, id string) (chunk, index int, found bool) {
	chunk, _ = slices.BinarySearchFunc(l.chunks, struct{}{}, func(c []Item, _ struct{}) int {
		return compareTo(c[len(c)-1], place, id)
	})
	if chunk == len(l.chunks) {
		if chunk == 0 {
			return 0, 0, false
		}
		return chunk - 1, len(l.chunks[chunk-1]), false
	}
	index, found = slices.BinarySearchFunc(l.chunks[chunk], struct{}{}, func(it Item, _ struct{}) int {
		return compareTo(it, place, id)
	})
	return chunk, index, found
}

func compareItems(a, b Item) int {
	place, id := b.Where()
	return compareTo(a, place, id)
}

func compareTo(it Item, place, id string) int {
	p, i := it.Where()
	return compare(p, i, place, id)
}

func compare(placeA, idA, placeB, idB string) int {
	return cmp.Or(strings.Compare(placeA, placeB), strings.Compare(idA, idB))
}
