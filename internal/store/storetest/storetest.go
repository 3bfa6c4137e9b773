// Package storetest is the suite that every back end of store passes.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t storetest.T) store.Store { return mem.New() })
//	}
//
// The suite must be able to fail: its own test runs it over stores with one
// planted fault each.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/stretchr/testify/require"
)

// T is what a case needs of *testing.T.
type T interface {
	require.TestingT
	Helper()
	Name() string
	TempDir() string
	Cleanup(func())
	Skip(args ...any)
}

// Reopener is a store that can be closed and opened again on the same data.
// Back ends that keep nothing do not have it.
type Reopener interface {
	store.Store
	Reopen(T) store.Store
}

// Case is one property of a store.
type Case struct {
	Name string
	run  func(*fixture)
}

// Check runs the case on a store that open makes.
func (c Case) Check(t T, open func(T) store.Store) {
	t.Helper()
	f := &fixture{T: t, store: open(t)}
	t.Cleanup(func() { _ = f.store.Close() })
	c.run(f)
}

// Run checks every case, each on a fresh store.
func Run(t *testing.T, open func(T) store.Store) {
	t.Helper()
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) { c.Check(t, open) })
	}
}

// Cases is the suite.
func Cases() []Case {
	return []Case{
		{"empty", empty},
		{"put get delete", putGetDelete},
		{"own writes are seen", ownWrites},
		{"values are copies", copies},
		{"binary keys and values", binaryKeys},
		{"invalid arguments", invalid},
		{"big values", bigValues},
		{"many records", manyRecords},
		{"scan order, prefix, start", scan},
		{"scan over own writes", scanMerged},
		{"scan stops", scanStops},
		{"error leaves nothing", errorLeavesNothing},
		{"panic leaves nothing", panicLeavesNothing},
		{"revision grows by one", revision},
		{"quiet updates", quiet},
		{"journal", journal},
		{"lineage", lineage},
		{"view is isolated", isolation},
		{"unwritten is unseen", uncommitted},
		{"concurrent writers", concurrentWriters},
		{"failing among writers", failingWriters},
		{"cancelled context", cancelled},
		{"watch wakes", watchWakes},
		{"watch ignores quiet", watchQuiet},
		{"watch wakes everybody", watchAll},
		{"watch context", watchContext},
		{"watch and close", watchClose},
		{"closed", closed},
		{"use after the end", useAfterEnd},
		{"reopen", reopen},
	}
}

// patience bounds every wait for something that must happen; moment is how long
// the suite looks for something that must not.
const (
	patience = 10 * time.Second
	moment   = 30 * time.Millisecond
)

// fixture is one store under test and short words for what is done to it.
type fixture struct {
	T
	store store.Store
}

func (f *fixture) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	f.Cleanup(cancel)
	return ctx
}

func (f *fixture) update(fn func(store.WriteTx)) uint64 {
	f.Helper()
	number, err := f.store.Update(f.ctx(), func(tx store.WriteTx) error { fn(tx); return nil })
	require.NoError(f, err)
	return number
}

func (f *fixture) view(fn func(store.ReadTx)) {
	f.Helper()
	require.NoError(f, f.store.View(f.ctx(), func(tx store.ReadTx) error { fn(tx); return nil }))
}

// put makes one revision with one record.
func (f *fixture) put(namespace, key, value string) uint64 {
	f.Helper()
	return f.update(func(tx store.WriteTx) {
		tx.Put(namespace, key, []byte(value))
		tx.Append([]byte(key + "=" + value))
	})
}

// all is everything a reader can see.
type all struct {
	Revision uint64
	Lineage  store.Lineage
	Records  map[string]string
	Journal  map[uint64]string
}

func (f *fixture) all(namespaces ...string) all {
	f.Helper()
	got := all{Records: map[string]string{}, Journal: map[uint64]string{}}
	f.view(func(tx store.ReadTx) {
		got.Revision, got.Lineage = tx.Revision(), tx.Lineage()
		for _, namespace := range namespaces {
			for key, value := range tx.Scan(namespace, "", "") {
				got.Records[namespace+"/"+key] = string(value)
			}
		}
		for n, entry := range tx.Journal(0, 1<<62) {
			got.Journal[n] = string(entry)
		}
	})
	return got
}

// keys collects the keys of a scan in the order in which they come.
func keys(tx store.ReadTx, namespace, prefix, from string) []string {
	var got []string
	for key := range tx.Scan(namespace, prefix, from) {
		got = append(got, key)
	}
	return got
}
