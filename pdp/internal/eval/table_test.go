package eval

import (
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

type tableKey struct {
	reading int
	hash    uint64
}

// The table behaves like a map to sets of children, also with hashes that
// share their first bits, and every version of it stays as it was.
func TestTableBehavesLikeAMap(t *testing.T) {
	children := make([]child, 8)
	for i := range children {
		children[i] = &rule{ruleRest: &ruleRest{from: &policies.Rule{ID: fmt.Sprint(i)}}}
	}
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.SampledFrom([]uint64{3, 0xff, 1 << 63, ^uint64(0)}).Draw(t, "bits")
		hash := func(key string) uint64 {
			h := uint64(14695981039346656037)
			for i := range len(key) {
				h = (h ^ uint64(key[i])) * 1099511628211
			}
			return h & bits
		}
		model := map[tableKey][]child{}
		var now table
		var versions []table
		var models []map[tableKey][]child
		tx := new(transaction)
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			k := tableKey{rapid.IntRange(0, 2).Draw(t, "reading"), hash(rapid.StringMatching("[a-d]{1,3}").Draw(t, "key"))}
			c := rapid.SampledFrom(children).Draw(t, "child")
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				versions, models = append(versions, now), append(models, cloned(model))
				tx = new(transaction)
			case 1, 2:
				if !slices.Contains(model[k], c) {
					now = now.add(tx, k.reading, k.hash, c)
					model[k] = append(model[k], c)
				}
			default:
				now = now.remove(tx, k.reading, k.hash, c)
				model[k] = slices.DeleteFunc(slices.Clone(model[k]), func(have child) bool { return have == c })
			}
			checkTable(t, now, model)
		}
		for i := range versions {
			checkTable(t, versions[i], models[i])
		}
	})
}

func cloned(m map[tableKey][]child) map[tableKey][]child {
	out := map[tableKey][]child{}
	for k, v := range m {
		out[k] = slices.Clone(v)
	}
	return out
}

func checkTable(t require.TestingT, now table, model map[tableKey][]child) {
	for k, want := range model {
		require.ElementsMatch(t, want, found(now.find(k.reading, k.hash)))
	}
}

func found(hit any) (children []child) {
	switch hit := hit.(type) {
	case child:
		return []child{hit}
	case *bunch:
		for _, m := range hit.members {
			children = append(children, m.child)
		}
	}
	return children
}

// So many keys that pages split again and again are all found, and found or
// gone after half of them were taken away; the table before is as it was.
func TestTableGrows(t *testing.T) {
	const n = 30_000
	children := make([]child, n)
	var full table
	tx := new(transaction)
	for i := range children {
		children[i] = &rule{ruleRest: &ruleRest{from: &policies.Rule{}}}
		full = full.add(tx, i%3, authz.Hash(fmt.Sprint(i)), children[i])
	}
	half := full
	tx = new(transaction)
	for i := 0; i < n; i += 2 {
		half = half.remove(tx, i%3, authz.Hash(fmt.Sprint(i)), children[i])
	}
	for i, c := range children {
		require.Equal(t, []child{c}, found(full.find(i%3, authz.Hash(fmt.Sprint(i)))))
		require.Equal(t, i%2 == 1, len(found(half.find(i%3, authz.Hash(fmt.Sprint(i))))) == 1)
	}
	require.Nil(t, full.find(0, authz.Hash("nobody")))
}

// Few of the keys that nobody has lead to a page; see way.
func TestTableTurnsMostAbsentKeysAway(t *testing.T) {
	const n = 30_000
	var now table
	tx := new(transaction)
	for i := range n {
		now = now.add(tx, 0, authz.Hash(fmt.Sprint(i)), &rule{ruleRest: &ruleRest{from: &policies.Rule{}}})
	}
	admitted := 0
	for i := range n {
		hash := mix(0, authz.Hash(fmt.Sprint("no", i)))
		if now.way(hash >> (64 - now.depth)).admits(hash) {
			admitted++
		}
	}
	require.Less(t, admitted, n/5)
	require.Positive(t, admitted)
}

// Many children under one key come in their order, whatever the order they
// were filed in.
func TestBunchesAreInOrder(t *testing.T) {
	const n = 200
	var now table
	tx := new(transaction)
	for i := range n {
		now = now.add(tx, 0, 1, &rule{ruleRest: &ruleRest{from: &policies.Rule{Place: fmt.Sprintf("%03d", i*7%n)}}})
	}
	all := found(now.find(0, 1))
	require.Len(t, all, n)
	require.True(t, slices.IsSortedFunc(all, byPlace))
	for _, c := range all[:n-1] {
		tx = new(transaction)
		now = now.remove(tx, 0, 1, c)
	}
	require.Equal(t, all[n-1:], found(now.find(0, 1)))
	now = now.remove(tx, 0, 1, all[n-1])
	require.Nil(t, now.find(0, 1))
}

// What decisions look at lies together: rules fill a size class of the allocator
// that nothing else of theirs is in.
func TestSizes(t *testing.T) {
	require.EqualValues(t, 256, (unsafe.Sizeof(rule{})+15)/16*16)
	require.LessOrEqual(t, unsafe.Sizeof(ruleRest{}), uintptr(240))
}
