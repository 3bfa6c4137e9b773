package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/backend"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// What one transaction may hold, with room below etcd's defaults of 128
// comparisons, 128 operations and 1.5 MiB.
const (
	compareLimit = 110
	opLimit      = 100
	byteLimit    = 1 << 20
)

var (
	// errConflict: the update was certainly not made, because something that it
	// read had changed.
	errConflict = errors.New("another update came first")
	// errUnmade: the update was certainly not made, because etcd did not take it.
	errUnmade = errors.New("the update was not made")
)

// unmadeLimit bounds how often an update that etcd did not take is sent anew.
const unmadeLimit = 5

// update runs fn until what it wrote is committed or refused.
func (s *Store) update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	l := s.lanes.take()
	defer s.lanes.give(l)
	turn := false
	defer func() {
		if turn {
			<-s.turn
		}
	}()
	unmade := 0
	for pause := firstPause; ; pause = min(2*pause, longestPause/5) {
		number, err := s.try(ctx, l, fn)
		switch {
		case errors.Is(err, errUnmade):
			if unmade++; unmade >= unmadeLimit {
				return 0, s.named(ctx, "write", err)
			}
			sleep(ctx, longestPause)
		case !errors.Is(err, errConflict):
			return number, err
		case turn:
			sleep(ctx, pause) // the rival is in another process
		default:
			if turn = s.takeTurn(ctx); !turn {
				return 0, ctx.Err()
			}
		}
	}
}

func (s *Store) takeTurn(ctx context.Context) bool {
	select {
	case s.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// try runs fn once on the newest state and commits what it wrote.
func (s *Store) try(ctx context.Context, l *lane, fn func(store.WriteTx) error) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	st, err := s.beginUpdate(ctx)
	if err != nil {
		return 0, s.named(ctx, "write", err)
	}
	writer := backend.NewWriter(ctx, st)
	if err := writer.Outcome(fn(writer)); err != nil {
		return 0, err
	}
	if writer.Empty() {
		return st.number, nil
	}
	u := &update{s: s, state: st, lane: l, number: st.number}
	// The caller's cancellation must not leave it in doubt.
	if err := u.commit(context.WithoutCancel(ctx), writer); err != nil {
		if errors.Is(err, errConflict) || errors.Is(err, errUnmade) {
			return 0, err
		}
		return 0, s.named(ctx, "write", err)
	}
	return u.number, nil
}

// update is one attempt to commit what a function wrote.
type update struct {
	s       *Store
	state   *state
	lane    *lane
	number  uint64 // the revision that holds afterwards
	changes []change
	sets    []*set // chunks put beforehand
}

func (u *update) commit(ctx context.Context, w *backend.Writer) (err error) {
	defer func() {
		if err != nil && !errors.Is(err, store.ErrInDoubt) {
			u.s.discard(ctx, u.sets)
		}
	}()
	if err := u.collect(ctx, w); err != nil {
		return err
	}
	size := 0
	for _, c := range u.changes {
		size += c.size()
	}
	if len(u.changes)+len(u.sets) > opLimit || size > byteLimit {
		return u.commitBatch(ctx)
	}
	return u.send(ctx, u.changes)
}

// collect turns what the function wrote into changes of keys, and puts values
// that are too large for a request into chunks.
func (u *update) collect(ctx context.Context, w *backend.Writer) error {
	removed := ""
	err := w.Changes(func(namespace, key string, value []byte) error {
		return u.put(ctx, u.s.keys.record(namespace, key), value)
	}, func(namespace, key string) error {
		if removed != namespace { // they come in order of namespace
			removed = namespace
			u.changes = append(u.changes, change{key: u.s.keys.removed(namespace), value: []byte{inline}})
		}
		u.changes = append(u.changes, change{key: u.s.keys.record(namespace, key), remove: true})
		return nil
	})
	if err != nil {
		return err
	}
	entry, ok := w.Entry()
	if !ok {
		return nil
	}
	u.state.reads.sawNumber()
	u.number++
	if err := u.put(ctx, u.s.keys.entry(u.number), entry); err != nil {
		return err
	}
	// Last, so that whoever is woken by it finds all the rest.
	u.changes = append(u.changes, change{key: u.s.keys.revision(), value: formatNumber(u.number)})
	return nil
}

func (u *update) put(ctx context.Context, key string, value []byte) error {
	if len(value) <= inlineLimit {
		u.changes = append(u.changes, change{key: key, value: encodeInline(value)})
		return nil
	}
	ref, err := u.stage(ctx, key, value)
	if err != nil {
		return err
	}
	u.changes = append(u.changes, change{key: key, value: ref.encode()})
	return nil
}

// setLimit bounds the large values of one update: each takes an operation and a
// comparison of the transaction.
const setLimit = 40

func (u *update) stage(ctx context.Context, target string, value []byte) (setRef, error) {
	if len(u.sets) >= setLimit {
		return setRef{}, fmt.Errorf("%w: more than %d values above %d bytes in one update: split it", store.ErrInvalid, setLimit, inlineLimit)
	}
	staged, err := u.s.stage(ctx, target, value)
	if staged != nil {
		u.sets = append(u.sets, staged)
	}
	if err != nil {
		return setRef{}, err
	}
	return setRef{id: staged.id, length: uint64(len(value))}, nil
}

// send makes the changes in one transaction, if nothing that the update read
// has changed.
func (u *update) send(ctx context.Context, changes []change) error {
	keys := u.s.keys
	when := []clientv3.Cmp{
		clientv3.Compare(clientv3.ModRevision(keys.meta()), "=", u.state.metaMod),
		clientv3.Compare(clientv3.CreateRevision(keys.pending()), "=", 0),
	}
	if u.state.reads.number {
		when = append(when, clientv3.Compare(clientv3.ModRevision(keys.revision()), "=", u.state.numMod))
	}
	then := operations(changes)
	for _, set := range u.sets {
		when = append(when, clientv3.Compare(clientv3.ModRevision(keys.set(set.id)), "=", set.mod))
		then = append(then, clientv3.OpPut(keys.set(set.id), set.mark(published, time.Now())))
	}
	when = append(when, u.state.reads.compares(keys, u.state.at, compareLimit-len(when))...)
	return u.s.commit(ctx, u.lane, when, then)
}

func operations(changes []change) []clientv3.Op {
	ops := make([]clientv3.Op, len(changes), len(changes)+1)
	for i, c := range changes {
		if c.remove {
			ops[i] = clientv3.OpDelete(c.key)
		} else {
			ops[i] = clientv3.OpPut(c.key, string(c.value))
		}
	}
	return ops
}
