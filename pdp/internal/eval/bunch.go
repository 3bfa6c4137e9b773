package eval

import "slices"

// bunch is the children under one key of an index, in their order.
type bunch struct {
	edit    *transaction
	members []member
	room    [3]member // for the members, while there are so few
	common  int       // how many guards, from the first, they all have in common
}

// member is a child with what else it asks for: most of those that do not apply
// are left out by what lies here, side by side.
type member struct {
	guards [mostGuards]guard
	child  child
}

const mostGuards = 3

// guard is a key without which a child is NotApplicable, whatever else is in
// its target: the reading in 15 bits, a bit for bounds (see enough.go) and as
// much of the hash as there is room. 0 is none.
type guard uint64

const (
	guardBits    = 48
	ofBound      = guard(1) << guardBits
	mostReadings = 1<<15 - 1
)

func guardOf(f file) guard {
	if f.reading >= mostReadings {
		return 0
	}
	return guard(f.reading+1)<<(guardBits+1) | guard(f.hash>>(64-guardBits))
}

// admits reports whether the request has such a key.
func (g guard) admits(f *frame, extent int) bool {
	if g&ofBound != 0 && f.unbound {
		return true
	}
	keys := f.keysAt(cellOf(int(g>>(guardBits+1))-1, extent))
	for i := range keys {
		if guard(keys[i].hash>>(64-guardBits)) == g&(ofBound-1) {
			return true
		}
	}
	f.unmet = f.unmet || g&ofBound != 0
	return false
}

// guardsOf returns what guards a child beside the key that it is filed under.
func guardsOf(c child, filed file) (guards [mostGuards]guard) {
	t := c.goal()
	if t == nil {
		return guards
	}
	n := 0
	for i := range t.anyOf {
		if len(t.anyOf[i].allOf) != 1 {
			continue
		}
		ms := t.anyOf[i].allOf[0].matches
		for j := range ms {
			needed := ms[j].needed()
			if n == len(guards) || ms[j].required || len(needed) != 1 || needed[0] == filed {
				continue
			}
			if guards[n] = guardOf(needed[0]); guards[n] != 0 && isBound(&ms[j]) {
				guards[n] |= ofBound
			}
			n++
		}
	}
	return guards
}

// together puts a child beside what stands under a key already.
func together(tx *transaction, what any, under file, c child) any {
	b, ok := what.(*bunch)
	switch {
	case !ok:
		first := what.(child)
		b = &bunch{edit: tx, common: mostGuards}
		b.members = append(b.room[:0], member{guardsOf(first, under), first})
	case b.edit != tx:
		b = b.copied(tx)
	}
	at := len(b.members) // most come in order
	for at > 0 && byPlace(c, b.members[at-1].child) < 0 {
		at--
	}
	b.members = slices.Insert(b.members, at, member{guardsOf(c, under), c})
	b.common = min(b.common, b.members[at].sharedWith(&b.members[(at+1)%len(b.members)]))
	return b
}

// sharedWith returns how many guards two members have in common, from the first.
func (m *member) sharedWith(o *member) int {
	n := 0
	for n < len(m.guards) && m.guards[n] != 0 && m.guards[n] == o.guards[n] {
		n++
	}
	return n
}

// without takes a child away from what stands under a key; nil if none is left.
func without(tx *transaction, what any, c child) any {
	b, ok := what.(*bunch)
	if !ok {
		if what.(child) == c {
			return nil
		}
		return what
	}
	at := slices.IndexFunc(b.members, func(m member) bool { return m.child == c })
	switch {
	case at < 0:
		return b
	case len(b.members) == 1:
		return nil
	case b.edit == tx:
		b.members = slices.Delete(b.members, at, at+1)
		return b
	}
	b = b.copied(tx)
	b.members = slices.Delete(b.members, at, at+1)
	return b
}

func (b *bunch) copied(tx *transaction) *bunch {
	own := &bunch{edit: tx, common: b.common}
	own.members = append(own.room[:0], b.members...)
	return own
}

// gather appends those that may apply to the request.
func (b *bunch) gather(f *frame, to []child, extent int) []child {
	if len(b.members) == 0 || !admit(b.members[0].guards[:b.common], f, extent) {
		return to
	}
	for i := range b.members {
		m := &b.members[i]
		if admit(m.guards[b.common:], f, extent) {
			to = append(to, m.child)
		}
	}
	return to
}

func admit(guards []guard, f *frame, extent int) bool {
	for _, g := range guards {
		if g == 0 {
			return true
		}
		if !g.admits(f, extent) {
			return false
		}
	}
	return true
}
