package storetest_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
	"github.com/gatehouse-authz/gatehouse/internal/store/storetest"
	"github.com/stretchr/testify/require"
)

// TestFaults plants one fault at a time in a good store and wants the suite to
// find it, in the case that is there for it.
func TestFaults(t *testing.T) {
	for _, fault := range []struct {
		name   string
		caught string // the case that must fail
		wrap   func(store.Store) store.Store
	}{
		{"keeps what a failed update wrote", "error leaves nothing", func(s store.Store) store.Store { return keepsFailed{s} }},
		{"keeps what a panicking update wrote", "panic leaves nothing", func(s store.Store) store.Store { return keepsPanicked{s} }},
		{"returns the number before", "revision grows by one", func(s store.Store) store.Store { return lateNumber{s} }},
		{"gives a failed update a number", "error leaves nothing", func(s store.Store) store.Store { return countsFailed{s} }},
		{"makes a revision of every update", "quiet updates", func(s store.Store) store.Store { return loud{s} }},
		{"loses the journal", "journal", func(s store.Store) store.Store { return txWrap{s, withoutJournal, nil} }},
		{"reads the journal in one direction", "journal", func(s store.Store) store.Store { return txWrap{s, oneWay, nil} }},
		{"scans from the start", "scan order, prefix, start", func(s store.Store) store.Store { return txWrap{s, fromStart, nil} }},
		{"scans backwards", "scan order, prefix, start", func(s store.Store) store.Store { return txWrap{s, backwards, nil} }},
		{"cuts values at 1 MiB", "big values", func(s store.Store) store.Store { return txWrap{s, nil, cut} }},
		{"keeps the caller's bytes", "values are copies", func(s store.Store) store.Store { return txWrap{s, shared(), nil} }},
		{"reads outside the transaction", "view is isolated", func(s store.Store) store.Store { return txWrap{s, current(s), nil} }},
		{"has two lineages", "lineage", func(s store.Store) store.Store { return txWrap{s, otherLineage(), nil} }},
		{"takes every key", "invalid arguments", func(s store.Store) store.Store { return txWrap{s, nil, lenient} }},
		{"updates without order", "concurrent writers", func(s store.Store) store.Store { return stale{s} }},
		{"does not look at the context", "cancelled context", func(s store.Store) store.Store { return deaf{s} }},
		{"wakes without cause", "watch wakes", func(s store.Store) store.Store { return nervous{s} }},
		{"wakes at quiet updates", "watch ignores quiet", func(s store.Store) store.Store { return &rousing{Store: s, bell: make(chan struct{}, 9)} }},
		{"wakes one of many", "watch wakes everybody", func(s store.Store) store.Store { return &selfish{Store: s} }},
		{"stays open", "closed", func(s store.Store) store.Store { return open{s} }},
		{"forgets when opened again", "reopen", func(s store.Store) store.Store { return forgetful{s} }},
	} {
		t.Run(fault.name, func(t *testing.T) {
			for _, c := range storetest.Cases() {
				if c.Name == fault.caught {
					require.True(t, fails(t, c, fault.wrap), "the suite does not notice")
					require.False(t, fails(t, c, func(s store.Store) store.Store { return s }), "the case fails on a good store")
					return
				}
			}
			require.Fail(t, "no such case", fault.caught)
		})
	}
}

// fails runs one case over a wrapped store and reports whether it failed.
func fails(t *testing.T, c storetest.Case, wrap func(store.Store) store.Store) bool {
	r := &recorder{name: t.Name(), dir: t.TempDir()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.end()
		defer func() {
			if cause := recover(); cause != nil {
				r.Errorf("panic: %v", cause)
			}
		}()
		c.Check(r, func(storetest.T) store.Store { return wrap(mem.New()) })
	}()
	<-done
	return r.failed
}

// recorder is a storetest.T that only remembers.
type recorder struct {
	name, dir string
	mu        sync.Mutex
	failed    bool
	cleanups  []func()
}

func (r *recorder) Errorf(string, ...any) { r.mu.Lock(); r.failed = true; r.mu.Unlock() }
func (r *recorder) FailNow()              { r.Errorf(""); runtime.Goexit() }
func (r *recorder) Skip(...any)           { runtime.Goexit() }
func (r *recorder) Helper()               {}
func (r *recorder) Name() string          { return r.name }
func (r *recorder) TempDir() string       { d, _ := os.MkdirTemp(r.dir, ""); return d }
func (r *recorder) Cleanup(fn func()) {
	r.mu.Lock()
	r.cleanups = append(r.cleanups, fn)
	r.mu.Unlock()
}
func (r *recorder) end() {
	for _, fn := range slices.Backward(r.cleanups) {
		fn()
	}
}

type keepsFailed struct{ store.Store }

func (s keepsFailed) Update(ctx context.Context, fn func(store.WriteTx) error) (n uint64, err error) {
	_, _ = s.Store.Update(ctx, func(tx store.WriteTx) error { err = fn(tx); return nil })
	return 0, err
}

type keepsPanicked struct{ store.Store }

func (s keepsPanicked) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	var cause any
	n, err := s.Store.Update(ctx, func(tx store.WriteTx) error {
		defer func() { cause = recover() }()
		return fn(tx)
	})
	if cause != nil {
		panic(cause)
	}
	return n, err
}

type lateNumber struct{ store.Store }

func (s lateNumber) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	n, err := s.Store.Update(ctx, fn)
	return max(n, 1) - 1, err
}

type countsFailed struct{ store.Store }

func (s countsFailed) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	n, err := s.Store.Update(ctx, fn)
	if err != nil {
		_, _ = s.Store.Update(ctx, func(tx store.WriteTx) error { tx.Append(nil); return nil })
	}
	return n, err
}

type loud struct{ store.Store }

func (s loud) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	return s.Store.Update(ctx, func(tx store.WriteTx) error {
		w := &appended{WriteTx: tx}
		err := fn(w)
		if !w.done {
			tx.Append(nil)
		}
		return err
	})
}

type appended struct {
	store.WriteTx
	done bool
}

func (a *appended) Append(entry []byte) { a.done = true; a.WriteTx.Append(entry) }

// txWrap hands transactions to functions that spoil them.
type txWrap struct {
	store.Store
	read  func(store.ReadTx) store.ReadTx
	write func(store.WriteTx) store.WriteTx
}

func (s txWrap) View(ctx context.Context, fn func(store.ReadTx) error) error {
	return s.Store.View(ctx, func(tx store.ReadTx) error {
		if s.read != nil {
			tx = s.read(tx)
		}
		return fn(tx)
	})
}

func (s txWrap) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	return s.Store.Update(ctx, func(tx store.WriteTx) error {
		if s.write != nil {
			tx = s.write(tx)
		}
		return fn(tx)
	})
}

type readTx struct {
	store.ReadTx
	get     func(namespace, key string) ([]byte, bool)
	scan    func(namespace, prefix, from string) iter.Seq2[string, []byte]
	journal func(from, to uint64) iter.Seq2[uint64, []byte]
	lineage func() store.Lineage
}

func (r readTx) Get(namespace, key string) ([]byte, bool) {
	if r.get != nil {
		return r.get(namespace, key)
	}
	return r.ReadTx.Get(namespace, key)
}

func (r readTx) Scan(namespace, prefix, from string) iter.Seq2[string, []byte] {
	if r.scan != nil {
		return r.scan(namespace, prefix, from)
	}
	return r.ReadTx.Scan(namespace, prefix, from)
}

func (r readTx) Journal(from, to uint64) iter.Seq2[uint64, []byte] {
	if r.journal != nil {
		return r.journal(from, to)
	}
	return r.ReadTx.Journal(from, to)
}

func (r readTx) Lineage() store.Lineage {
	if r.lineage != nil {
		return r.lineage()
	}
	return r.ReadTx.Lineage()
}

func withoutJournal(tx store.ReadTx) store.ReadTx {
	return readTx{ReadTx: tx, journal: func(uint64, uint64) iter.Seq2[uint64, []byte] {
		return func(func(uint64, []byte) bool) {}
	}}
}

func oneWay(tx store.ReadTx) store.ReadTx {
	return readTx{ReadTx: tx, journal: func(from, to uint64) iter.Seq2[uint64, []byte] {
		return tx.Journal(min(from, to), max(from, to))
	}}
}

func fromStart(tx store.ReadTx) store.ReadTx {
	return readTx{ReadTx: tx, scan: func(namespace, prefix, _ string) iter.Seq2[string, []byte] {
		return tx.Scan(namespace, prefix, "")
	}}
}

func backwards(tx store.ReadTx) store.ReadTx {
	return readTx{ReadTx: tx, scan: func(namespace, prefix, from string) iter.Seq2[string, []byte] {
		return func(yield func(string, []byte) bool) {
			var keys []string
			for key := range tx.Scan(namespace, prefix, from) {
				keys = append(keys, key)
			}
			for _, key := range slices.Backward(keys) {
				value, _ := tx.Get(namespace, key)
				if !yield(key, value) {
					return
				}
			}
		}
	}}
}

// shared hands out the same bytes twice.
func shared() func(store.ReadTx) store.ReadTx {
	handed := map[string][]byte{}
	return func(tx store.ReadTx) store.ReadTx {
		get := func(namespace, key string) ([]byte, bool) {
			value, ok := tx.Get(namespace, key)
			if old, again := handed[key]; again {
				return old, ok
			}
			handed[key] = value
			return value, ok
		}
		scan := func(namespace, prefix, from string) iter.Seq2[string, []byte] {
			return func(yield func(string, []byte) bool) {
				for key := range tx.Scan(namespace, prefix, from) {
					value, _ := get(namespace, key)
					if !yield(key, value) {
						return
					}
				}
			}
		}
		return readTx{ReadTx: tx, get: get, scan: scan}
	}
}

// current reads the state of now instead of that of the transaction.
func current(s store.Store) func(store.ReadTx) store.ReadTx {
	return func(tx store.ReadTx) store.ReadTx {
		return readTx{ReadTx: tx, get: func(namespace, key string) (value []byte, ok bool) {
			_ = s.View(context.Background(), func(now store.ReadTx) error {
				value, ok = now.Get(namespace, key)
				return nil
			})
			return value, ok
		}}
	}
}

func otherLineage() func(store.ReadTx) store.ReadTx {
	n := byte(0)
	return func(tx store.ReadTx) store.ReadTx {
		n++
		return readTx{ReadTx: tx, lineage: func() store.Lineage { return store.Lineage{n} }}
	}
}

func cut(tx store.WriteTx) store.WriteTx { return cutting{tx} }

type cutting struct{ store.WriteTx }

func (c cutting) Put(namespace, key string, value []byte) {
	c.WriteTx.Put(namespace, key, value[:min(len(value), 1<<20)])
}

func lenient(tx store.WriteTx) store.WriteTx { return ignoring{tx} }

type ignoring struct{ store.WriteTx }

func (i ignoring) Put(namespace, key string, value []byte) {
	if key != "" {
		i.WriteTx.Put(namespace, key, value)
	}
}

// stale runs the function on an old state and writes its result blindly.
type stale struct{ store.Store }

func (s stale) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	held := &holding{}
	if err := s.View(ctx, func(tx store.ReadTx) error { held.ReadTx = tx; return fn(held) }); err != nil {
		return 0, err
	}
	runtime.Gosched()
	return s.Store.Update(ctx, func(tx store.WriteTx) error {
		for _, write := range held.writes {
			write(tx)
		}
		return nil
	})
}

type holding struct {
	store.ReadTx
	writes []func(store.WriteTx)
}

func (h *holding) Put(namespace, key string, value []byte) {
	h.writes = append(h.writes, func(tx store.WriteTx) { tx.Put(namespace, key, value) })
}

func (h *holding) Delete(namespace, key string) {
	h.writes = append(h.writes, func(tx store.WriteTx) { tx.Delete(namespace, key) })
}

func (h *holding) Append(entry []byte) {
	h.writes = append(h.writes, func(tx store.WriteTx) { tx.Append(entry) })
}

type deaf struct{ store.Store }

func (s deaf) Update(_ context.Context, fn func(store.WriteTx) error) (uint64, error) {
	return s.Store.Update(context.Background(), fn)
}

type nervous struct{ store.Store }

func (s nervous) Watch(context.Context, uint64) (uint64, error) { return 0, nil }

// rousing wakes at every update.
type rousing struct {
	store.Store
	bell chan struct{}
}

func (s *rousing) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	defer func() { s.bell <- struct{}{} }()
	return s.Store.Update(ctx, fn)
}

func (s *rousing) Watch(ctx context.Context, after uint64) (uint64, error) {
	select {
	case <-s.bell:
	case <-ctx.Done():
	}
	return after + 1, ctx.Err()
}

// selfish lets only one Watch at a time see anything.
type selfish struct {
	store.Store
	mu sync.Mutex
}

func (s *selfish) Watch(ctx context.Context, after uint64) (uint64, error) {
	if !s.mu.TryLock() {
		return 0, fmt.Errorf("busy")
	}
	defer s.mu.Unlock()
	return s.Store.Watch(ctx, after)
}

type open struct{ store.Store }

func (open) Close() error { return nil }

type forgetful struct{ store.Store }

func (forgetful) Reopen(storetest.T) store.Store { return mem.New() }
