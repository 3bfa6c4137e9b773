package etcd

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// lane is a key that one update at a time writes its token to.
type lane struct {
	key  string
	mod  int64 // revision of etcd at which this process last wrote it
	lost bool  // an update in doubt may still be under way on it
}

// lanes are those of one open store; no other writes to them.
type lanes struct {
	dir  string
	mu   sync.Mutex
	idle []*lane
	made int
}

func newLanes(dir string) lanes {
	var id [8]byte
	rand.Read(id[:]) // never fails: see crypto/rand
	return lanes{dir: fmt.Sprintf("%s%x/", dir, id)}
}

func (l *lanes) take() *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.idle); n > 0 {
		taken := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return taken
	}
	l.made++
	return &lane{key: fmt.Sprintf("%s%06d", l.dir, l.made)}
}

func (l *lanes) give(back *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !back.lost {
		l.idle = append(l.idle, back)
	}
}

// newToken is a random name for one transaction, then the time, by which lanes
// of processes that died are told.
func newToken() []byte {
	token := make([]byte, 16, 24)
	rand.Read(token)
	return binary.BigEndian.AppendUint64(token, uint64(time.Now().Unix()))
}

// commit makes one transaction and is sure whether it was made: nil means it
// was, errConflict and errUnmade and a refusal of etcd that it was not and never
// will be, and only store.ErrInDoubt that nobody knows.
func (s *Store) commit(ctx context.Context, l *lane, when []clientv3.Cmp, then []clientv3.Op) error {
	if err := s.begun(ctx, l); err != nil {
		return err
	}
	token := newToken()
	var got *clientv3.TxnResponse
	err := s.once(ctx, func(ctx context.Context) (err error) {
		got, err = s.kv.Txn(ctx).If(append(when, l.unchanged())...).
			Then(append(then, clientv3.OpPut(l.key, string(token)))...).
			Else(clientv3.OpGet(l.key)).Commit()
		return err
	})
	switch {
	case err == nil && got.Succeeded:
		l.mod = got.Header.Revision
		return nil
	case err == nil:
		return l.lostTo(got, token)
	case stale(err):
		return errConflict // with a fresh pass it may go through
	case refused(err):
		return explained(err)
	}
	return s.resolve(ctx, l, token, err)
}

// begun makes the key of a lane that has none. A transaction that waits for no
// key to be there would find that again once the lane is swept or dropped, and
// could so be made long after it was given up.
func (s *Store) begun(ctx context.Context, l *lane) (err error) {
	if l.mod == 0 {
		l.mod, err = s.put(ctx, l.key, string(newToken()))
	}
	return err
}

// unchanged is the condition that makes a transaction of the lane the next one.
func (l *lane) unchanged() clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(l.key), "=", l.mod)
}

// lostTo reads why a transaction was not made. That it was, before, is seen too:
// a transport may deliver a request twice.
func (l *lane) lostTo(got *clientv3.TxnResponse, token []byte) error {
	now := only(got, 0)
	l.mod = 0
	if now == nil {
		return errConflict // swept as the lane of a dead process; begin it anew
	}
	l.mod = now.ModRevision
	if bytes.Equal(now.Value, token) {
		return nil
	}
	return errConflict
}

// resolve finds out whether the transaction that wrote token was made, after
// the answer was lost for the given cause.
func (s *Store) resolve(ctx context.Context, l *lane, token []byte, cause error) error {
	fence := newToken()
	var got *clientv3.TxnResponse
	err := s.insist(ctx, func(ctx context.Context) (err error) {
		got, err = s.kv.Txn(ctx).If(l.unchanged()).Then(clientv3.OpPut(l.key, string(fence))).Else(clientv3.OpGet(l.key)).Commit()
		return err
	})
	if err != nil {
		l.lost = true
		// As text: something may have been changed, which ErrAway denies.
		return fmt.Errorf("%w: %w; then: %s", store.ErrInDoubt, cause, err.Error())
	}
	if got.Succeeded { // the fence stands before it for good
		l.mod = got.Header.Revision
		return fmt.Errorf("%w: %w", errUnmade, cause)
	}
	return s.decide(l, only(got, 0), token, fence, cause)
}

func (s *Store) decide(l *lane, now *mvccpb.KeyValue, token, fence []byte, cause error) error {
	switch {
	case now != nil && bytes.Equal(now.Value, token):
		l.mod = now.ModRevision
		return nil
	case now != nil && bytes.Equal(now.Value, fence): // sent twice, and the first went through
		l.mod = now.ModRevision
		return fmt.Errorf("%w: %w", errUnmade, cause)
	}
	l.lost = true
	return fmt.Errorf("%w: its lane %s was swept: %w", store.ErrInDoubt, l.key, cause)
}

// dropLanes removes the lanes of this store on the way out. If it fails, the
// sweeping of another store will.
func (s *Store) dropLanes() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := s.kv.Delete(ctx, s.lanes.dir, clientv3.WithPrefix()); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		s.log.Debug("lanes stay behind", "store", s.String(), "error", err)
	}
}
