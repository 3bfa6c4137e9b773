package pool

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What was read before a change is not remembered after it.
func TestMemoryForgetsChanges(t *testing.T) {
	m := newMemory(true)
	_, ok, at := m.recall("a")
	require.False(t, ok)
	m.forget("a") // released, while the old lease was being read
	m.remember("a", Lease{Account: "cms001"}, at)
	_, ok, at = m.recall("a")
	require.False(t, ok)
	m.remember("a", Lease{Account: "cms002"}, at)
	l, ok, _ := m.recall("a")
	require.True(t, ok)
	require.Equal(t, "cms002", l.Account)
	m.forget("a")
	_, ok, _ = m.recall("a")
	require.False(t, ok)

	for i := range maxRemembered + 1 {
		_, _, at := m.recall("x")
		m.remember(string(rune(i)), Lease{}, at)
	}
	require.LessOrEqual(t, len(m.leases), maxRemembered)

	shared := newMemory(false)
	_, _, at = shared.recall("a")
	shared.remember("a", Lease{}, at)
	_, ok, _ = shared.recall("a")
	require.False(t, ok, "others change the store too")
}
