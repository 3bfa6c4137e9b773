// Package etcd keeps a store in an etcd v3 cluster, for services on several
// machines. Every key begins with the store's prefix:
//
//	meta                  "gatehouse-store 1 " and the lineage; made once, by whoever comes first
//	revision              the number, 8 bytes, big endian
//	record/NAMESPACE/KEY  a record
//	journal/NUMBER        an entry; 8 bytes, big endian
//	removed/NAMESPACE     touched when a record of the namespace is removed
//	lane/STORE/N          the last transaction that a writer sent
//	chunk/SET/N, set/SET  a value too large for one request, and what refers to it
//	pending               an update too large for one transaction, while it is carried out
//
// A transaction reads everything at one revision of etcd. An update keeps its
// writes to itself and remembers what it read; one transaction of etcd then
// compares that none of it has changed, and writes. If something has, the
// function runs again on the newer state.
//
// A range compared in etcd does not show that a key of it was removed. Every
// removal therefore touches removed/NAMESPACE, and who scanned compares that too.
//
// Each transaction writes its random token to a lane, a key that one update at
// a time uses, and compares the lane's revision. When the answer is lost, a second
// transaction (the fence) writes to the lane under the same comparison: if it
// goes through, the first can never be made any more, however late it arrives;
// if not, the lane holds the token and the first was made. An update is thus
// never made twice and never acknowledged by mistake. Only when etcd answers
// nothing at all until patience runs out does Update return store.ErrInDoubt.
//
// A value above 256 KiB lies in chunks, put before the transaction under a name
// that nothing refers to. An update of more than about a hundred records is
// written as one such value; the transaction then only sets pending. From then
// on the update is decided: its writer, or whoever comes by when the writer has
// died, carries it out in steps and removes pending with the last one. Until
// then nobody else can commit, and views see the state before it.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/backend"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var _ store.Store = (*Store)(nil)

// Store is a store.Store in etcd. Several processes may have the same one open.
type Store struct {
	client   *clientv3.Client
	kv       clientv3.KV
	keys     layout
	log      *slog.Logger
	patience time.Duration
	bell     *backend.Bell
	lanes    lanes
	trouble  atomic.Pointer[error]

	// turn is held by an update that has lost once, until it is through: of
	// many that want the same record in one process, one at a time tries.
	turn chan struct{}

	life       backend.Life
	stop       context.CancelFunc
	background sync.WaitGroup
}

// String names the store: its prefix and where it is. No password is in it.
func (s *Store) String() string {
	return fmt.Sprintf("etcd %s at %v", string(s.keys), s.client.Endpoints())
}

// Trouble is what the last call met with if no member took it; nil after any
// success.
func (s *Store) Trouble() error {
	if err := s.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// View implements store.Store. It fails if no majority of the cluster answers;
// what it reads is never older than what was acknowledged before it began.
func (s *Store) View(ctx context.Context, fn func(store.ReadTx) error) error {
	if err := s.life.Enter(ctx); err != nil {
		return err
	}
	defer s.life.Leave()
	current, err := s.beginView(ctx)
	if err != nil {
		return s.named(ctx, "read", err)
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
	number, err := s.update(ctx, fn)
	if err != nil {
		return 0, err
	}
	s.bell.Ring(number)
	return number, nil
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
	s.stop()
	s.background.Wait()
	s.dropLanes()
	if err := s.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close store in %s: %w", s, err)
	}
	return nil
}

// named adds the place to an error, unless it is the caller's own context.
func (s *Store) named(ctx context.Context, verb string, err error) error {
	if own := ctx.Err(); own != nil && errors.Is(err, own) {
		return own
	}
	return fmt.Errorf("%s store in %s: %w", verb, s, err)
}
