package gsi

import (
	"container/list"
	"crypto/x509"
	"slices"
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
	// same finds a chain by the address of its first certificate: crypto/tls
	// shares the certificates of connections that present the same, and those
	// here stay alive. It spares the digest of every request.
	same  map[*x509.Certificate]*list.Element
	order list.List // most recently used first
	bytes int
}

type cached struct {
	digest  [32]byte
	subject *subject
	other   [32]byte // digest of a key-info that is this chain; zero for none
}

// find returns the chain of these very certificates.
func (c *cache) find(certs []*x509.Certificate) (*subject, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.same[certs[0]]
	if !ok || !slices.Equal(e.Value.(*cached).subject.chain.Certificates, certs) {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).subject, true
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
		c.entries, c.same = map[[32]byte]*list.Element{}, map[*x509.Certificate]*list.Element{}
	}
	e := c.order.PushFront(&cached{digest: digest, subject: s})
	c.entries[digest], c.same[s.chain.Certificates[0]] = e, e
	c.bytes += s.size()
	for c.order.Len() > maxCached || c.bytes > maxCachedBytes {
		last := c.order.Back()
		oldest := c.order.Remove(last).(*cached)
		delete(c.entries, oldest.digest)
		delete(c.entries, oldest.other)
		if first := oldest.subject.chain.Certificates[0]; c.same[first] == last {
			delete(c.same, first)
		}
		c.bytes -= oldest.subject.size()
	}
	return s
}

// alias lets a chain that is remembered be found by another digest too, the
// last one given.
func (c *cache) alias(other, digest [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[digest]
	if !ok {
		return
	}
	one := e.Value.(*cached)
	delete(c.entries, one.other)
	one.other = other
	c.entries[other] = e
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
