// Package bolt keeps a store in one bbolt file, for one process at a time.
//
// The file holds three buckets:
//
//	meta     format (decimal), lineage (16 bytes), revision (8 bytes, big endian)
//	records  one bucket per namespace: key -> value
//	journal  revision (8 bytes, big endian) -> entry
//
// Updates run one after another, but those that arrive while another is being
// written share one transaction of bbolt and one fsync: eight writers cost
// little more than one. None of them returns before that fsync.
//
// With Options.Reserve the file owns blocks that it does not use yet, for urgent
// updates when the disk is full. A write that finds no room changes nothing; a
// failed fsync, after which nobody knows what the disk holds, ends all updates.
package bolt

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/backend"
	bbolt "go.etcd.io/bbolt"
)

var _ store.Store = (*Store)(nil)

// Store is a store.Store in a bbolt file.
type Store struct {
	path   string
	db     *bbolt.DB
	bell   *backend.Bell
	writes queue
	room   *room

	life backend.Life // bbolt waits for transactions too, but refuses new ones too late
}

// Path is the file of the store.
func (s *Store) Path() string { return s.path }

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(store.ReadTx) error) error {
	if err := s.life.Enter(ctx); err != nil {
		return err
	}
	defer s.life.Leave()
	tx, err := s.db.Begin(false)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	defer func() { _ = tx.Rollback() }() // ends a read; cannot fail
	current, err := newState(tx)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	reader := backend.NewReader(ctx, current)
	return reader.Outcome(fn(reader))
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	if err := s.life.Enter(ctx); err != nil {
		return 0, err
	}
	defer s.life.Leave()
	number, err := s.writes.run(ctx, s, fn)
	for range urgently {
		if !errors.Is(err, store.ErrFull) || !store.IsUrgent(ctx) {
			break
		}
		// Another update of its group was too large.
		number, err = s.writes.run(ctx, s, fn)
	}
	if err != nil {
		return 0, err
	}
	s.bell.Ring(number)
	return number, nil
}

// urgently is how often an urgent update is tried again that found no room.
const urgently = 3

// Trouble says why updates are refused: the store is broken, or there is no room
// but the reserve. nil if all is well, as of the last update.
func (s *Store) Trouble() error {
	if err := s.writes.fault.Load(); err != nil {
		return *err
	}
	if err := s.room.trouble.Load(); err != nil {
		return fmt.Errorf("%s: %w", s.path, *err)
	}
	return nil
}

// Watch implements store.Store.
func (s *Store) Watch(ctx context.Context, after uint64) (uint64, error) {
	return s.bell.Wait(ctx, after)
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.bell.Close()
	return s.life.End(s.disconnect)
}

// disconnect ends what is left when no transaction runs.
func (s *Store) disconnect() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close %s: %w", s.path, err)
	}
	return nil
}
