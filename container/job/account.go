package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// ErrAccount is wrapped when a job may no longer have its account.
var ErrAccount = errors.New("the job may no longer have its account")

// startMargin is how long an answer that names an account must hold on for a
// start to be tried with it.
const startMargin = 5 * time.Second

// confirm renews the answer that named the account of a job, if it is too old:
// the job waited, for a launcher that was away say, and a lease may be over.
func (s *Service) confirm(ctx context.Context, j *Job) error {
	before := j.Granted.Account
	if !before.Expired(s.config.Now().Add(startMargin)) {
		return nil
	}
	if s.config.Confirm == nil {
		return fmt.Errorf("%w: %s was named too long ago", ErrAccount, before.Name)
	}
	now, err := s.config.Confirm(ctx, before)
	if err != nil {
		return fmt.Errorf("account %s cannot be confirmed: %w", before.Name, err)
	}
	if now.Name != before.Name || now.UID != before.UID || now.Group != before.Group || !slices.Equal(now.Groups, before.Groups) {
		return fmt.Errorf("%w: %s is not what it was when the job was permitted", ErrAccount, before.Name)
	}
	j.Granted.Account = now
	return nil
}

// without ends a job that lost its account. It is cancelled rather than failed:
// an earlier submission without an answer may have started it.
func (s *Service) without(ctx context.Context, j *Job, err error) error {
	if !errors.Is(err, ErrAccount) {
		return err
	}
	_, err = s.Cancel(ctx, j.ID, Cancellation{By: "mapping", Why: err.Error()})
	return err
}

// InUse returns those of the accounts to which a job belongs, or what is left
// of one until it is purged: such an account must go to nobody else.
func (s *Service) InUse(ctx context.Context, accounts []string) (used []string, err error) {
	asked := make(map[string]bool, len(accounts))
	for _, name := range accounts {
		asked[name] = true
	}
	err = s.config.Store.View(ctx, func(tx store.ReadTx) error {
		used = used[:0]
		found := map[string]bool{}
		for id, data := range tx.Scan(records, "", "") {
			var j struct {
				Granted struct {
					Account authz.Account `json:"account"`
				} `json:"granted"`
			}
			if err := json.Unmarshal(data, &j); err != nil {
				return fmt.Errorf("job %s: the record cannot be read: %w", Tag(id), err)
			}
			if name := j.Granted.Account.Name; asked[name] && !found[name] {
				found[name] = true
				used = append(used, name)
			}
		}
		return nil
	})
	return used, err
}
