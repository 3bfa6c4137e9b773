package pap

import (
	"iter"
	"runtime"
	"sync"

	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// scan yields the records whose keys have a prefix, in order. They are decoded
// ahead, on every core: a service that starts reads all bans.
func (r *records) scan(space, prefix string) iter.Seq[change.Edit] {
	return func(yield func(change.Edit) bool) {
		ahead := &batch{}
		for next := range r.batches(space, prefix) {
			next.start()
			if !r.deliver(ahead, yield) {
				next.decoding.Wait()
				return
			}
			ahead = next
		}
		r.deliver(ahead, yield)
	}
}

// batch is some records on their way out of the store.
type batch struct {
	at       []ref
	values   [][]byte
	edits    []change.Edit // decoded
	errs     []error       // why one could not be
	decoding sync.WaitGroup
}

const (
	batchSize = 4096
	shareSize = 128 // what is worth a goroutine
)

// batches yields the records in batches, not decoded yet.
func (r *records) batches(space, prefix string) iter.Seq[*batch] {
	return func(yield func(*batch) bool) {
		b := &batch{}
		for key, value := range r.tx.Scan(space, prefix, "") {
			b.at, b.values = append(b.at, ref{space, key}), append(b.values, value)
			if len(b.at) == batchSize {
				if !yield(b) {
					return
				}
				b = &batch{}
			}
		}
		if len(b.at) > 0 {
			yield(b)
		}
	}
}

// start decodes the batch, in the background if it is large.
func (b *batch) start() {
	n := len(b.at)
	b.edits, b.errs = make([]change.Edit, n), make([]error, n)
	shares := min(runtime.GOMAXPROCS(0), 1+n/shareSize)
	if shares == 1 {
		b.decode(0, n)
		return
	}
	for i := range shares {
		b.decoding.Go(func() { b.decode(i*n/shares, (i+1)*n/shares) })
	}
}

func (b *batch) decode(from, to int) {
	for i := from; i < to; i++ {
		b.edits[i], b.errs[i] = b.at[i].stored(b.values[i])
	}
}

// deliver yields the records of a batch up to the first that cannot be decoded.
func (r *records) deliver(b *batch, yield func(change.Edit) bool) bool {
	b.decoding.Wait()
	for i, e := range b.edits {
		if b.errs[i] != nil {
			r.fail(b.errs[i])
			return false
		}
		if !yield(e) {
			return false
		}
	}
	return true
}
