package backend

import (
	"context"
	"sync"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// Bell wakes those who wait for a newer revision.
type Bell struct {
	mu     sync.Mutex
	number uint64
	closed bool
	change chan struct{} // closed and replaced at every change
}

// NewBell returns a bell at the revision the store was opened with.
func NewBell(number uint64) *Bell {
	return &Bell{number: number, change: make(chan struct{})}
}

// Ring announces a revision that is durable. An older one is ignored.
func (b *Bell) Ring(number uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if number > b.number {
		b.number = number
		b.wake()
	}
}

// Close wakes everybody for good.
func (b *Bell) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		b.wake()
	}
}

func (b *Bell) wake() {
	close(b.change)
	b.change = make(chan struct{})
}

// Wait is store.Store.Watch.
func (b *Bell) Wait(ctx context.Context, after uint64) (uint64, error) {
	for {
		number, closed, change := b.look()
		switch {
		case closed:
			return 0, store.ErrClosed
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case number > after:
			return number, nil
		}
		select {
		case <-change:
		case <-ctx.Done():
		}
	}
}

func (b *Bell) look() (uint64, bool, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.number, b.closed, b.change
}
