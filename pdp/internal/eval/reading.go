package eval

import (
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// A key reader turns the equality functions into equality of keys: a function
// holds of a literal and a value exactly when they share a key. That makes
// matches cheap and lists of them searchable.
type keyReader struct {
	name    string
	value   func(v authz.Value, to *keyList)
	literal func(v authz.Value, to *keyList)
	single  bool // every literal has exactly one key
	// bag, if set, reads all values at once, at the lengths that policies ask for.
	bag func(values []authz.Value, to *keyList, wanted lengths)
}

// inDoubt is the hash, in place of a key's, by which a reader says that a match
// may fail on a value, or hold, whatever key it asks for.
const inDoubt = 0

// keyList collects keys with their hashes.
type keyList struct{ keys []hashedKey }

// hashedKey is a comparison key with its hash.
type hashedKey struct {
	hash uint64
	key  string
	of   *authz.Value // whose ban key it is, which is far: few look at more than its hash
}

// is reports whether a key is that of a literal.
func (k *hashedKey) is(literal *literalKey) bool {
	return k.hash == literal.hash && (k.key == literal.key && k.of == nil || k.of != nil && banName(*k.of) == literal.key)
}

// literalKey is the key of a literal with its hash.
type literalKey struct {
	hash uint64
	key  string
}

func (l *keyList) add(key string) { l.put(authz.Hash(key), key) }

func (l *keyList) put(hash uint64, key string) {
	l.keys = append(l.keys, hashedKey{hash: hash, key: key})
}

// reading is a key reader applied to a slot.
type reading struct {
	slot   int
	by     *keyReader
	length int // of prefixes, in bytes
}

// read appends the keys of values; those of groups, networks and other wholes
// that they are part of only if policies ask for one of such a length.
func (r *reading) read(values []authz.Value, to *keyList, wanted lengths) {
	for i := range values {
		v := &values[i]
		switch r.by {
		case ownKey:
			to.put(v.Hash(), v.Key())
		case groupKey, plainGroupKey:
			groupKeys(v, to, wanted, r.by == plainGroupKey)
		case prefixKey:
			if s := v.Text(); len(s) >= r.length {
				to.add(s[:r.length])
			}
		case banNameReader:
			if hash, ok := v.BanHash(); ok {
				to.keys = append(to.keys, hashedKey{hash: hash, of: v})
			} else {
				banNameKey(v, to)
			}
		default:
			if r.by.bag != nil {
				r.by.bag(values, to, wanted)
				return
			}
			r.by.value(*v, to)
		}
	}
}

// lengths is a set of lengths: in bytes modulo 64, as hashes show them, or as a
// reader says.
type lengths uint64

func (l lengths) has(hash uint64) bool { return l>>(hash%64)&1 != 0 }

func (l lengths) with(hash uint64) lengths { return l | 1<<(hash%64) }

// Readers of keys that a value must have for a match without being all that it
// takes: the index files by them, the match still looks.
var (
	// prefixKey is the first bytes of the text, as many as the reading says.
	prefixKey = &keyReader{name: "prefix"}
	// groupKey is the group of an FQAN and all groups above it.
	groupKey = &keyReader{name: "group"}
)

// plainGroupKey is groupKey for FQANs without a role, and has none for others:
// of them a pattern "/vo/group/*" holds exactly if they have its group for a key.
var plainGroupKey = &keyReader{name: "plain group"}

func groupKeys(v *authz.Value, to *keyList, wanted lengths, plain bool) {
	group, hash, role, ok := v.Group()
	if !ok {
		otherGroupKeys(v, to, wanted, plain)
		return
	}
	if plain && role {
		return
	}
	if wanted.has(hash) {
		to.put(hash, group)
	}
	if v.MayLieBelow(uint64(wanted)) {
		f := v.Data().(authz.FQAN)
		groupsOf(f, f.Groups()-1, to, wanted)
	}
}

// otherGroupKeys reads FQANs that come as values of another type.
func otherGroupKeys(v *authz.Value, to *keyList, wanted lengths, plain bool) {
	if f, ok := asFQAN(*v); ok && !(plain && f.Role() != "") {
		groupsOf(f, f.Groups(), to, wanted)
	}
}

// groupsOf adds the first n groups on the path of an FQAN.
func groupsOf(f authz.FQAN, n int, to *keyList, wanted lengths) {
	for i := range n {
		if hash := f.GroupHash(i); wanted.has(hash) {
			to.put(hash, f.GroupAt(i))
		}
	}
}

// ownKey compares values of one type by that type's own equality.
var ownKey = &keyReader{name: "own", value: valueKey, literal: valueKey, single: true}

func valueKey(v authz.Value, to *keyList) { to.put(v.Hash(), v.Key()) }

// textKey compares the text without blanks around it.
var textKey = alike("text", func(v authz.Value, to *keyList) { to.add(trimmed(v)) })

// keyReaders are the functions of two arguments that are equality under some
// reading, beside the type-equal functions, which are ownKey.
var keyReaders = map[string]*keyReader{
	profile.FunctionFQAN:    {name: "fqan", value: fqanKey, literal: fqanKey},
	profile.FunctionSubtree: subtreeReader,
	profile.FunctionBanName: banNameReader,
	profile.FunctionBanText: textKey,
	profile.FunctionBanURI:  alike("ban-uri", func(v authz.Value, to *keyList) { to.add(uriKey(v)) }),
	profile.FunctionBanVO:   {name: "ban-vo", value: voKey, literal: func(v authz.Value, to *keyList) { to.add(v.Text()) }, single: true},
}

// alike makes the reader that takes one key of either side.
func alike(name string, key func(authz.Value, *keyList)) *keyReader {
	return &keyReader{name: name, value: key, literal: key, single: true}
}

func fqanKey(v authz.Value, to *keyList) {
	if v.Type() == authz.FQANType {
		to.put(v.Hash(), v.Key())
	} else if f, ok := asFQAN(v); ok {
		to.add(f.Key())
	}
}

func asFQAN(v authz.Value) (authz.FQAN, bool) {
	if f, ok := v.Data().(authz.FQAN); ok {
		return f, true
	}
	f, err := authz.ParseFQAN(v.Text())
	return f, err == nil
}

// banNameReader compares names in the ban reading.
var banNameReader = alike("ban-name", func(v authz.Value, to *keyList) { banNameKey(&v, to) })

func banNameKey(v *authz.Value, to *keyList) {
	if d, ok := v.Data().(authz.DN); ok {
		to.put(d.BanHash(), d.BanKey())
		return
	}
	to.add(authz.BanKey(v.Text()))
}

func banName(v authz.Value) string {
	if d, ok := v.Data().(authz.DN); ok {
		return d.BanKey()
	}
	return authz.BanKey(v.Text())
}

const xmlBlanks = " \t\r\n"

func trimmed(v authz.Value) string { return strings.Trim(v.Text(), xmlBlanks) }

func uriKey(v authz.Value) string {
	return strings.TrimRight(strings.Map(lowerASCII, trimmed(v)), "/")
}

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// voKey reads "/vo/group/Role=x" as "vo".
func voKey(v authz.Value, to *keyList) {
	vo, _, _ := strings.Cut(strings.TrimPrefix(v.Text(), "/"), "/")
	to.add(vo)
}
