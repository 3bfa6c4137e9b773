package eval

import (
	"context"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// view is the light in which attributes are seen; see the package comment.
type view uint8

const (
	permitView view = iota
	denyView
)

// views is a set of views.
type views uint8

const (
	permitSide views = 1 << permitView
	denySide   views = 1 << denyView
	bothSides        = permitSide | denySide
)

func (s views) has(v view) bool { return s&(1<<v) != 0 }

// The two extents of attributes: those that are verified, and all.
const (
	verified = iota
	presented
)

// frame is what one decision works with. It is reused, so that a decision
// allocates nothing; cells count as empty unless they bear its epoch.
type frame struct {
	program *Program
	names   *names
	request *authz.Request
	when    time.Time        // see now
	clock   func() time.Time // if nobody has asked for it yet
	uniform bool             // one view: everything is verified, or only that counts
	epoch   uint32

	named      []namedCell  // by attribute name
	bags       [2][]bagCell // by slot
	keys       []keyCell    // by reading, of each extent
	values     []authz.Value
	hashed     keyList
	stack      []operand
	duties     []*dutySegment
	variables  []variableCell
	found      []child // candidates of the containers being evaluated
	applied    []authz.PolicyID
	documents  []documentCell
	context    context.Context // for foreign policies
	strict     *authz.Request  // without presented attributes, for them too
	assumed    *rule           // whose bounds are taken to hold; see enough.go
	unbound    bool            // guards by bounds admit everybody, meanwhile
	unmet      bool            // some rule's bounds may be all that failed
	mute       bool            // nobody will hear why a match is Indeterminate
	isVerified bool            // every attribute and content is verified
	trace      *tracer
	calls      *calls // of access-permitted; nil before the first
	depth      int    // of evaluations within others
	touched    uint64
	order      [16]int32 // numbers of the names of the last request's attributes
}

// namedCell says which attributes of the request bear a name.
type namedCell struct {
	epoch uint32
	first int32
	more  bool
	kind  authz.Kind // of the first value of the first
}

type bagCell struct {
	epoch  uint32
	values []authz.Value
}

type keyCell struct {
	epoch uint32
	keys  []hashedKey
}

func (f *frame) start(p *Program, r *authz.Request, now time.Time, clock func() time.Time) {
	f.program, f.names, f.request = p, p.names, r
	f.when, f.clock = now, clock
	f.epoch++
	if f.epoch == 0 { // wrapped: old cells would count again
		f.named, f.bags, f.keys = nil, [2][]bagCell{}, nil
		f.epoch = 1
	}
	f.named = fit(f.named, len(p.names.attributes))
	for i := range f.bags {
		f.bags[i] = fit(f.bags[i], p.slots)
	}
	f.keys = fit(f.keys, 2*p.readings)
	f.uniform = f.arrange(r)
	f.isVerified = f.uniform
	if f.uniform {
		f.touched += f.approach(p.far)
	}
}

// now is the one moment as of which the request is decided.
func (f *frame) now() time.Time {
	if f.clock != nil {
		f.when, f.clock = f.clock(), nil
	}
	return f.when
}

// arrange notes which attributes bear the names that policies ask for, and
// reports whether all of the request is verified.
func (f *frame) arrange(r *authz.Request) bool {
	uniform := true
	f.touched = r.Touch()
	for i := range r.Attributes {
		a := &r.Attributes[i]
		uniform = uniform && a.Standing == authz.Verified
		if n, ok := f.findName(i, a); ok {
			cell := &f.named[n]
			if cell.epoch == f.epoch {
				cell.more = true
				continue
			}
			*cell = namedCell{epoch: f.epoch, first: int32(i), kind: firstKind(a.Values)}
		}
	}
	for i := range r.Content {
		uniform = uniform && r.Content[i].Standing == authz.Verified
	}
	return uniform
}

// findName returns the number of the name of the ith attribute. Most requests name
// their attributes in one order.
func (f *frame) findName(i int, a *authz.Attribute) (n int, ok bool) {
	all := &f.program.asked
	if i >= len(f.order) {
		return all.find(a.Category, a.ID)
	}
	if n := int(f.order[i]); n < len(all.names) && all.names[n].id == a.ID && all.names[n].category == a.Category {
		return n, true
	}
	if n, ok = all.find(a.Category, a.ID); ok {
		f.order[i] = int32(n)
	}
	return n, ok
}

// firstKind looks at values before they are needed: those of all attributes are
// then fetched at once, not one after the other.
func firstKind(values []authz.Value) authz.Kind {
	if len(values) == 0 {
		return 0
	}
	return values[0].Kind()
}

// finish drops what the frame refers to. Cells of an earlier epoch stay, and with
// them the values of a request or two: memory, never an answer.
func (f *frame) finish() {
	f.clock = nil
	f.request, f.trace, f.context, f.strict, f.assumed = nil, nil, nil, nil, nil
	f.calls, f.depth, f.unmet, f.mute = nil, 0, false, false
	clear(f.values)
	clear(f.duties)
	clear(f.variables)
	clear(f.documents)
	f.values, f.hashed.keys, f.stack = f.values[:0], f.hashed.keys[:0], f.stack[:0]
	f.duties, f.variables, f.found = f.duties[:0], f.variables[:0], f.found[:0]
	f.documents, f.applied = f.documents[:0], nil
}

func fit[T any](cells []T, n int) []T {
	if len(cells) >= n {
		return cells
	}
	return append(cells, make([]T, n-len(cells))...)
}

// extent says which attributes a view sees; inverted within none-of.
func (f *frame) extent(v view, inverted bool) int {
	if f.uniform || (v == denyView) == inverted {
		return verified
	}
	return presented
}

// widest is the extent that leaves out nothing that any view sees.
func (f *frame) widest() int {
	if f.uniform {
		return verified
	}
	return presented
}

// slot names a bag of attributes.
type slot struct {
	attributeName
	typ    authz.DataType // "" is every type
	issuer string         // "" is any issuer
}

// bag returns the values of a slot. It never fails; whether an empty bag may
// be is for the designator to say.
func (f *frame) bag(n int, extent int) []authz.Value {
	cell := &f.bags[extent][n]
	if cell.epoch != f.epoch {
		cell.values = f.gather(f.names.slots[n], extent)
		cell.epoch = f.epoch
	}
	return cell.values
}

// gather finds the values of a slot: the request's own slice if one attribute
// holds them all, else a copy in the frame.
func (f *frame) gather(s *numberedSlot, extent int) []authz.Value {
	if values := f.alone(s); values != nil {
		return values
	}
	cell := &f.named[s.name]
	if cell.epoch != f.epoch {
		return f.copied(s, extent, nil)
	}
	return f.copied(s, extent, f.request.Attributes[cell.first:])
}

// alone returns the values of a slot that one verified attribute holds; nil if
// it is not as simple as that.
func (f *frame) alone(s *numberedSlot) []authz.Value {
	cell := &f.named[s.name]
	if cell.epoch != f.epoch || cell.more || cell.kind == 0 {
		return nil
	}
	a := &f.request.Attributes[cell.first]
	if a.Standing != authz.Verified || s.issuer != "" && a.Issuer != s.issuer {
		return nil
	}
	if s.kind != cell.kind || len(a.Values) > 1 {
		if !s.holdsAll(a.Values) {
			return nil
		}
	}
	return a.Values
}

// takes reports whether an attribute of the slot's name belongs to it.
func (s *slot) takes(a *authz.Attribute, extent int) bool {
	return (s.issuer == "" || a.Issuer == s.issuer) && len(a.Values) > 0 && (a.Standing == authz.Verified || extent == presented)
}

// copied copies the values of a slot to the frame.
func (f *frame) copied(s *numberedSlot, extent int, from []authz.Attribute) []authz.Value {
	start, clocked := len(f.values), false
	for i := range from {
		a := &from[i]
		if a.ID == s.id && a.Category == s.category && s.takes(a, extent) {
			clocked = clocked || a.Standing == authz.Verified
			f.values = s.appendHeld(f.values, a.Values)
		}
	}
	if !clocked && s.category == authz.Environment && s.issuer == "" {
		if v, ok := f.moment(&s.slot); ok {
			f.values = append(f.values, v)
		}
	}
	return f.values[start:len(f.values):len(f.values)]
}

// holds reports whether a value is of the slot's type.
func (s *numberedSlot) holds(v *authz.Value) bool {
	return s.kind == 0 || v.Kind() == s.kind
}

func (s *numberedSlot) holdsAll(values []authz.Value) bool {
	for i := range values {
		if !s.holds(&values[i]) {
			return false
		}
	}
	return true
}

func (s *numberedSlot) appendHeld(to, values []authz.Value) []authz.Value {
	for i := range values {
		if s.holds(&values[i]) {
			to = append(to, values[i])
		}
	}
	return to
}

const environmentID = "urn:oasis:names:tc:xacml:1.0:environment:"

// moment supplies current-time, current-date and current-dateTime when no
// verified attribute does (XACML 3.0 core, 10.2.5): one moment per decision.
func (f *frame) moment(s *slot) (authz.Value, bool) {
	var v authz.Value
	switch s.id {
	case environmentID + "current-time":
		v = authz.TimeValue(authz.MomentOf(f.now()))
	case environmentID + "current-date":
		v = authz.DateValue(authz.MomentOf(f.now()))
	case environmentID + "current-dateTime":
		v = authz.DateTimeValue(authz.MomentOf(f.now()))
	}
	return v, !v.IsZero() && (s.typ == "" || s.typ == v.Type())
}

// hasKey reports whether there is a value with that hash of a key under a reading.
func (f *frame) hasKey(k file, extent int) bool {
	keys := f.keysAt(cellOf(k.reading, extent))
	for i := range keys {
		if keys[i].hash == k.hash {
			return true
		}
	}
	return false
}

// hasAny reports whether there is a value with one of the keys; true if there
// are none.
func (f *frame) hasAny(keys []file, extent int) bool {
	for i := range keys {
		if f.hasKey(keys[i], extent) {
			return true
		}
	}
	return len(keys) == 0
}

// keysAt returns the keys of a slot's values under a reading and in an extent,
// both in one number: see cellOf.
func (f *frame) keysAt(i int) []hashedKey {
	cell := &f.keys[i]
	if cell.epoch != f.epoch {
		f.fillKeys(i)
	}
	return cell.keys
}

// cellOf is where the keys under a reading are, in an extent.
func cellOf(reading, extent int) int { return reading<<1 | extent }

func (f *frame) fillKeys(i int) {
	n, extent := i>>1, i&1
	r := f.names.readings[n]
	start := len(f.hashed.keys)
	values := f.alone(f.names.slots[r.slot])
	if values == nil {
		values = f.bag(r.slot, extent)
	}
	r.read(values, &f.hashed, f.names.lengths[n])
	cell := &f.keys[i]
	cell.keys = f.hashed.keys[start:len(f.hashed.keys):len(f.hashed.keys)]
	cell.epoch = f.epoch
}
