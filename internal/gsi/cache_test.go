package gsi

import (
	"crypto/x509"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// ⚿ The cache stays small whatever strangers present (threats 130).
func TestCacheIsBounded(t *testing.T) {
	var many cache
	var last [32]byte
	for i := range 2 * maxCached {
		binary.BigEndian.PutUint32(last[:], uint32(i))
		many.add(last, &subject{chain: Chain{Certificates: []*x509.Certificate{{}}}})
	}
	require.Len(t, many.entries, maxCached)
	require.Equal(t, maxCached, many.order.Len())
	require.Len(t, many.same, maxCached)
	_, ok := many.get(last)
	require.True(t, ok, "the newest stays")

	var c cache
	big := make([]byte, 1<<20)
	for i := range 100 {
		c.add([32]byte{byte(i)}, &subject{chain: Chain{Certificates: []*x509.Certificate{{Raw: big}}}})
	}
	require.Len(t, c.entries, maxCachedBytes>>20)
	require.Equal(t, maxCachedBytes, c.bytes)
	first := c.add([32]byte{99}, &subject{chain: Chain{Certificates: []*x509.Certificate{{}}}})
	require.NotNil(t, first.chain.Certificates, "what is there already stays")
	_, ok = c.get([32]byte{0})
	require.False(t, ok, "the oldest went")
}

// ⚿ A chain is found by its certificates, all of them, and never by the first
// alone, which says little about whose proxy it is.
func TestCacheFindsNoOtherChain(t *testing.T) {
	var c cache
	leaf, ann, bob := &x509.Certificate{}, &x509.Certificate{}, &x509.Certificate{}
	s := c.add([32]byte{1}, &subject{chain: Chain{Certificates: []*x509.Certificate{leaf, ann}}})
	for _, other := range [][]*x509.Certificate{{leaf}, {leaf, bob}, {leaf, ann, bob}, {ann, leaf}, {bob}} {
		_, ok := c.find(other)
		require.False(t, ok)
	}
	found, ok := c.find([]*x509.Certificate{leaf, ann})
	require.True(t, ok)
	require.Same(t, s, found)
	c.add([32]byte{2}, &subject{chain: Chain{Certificates: []*x509.Certificate{leaf, bob}}})
	_, ok = c.find([]*x509.Certificate{leaf, bob})
	require.True(t, ok)
}

// ⚿ A key-info finds the chain that it is, the one it was last, and goes with it.
func TestCacheOfKeyInfos(t *testing.T) {
	var c cache
	_, ok := c.named([]string{"a"})
	require.False(t, ok)
	one := c.add([32]byte{1}, &subject{chain: Chain{Certificates: []*x509.Certificate{{}}}})
	two := c.add([32]byte{2}, &subject{chain: Chain{Certificates: []*x509.Certificate{{}}}})
	c.name([]string{"a", "b"}, [32]byte{1})
	c.name([]string{"c"}, [32]byte{9})
	for _, other := range [][]string{nil, {}, {"a"}, {"b", "a"}, {"ab"}, {"a", "b", ""}, {"c"}} {
		_, ok := c.named(other)
		require.False(t, ok, other)
	}
	found, ok := c.named([]string{"a", "b"})
	require.True(t, ok)
	require.Same(t, one, found)
	c.name([]string{"a", "b"}, [32]byte{2})
	found, _ = c.named([]string{"a", "b"})
	require.Same(t, two, found)
	require.Equal(t, 2, c.bytes)
	c.name([]string{"abc"}, [32]byte{2})
	_, ok = c.named([]string{"a", "b"})
	require.False(t, ok, "one for each chain")
	require.Len(t, c.texts, 1)
	require.Equal(t, 3, c.bytes)

	big := string(make([]byte, 1<<20))
	for i := range 100 {
		c.add([32]byte{100, byte(i)}, &subject{chain: Chain{Certificates: []*x509.Certificate{{}}}})
		c.name([]string{big, string(rune(i))}, [32]byte{100, byte(i)})
		require.LessOrEqual(t, c.bytes, maxCachedBytes)
	}
	require.Equal(t, len(c.entries), c.order.Len())
	require.LessOrEqual(t, len(c.texts), len(c.entries))
	_, ok = c.named([]string{"abc"})
	require.False(t, ok, "gone with its chain")
}
