// Package mem is a store in memory, for tests: every transaction works on an
// immutable state, and an update replaces the tables it touches. An update
// costs time in proportion to the namespaces it writes.
package mem

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/backend"
)

var _ store.Store = (*Store)(nil)

// Store is a store.Store that is gone when the process ends.
type Store struct {
	updates sync.Mutex // one update at a time
	bell    *backend.Bell

	mu     sync.RWMutex
	state  *state
	closed bool
}

// New returns an empty store of a new lineage.
func New() *Store {
	s := &Store{bell: backend.NewBell(0), state: &state{tables: map[string][]record{}}}
	rand.Read(s.state.lineage[:]) // never fails: see crypto/rand
	return s
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(store.ReadTx) error) error {
	current, err := s.current(ctx)
	if err != nil {
		return err
	}
	reader := backend.NewReader(ctx, current)
	return reader.Outcome(fn(reader))
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	s.updates.Lock()
	defer s.updates.Unlock()
	current, err := s.current(ctx)
	if err != nil {
		return 0, err
	}
	writer := backend.NewWriter(ctx, current)
	if err := writer.Outcome(fn(writer)); err != nil {
		return 0, err
	}
	return s.install(current.with(writer))
}

// Watch implements store.Store.
func (s *Store) Watch(ctx context.Context, after uint64) (uint64, error) {
	return s.bell.Wait(ctx, after)
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.bell.Close()
	return nil
}

func (s *Store) current(ctx context.Context) (*state, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, store.ErrClosed
	}
	return s.state, ctx.Err()
}

func (s *Store) install(next *state) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, store.ErrClosed
	}
	s.state = next
	s.bell.Ring(next.Revision())
	return next.Revision(), nil
}

// state is immutable: tables and journal are replaced or grown, never changed.
type state struct {
	lineage store.Lineage
	tables  map[string][]record // sorted by key
	journal [][]byte            // entry of revision n at n-1
}

type record struct {
	key   string
	value []byte
}

func (s *state) Lineage() store.Lineage { return s.lineage }
func (s *state) Revision() uint64       { return uint64(len(s.journal)) }

func (s *state) Get(namespace, key string) ([]byte, bool, error) {
	table := s.tables[namespace]
	if i, ok := find(table, key); ok {
		return table[i].value, true, nil
	}
	return nil, false, nil
}

func (s *state) Scan(namespace, prefix, from string, yield func(string, []byte) bool) error {
	table := s.tables[namespace]
	i, _ := find(table, max(prefix, from))
	for ; i < len(table) && strings.HasPrefix(table[i].key, prefix); i++ {
		if !yield(table[i].key, table[i].value) {
			break
		}
	}
	return nil
}

func (s *state) Journal(from, to uint64, yield func(uint64, []byte) bool) error {
	last := s.Revision()
	if from <= to {
		for n := max(from, 1); n <= min(to, last) && yield(n, s.journal[n-1]); n++ {
		}
		return nil
	}
	for n := min(from, last); n >= max(to, 1) && yield(n, s.journal[n-1]); n-- {
	}
	return nil
}

// with returns the state after the writer's update.
func (s *state) with(w *backend.Writer) *state {
	next := &state{lineage: s.lineage, tables: map[string][]record{}, journal: s.journal}
	for namespace, table := range s.tables {
		next.tables[namespace] = table
	}
	fresh := map[string]bool{}
	own := func(namespace string) []record {
		if !fresh[namespace] {
			fresh[namespace] = true
			next.tables[namespace] = slices.Clone(next.tables[namespace])
		}
		return next.tables[namespace]
	}
	_ = w.Changes(func(namespace, key string, value []byte) error {
		next.tables[namespace] = put(own(namespace), record{key, value})
		return nil
	}, func(namespace, key string) error {
		next.tables[namespace] = remove(own(namespace), key)
		return nil
	}) // neither function fails
	if entry, ok := w.Entry(); ok {
		// Older states share the array but not the length, and each has one heir.
		next.journal = append(s.journal, entry)
	}
	return next
}

func find(table []record, key string) (int, bool) {
	return slices.BinarySearchFunc(table, key, func(r record, key string) int {
		return strings.Compare(r.key, key)
	})
}

func put(table []record, r record) []record {
	i, ok := find(table, r.key)
	if ok {
		table[i] = r
		return table
	}
	return slices.Insert(table, i, r)
}

func remove(table []record, key string) []record {
	if i, ok := find(table, key); ok {
		return slices.Delete(table, i, i+1)
	}
	return table
}
