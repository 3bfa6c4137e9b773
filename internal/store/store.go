// Package store is the contract for keeping state: records, revisions and a
// journal, changed together in one transaction and watched from outside.
//
// A store holds records, each a namespace, a key and a value of bytes. Beside
// them it counts revisions: the number grows by exactly one with every update
// that appends a journal entry, and the entry is kept under that number for
// good. An update that appends nothing is quiet: leases, jobs and the
// bookkeeping of followers change records without making a revision.
//
// Keys are binary strings in lexicographic order of their bytes. Every
// transaction sees one consistent state; updates happen one after another, and
// Update returns only when its outcome is on stable storage, so an acknowledged
// update survives SIGKILL and power loss, and an unacknowledged one is wholly
// there or wholly absent.
//
// The lineage names the history the numbers belong to. It is 128 random bits
// made when the store is created: equal numbers of two lineages mean nothing to
// each other.
//
// Back ends: store/bolt (one file, one machine), store/etcd (several machines)
// and store/mem (tests). Each passes storetest. The contract asks for nothing
// that etcd v3 could not give: writes are buffered until the function returns,
// reads are gets and ordered scans of a prefix, and the function may be run
// again after a conflict.
package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
)

// Limits on what a record may be. A back end whose transport takes less per
// message splits what it gets.
const (
	MaxNamespace = 64        // bytes of a namespace
	MaxKey       = 4 << 10   // bytes of a key
	MaxValue     = 128 << 20 // bytes of a value or of a journal entry
)

// Errors that callers tell apart with errors.Is. What a back end returns names
// the place (the file) and the cause around them.
var (
	// ErrClosed: the store has been closed.
	ErrClosed = errors.New("store is closed")
	// ErrBroken: a commit failed for a reason such as EIO or ENOSPC. What it
	// left on disk is unknown, so the store takes no update until it is opened
	// again; it goes on answering View. The failed update, never acknowledged,
	// may show in those answers.
	ErrBroken = errors.New("store takes no more updates until it is opened again")
	// ErrFull: the disk has no room for the update, of which nothing was made.
	// The store goes on; urgent updates (see Urgent) may still find room.
	ErrFull = errors.New("no room on the disk")
	// ErrInDoubt: the store is on other machines, and they ceased to answer in
	// the middle of a commit. The update was made or will be, wholly, or never
	// will: nobody can say which. Look before trying again. The store itself
	// goes on.
	ErrInDoubt = errors.New("nobody knows whether the update was made")
	// ErrAway: the store is on other machines, and none of them answers, or not
	// enough of them. Nothing was changed.
	ErrAway = errors.New("the store does not answer")
	// ErrInUse: another process holds the store.
	ErrInUse = errors.New("store is in use by another process")
	// ErrNewer: a newer Gatehouse wrote this store.
	ErrNewer = errors.New("store was written in a newer format than this program knows")
	// ErrForeign: the file is something else than a store.
	ErrForeign = errors.New("not a Gatehouse store")
	// ErrCorrupt: the file is a store, or was one, but cannot be read.
	ErrCorrupt = errors.New("store is damaged")
	// ErrInvalid: a namespace, key, value or journal entry breaks the rules of
	// this package. It is a mistake of the caller.
	ErrInvalid = errors.New("invalid store operation")
)

// Urgent marks the updates of a context as those for which space was put aside:
// what takes access away and must go on when the disk is full, such as a ban or
// the end of a job. It is no order of precedence.
func Urgent(ctx context.Context) context.Context { return context.WithValue(ctx, urgent{}, true) }

// IsUrgent reports whether Urgent marked a context.
func IsUrgent(ctx context.Context) bool { return ctx.Value(urgent{}) != nil }

type urgent struct{}

// Store keeps records, a revision number and a journal.
//
// It is safe for concurrent use. A function given to View or Update must not
// call the same store again: back ends may wait for the transaction to end.
type Store interface {
	// View runs fn on one consistent state. It returns the error of fn, or the
	// first error of a read that fn made, whichever fn returned.
	View(ctx context.Context, fn func(ReadTx) error) error

	// Update runs fn and, if fn returns nil, makes everything it wrote durable
	// at once. It returns the revision number that holds afterwards: a new one,
	// one higher, if fn appended a journal entry, else the one fn saw. If fn
	// fails or panics, or ctx is done before fn has run, nothing has changed
	// and the number is 0.
	//
	// fn may be run more than once; it must not block on anything but its
	// transaction, and must have no effect outside it that a second run spoils.
	// After fn has returned, Update no longer obeys ctx: a caller is never left
	// in doubt by its own cancellation.
	Update(ctx context.Context, fn func(WriteTx) error) (uint64, error)

	// Watch waits until the revision number is greater than after and returns
	// it. Quiet updates do not wake it. It returns ctx.Err() when ctx is done
	// and ErrClosed when the store is closed.
	Watch(ctx context.Context, after uint64) (uint64, error)

	// Close ends the store: waits for running transactions, wakes every Watch.
	// Further calls of it return nil, of anything else ErrClosed.
	Close() error
}

// ReadTx reads one consistent state. Its values are copies and stay valid; the
// transaction itself must not be used after its function has returned.
//
// Reads return no error. One that fails yields nothing, as does every one after
// it, and makes View or Update fail with that error, so fn may go on without
// harm, provided that it hands out its findings only by way of View's nil.
type ReadTx interface {
	// Lineage is the history that revision numbers belong to.
	Lineage() Lineage
	// Revision is the number of the last revision, 0 before the first one.
	// Inside an update it does not yet count that update.
	Revision() uint64
	// Get returns the value under a key and whether there is one.
	Get(namespace, key string) ([]byte, bool)
	// Scan yields the keys that begin with prefix and are not less than from,
	// in ascending order, with their values. Both may be empty. A loop does not
	// see what its own body writes.
	Scan(namespace, prefix, from string) iter.Seq2[string, []byte]
	// Journal yields the entries numbered from … to, both included, skipping
	// numbers that do not exist; newest first if from is greater than to.
	Journal(from, to uint64) iter.Seq2[uint64, []byte]
}

// WriteTx reads as ReadTx does, its own writes included, and writes. A write
// that breaks the rules of this package fails the whole Update with ErrInvalid.
type WriteTx interface {
	ReadTx
	// Put sets the value under a key. The key must not be empty.
	Put(namespace, key string, value []byte)
	// Delete removes a key; a missing one is no error.
	Delete(namespace, key string)
	// Append makes this update the revision Revision()+1 and stores entry in
	// the journal under that number. At most once per update.
	Append(entry []byte)
}

// Lineage names the history that revision numbers belong to.
type Lineage [16]byte

// String is the lineage in 32 lower-case hexadecimal digits.
func (l Lineage) String() string { return hex.EncodeToString(l[:]) }

// ParseLineage reads what String wrote.
func ParseLineage(text string) (Lineage, error) {
	var l Lineage
	if len(text) != hex.EncodedLen(len(l)) {
		return Lineage{}, fmt.Errorf("lineage %q: want %d hexadecimal digits", text, hex.EncodedLen(len(l)))
	}
	if _, err := hex.Decode(l[:], []byte(text)); err != nil {
		return Lineage{}, fmt.Errorf("lineage %q: %w", text, err)
	}
	return l, nil
}
