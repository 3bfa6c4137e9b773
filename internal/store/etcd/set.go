package etcd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	chunkSize = 1 << 20
	// maxSet bounds a value in chunks: a record, a journal entry or a batch.
	maxSet = 2 * store.MaxValue
)

// setID names the chunks of one value.
type setID [16]byte

func (id setID) String() string { return hex.EncodeToString(id[:]) }

func parseSetID(text string) (id setID, err error) {
	if len(text) != hex.EncodedLen(len(id)) {
		return id, fmt.Errorf("%w: set %q", store.ErrCorrupt, text)
	}
	_, err = hex.Decode(id[:], []byte(text))
	return id, err
}

// set is a value in chunks on its way into the store. The key set/ID says what
// will refer to it, so that it can be swept when nothing does.
type set struct {
	id     setID
	target string // key of etcd, without the prefix
	mod    int64  // revision of the key set/ID
}

// stageState tells chunks being put from those that an update has published.
type stageState string

const (
	staged    stageState = "staged"
	published stageState = "published"
)

// mark is the value of the key set/ID: the state, the time, the target.
func (s *set) mark(state stageState, now time.Time) string {
	return fmt.Sprintf("%s %d %s", state, now.Unix(), s.target)
}

func parseMark(value string) (state stageState, at time.Time, target string, err error) {
	word, rest, _ := strings.Cut(value, " ")
	seconds, target, ok := strings.Cut(rest, " ")
	var unix int64
	if _, err := fmt.Sscanf(seconds, "%d", &unix); err != nil || !ok {
		return "", time.Time{}, "", fmt.Errorf("%w: mark of a set %.80q", store.ErrCorrupt, value)
	}
	return stageState(word), time.Unix(unix, 0), target, nil
}

// stage puts a value into chunks that nothing refers to yet. The set is
// returned even if only some of it could be put.
func (s *Store) stage(ctx context.Context, target string, value []byte) (*set, error) {
	put := &set{target: strings.TrimPrefix(target, string(s.keys))}
	rand.Read(put.id[:])
	mod, err := s.put(ctx, s.keys.set(put.id), put.mark(staged, time.Now()))
	if err != nil {
		return put, err
	}
	put.mod = mod
	for n := 0; n*chunkSize < len(value); n++ {
		chunk := value[n*chunkSize : min((n+1)*chunkSize, len(value))]
		if _, err := s.put(ctx, s.keys.chunk(put.id, n), string(chunk)); err != nil {
			return put, err
		}
	}
	return put, nil
}

// put writes a key that nothing refers to yet, as often as it takes. It must
// not be used for a key whose revision was compared: a late duplicate changes
// it, and the publishing transaction then fails, which is harmless.
func (s *Store) put(ctx context.Context, key, value string) (mod int64, err error) {
	err = s.insist(ctx, func(ctx context.Context) error {
		got, err := s.kv.Put(ctx, key, value)
		if err == nil {
			mod = got.Header.Revision
		}
		return err
	})
	return mod, err
}

// discard removes sets that were not published. What it misses is swept later.
func (s *Store) discard(ctx context.Context, sets []*set) {
	for _, set := range sets {
		err := s.once(ctx, func(ctx context.Context) error {
			_, err := s.kv.Txn(ctx).Then(s.removal(set.id)...).Commit()
			return err
		})
		if err != nil {
			return
		}
	}
}

// removal are the operations that remove a set.
func (s *Store) removal(id setID) []clientv3.Op {
	return []clientv3.Op{clientv3.OpDelete(s.keys.set(id)), clientv3.OpDelete(s.keys.chunks(id), clientv3.WithPrefix())}
}
