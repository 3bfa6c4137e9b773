package eval

import (
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// subtreeReader makes a name and all names above it the keys of a value: the
// standard key of the first RDNs is the beginning of the key of all.
var subtreeReader = &keyReader{name: "subtree", bag: subtreeKeys, value: everyName, literal: dnKey}

func subtreeKeys(values []authz.Value, to *keyList, wanted lengths) {
	for i := range values {
		namesAbove(values[i], to, wanted)
	}
}

func everyName(v authz.Value, to *keyList) { namesAbove(v, to, ^lengths(0)) }

// namesAbove adds the keys of those lengths that end where an RDN does.
func namesAbove(v authz.Value, to *keyList, wanted lengths) {
	d, ok := asDN(v)
	if !ok {
		return
	}
	key := d.Key()
	for i := 1; i <= len(key); i++ {
		switch {
		case i < len(key) && key[i] == '\\':
			i++ // what it escapes ends no RDN; names have 64 at most
		case (i == len(key) || key[i] == '/') && wanted.has(uint64(i)):
			to.add(key[:i])
		}
	}
}

func dnKey(v authz.Value, to *keyList) {
	if d, ok := asDN(v); ok {
		to.add(d.Key())
	}
}

func asDN(v authz.Value) (authz.DN, bool) {
	if d, ok := v.Data().(authz.DN); ok {
		return d, !d.IsZero()
	}
	d, err := authz.ParseDN(v.Text())
	return d, err == nil
}

// pieceKey is each piece of a name in the ban reading.
var pieceKey = &keyReader{name: "piece", bag: pieceKeys}

func pieceKeys(values []authz.Value, to *keyList, wanted lengths) {
	for i := range values {
		for piece := range strings.SplitSeq(banName(values[i]), "\x00") {
			if wanted.has(uint64(len(piece))) {
				to.put(authz.Hash(piece), "")
			}
		}
	}
}

// needsPiece files the ban of a subtree under that of its pieces which the fewest
// bans before had, or else the one that says the most: "DC=org" and the like are in
// all, and long texts are seldom alike.
func needsPiece(c *compilation, m *match) {
	bans := c.compiler.names.pieces
	best, fewest, longest := "", 0, -1
	for piece := range strings.SplitSeq(banName(m.from.Value), "\x00") {
		hash := authz.Hash(piece)
		n, length := bans[hash], len(piece)-strings.IndexByte(piece, '=')
		if longest < 0 || n < fewest || n == fewest && length > longest {
			best, fewest, longest = piece, n, length
		}
		bans[hash]++
	}
	by := c.reading(reading{slot: m.attr.slot, by: pieceKey})
	c.wants(by, uint64(len(best)))
	m.needs(file{by, authz.Hash(best)})
}

func bindBanSubtree(literal authz.Value) (test, error) {
	want := banName(literal)
	return func(v authz.Value) (bool, error) { return hasPieces(banName(v), want), nil }, nil
}

// hasPieces reports whether all pieces of a ban key are among those of another.
// Both are sorted.
func hasPieces(have, want string) bool {
	first, rest, more := strings.Cut(want, "\x00")
	for piece := range strings.SplitSeq(have, "\x00") {
		switch {
		case piece > first:
			return false
		case piece < first:
		case !more:
			return true
		default:
			first, rest, more = strings.Cut(rest, "\x00")
		}
	}
	return false
}
