package eval

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/policies"
)

// list holds the children of a container in their order, in the chunks of the
// policies.List they were compiled from, with an index over their targets.
//
// A child is filed in the index under keys of which a request must have one,
// or else the child is NotApplicable beyond doubt: a match that compares keys
// and cannot fail, one in each alternative of one part of the target (tables 1
// to 3 of XACML 3.0: one False beats any error). All other children are open:
// every request looks at them. So the index leaves out nothing that could have
// mattered, errors included.
type list struct {
	chunks []*chunk
	length int
	index  table
	// readings are those under which children are filed.
	readings []int
	// required are the slots of designators that must be present: while one of
	// them is empty, what is filed under it is Indeterminate, not absent.
	required []int
	open     []child
	bans     []*ban // fresh ones, while the list is being compiled
	counts   Counts
	bounded  bool // some rule below could answer what would have been enough
}

// chunk is the compiled form of one chunk, kept as long as that stays in use.
type chunk struct {
	items    []policies.Item // by whose address it is known
	children []child         // one for each item
	open     []child
	readings []int
	required []int
	counts   Counts
	bounded  bool
}

// indexFrom is the length from which looking up is cheaper than looking at all.
const indexFrom = 6

func (l *list) len() int { return l.length }

// at returns the nth child; for short lists.
func (l *list) at(n int) child {
	for _, c := range l.chunks {
		if n < len(c.children) {
			return c.children[n]
		}
		n -= len(c.children)
	}
	return nil
}

// cursor yields the children that may apply to a request, in order.
type cursor struct {
	list      *list
	chunk, at int // when looking at all
	all       bool
	open      int // next of the open ones
	from, to  int // found ones on the frame
	seen      int
}

// candidates starts a walk; every walk ends in next returning nil, or in close.
func (l *list) candidates(f *frame) cursor {
	c := cursor{list: l, all: true, from: len(f.found)}
	if l.length < indexFrom || f.trace != nil && l.length <= explainAll || l.missesRequired(f) {
		return c
	}
	c.all = false
	extent := presented
	if f.uniform {
		extent = verified
	}
	hits := 0
	for _, n := range l.readings {
		for _, k := range f.readKeys(n, extent) {
			switch hit := l.index.find(n, k.hash).(type) {
			case nil:
				continue
			case *bunch:
				f.found = hit.gather(f, f.found, extent)
			case child:
				f.found = append(f.found, hit)
			}
			hits++
		}
	}
	c.seen, c.to = c.from, len(f.found)
	if hits > 1 && c.to-c.from > 1 {
		slices.SortFunc(f.found[c.from:c.to], byPlace)
	}
	return c
}

func (l *list) missesRequired(f *frame) bool {
	for _, slot := range l.required {
		if len(f.bag(slot, verified)) == 0 {
			return true
		}
	}
	return false
}

func (c *cursor) next(f *frame) child {
	if c.all {
		return c.nextOfAll()
	}
	var found, open child
	if c.seen < c.to {
		found = f.found[c.seen]
	}
	if c.open < len(c.list.open) {
		open = c.list.open[c.open]
	}
	switch {
	case found == nil && open == nil:
		c.close(f)
		return nil
	case found == nil || open != nil && byPlace(open, found) < 0:
		c.open++
		return open
	}
	c.seen++
	for c.seen < c.to && f.found[c.seen] == found { // under several keys
		c.seen++
	}
	return found
}

func (c *cursor) nextOfAll() child {
	for c.chunk < len(c.list.chunks) {
		children := c.list.chunks[c.chunk].children
		if c.at < len(children) {
			c.at++
			return children[c.at-1]
		}
		c.chunk, c.at = c.chunk+1, 0
	}
	return nil
}

// close gives the frame's space back.
func (c *cursor) close(f *frame) {
	clear(f.found[c.from:])
	f.found = f.found[:c.from]
}

// byPlace orders children as their policies.List does.
func byPlace(a, b child) int {
	placeA, idA := a.where()
	placeB, idB := b.where()
	return cmp.Or(strings.Compare(placeA, placeB), strings.Compare(idA, idB))
}
