package backend

import (
	"context"
	"sync"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// Life keeps a store open while transactions run. The zero Life is open.
type Life struct {
	running sync.RWMutex // held for reading by every transaction, for writing by End
	ended   bool
}

// Enter begins a transaction, which the caller ends with Leave, unless the
// store is closed or ctx is done.
func (l *Life) Enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.running.RLock()
	if l.ended {
		l.running.RUnlock()
		return store.ErrClosed
	}
	return nil
}

// Leave ends a transaction that Enter began.
func (l *Life) Leave() { l.running.RUnlock() }

// End waits for the transactions that run and closes the store by what is
// given, once; later calls return nil.
func (l *Life) End(closing func() error) error {
	l.running.Lock()
	defer l.running.Unlock()
	if l.ended {
		return nil
	}
	l.ended = true
	return closing()
}
