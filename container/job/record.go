package job

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// The namespaces; see the package comment.
const (
	records = "job"
	active  = "job-active"
	owners  = "job-owner"
	ended   = "job-ended"
	keys    = "job-key"
)

func get(tx store.ReadTx, id string) (Job, error) {
	data, found := tx.Get(records, id)
	if !found {
		return Job{}, ErrUnknown
	}
	var j Job
	if err := json.Unmarshal(data, &j); err != nil {
		return Job{}, fmt.Errorf("job %s: the record cannot be read: %w", Tag(id), err)
	}
	return j, nil
}

func put(tx store.WriteTx, j *Job) error {
	data, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("job %s: %w", j.Tag(), err)
	}
	tx.Put(records, j.ID, data)
	return nil
}

// insert writes a new job, or finds the one that its key already made.
func insert(tx store.WriteTx, j *Job) (Job, error) {
	if j.Key != "" {
		if id, found := tx.Get(keys, keyOf(j)); found {
			return again(tx, string(id), j)
		}
		tx.Put(keys, keyOf(j), []byte(j.ID))
	}
	tx.Put(active, j.ID, nil)
	if !j.Owner.Anonymous() {
		tx.Put(owners, ownerPrefix(j.Owner)+j.ID, nil)
	}
	return *j, put(tx, j)
}

// again is a submission under a key that was used before.
func again(tx store.ReadTx, id string, j *Job) (Job, error) {
	first, err := get(tx, id)
	if err != nil {
		return Job{}, err
	}
	if same(&first, j) && !first.Purging {
		return first, nil
	}
	return Job{}, fmt.Errorf("%w: it was used for a submission that differs, or that is being purged", ErrKey)
}

func same(a, b *Job) bool {
	x, errX := json.Marshal([]any{a.Service, a.Method, a.Arguments, a.Requested})
	y, errY := json.Marshal([]any{b.Service, b.Method, b.Arguments, b.Requested})
	return errX == nil && errY == nil && string(x) == string(y)
}

// erase removes everything that insert and settle wrote.
func erase(tx store.WriteTx, j *Job) {
	tx.Delete(records, j.ID)
	tx.Delete(active, j.ID)
	tx.Delete(owners, ownerPrefix(j.Owner)+j.ID)
	tx.Delete(ended, endedKey(j))
	if j.Key != "" {
		tx.Delete(keys, keyOf(j))
	}
}

func ownerPrefix(o Owner) string { return fmt.Sprintf("%x/", sha256.Sum256([]byte(o.Key))) }

// keyOf hashes owner and key with their lengths, so that no owner can choose a
// key that means another owner's.
func keyOf(j *Job) string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%d %d %s%s", len(j.Owner.Key), len(j.Key), j.Owner.Key, j.Key)))
}

func endedKey(j *Job) string { return j.Ended.UTC().Format("2006-01-02T15:04:05") + "/" + j.ID }

// errUnchanged tells update that there is nothing to write.
var errUnchanged = errors.New("unchanged")

// update changes one record in one transaction. A change that returns
// errUnchanged leaves it and is no error. A full disk keeps new jobs out, and
// none of those there are from being ended.
func (s *Service) update(ctx context.Context, id string, change func(*Job) error) (Job, error) {
	var j Job
	_, err := s.config.Store.Update(store.Urgent(ctx), func(tx store.WriteTx) (err error) {
		if j, err = get(tx, id); err != nil {
			return err
		}
		before := j.State
		if err = change(&j); err != nil {
			return err
		}
		if j.State.Final() && !before.Final() {
			tx.Put(ended, endedKey(&j), nil)
			tx.Delete(active, id)
		}
		if j.Purging {
			tx.Put(active, id, nil)
			tx.Delete(owners, ownerPrefix(j.Owner)+id)
		}
		return put(tx, &j)
	})
	if errors.Is(err, errUnchanged) {
		return j, nil
	}
	return j, err
}

// view reads one record.
func (s *Service) view(ctx context.Context, id string) (j Job, err error) {
	err = s.config.Store.View(ctx, func(tx store.ReadTx) error {
		j, err = get(tx, id)
		return err
	})
	return j, err
}

// pending returns the ids that something is still to be done for.
func (s *Service) pending(ctx context.Context) (ids []string, err error) {
	err = s.config.Store.View(ctx, func(tx store.ReadTx) error {
		ids = ids[:0]
		for id := range tx.Scan(active, "", "") {
			ids = append(ids, id)
		}
		return nil
	})
	return ids, err
}

// overdue returns the ids of jobs that ended before the time given.
func (s *Service) overdue(ctx context.Context, before time.Time) (ids []string, err error) {
	limit := before.UTC().Format("2006-01-02T15:04:05")
	err = s.config.Store.View(ctx, func(tx store.ReadTx) error {
		ids = ids[:0]
		for key := range tx.Scan(ended, "", "") {
			if key >= limit || len(ids) == 1000 {
				return nil
			}
			ids = append(ids, key[len(limit)+1:])
		}
		return nil
	})
	return ids, err
}
