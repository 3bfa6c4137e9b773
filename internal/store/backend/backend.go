// Package backend holds what every back end of a store does alike: checking
// arguments, remembering the first failed read, buffering the writes of an
// update until its function returns, and waking those that watch.
//
// A back end offers one consistent state as a State, wraps it in a Reader or
// Writer for the function it runs, and on success applies Writer.Changes.
package backend

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// State is one consistent state of a back end. Arguments are already checked.
// Values handed out may be borrowed: the Reader copies them.
type State interface {
	Lineage() store.Lineage
	Revision() uint64
	Get(namespace, key string) ([]byte, bool, error)
	// Scan calls yield for each key with the prefix, not less than from, in
	// ascending order, until yield returns false.
	Scan(namespace, prefix, from string, yield func(string, []byte) bool) error
	// Journal calls yield as store.ReadTx.Journal describes.
	Journal(from, to uint64, yield func(uint64, []byte) bool) error
}

// checkEvery is how many records a scan yields between two looks at the context.
const checkEvery = 256

var _ store.ReadTx = (*Reader)(nil)

// Reader is the store.ReadTx over a State.
type Reader struct {
	ctx   context.Context
	state State
	err   error
	done  bool
}

// NewReader returns a reader that gives up when ctx is done.
func NewReader(ctx context.Context, state State) *Reader {
	return &Reader{ctx: ctx, state: state}
}

// End forbids further use and returns the first error of a read or write.
func (r *Reader) End() error {
	r.done = true
	return r.err
}

// Outcome ends the transaction after its function returned err. It prefers the
// transaction's own error, of which the function's is as a rule a consequence.
func (r *Reader) Outcome(err error) error {
	if own := r.End(); own != nil {
		return own
	}
	return err
}

// Lineage implements store.ReadTx.
func (r *Reader) Lineage() store.Lineage { r.mustLive(); return r.state.Lineage() }

// Revision implements store.ReadTx.
func (r *Reader) Revision() uint64 { r.mustLive(); return r.state.Revision() }

// Get implements store.ReadTx.
func (r *Reader) Get(namespace, key string) ([]byte, bool) {
	if !r.usable() || !r.valid(namespace, key) {
		return nil, false
	}
	value, ok, err := r.state.Get(namespace, key)
	if err != nil {
		r.fail(fmt.Errorf("read %s %q: %w", namespace, key, err))
		return nil, false
	}
	return clone(value, ok), ok
}

// Scan implements store.ReadTx.
func (r *Reader) Scan(namespace, prefix, from string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		if !r.usable() || !r.validScan(namespace, prefix, from) {
			return
		}
		err := r.state.Scan(namespace, prefix, from, r.watchful(yield))
		if err != nil {
			r.fail(fmt.Errorf("scan %s from %q: %w", namespace, from, err))
		}
	}
}

// watchful copies each value for yield and stops the scan once ctx is done.
func (r *Reader) watchful(yield func(string, []byte) bool) func(string, []byte) bool {
	n := 0
	return func(key string, value []byte) bool {
		if n++; n%checkEvery == 0 && !r.usable() {
			return false
		}
		return yield(key, clone(value, true))
	}
}

// Journal implements store.ReadTx.
func (r *Reader) Journal(from, to uint64) iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		if !r.usable() {
			return
		}
		n := 0
		err := r.state.Journal(from, to, func(number uint64, entry []byte) bool {
			if n++; n%checkEvery == 0 && !r.usable() {
				return false
			}
			return yield(number, clone(entry, true))
		})
		if err != nil {
			r.fail(fmt.Errorf("read journal %d to %d: %w", from, to, err))
		}
	}
}

func (r *Reader) mustLive() {
	if r.done {
		// A back end that maps its file would read freed memory here.
		panic("store: transaction used after its function returned")
	}
}

// usable reports whether reads may go on, and turns a context that is done into
// the transaction's error.
func (r *Reader) usable() bool {
	r.mustLive()
	if r.err == nil {
		r.err = r.ctx.Err()
	}
	return r.err == nil
}

func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *Reader) invalid(format string, args ...any) bool {
	r.fail(fmt.Errorf("%w: %s", store.ErrInvalid, fmt.Sprintf(format, args...)))
	return false
}

func (r *Reader) valid(namespace, key string) bool {
	if key == "" || len(key) > store.MaxKey {
		return r.invalid("key of %d bytes in %s: want 1 to %d", len(key), namespace, store.MaxKey)
	}
	return r.validNamespace(namespace)
}

func (r *Reader) validScan(namespace, prefix, from string) bool {
	if len(prefix) > store.MaxKey || len(from) > store.MaxKey {
		return r.invalid("scan of %s: prefix or start longer than %d bytes", namespace, store.MaxKey)
	}
	return r.validNamespace(namespace)
}

func (r *Reader) validNamespace(namespace string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-"
	if namespace == "" || len(namespace) > store.MaxNamespace || strings.Trim(namespace, letters) != "" {
		return r.invalid("namespace %q: want 1 to %d of a-z, 0-9 and -", namespace, store.MaxNamespace)
	}
	return true
}

// clone copies a value, so that what callers keep or change is theirs. An empty
// value is not nil: it exists.
func clone(value []byte, ok bool) []byte {
	if !ok {
		return nil
	}
	return append(make([]byte, 0, len(value)), value...)
}
