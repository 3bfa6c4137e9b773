package pap

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	jsontwo "github.com/go-json-experiment/json"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// change runs one change as one transaction. What identifies the change for its
// idempotency key is its operation and its arguments.
func (s *Service) change(ctx context.Context, r change.Request, operation string, arguments any, do func(*draft) error) (change.Result, error) {
	if err := valid(r); err != nil {
		return change.Result{}, err
	}
	digest, err := digestOf(r, operation, arguments)
	if err != nil {
		return change.Result{}, err
	}
	var d *draft
	_, err = s.store.Update(ctx, func(tx store.WriteTx) error {
		d = &draft{records: records{tx: tx}, write: tx, now: s.now(), author: r.Author, summary: operation}
		d.result.Revision = revision(tx, 0)
		return s.transact(d, r, digest, do)
	})
	switch {
	case errors.Is(err, store.ErrFull):
		s.log.Error("a change found no room", "author", r.Author.Name, "operation", operation, "error", err)
		return change.Result{}, fmt.Errorf("%s: %w", operation, change.ErrNoRoom)
	case err != nil:
		return change.Result{}, fmt.Errorf("%s: %w", operation, err)
	}
	if d.result.Changed {
		s.log.Info("policy changed", "revision", d.result.Revision.String(), "author", r.Author.Name, "summary", d.summary)
	}
	return d.result, nil
}

// digestOf identifies a change. It refuses what is not UTF-8: the records would
// hold another text, and a ban on that would miss its man.
func digestOf(r change.Request, operation string, arguments any) ([32]byte, error) {
	if _, err := jsontwo.Marshal(r); err != nil {
		return [32]byte{}, fmt.Errorf("%w: request: %w", change.ErrInvalid, err)
	}
	text, err := jsontwo.Marshal([]any{operation, arguments, r.IfMatch, r.Force})
	if err != nil {
		return [32]byte{}, fmt.Errorf("%w: %w", change.ErrInvalid, err)
	}
	return sha256.Sum256(text), nil
}

func (s *Service) transact(d *draft, r change.Request, digest [32]byte, do func(*draft) error) error {
	again, err := d.recall(r, digest)
	if err != nil || again {
		return err
	}
	if r.IfMatch != (authz.Revision{}) && r.IfMatch != d.result.Revision {
		return fmt.Errorf("%w: the revision is %s, not %s", change.ErrConflict, d.result.Revision, r.IfMatch)
	}
	guarded := d.guarded()
	if err := do(d); err != nil {
		return err
	}
	if d.err != nil {
		return d.err
	}
	if d.changed() {
		if err := s.finish(d, r, guarded); err != nil {
			return err
		}
	}
	d.remember(r, digest)
	return nil
}

// finish judges the change as a whole and gives it its number.
func (s *Service) finish(d *draft, r change.Request, guarded bool) error {
	if guarded && !r.Force && d.lifted != 1 && !d.guarded() {
		return fmt.Errorf("%w: it would leave no ban in force", change.ErrLarge)
	}
	from, to := d.result.Revision, revision(d.tx, 1)
	differences := d.differences()
	for scope, check := range s.checks {
		update, err := d.compiles(source.Scope(scope), check, from, to, differences)
		if err != nil {
			return fmt.Errorf("%w: %w", change.ErrPolicy, err)
		}
		if err := s.outweighs(source.Scope(scope), r, update); err != nil {
			return fmt.Errorf("%w: %w", change.ErrLarge, err)
		}
	}
	if d.err != nil {
		return d.err
	}
	d.write.Append(encode(d.entry(r.Message)))
	d.result.Revision, d.result.Changed = to, true
	return nil
}

// outweighs asks whether what everybody is decided by would change too much.
func (s *Service) outweighs(scope source.Scope, r change.Request, update policies.Update) error {
	if scope != source.Everyone || r.Force || s.weigh == nil {
		return nil
	}
	return s.weigh(update)
}

// compiles makes policies of the records as they are now, if that is possible.
func (d *draft) compiles(scope source.Scope, check func(policies.Update) error, from, to authz.Revision, differences []change.Difference) (policies.Update, error) {
	update, err := source.Update(&d.records, scope, from, to, differences)
	if err != nil || check == nil {
		return update, err
	}
	return update, check(update)
}

func valid(r change.Request) error {
	switch {
	case r.Author.Name == "":
		return fmt.Errorf("%w: a change needs an author", change.ErrInvalid)
	case len(r.Key) > 256:
		return fmt.Errorf("%w: an idempotency key of %d bytes, at most 256", change.ErrInvalid, len(r.Key))
	case len(r.Message) > 64<<10:
		return fmt.Errorf("%w: a message of %d bytes, at most 64 KiB", change.ErrInvalid, len(r.Message))
	}
	return nil
}

// remembered is how long an idempotency key is good.
const remembered = 24 * time.Hour

// answer is what is kept of a request with an idempotency key.
type answer struct {
	Digest [32]byte
	Time   time.Time
	Result change.Result
}

func requestKey(r change.Request) string {
	sum := sha256.Sum256([]byte(r.Author.Name + "\x00" + r.Key))
	return string(sum[:])
}

// recall answers a request that was answered before.
func (d *draft) recall(r change.Request, digest [32]byte) (bool, error) {
	if r.Key == "" {
		return false, nil
	}
	before, ok := d.answered(requestKey(r))
	if !ok {
		return false, d.err
	}
	switch {
	case d.now.Sub(before.Time) >= remembered:
		return false, nil
	case before.Digest != digest:
		return false, fmt.Errorf("%w: the idempotency key %q was used for another change", change.ErrConflict, r.Key)
	}
	d.result = before.Result
	d.result.Repeated, d.result.Changed = true, false
	return true, nil
}

// answered returns what was answered under a key.
func (d *draft) answered(key string) (answer, bool) {
	value, ok := d.tx.Get(spaceRequests, key)
	if !ok {
		return answer{}, false
	}
	var before answer
	if err := json.Unmarshal(value, &before); err != nil {
		d.err = fmt.Errorf("record of an earlier request: %w", err)
		return answer{}, false
	}
	return before, true
}

func (d *draft) remember(r change.Request, digest [32]byte) {
	if r.Key != "" {
		d.write.Put(spaceRequests, requestKey(r), encode(answer{digest, d.now, d.result}))
		d.write.Put(spaceTimes, timeKey(d.now.Add(remembered), "request/"+requestKey(r)), nil)
	}
}

func (d *draft) removeAll(edits []change.Edit) {
	for _, e := range edits {
		d.remove(e)
	}
}
