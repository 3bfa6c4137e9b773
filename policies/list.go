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
type List[T Item] struct {
	chunks [][]T // none empty, ascending within and across
	length int
}

// chunkSize bounds a chunk: with it a change to a list of a million items
// copies some four thousand slice headers and one chunk.
const chunkSize = 256

// NewList returns a list of the items, which need not be in order. Of two
// items with the same place and id the later one stays.
func NewList[T Item](items ...T) List[T] {
	sorted := slices.Clone(items)
	if !slices.IsSortedFunc(sorted, compareItems[T]) { // a million bans come in order
		slices.SortStableFunc(sorted, compareItems[T])
	}
	kept := sorted[:0]
	for i, it := range sorted {
		if i+1 < len(sorted) && compareItems(it, sorted[i+1]) == 0 {
			continue
		}
		kept = append(kept, it)
	}
	l := List[T]{length: len(kept)}
	for c := range slices.Chunk(kept, chunkSize*3/4) {
		l.chunks = append(l.chunks, slices.Clip(c))
	}
	return l
}

// Len returns the number of items.
func (l List[T]) Len() int { return l.length }

// All yields the items in order.
func (l List[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, c := range l.chunks {
			for _, it := range c {
				if !yield(it) {
					return
				}
			}
		}
	}
}

// Chunks yields the items in order, some at a time. A chunk that two lists
// share is the same slice in both, so that what was derived from it can be
// kept. It must not be changed.
func (l List[T]) Chunks() iter.Seq[[]T] { return slices.Values(l.chunks) }

// Get returns the item with that place and id.
func (l List[T]) Get(place, id string) (T, bool) {
	if c, i, found := l.find(place, id); found {
		return l.chunks[c][i], true
	}
	var none T
	return none, false
}

// Find returns the first item with that id, by looking at all of them.
func (l List[T]) Find(id string) (T, bool) {
	for it := range l.All() {
		if _, have := it.Where(); have == id {
			return it, true
		}
	}
	var none T
	return none, false
}

// Put returns the list with the item in its place, replacing one with the same
// place and id. To move an item, Remove it from its old place as well.
func (l List[T]) Put(item T) List[T] {
	if len(l.chunks) == 0 {
		return List[T]{chunks: [][]T{{item}}, length: 1}
	}
	c, i, found := l.find(item.Where())
	chunk := slices.Clone(l.chunks[c])
	if found {
		chunk[i] = item
		return List[T]{chunks: l.with(c, chunk), length: l.length}
	}
	chunk = slices.Insert(chunk, i, item)
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
func (l List[T]) with(c int, by ...[]T) [][]T {
	return slices.Concat(l.chunks[:c], by, l.chunks[c+1:])
}

// find returns the chunk and index where the item is or belongs.
func (l List[T]) find(place, id string) (chunk, index int, found bool) {
	chunk, _ = slices.BinarySearchFunc(l.chunks, struct{}{}, func(c []T, _ struct{}) int {
		return compareTo(c[len(c)-1], place, id)
	})
	if chunk == len(l.chunks) {
		if chunk == 0 {
			return 0, 0, false
		}
		return chunk - 1, len(l.chunks[chunk-1]), false
	}
	index, found = slices.BinarySearchFunc(l.chunks[chunk], struct{}{}, func(it T, _ struct{}) int {
		return compareTo(it, place, id)
	})
	return chunk, index, found
}

func compareItems[T Item](a, b T) int {
	place, id := b.Where()
	return compareTo(a, place, id)
}

func compareTo[T Item](it T, place, id string) int {
	p, i := it.Where()
	return cmp.Or(strings.Compare(p, place), strings.Compare(i, id))
}
