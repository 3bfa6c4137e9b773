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
// or else the child is NotApplicable beyond doubt: a match that is False without
// them, one in each alternative of one part of the target (tables 1 to 3 of XACML
// 3.0: one False beats any error). Where it may be an error instead, the request
// is in doubt and looks at all that is doubtful. All other children are open:
// every request looks at them, unless a bound tells at once. So the index leaves
// out nothing that could have mattered, errors included.
type list struct {
	chunks []*chunk
	length int
	index  table
	// readings are those under which children are filed.
	readings []int
	// required are the slots of designators that must be present, doubts the
	// readings of values that a match may fail on: what is filed by them may then
	// be Indeterminate without having a key.
	required, doubts []int
	doubtful         bool // there are any
	open             []opening
	bans             []*ban // fresh ones, while the list is being compiled
	counts           Counts
	bounded          bool // some rule below could answer what would have been enough
}

// chunk is the compiled form of one chunk, kept as long as that stays in use.
type chunk struct {
	items    []policies.Item // by whose address it is known
	children []child         // one for each item
	open     []opening
	doubtful []child // those that required and doubts are about
	readings []int
	required []int
	doubts   []int
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
	now  []child   // those that come next, from
	at   int       // on,
	open []opening // with these among them, each in its place
	rest []*chunk  // and these after them, when looking at all
	from int       // the frame's space for those found
}

// candidates starts a walk; every walk ends in next returning nil, or in close.
func (l *list) candidates(f *frame, c *cursor) {
	c.from = len(f.found)
	if l.length < indexFrom || f.trace != nil && l.length <= explainAll {
		c.rest = l.chunks
		return
	}
	extent := f.widest()
	hits := 0
	if l.doubtful && l.inDoubt(f, extent) {
		l.takeDoubtful(f)
		hits = 1
	}
	for _, n := range l.readings {
		keys := f.keysAt(cellOf(n, extent))
		for i := range keys {
			if hit := l.index.find(n, keys[i].hash); hit != nil {
				f.take(hit, extent)
				hits++
			}
		}
	}
	if hits > 1 { // under different keys: in no order, and some twice
		found := f.found[c.from:]
		slices.SortFunc(found, byPlace)
		f.found = f.found[:c.from+len(slices.Compact(found))]
	}
	c.now, c.open = f.found[c.from:], l.open
}

// take notes what the index found.
func (f *frame) take(hit any, extent int) {
	switch hit := hit.(type) {
	case *bunch:
		f.found = hit.gather(f, f.found, extent)
	case child:
		f.found = append(f.found, hit)
	}
}

func (l *list) inDoubt(f *frame, extent int) bool {
	for _, slot := range l.required {
		if len(f.bag(slot, verified)) == 0 {
			return true
		}
	}
	for _, n := range l.doubts {
		if f.hasKey(file{n, inDoubt}, extent) {
			return true
		}
	}
	return false
}

// takeDoubtful notes all that may be Indeterminate, in order.
func (l *list) takeDoubtful(f *frame) {
	for _, k := range l.chunks {
		f.found = append(f.found, k.doubtful...)
	}
}

// next returns the next child, nil after the last.
func (c *cursor) next(f *frame) child {
	if i := c.at; i < len(c.now) && len(c.open) == 0 {
		c.at++
		return c.now[i]
	}
	return c.further(f)
}

func (c *cursor) further(f *frame) child {
	for {
		if len(c.open) > 0 && c.open[0].given {
			c.open = admitted(c.open, f)
		}
		now := c.now[c.at:]
		switch {
		case len(now) > 0 && (len(c.open) == 0 || byPlace(now[0], c.open[0].child) < 0):
			c.at++
			return now[0]
		case len(c.open) > 0:
			ch := c.open[0].child
			c.open = c.open[1:]
			return ch
		case len(c.rest) == 0:
			c.close(f)
			return nil
		}
		c.now, c.at, c.rest = c.rest[0].children, 0, c.rest[1:]
	}
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
