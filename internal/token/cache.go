package token

import (
	"container/list"
	"crypto/sha256"
	"sync"
)

// maxCached bounds the tokens remembered. Only what an accepted issuer signed
// gets in.
const maxCached = 4096

// cache remembers the tokens used last.
type cache struct {
	mu      sync.Mutex
	entries map[[sha256.Size]byte]*list.Element
	order   list.List // of *verified, most recently used first
}

func (c *cache) get(digest [sha256.Size]byte) (*verified, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[digest]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*verified), true
}

// add remembers t, or returns what somebody else remembered meanwhile.
func (c *cache) add(t *verified) *verified {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[t.digest]; ok {
		return e.Value.(*verified)
	}
	if c.entries == nil {
		c.entries = map[[sha256.Size]byte]*list.Element{}
	}
	c.entries[t.digest] = c.order.PushFront(t)
	if c.order.Len() > maxCached {
		oldest := c.order.Remove(c.order.Back()).(*verified)
		delete(c.entries, oldest.digest)
	}
	return t
}
