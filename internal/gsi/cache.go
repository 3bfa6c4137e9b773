package gsi

import (
	"container/list"
	"sync"
)

// maxCached bounds the chains remembered; a stranger can fill it and thereby
// only make others be verified again.
const maxCached = 8192

// cache remembers the chains used last.
type cache struct {
	mu      sync.Mutex
	entries map[[32]byte]*list.Element
	order   list.List // most recently used first
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
	if c.order.Len() > maxCached {
		oldest := c.order.Back()
		delete(c.entries, oldest.Value.(*cached).digest)
		c.order.Remove(oldest)
	}
	return s
}
