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
	all, err := s.Accounts(ctx)
	for _, a := range all {
		if slices.Contains(accounts, a.Name) && !slices.Contains(used, a.Name) {
			used = append(used, a.Name)
		}
	}
	return used, err
}

// Accounts returns the accounts to which jobs belong, and what is left of them,
// one for each name and lease.
func (s *Service) Accounts(ctx context.Context) (all []authz.Account, err error) {
	err = s.config.Store.View(ctx, func(tx store.ReadTx) error {
		all = all[:0]
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
			a := j.Granted.Account
			if key := a.Name + " " + a.Lease; !found[key] {
				found[key] = true
				all = append(all, a)
			}
		}
		return nil
	})
	return all, err
}

// Recall asks about every leased account of a job: that is a use of the lease.
// Jobs whose lease is over are cancelled. It is for a container whose mapping is
// elsewhere and cannot see what is left here.
func (s *Service) Recall(ctx context.Context) error {
	accounts, err := s.Accounts(ctx)
	if err != nil || s.config.Confirm == nil {
		return err
	}
	over := map[string]error{}
	var unknown error
	for _, a := range accounts {
		if a.Lease == "" {
			continue
		}
		if _, err := s.config.Confirm(ctx, a); errors.Is(err, ErrAccount) {
			over[a.Name+" "+a.Lease] = err
		} else if err != nil {
			unknown = fmt.Errorf("account %s: %w", a.Name, err)
		}
	}
	if len(over) == 0 {
		return unknown
	}
	pending, err := s.Pending(ctx)
	for i := range pending {
		a := pending[i].Granted.Account
		if why, ok := over[a.Name+" "+a.Lease]; ok && pending[i].Cancel == nil {
			_, failed := s.Cancel(ctx, pending[i].ID, Cancellation{By: "mapping", Why: why.Error()})
			err = errors.Join(err, failed)
		}
	}
	return errors.Join(unknown, err)
}
