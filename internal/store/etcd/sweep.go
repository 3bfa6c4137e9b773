package etcd

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	sweepEvery = 10 * time.Minute
	// stageLimit is how long a writer may take to put the chunks of a value.
	stageLimit = time.Hour
	// laneLimit is how long a lane may be idle. A process that lives longer
	// without writing begins a new one and loses nothing.
	laneLimit = 7 * 24 * time.Hour
)

// sweep removes, now and then, what processes that died left behind.
func (s *Store) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.sweepOnce(ctx, time.Now()); err != nil && ctx.Err() == nil {
			s.log.Warn("what dead processes left in the store stays for now", "store", s.String(), "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sweepOnce looks at one state, in which no large update is being carried out:
// what its chunks are for is not written yet, so that they seem to be for nothing.
func (s *Store) sweepOnce(ctx context.Context, now time.Time) error {
	st, err := s.beginUpdate(ctx)
	if err != nil {
		return err
	}
	if err := s.sweepSets(st, now); err != nil {
		return err
	}
	lanes := s.keys.lanes()
	return st.walk(lanes, clientv3.GetPrefixRangeEnd(lanes), false, func(kv *mvccpb.KeyValue) (bool, error) {
		if old(kv.Value, now) {
			return true, s.removeIf(ctx, kv, clientv3.OpDelete(string(kv.Key)))
		}
		return true, nil
	})
}

// old reports that the token of a lane is from long ago.
func old(token []byte, now time.Time) bool {
	if len(token) < 8 {
		return true
	}
	return now.Sub(time.Unix(int64(binary.BigEndian.Uint64(token[len(token)-8:])), 0)) > laneLimit
}

// sweepSets removes chunks to which nothing refers: of updates that were never
// made, and of values replaced since.
func (s *Store) sweepSets(st *state, now time.Time) error {
	sets := s.keys.sets()
	return st.walk(sets, clientv3.GetPrefixRangeEnd(sets), false, func(kv *mvccpb.KeyValue) (bool, error) {
		id, err := parseSetID(strings.TrimPrefix(string(kv.Key), sets))
		if err != nil {
			return false, err
		}
		needed, err := st.needed(id, kv, now)
		if err != nil || needed {
			return err == nil, err
		}
		return true, s.removeIf(st.ctx, kv, s.removal(id)...)
	})
}

// needed reports whether a set is referred to, or may yet be.
func (st *state) needed(id setID, kv *mvccpb.KeyValue, now time.Time) (bool, error) {
	state, at, target, err := parseMark(string(kv.Value))
	if err != nil {
		return false, err
	}
	if state == staged && now.Sub(at) < stageLimit {
		return true, nil
	}
	user, err := st.get(string(st.s.keys) + target)
	if err != nil || user == nil {
		return false, err
	}
	return strings.Contains(string(user.Value), string(id[:])), nil
}

// removeIf makes the operations if the key is still as it was read. A writer
// that publishes the set at this moment changes the key, and either it or the
// sweeping loses.
func (s *Store) removeIf(ctx context.Context, kv *mvccpb.KeyValue, ops ...clientv3.Op) error {
	return s.insist(ctx, func(ctx context.Context) error {
		_, err := s.kv.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(string(kv.Key)), "=", kv.ModRevision)).Then(ops...).Commit()
		return err
	})
}
