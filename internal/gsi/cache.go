package gsi

import (
	"container/list"
	"crypto/x509"
	"hash/maphash"
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
	same map[*x509.Certificate]*list.Element
	// texts finds a chain by the key-info that it is: by its hash, and then by
	// all of it. A digest would cost more than everything else of a request.
	texts map[uint64]*list.Element
	seed  maphash.Seed
	once  sync.Once // seed
	order list.List // most recently used first
	bytes int
}

type cached struct {
	digest  [32]byte
	subject *subject
	text    []string // the key-info by which it was found last, if any
	hash    uint64   // of text
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
		c.texts = map[uint64]*list.Element{}
	}
	e := c.order.PushFront(&cached{digest: digest, subject: s})
	c.entries[digest], c.same[s.chain.Certificates[0]] = e, e
	c.bytes += s.size()
	c.shrink()
	return s
}

func (c *cache) shrink() {
	for c.order.Len() > maxCached || c.bytes > maxCachedBytes {
		last := c.order.Back()
		oldest := c.order.Remove(last).(*cached)
		delete(c.entries, oldest.digest)
		c.unname(oldest)
		if first := oldest.subject.chain.Certificates[0]; c.same[first] == last {
			delete(c.same, first)
		}
		c.bytes -= oldest.subject.size()
	}
}

// named returns the chain that was found by this key-info last.
func (c *cache) named(text []string) (*subject, bool) {
	hash := c.hash(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.texts[hash]
	if !ok || !slices.Equal(e.Value.(*cached).text, text) {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).subject, true
}

// name lets a chain that is remembered be found by a key-info.
func (c *cache) name(text []string, digest [32]byte) {
	hash := c.hash(text)
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[digest]
	if !ok {
		return
	}
	if other, ok := c.texts[hash]; ok {
		c.unname(other.Value.(*cached))
	}
	one := e.Value.(*cached)
	c.unname(one)
	one.text, one.hash, c.texts[hash] = slices.Clone(text), hash, e
	c.bytes += textSize(text)
	c.shrink()
}

func (c *cache) unname(one *cached) {
	if one.text != nil {
		delete(c.texts, one.hash)
		c.bytes -= textSize(one.text)
		one.text = nil
	}
}

func (c *cache) hash(text []string) uint64 {
	c.once.Do(func() { c.seed = maphash.MakeSeed() })
	sum := uint64(len(text))
	for _, s := range text {
		const odd = 0x9e3779b97f4a7c15 // the values in their order
		sum = sum*odd ^ maphash.String(c.seed, s)
	}
	return sum
}

func textSize(text []string) (n int) {
	for _, s := range text {
		n += len(s)
	}
	return n
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
