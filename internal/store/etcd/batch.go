package etcd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// grace is how long a large update may stand still before somebody else than
// its writer carries it on.
const grace = time.Second

// progress is the value of the key pending: a batch of changes in chunks, and
// how many of them have been made.
type progress struct {
	ref  setRef
	done uint64
}

func (p progress) encode() []byte { return binary.BigEndian.AppendUint64(p.ref.encode(), p.done) }

func decodeProgress(value []byte) (p progress, err error) {
	if len(value) < 8 {
		return p, fmt.Errorf("%w: key pending", store.ErrCorrupt)
	}
	split := len(value) - 8
	_, ref, err := decodeValue(value[:split])
	if err != nil || ref == nil {
		return p, fmt.Errorf("%w: key pending", store.ErrCorrupt)
	}
	return progress{ref: *ref, done: binary.BigEndian.Uint64(value[split:])}, nil
}

// commitBatch decides an update that is too large for one transaction and then
// carries it out.
func (u *update) commitBatch(ctx context.Context) error {
	data := encodeBatch(u.s.keys, u.changes)
	if len(data) > maxSet {
		return fmt.Errorf("%w: an update of %d bytes, at most %d: split it", store.ErrInvalid, len(data), maxSet)
	}
	staged, err := u.s.stage(ctx, u.s.keys.pending(), data)
	u.sets = append(u.sets, staged)
	if err != nil {
		return err
	}
	begun := progress{ref: setRef{id: staged.id, length: uint64(len(data))}}
	if err := u.send(ctx, []change{{key: u.s.keys.pending(), value: begun.encode()}}); err != nil {
		return err
	}
	work := &batch{s: u.s, id: staged.id, own: true, changes: u.changes}
	if err := work.carryOut(ctx); err != nil {
		return fmt.Errorf("%w: it is decided, and will be carried out when etcd answers: %s", store.ErrInDoubt, err.Error())
	}
	return nil
}

// settle returns when no large update is pending; own is the set of one that
// this process may carry on at once, or nil.
func (s *Store) settle(ctx context.Context, own *setID) error {
	for {
		kv, p, err := s.pending(ctx)
		if err != nil || kv == nil {
			return err
		}
		work := &batch{s: s, id: p.ref.id, own: own != nil && *own == p.ref.id}
		if err := work.carryOut(ctx); err != nil {
			return fmt.Errorf("carry out the update that another process left half done: %w", err)
		}
	}
}

// pending reads the key pending; kv is nil if it is not there.
func (s *Store) pending(ctx context.Context) (kv *mvccpb.KeyValue, p progress, err error) {
	var got *clientv3.GetResponse
	err = s.insist(ctx, func(ctx context.Context) (err error) {
		got, err = s.kv.Get(ctx, s.keys.pending())
		return err
	})
	if err != nil || len(got.Kvs) == 0 {
		return nil, p, err
	}
	p, err = decodeProgress(got.Kvs[0].Value)
	return got.Kvs[0], p, err
}

// batch carries out one large update, alone or in turn with others: each step
// compares that the key pending is as it was read.
type batch struct {
	s       *Store
	id      setID
	own     bool // does not wait for anybody
	changes []change

	lastMod int64 // progress seen, and when
	lastAt  time.Time
	failure error // of the last step that nobody answered
	halved  int   // how often steps were too large for this etcd
}

// carryOut returns nil once the update is done, by whomever.
func (b *batch) carryOut(ctx context.Context) error {
	for {
		kv, p, err := b.s.pending(ctx)
		if err != nil {
			return err
		}
		if kv == nil || p.ref.id != b.id {
			return nil
		}
		idle := b.idle(kv)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case b.failure != nil && idle > b.s.patience:
			return b.failure
		case !b.own && idle < grace:
			sleep(ctx, 20*time.Millisecond)
			continue
		case b.failure != nil:
			sleep(ctx, 100*time.Millisecond)
		}
		if err := b.steps(ctx, kv, p); err != nil {
			return err
		}
	}
}

// idle is how long this process has seen no progress.
func (b *batch) idle(kv *mvccpb.KeyValue) time.Duration {
	if kv.ModRevision != b.lastMod {
		b.lastMod, b.lastAt, b.failure = kv.ModRevision, time.Now(), nil
	}
	return time.Since(b.lastAt)
}

// steps makes one transaction after another until the batch is done or somebody
// else has made one.
func (b *batch) steps(ctx context.Context, kv *mvccpb.KeyValue, p progress) error {
	if err := b.load(ctx, kv, p); err != nil {
		return err
	}
	for mod := kv.ModRevision; ; {
		if p.done > uint64(len(b.changes)) {
			return fmt.Errorf("%w: key pending is beyond its batch", store.ErrCorrupt)
		}
		n := stepSize(b.changes[p.done:], opLimit>>b.halved, byteLimit>>b.halved)
		ops := operations(b.changes[p.done : p.done+uint64(n)])
		p.done += uint64(n)
		last := p.done == uint64(len(b.changes))
		if last {
			ops = append(append(ops, clientv3.OpDelete(b.s.keys.pending())), b.s.removal(b.id)...)
		} else {
			ops = append(ops, clientv3.OpPut(b.s.keys.pending(), string(p.encode())))
		}
		next, err := b.step(ctx, mod, ops)
		if err != nil || last || next == 0 {
			return err
		}
		mod = next
	}
}

// step makes one transaction; next is the new revision of the key pending, or 0
// if the transaction was not made or nobody knows: then look again. Made twice,
// it does no harm.
func (b *batch) step(ctx context.Context, mod int64, ops []clientv3.Op) (next int64, err error) {
	var got *clientv3.TxnResponse
	err = b.s.once(ctx, func(ctx context.Context) (err error) {
		got, err = b.s.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(b.s.keys.pending()), "=", mod)).Then(ops...).Commit()
		return err
	})
	switch {
	case err == nil && got.Succeeded:
		return got.Header.Revision, nil
	case err == nil:
		return 0, nil
	case passing(err):
		b.failure = err
		return 0, nil
	case errors.Is(err, rpctypes.ErrTooManyOps) || errors.Is(err, rpctypes.ErrRequestTooLarge):
		// It is decided, so it must go on, with whatever this etcd takes.
		if b.halved++; opLimit>>b.halved > 0 {
			return 0, nil
		}
	}
	return 0, explained(err)
}

// load reads the batch if this process did not write it.
func (b *batch) load(ctx context.Context, kv *mvccpb.KeyValue, p progress) error {
	if b.changes != nil {
		return nil
	}
	at := &state{ctx: ctx, s: b.s, at: kv.ModRevision}
	data, err := at.assemble(p.ref)
	if err != nil {
		return err
	}
	b.changes, err = decodeBatch(b.s.keys, data)
	return err
}

// stepSize is how many of the changes fit into one transaction, at least one.
func stepSize(changes []change, ops, bytes int) int {
	size := 0
	for n, c := range changes {
		if size += c.size(); n > 0 && (n >= ops || size > bytes) {
			return n
		}
	}
	return len(changes)
}
