package token

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCacheIsBounded(t *testing.T) {
	var c cache
	at := func(n int) *verified {
		v := &verified{}
		binary.BigEndian.PutUint32(v.digest[:], uint32(n))
		return v
	}
	first := c.add(at(0))
	require.Same(t, first, c.add(at(0)), "of two that verified one token at a time, the first is kept")
	for n := 1; n <= maxCached; n++ {
		c.add(at(n))
		_, known := c.get(at(0).digest)
		require.Equal(t, true, known, "it is in use")
	}
	require.Len(t, c.entries, maxCached)
	require.Equal(t, maxCached, c.order.Len())
	_, known := c.get(at(1).digest)
	require.False(t, known, "the one not used for longest went")
}
