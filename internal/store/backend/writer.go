package backend

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

var _ store.WriteTx = (*Writer)(nil)

// Writer is the store.WriteTx over a State. It keeps every write to itself, so
// that dropping it undoes the update.
type Writer struct {
	Reader
	changes map[string]map[string]write
	entry   []byte
	append  bool
}

type write struct {
	value   []byte
	deleted bool
}

// NewWriter returns a writer over state.
func NewWriter(ctx context.Context, state State) *Writer {
	w := &Writer{changes: map[string]map[string]write{}}
	w.Reader = Reader{ctx: ctx, state: merged{State: state, writer: w}}
	return w
}

// Put implements store.WriteTx.
func (w *Writer) Put(namespace, key string, value []byte) {
	if !w.usable() || !w.valid(namespace, key) {
		return
	}
	if len(value) > store.MaxValue {
		w.invalid("value of %d bytes in %s: at most %d", len(value), namespace, store.MaxValue)
		return
	}
	w.set(namespace, key, write{value: clone(value, true)})
}

// Delete implements store.WriteTx.
func (w *Writer) Delete(namespace, key string) {
	if w.usable() && w.valid(namespace, key) {
		w.set(namespace, key, write{deleted: true})
	}
}

// Append implements store.WriteTx.
func (w *Writer) Append(entry []byte) {
	switch {
	case !w.usable():
	case w.append:
		w.invalid("a second journal entry in one update")
	case len(entry) > store.MaxValue:
		w.invalid("journal entry of %d bytes: at most %d", len(entry), store.MaxValue)
	default:
		w.entry, w.append = clone(entry, true), true
	}
}

// Entry returns the journal entry appended, and whether there is one.
func (w *Writer) Entry() ([]byte, bool) { return w.entry, w.append }

// Changes calls put or remove for each record written, in order of namespace
// and key, until one of them fails.
func (w *Writer) Changes(put func(namespace, key string, value []byte) error, remove func(namespace, key string) error) error {
	for _, namespace := range slices.Sorted(maps.Keys(w.changes)) {
		records := w.changes[namespace]
		for _, key := range slices.Sorted(maps.Keys(records)) {
			if err := one(namespace, key, records[key], put, remove); err != nil {
				return err
			}
		}
	}
	return nil
}

func one(namespace, key string, wr write, put func(string, string, []byte) error, remove func(string, string) error) error {
	if wr.deleted {
		return remove(namespace, key)
	}
	return put(namespace, key, wr.value)
}

// Empty reports whether the update changed nothing at all.
func (w *Writer) Empty() bool { return !w.append && len(w.changes) == 0 }

func (w *Writer) set(namespace, key string, wr write) {
	if w.changes[namespace] == nil {
		w.changes[namespace] = map[string]write{}
	}
	w.changes[namespace][key] = wr
}

// merged is a State with the writes of an update laid over it.
type merged struct {
	State
	writer *Writer
}

func (m merged) Get(namespace, key string) ([]byte, bool, error) {
	if wr, ok := m.writer.changes[namespace][key]; ok {
		return wr.value, !wr.deleted, nil
	}
	return m.State.Get(namespace, key)
}

// Scan weaves the writes, as they stand now, into the scan of the state below.
func (m merged) Scan(namespace, prefix, from string, yield func(string, []byte) bool) error {
	records := maps.Clone(m.writer.changes[namespace])
	keys := matching(records, prefix, from)
	stopped := false
	before := func(limit string, last bool) bool { // yields own writes below limit
		for len(keys) > 0 && !stopped && (last || keys[0] < limit) {
			key := keys[0]
			keys = keys[1:]
			if wr := records[key]; !wr.deleted {
				stopped = !yield(key, wr.value)
			}
		}
		return !stopped
	}
	err := m.State.Scan(namespace, prefix, from, func(key string, value []byte) bool {
		if !before(key, false) {
			return false
		}
		if _, ok := records[key]; ok {
			return true // its turn comes from keys
		}
		stopped = !yield(key, value)
		return !stopped
	})
	if err == nil {
		before("", true)
	}
	return err
}

func matching(records map[string]write, prefix, from string) []string {
	var keys []string
	for key := range records {
		if strings.HasPrefix(key, prefix) && key >= from {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
