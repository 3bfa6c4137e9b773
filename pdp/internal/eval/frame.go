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
	request *authz.Request
	now     time.Time
	uniform bool // one view: everything is verified, or only that counts
	epoch   uint32

	bags       [2][]bagCell // by slot
	keys       [2][]keyCell // by reading
	values     []authz.Value
	hashed     keyList
	stack      []operand
	duties     []dutySegment
	variables  []variableCell
	found      []child // candidates of the containers being evaluated
	applied    []authz.PolicyID
	documents  []documentCell
	context    context.Context // for foreign policies
	strict     *authz.Request  // without presented attributes, for them too
	assumed    *rule           // whose bounds are taken to hold; see enough.go
	unbound    bool            // guards by bounds admit everybody, meanwhile
	isVerified bool            // every attribute and content is verified
	trace      *tracer
	calls      *calls // of access-permitted; nil before the first
	depth      int    // of evaluations within others
}

type bagCell struct {
	epoch  uint32
	values []authz.Value
}

type keyCell struct {
	epoch uint32
	keys  []hashedKey
}

// hashedKey is a comparison key with its hash.
type hashedKey struct {
	hash uint64
	key  string
}

func (f *frame) start(p *Program, r *authz.Request, now time.Time) {
	f.program, f.request, f.now = p, r, now
	f.hashed.seed = p.compiler.seed
	f.uniform = true
	for i := range r.Attributes {
		if r.Attributes[i].Standing != authz.Verified {
			f.uniform = false
			break
		}
	}
	for i := range r.Content {
		f.uniform = f.uniform && r.Content[i].Standing == authz.Verified
	}
	f.isVerified = f.uniform
	f.epoch++
	if f.epoch == 0 { // wrapped: old cells would count again
		f.bags, f.keys = [2][]bagCell{}, [2][]keyCell{}
		f.epoch = 1
	}
	for i := range f.bags {
		f.bags[i] = fit(f.bags[i], p.slots)
		f.keys[i] = fit(f.keys[i], p.readings)
	}
}

// finish drops what the frame refers to, so that a pooled frame keeps no
// request alive longer than the next decision.
func (f *frame) finish() {
	f.request, f.trace, f.context, f.strict, f.assumed = nil, nil, nil, nil, nil
	f.calls, f.depth = nil, 0
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

// slot is the name of a bag of attributes.
type slot struct {
	category authz.Category
	id       string
	typ      authz.DataType // "" is every type
	issuer   string         // "" is any issuer
}

// bag returns the values of a slot. It never fails; whether an empty bag may
// be is for the designator to say.
func (f *frame) bag(n int, extent int) []authz.Value {
	cell := &f.bags[extent][n]
	if cell.epoch != f.epoch {
		cell.values = f.gather(f.program.names.slots[n], extent)
		cell.epoch = f.epoch
	}
	return cell.values
}

// gather finds the values of a slot: the request's own slice if one attribute
// holds them all, else a copy in the frame.
func (f *frame) gather(s *slot, extent int) []authz.Value {
	var only []authz.Value
	sources, clocked := 0, false
	start := len(f.values)
	for i := range f.request.Attributes {
		a := &f.request.Attributes[i]
		if a.ID != s.id || a.Category != s.category || s.issuer != "" && a.Issuer != s.issuer || len(a.Values) == 0 {
			continue
		}
		if a.Standing != authz.Verified && extent == verified {
			continue
		}
		clocked = clocked || a.Standing == authz.Verified
		if sources == 0 && allOfType(a.Values, s.typ) {
			only, sources = a.Values, 1
			continue
		}
		if sources == 1 {
			f.values = append(f.values, only...)
		}
		sources = 2
		f.values = appendOfType(f.values, a.Values, s.typ)
	}
	if !clocked && s.category == authz.Environment && s.issuer == "" {
		if v, ok := f.clock(s); ok {
			if sources == 1 {
				f.values = append(f.values, only...)
			}
			f.values = append(f.values, v)
			sources = 2
		}
	}
	if sources == 1 {
		return only
	}
	return f.values[start:len(f.values):len(f.values)]
}

func allOfType(values []authz.Value, t authz.DataType) bool {
	if t == "" {
		return true
	}
	for i := range values {
		if values[i].Type() != t {
			return false
		}
	}
	return true
}

func appendOfType(to, values []authz.Value, t authz.DataType) []authz.Value {
	for _, v := range values {
		if t == "" || v.Type() == t {
			to = append(to, v)
		}
	}
	return to
}

const environmentID = "urn:oasis:names:tc:xacml:1.0:environment:"

// clock supplies current-time, current-date and current-dateTime when no
// verified attribute does (XACML 3.0 core, 10.2.5): one moment per decision.
func (f *frame) clock(s *slot) (authz.Value, bool) {
	var v authz.Value
	switch s.id {
	case environmentID + "current-time":
		v = authz.TimeValue(authz.MomentOf(f.now))
	case environmentID + "current-date":
		v = authz.DateValue(authz.MomentOf(f.now))
	case environmentID + "current-dateTime":
		v = authz.DateTimeValue(authz.MomentOf(f.now))
	}
	return v, !v.IsZero() && (s.typ == "" || s.typ == v.Type())
}

// hasKey reports whether a view sees a value with that key under a reading.
func (f *frame) hasKey(k file, v view) bool {
	for _, have := range f.readKeys(k.reading, f.extent(v, false)) {
		if have.hash == k.hash {
			return true
		}
	}
	return false
}

// readKeys returns the keys of a slot's values under a reading.
func (f *frame) readKeys(n int, extent int) []hashedKey {
	cell := &f.keys[extent][n]
	if cell.epoch == f.epoch {
		return cell.keys
	}
	r := f.program.names.readings[n]
	start := len(f.hashed.keys)
	bag, wanted := f.bag(r.slot, extent), f.program.names.lengths[n]
	for i := range bag {
		r.read(bag[i], &f.hashed, wanted)
	}
	cell.keys = f.hashed.keys[start:len(f.hashed.keys):len(f.hashed.keys)]
	cell.epoch = f.epoch
	return cell.keys
}
