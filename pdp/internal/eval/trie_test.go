package eval

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/policies"
)

type trieKey struct {
	reading int
	hash    uint64
}

// The trie behaves like a map to sets of children, also with hashes that
// share their first bits, and every version of it stays as it was.
func TestTrieBehavesLikeAMap(t *testing.T) {
	children := make([]child, 8)
	for i := range children {
		children[i] = &rule{from: &policies.Rule{ID: fmt.Sprint(i)}}
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
		model := map[trieKey][]child{}
		var now trie
		var versions []trie
		var models []map[trieKey][]child
		tx := new(transaction)
		for range rapid.IntRange(1, 200).Draw(t, "n") {
			k := trieKey{rapid.IntRange(0, 2).Draw(t, "reading"), hash(rapid.StringMatching("[a-d]{1,3}").Draw(t, "key"))}
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
			checkTrie(t, now, model)
		}
		for i := range versions {
			checkTrie(t, versions[i], models[i])
		}
	})
}

func cloned(m map[trieKey][]child) map[trieKey][]child {
	out := map[trieKey][]child{}
	for k, v := range m {
		out[k] = slices.Clone(v)
	}
	return out
}

func checkTrie(t require.TestingT, now trie, model map[trieKey][]child) {
	for k, want := range model {
		require.ElementsMatch(t, want, now.find(nil, k.reading, k.hash))
	}
}
