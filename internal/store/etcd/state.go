package etcd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/backend"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var _ backend.State = (*state)(nil)

// state is the store as it was at one revision of etcd.
type state struct {
	ctx     context.Context
	s       *Store
	at      int64 // revision of etcd
	lineage store.Lineage
	metaMod int64
	number  uint64
	numMod  int64
	pending *mvccpb.KeyValue
	reads   *reads // what an update saw; nil in a view
}

// begin asks a majority of the cluster for the newest state.
func (s *Store) begin(ctx context.Context) (*state, error) {
	var got *clientv3.TxnResponse
	err := s.insist(ctx, func(ctx context.Context) (err error) {
		got, err = s.kv.Txn(ctx).Then(clientv3.OpGet(s.keys.meta()), clientv3.OpGet(s.keys.revision()), clientv3.OpGet(s.keys.pending())).Commit()
		return err
	})
	if err != nil {
		return nil, err
	}
	st := &state{ctx: ctx, s: s, at: got.Header.Revision}
	meta := only(got, 0)
	if meta == nil {
		// Everything under the prefix is gone; an empty answer would be a store
		// without a single ban.
		return nil, fmt.Errorf("%w: its key meta has vanished: restore a backup", store.ErrCorrupt)
	}
	st.metaMod = meta.ModRevision
	if st.lineage, err = parseMeta(meta.Value); err != nil {
		return nil, err
	}
	if number := only(got, 1); number != nil {
		st.numMod = number.ModRevision
		if st.number, err = parseNumber(number.Value); err != nil {
			return nil, err
		}
	}
	st.pending = only(got, 2)
	return st, nil
}

// only is the key that the i-th get of a transaction found, or nil.
func only(got *clientv3.TxnResponse, i int) *mvccpb.KeyValue {
	if kvs := got.Responses[i].GetResponseRange().Kvs; len(kvs) > 0 {
		return kvs[0]
	}
	return nil
}

// beginView returns the newest state, or, while a large update is being carried
// out, the one before that.
func (s *Store) beginView(ctx context.Context) (*state, error) {
	for {
		st, err := s.begin(ctx)
		if err != nil || st.pending == nil {
			return st, err
		}
		st.at = st.pending.CreateRevision - 1
		_, err = st.get(s.keys.meta()) // may be compacted if the writer has long died
		if !errors.Is(err, rpctypes.ErrCompacted) {
			return st, err
		}
		if err := s.settle(ctx, nil); err != nil {
			return nil, err
		}
	}
}

// beginUpdate returns the newest state, with no large update left half done.
func (s *Store) beginUpdate(ctx context.Context) (*state, error) {
	for {
		st, err := s.begin(ctx)
		if err != nil {
			return nil, err
		}
		if st.pending == nil {
			st.reads = newReads()
			return st, nil
		}
		if err := s.settle(ctx, nil); err != nil {
			return nil, err
		}
	}
}

func (st *state) Lineage() store.Lineage { return st.lineage }

func (st *state) Revision() uint64 {
	st.reads.sawNumber()
	return st.number
}

func (st *state) Get(namespace, key string) ([]byte, bool, error) {
	full := st.s.keys.record(namespace, key)
	kv, err := st.get(full)
	if err != nil {
		return nil, false, err
	}
	if kv == nil {
		st.reads.sawKey(namespace, full, 0)
		return nil, false, nil
	}
	st.reads.sawKey(namespace, full, kv.ModRevision)
	value, err := st.value(kv)
	return value, err == nil, err
}

func (st *state) Scan(namespace, prefix, from string, yield func(string, []byte) bool) error {
	dir := st.s.keys.records(namespace)
	start, end := dir+max(prefix, from), clientv3.GetPrefixRangeEnd(dir+prefix)
	if start >= end {
		return nil
	}
	seen := end // how far the function has looked
	err := st.walk(start, end, false, func(kv *mvccpb.KeyValue) (bool, error) {
		value, err := st.value(kv)
		if err != nil {
			return false, err
		}
		more := yield(strings.TrimPrefix(string(kv.Key), dir), value)
		if !more {
			seen = string(kv.Key) + "\x00"
		}
		return more, nil
	})
	st.reads.sawRange(namespace, start, seen)
	return err
}

func (st *state) Journal(from, to uint64, yield func(uint64, []byte) bool) error {
	newestFirst := from > to
	low, high := from, to
	if newestFirst {
		low, high = to, from
	}
	if high > st.number {
		st.reads.sawNumber() // older entries never change
		high = st.number
	}
	if low > high {
		return nil
	}
	return st.walk(st.s.keys.entry(low), st.s.keys.entry(high)+"\x00", newestFirst, func(kv *mvccpb.KeyValue) (bool, error) {
		number, err := st.s.keys.entryNumber(string(kv.Key))
		if err != nil {
			return false, err
		}
		entry, err := st.value(kv)
		return err == nil && yield(number, entry), err
	})
}

// The pages of a walk: how many keys the first one asks for, how many any may,
// and how many bytes one should not exceed by much.
const (
	firstPage   = 64
	largestPage = 1024
	pageBytes   = 4 << 20
)

// walk visits the keys in [start, end) at the state's revision.
func (st *state) walk(start, end string, descending bool, visit func(*mvccpb.KeyValue) (bool, error)) error {
	order := clientv3.SortAscend
	if descending {
		order = clientv3.SortDescend
	}
	for page := int64(firstPage); start < end; {
		got, err := st.read(start, clientv3.WithRange(end), clientv3.WithLimit(page), clientv3.WithSort(clientv3.SortByKey, order))
		if err != nil {
			return err
		}
		size := 0
		for _, kv := range got.Kvs {
			size += len(kv.Value)
			if more, err := visit(kv); err != nil || !more {
				return err
			}
		}
		if !got.More {
			return nil
		}
		last := string(got.Kvs[len(got.Kvs)-1].Key)
		if descending {
			end = last
		} else {
			start = last + "\x00"
		}
		page = nextPage(page, size)
	}
	return nil
}

func nextPage(page int64, size int) int64 {
	if size > pageBytes {
		return max(1, page*pageBytes/int64(size))
	}
	return min(2*page, largestPage)
}

// get reads one key, nil if it is not there.
func (st *state) get(key string) (*mvccpb.KeyValue, error) {
	got, err := st.read(key)
	if err != nil || len(got.Kvs) == 0 {
		return nil, err
	}
	return got.Kvs[0], nil
}

// read reads at the state's revision from whatever member is next: any that
// has the revision gives the same answer. One that lags refuses; then the
// cluster is asked.
func (st *state) read(key string, options ...clientv3.OpOption) (got *clientv3.GetResponse, err error) {
	options = append(options, clientv3.WithRev(st.at))
	local := append(options[:len(options):len(options)], clientv3.WithSerializable())
	ask := func(options []clientv3.OpOption) error {
		return st.s.insist(st.ctx, func(ctx context.Context) (err error) {
			got, err = st.s.kv.Get(ctx, key, options...)
			return err
		})
	}
	if err = ask(local); errors.Is(err, rpctypes.ErrFutureRev) {
		err = ask(options)
	}
	return got, err
}

// value is the value of a key, put together from its chunks if need be.
func (st *state) value(kv *mvccpb.KeyValue) ([]byte, error) {
	value, ref, err := decodeValue(kv.Value)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", kv.Key, err)
	}
	if ref == nil {
		return value, nil
	}
	return st.assemble(*ref)
}

// assemble reads the chunks of a set.
func (st *state) assemble(ref setRef) ([]byte, error) {
	var all bytes.Buffer
	all.Grow(int(ref.length))
	for n := 0; uint64(all.Len()) < ref.length; n++ {
		kv, err := st.get(st.s.keys.chunk(ref.id, n))
		if err != nil {
			return nil, err
		}
		if kv == nil || len(kv.Value) == 0 {
			return nil, fmt.Errorf("%w: chunk %d of %s is missing", store.ErrCorrupt, n, ref.id)
		}
		all.Write(kv.Value)
	}
	if uint64(all.Len()) != ref.length {
		return nil, fmt.Errorf("%w: the chunks of %s hold %d bytes, not %d", store.ErrCorrupt, ref.id, all.Len(), ref.length)
	}
	return all.Bytes(), nil
}
