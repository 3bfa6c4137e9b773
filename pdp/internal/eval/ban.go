package eval

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// ban is a row of the policies that compares by key, whoever wrote it. There may
// be a million, and few of them ever meet a request: so it is no more than the
// hash of its key, until a request comes with that hash.
type ban struct {
	hash uint64
	kind *banKind
	row  *policies.Row
	made atomic.Pointer[rule]
}

// banKind is what the bans of one policy share that differ in their literal.
type banKind struct {
	owner   *owner
	attr    *attribute
	reader  *keyReader
	reading int
}

// kindKey tells kinds apart.
type kindKey struct {
	owner *owner
	shape *policies.Shape
}

// row compiles a row, into the room given if it becomes a ban.
func (c *compilation) row(r *policies.Row, room *slab[ban]) child {
	kind := c.kindOf(r)
	if kind == nil {
		return c.rule(r.Rule())
	}
	b := room.next()
	b.kind, b.row = kind, r
	return b
}

// kindOf returns the kind of a row; nil if it must be compiled as any rule.
func (c *compilation) kindOf(r *policies.Row) *banKind {
	key := kindKey{c.owner, r.Shape()}
	kind, known := c.kinds[key]
	if !known {
		kind = c.banKind(onlyMatch(r.Rule()))
		if c.kinds == nil {
			c.kinds = map[kindKey]*banKind{}
		}
		c.kinds[key] = kind
	}
	return kind
}

// onlyMatch returns the one match that the rule of a row consists of.
func onlyMatch(r *policies.Rule) *policies.Match { return &r.Target.AnyOf[0].AllOf[0].Matches[0] }

// banKind compiles the first of a kind as any match, for what is wrong with it
// or keeps it from being one.
func (c *compilation) banKind(m *policies.Match) *banKind {
	if m.Attribute.(*policies.Designator).MustBePresent {
		return nil
	}
	first := match{matchRest: new(matchRest)}
	errs := len(c.errs)
	c.match(m, &first)
	c.errs = c.errs[:errs] // whoever compiles the rule says so again
	f, _ := lookupFunction(m.Function)
	if first.reading < 0 || first.tested || f.reader == nil || !f.reader.single {
		return nil
	}
	return &banKind{owner: c.owner, attr: first.attr, reader: f.reader, reading: int(first.reading)}
}

// hashBans hashes the keys of many bans, on every core: folding names is most
// of the work of loading them.
func (c *compilation) hashBans(all []*ban) {
	const share = 2048
	if len(all) < 2*share {
		hashAll(all)
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				to := int(next.Add(share))
				if to-share >= len(all) {
					return
				}
				hashAll(all[to-share : min(to, len(all))])
			}
		})
	}
	wg.Wait()
}

func hashAll(all []*ban) {
	var l keyList
	for _, b := range all {
		l.keys = l.keys[:0]
		b.kind.reader.literal(authz.StringValue(b.row.Literal()), &l)
		b.hash = l.keys[0].hash
	}
}

// eval looks no further than the hash for all but those who are banned.
func (b *ban) eval(f *frame, side views) outcome {
	if f.trace == nil && (!side.has(denyView) || !f.hasKey(file{b.kind.reading, b.hash}, f.extent(denyView, false))) {
		return notApplicable
	}
	return b.rule().eval(f, side)
}

// rule compiles the ban, once.
func (b *ban) rule() *rule {
	if made := b.made.Load(); made != nil {
		return made
	}
	var l keyList
	from := b.row.Rule()
	b.kind.reader.literal(onlyMatch(from).Value, &l)
	r := &rule{effect: from.Effect, timed: isTimed(from), count: 1, ruleRest: &ruleRest{from: from, owner: b.kind.owner}}
	r.matches[0] = matchRest{from: onlyMatch(from), attr: b.kind.attr}
	r.near[0] = match{key: literalKey{l.keys[0].hash, l.keys[0].key}, reading: int32(b.kind.reading), matchRest: &r.matches[0]}
	only := conjunction(r.near[:1])
	r.target = target{from: from.Target, plain: only, anyOf: []anyOf{{[]allOf{{only}}}}}
	b.made.CompareAndSwap(nil, r)
	return b.made.Load()
}

func (b *ban) goal() *target { return nil } // no other rule's filing depends on it

func (b *ban) where() (place, id string) { return b.row.Where() }

func (b *ban) settle(crowd) {}

func (b *ban) filed() []filing {
	return []filing{{reading: b.kind.reading, required: -1, hash: b.hash}}
}

var _ child = (*ban)(nil)

// slab makes values side by side, as many at once as size says.
type slab[T any] struct {
	size int
	free []T
}

func (s *slab[T]) next() *T {
	if len(s.free) == 0 {
		s.free = make([]T, s.size)
	}
	first := &s.free[0]
	s.free = s.free[1:]
	return first
}
