package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/backend"
	bbolt "go.etcd.io/bbolt"
)

var (
	bucketMeta    = []byte("meta")
	bucketRecords = []byte("records")
	bucketJournal = []byte("journal")

	keyFormat   = []byte("format")
	keyLineage  = []byte("lineage")
	keyRevision = []byte("revision")
)

var errNoBucket = fmt.Errorf("%w: a bucket is missing", store.ErrCorrupt)

var _ backend.State = (*state)(nil)

// state is what one bbolt transaction sees.
type state struct {
	tx       *bbolt.Tx
	records  *bbolt.Bucket // looked up once: it is on the way to every record
	lineage  store.Lineage
	revision uint64
}

func newState(tx *bbolt.Tx) (*state, error) {
	s := &state{tx: tx, records: tx.Bucket(bucketRecords)}
	meta := tx.Bucket(bucketMeta)
	if meta == nil || s.records == nil {
		return nil, errNoBucket
	}
	lineage, revision := meta.Get(keyLineage), meta.Get(keyRevision)
	if len(lineage) != len(s.lineage) || len(revision) != 8 {
		return nil, fmt.Errorf("%w: lineage or revision has the wrong length", store.ErrCorrupt)
	}
	copy(s.lineage[:], lineage)
	s.revision = binary.BigEndian.Uint64(revision)
	return s, nil
}

func (s *state) Lineage() store.Lineage { return s.lineage }
func (s *state) Revision() uint64       { return s.revision }

func (s *state) Get(namespace, key string) ([]byte, bool, error) {
	bucket := s.records.Bucket([]byte(namespace))
	if bucket == nil {
		return nil, false, nil
	}
	value := bucket.Get([]byte(key))
	return value, value != nil, nil
}

func (s *state) Scan(namespace, prefix, from string, yield func(string, []byte) bool) error {
	bucket := s.records.Bucket([]byte(namespace))
	if bucket == nil {
		return nil
	}
	cursor := bucket.Cursor()
	key, value := cursor.Seek([]byte(max(prefix, from)))
	for ; key != nil && bytes.HasPrefix(key, []byte(prefix)); key, value = cursor.Next() {
		if !yield(string(key), value) {
			break
		}
	}
	return nil
}

func (s *state) Journal(from, to uint64, yield func(uint64, []byte) bool) error {
	journal := s.tx.Bucket(bucketJournal)
	if journal == nil {
		return errNoBucket
	}
	cursor := journal.Cursor()
	if from <= to {
		key, entry := cursor.Seek(number(from))
		for ; key != nil && binary.BigEndian.Uint64(key) <= to && yield(binary.BigEndian.Uint64(key), entry); key, entry = cursor.Next() {
		}
		return nil
	}
	key, entry := seekLast(cursor, from)
	for ; key != nil && binary.BigEndian.Uint64(key) >= to && yield(binary.BigEndian.Uint64(key), entry); key, entry = cursor.Prev() {
	}
	return nil
}

// seekLast finds the last entry that is not above limit.
func seekLast(cursor *bbolt.Cursor, limit uint64) (key, entry []byte) {
	key, entry = cursor.Seek(number(limit))
	switch {
	case key == nil:
		return cursor.Last()
	case binary.BigEndian.Uint64(key) > limit:
		return cursor.Prev()
	}
	return key, entry
}

// apply carries what an update wrote into the transaction and returns the
// revision number that holds after it.
func apply(tx *bbolt.Tx, before *state, w *backend.Writer) (uint64, error) {
	records := tx.Bucket(bucketRecords)
	err := w.Changes(func(namespace, key string, value []byte) error {
		bucket, err := records.CreateBucketIfNotExists([]byte(namespace))
		if err != nil {
			return err
		}
		return bucket.Put([]byte(key), value)
	}, func(namespace, key string) error {
		if bucket := records.Bucket([]byte(namespace)); bucket != nil {
			return bucket.Delete([]byte(key))
		}
		return nil
	})
	entry, ok := w.Entry()
	if err != nil || !ok {
		return before.revision, err
	}
	next := before.revision + 1
	journal := tx.Bucket(bucketJournal)
	if journal == nil {
		return 0, errNoBucket
	}
	if err := journal.Put(number(next), entry); err != nil {
		return 0, err
	}
	return next, tx.Bucket(bucketMeta).Put(keyRevision, number(next))
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
