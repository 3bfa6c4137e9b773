package token

import (
	"encoding/binary"
	"strconv"
	"testing"
	"time"

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

// ⚿ Of tokens for one use, none is forgotten while it is good: when there is no
// room, the next is refused.
func TestSpentIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := spent{since: now}
	use := func(n int, at time.Time) error {
		return s.spend(&Claims{ID: strconv.Itoa(n), IssuedAt: now, Expires: now.Add(time.Minute)}, at)
	}
	for n := range maxSpent {
		require.NoError(t, use(n, now))
	}
	require.ErrorContains(t, use(maxSpent, now), "too many")
	require.ErrorContains(t, use(0, now), "used before")
	later := now.Add(time.Minute + 2*skew)
	require.NoError(t, use(maxSpent, later))
	require.Len(t, s.until, 1)
}
