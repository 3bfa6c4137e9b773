package pool

import "sync"

// memory holds leases that were read lately, where this process alone changes
// the store. A change takes its lease out after it is durable and before it is
// acknowledged, so nobody who knows of the change reads the lease before it.
type memory struct {
	mu     sync.RWMutex
	leases map[string]Lease // nil: remembers nothing
	change uint64           // counts the changes
}

// maxRemembered bounds the memory: some 30 MB.
const maxRemembered = 1 << 16

func newMemory(alone bool) *memory {
	if !alone {
		return &memory{}
	}
	return &memory{leases: map[string]Lease{}}
}

// recall returns a lease, and what to hand to remember if there is none.
func (m *memory) recall(record string) (l Lease, ok bool, at uint64) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	l, ok = m.leases[record]
	return l, ok, m.change
}

// remember keeps what was read after recall, unless something has changed since.
func (m *memory) remember(record string, l Lease, at uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leases == nil || m.change != at {
		return
	}
	if len(m.leases) >= maxRemembered {
		clear(m.leases)
	}
	m.leases[record] = l
}

// forget is for every change of a lease, whether it was acknowledged or not.
func (m *memory) forget(records ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.change++
	for _, record := range records {
		delete(m.leases, record)
	}
}
