package gsi

import (
	"container/list"
	"sync"
)

// The chains remembered are bounded in number and in bytes of DER; a stranger
// can fill the cache and thereby only make others be verified again.
const (
	maxCached      = 8192
	maxCachedBytes = 32 << 20
)

// cache remembers the chains used last.
type cache struct {
	mu      sync.Mutex
	entries map[[32]byte]*list.Element
	order   list.List // most recently used first
	bytes   int
}

type cached struct {
	digest  [32]byte
	subject *subject
}

func (c *cache) get(digest [32]byte) (*subject, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[digest]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).subject, true
}

// add remembers s, or returns what somebody else remembered meanwhile.
func (c *cache) add(digest [32]byte, s *subject) *subject {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[digest]; ok {
		return e.Value.(*cached).subject
	}
	if c.entries == nil {
		c.entries = map[[32]byte]*list.Element{}
	}
	c.entries[digest] = c.order.PushFront(&cached{digest, s})
	c.bytes += s.size()
	for c.order.Len() > maxCached || c.bytes > maxCachedBytes {
		oldest := c.order.Remove(c.order.Back()).(*cached)
		delete(c.entries, oldest.digest)
		c.bytes -= oldest.subject.size()
	}
	return s
}

func (s *subject) size() int {
	n := 0
	for _, c := range s.chain.Certificates {
		n += len(c.Raw)
	}
	for _, a := range s.carried {
		n += len(a.Raw)
	}
	return n
}
