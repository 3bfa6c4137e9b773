package bolt

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/backend"
	bbolt "go.etcd.io/bbolt"
)

// groupLimit bounds how many updates share one fsync, and so how long the first
// of them waits for the last.
const groupLimit = 128

// queue runs updates one after another and commits them in groups: whoever
// finds nobody waiting behind it commits for all who came before.
type queue struct {
	waiting atomic.Int64
	mu      sync.Mutex
	group   *group                // updates run but not committed
	broken  error                 // set once by a failed commit
	fault   atomic.Pointer[error] // broken, for others to see
}

// group is one transaction of bbolt that several updates share.
type group struct {
	tx   *bbolt.Tx
	size int
	full error         // why only urgent updates can be taken
	done chan struct{} // closed when err is final
	err  error
}

// run runs fn in the order of arrival and returns once its group is durable.
func (q *queue) run(ctx context.Context, s *Store, fn func(store.WriteTx) error) (uint64, error) {
	number, g, err := q.join(ctx, s, fn)
	if err != nil || g == nil {
		return number, err
	}
	<-g.done
	return number, g.err
}

// join adds one update to the group. Even if fn panics, it commits the group
// when nobody else is there to do it, so that no member waits forever.
func (q *queue) join(ctx context.Context, s *Store, fn func(store.WriteTx) error) (uint64, *group, error) {
	q.waiting.Add(1)
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.waiting.Add(-1)
	defer func() {
		if q.group != nil && (left == 0 || q.group.size >= groupLimit) {
			q.commit(s)
		}
	}()
	if err := q.begin(ctx, s); err != nil {
		return 0, nil, err
	}
	return q.one(ctx, s, fn)
}

// begin opens a group if there is none.
func (q *queue) begin(ctx context.Context, s *Store) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if q.broken != nil {
		return q.broken
	}
	if q.group != nil {
		return nil
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	q.group = &group{tx: tx, done: make(chan struct{}), full: s.room.ensure(tx.Size())}
	return nil
}

// one runs fn over the group's transaction and applies what it wrote.
func (q *queue) one(ctx context.Context, s *Store, fn func(store.WriteTx) error) (uint64, *group, error) {
	if q.group.full != nil && !store.IsUrgent(ctx) {
		return 0, nil, fmt.Errorf("write %s: %w", s.path, q.group.full)
	}
	current, err := newState(q.group.tx)
	if err != nil {
		return 0, nil, fmt.Errorf("write %s: %w", s.path, err)
	}
	writer := backend.NewWriter(ctx, current)
	if err := writer.Outcome(fn(writer)); err != nil {
		return 0, nil, err
	}
	g := q.group
	if writer.Empty() && g.size == 0 {
		return current.revision, nil, nil // nothing to wait for
	}
	number, err := apply(g.tx, current, writer)
	if err != nil {
		q.abandon(fmt.Errorf("write %s: %w", s.path, err))
		return 0, nil, g.err
	}
	g.size++
	return number, g, nil
}

// commit makes the group durable, or fails it and the store with it: after a
// failed write or fsync nobody knows what the disk holds, and trying again
// could report success over lost pages.
func (q *queue) commit(s *Store) {
	g := q.group
	if g.size == 0 {
		q.group = nil
		_ = g.tx.Rollback() // nothing was written
		return
	}
	g.err = fmt.Errorf("write %s: %w", s.path, store.ErrBroken) // holds if Commit panics
	q.broken = g.err
	defer func() {
		if q.broken != nil {
			q.fault.Store(&q.broken)
		}
		q.group = nil
		close(g.done)
	}()
	number := g.tx.ID()
	err := g.tx.Commit()
	switch {
	case err == nil:
		g.err, q.broken = nil, nil
		if g.full == nil {
			s.room.trouble.Store(nil)
		}
	case refusedWrite(err) && s.stands(number-1):
		g.err, q.broken = fmt.Errorf("write %s: %w", s.path, s.room.refuse(err)), nil
	default:
		g.err = fmt.Errorf("write %s: %w: %w", s.path, store.ErrBroken, err)
		q.broken = g.err
	}
}

// stands reports whether the file is still as the transaction of bbolt with this
// number left it: bbolt writes all pages elsewhere before the one that counts.
func (s *Store) stands(number int) bool {
	tx, err := s.db.Begin(false)
	if err != nil {
		return false
	}
	defer func() { _ = tx.Rollback() }()
	return tx.ID() == number
}

// abandon fails every member of the group; the file is as it was.
func (q *queue) abandon(err error) {
	g := q.group
	q.group = nil
	g.err = err
	_ = g.tx.Rollback()
	close(g.done)
}
