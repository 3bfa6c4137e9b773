package eval

import (
	"hash/maphash"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// ban is a Deny rule of one comparison by key and nothing more, whoever wrote
// it. There may be a million, and few of them ever meet a request: so it is no
// more than the hash of its key, until a request comes with that hash.
type ban struct {
	from *policies.Rule
	kind *banKind
	hash uint64
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
	owner      *owner
	function   string
	literal    authz.DataType
	designator policies.Designator // without its position
}

// ban returns a rule as a ban without its hash; nil if it is more than one.
// What could be wrong with it is known of its kind.
func (c *compilation) ban(r *policies.Rule) *ban {
	m := onlyMatch(r)
	if m == nil {
		return nil
	}
	d, ok := m.Attribute.(*policies.Designator)
	if !ok || d.MustBePresent {
		return nil
	}
	key := kindKey{c.owner, m.Function, m.Value.Type(), *d}
	key.designator.Position = policies.Position{}
	kind, known := c.kinds[key]
	if !known {
		kind = c.banKind(m)
		if c.kinds == nil {
			c.kinds = map[kindKey]*banKind{}
		}
		c.kinds[key] = kind
	}
	if kind == nil {
		return nil
	}
	return &ban{from: r, kind: kind}
}

// onlyMatch returns the one match that a Deny rule consists of.
func onlyMatch(r *policies.Rule) *policies.Match {
	t := r.Target
	if r.Effect != authz.Deny || r.Condition != nil || len(r.Obligations)+len(r.Advice) > 0 || !r.From.IsZero() && !r.Until.IsZero() ||
		t == nil || len(t.AnyOf) != 1 || len(t.AnyOf[0].AllOf) != 1 || len(t.AnyOf[0].AllOf[0].Matches) != 1 {
		return nil
	}
	return &t.AnyOf[0].AllOf[0].Matches[0]
}

// banKind compiles the first of a kind as any match, for what is wrong with it
// or keeps it from being one.
func (c *compilation) banKind(m *policies.Match) *banKind {
	var first match
	errs := len(c.errs)
	c.match(m, &first)
	c.errs = c.errs[:errs] // whoever compiles the rule says so again
	f, _ := lookupFunction(m.Function)
	if first.reading < 0 || !f.reader.single {
		return nil
	}
	return &banKind{owner: c.owner, attr: first.attr, reader: f.reader, reading: first.reading}
}

// hashBans hashes the keys of many bans, on every core: folding names is most
// of the work of loading them.
func (c *compilation) hashBans(all []*ban) {
	const share = 2048
	seed := c.compiler.seed
	if len(all) < 2*share {
		hashAll(all, keyList{seed: seed})
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
				hashAll(all[to-share:min(to, len(all))], keyList{seed: seed})
			}
		})
	}
	wg.Wait()
}

func hashAll(all []*ban, l keyList) {
	for _, b := range all {
		l.keys = l.keys[:0]
		b.kind.reader.literal(onlyMatch(b.from).Value, &l)
		b.hash = l.keys[0].hash
	}
}

// eval looks no further than the hash for all but those who are banned.
func (b *ban) eval(f *frame, side views) outcome {
	if f.trace == nil && (!side.has(denyView) || !f.hasKey(file{b.kind.reading, b.hash}, denyView)) {
		return notApplicable
	}
	return b.rule(f.hashed.seed).eval(f, side)
}

// rule compiles the ban, once.
func (b *ban) rule(seed maphash.Seed) *rule {
	if made := b.made.Load(); made != nil {
		return made
	}
	l := keyList{seed: seed}
	m := match{from: onlyMatch(b.from), attr: b.kind.attr, reading: b.kind.reading}
	b.kind.reader.literal(m.from.Value, &l)
	m.key = l.keys[0]
	all := []match{m}
	b.made.CompareAndSwap(nil, &rule{
		from: b.from, owner: b.kind.owner, effect: b.from.Effect, timed: isTimed(b.from),
		target: &target{from: b.from.Target, plain: all, anyOf: []anyOf{{[]allOf{{all}}}}},
	})
	return b.made.Load()
}

func (b *ban) origin() policies.Item { return b.from }

func (b *ban) goal() *target { return nil } // no other rule's filing depends on it

func (b *ban) where() (place, id string) { return b.from.Place, b.from.ID }

func (b *ban) settle(crowd) {}

func (b *ban) filed() []filing {
	return []filing{{reading: b.kind.reading, required: -1, hash: b.hash}}
}

var _ child = (*ban)(nil)
