package pap

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// Options are what a Service is made of.
type Options struct {
	Store store.Store
	// Check compiles an update without applying it; nil accepts everything
	// that parses. It is called inside the transaction, maybe more than once.
	Check func(policies.Update) error
	// Weigh looks at an update that Check has accepted, unless its author forces
	// it. An error, which is for administrators to read, refuses the change as
	// too large (DECISIONS 20). nil weighs nothing.
	Weigh func(policies.Update) error
	// CheckAdmin is Check for the policies of the PAP "admin".
	CheckAdmin func(policies.Update) error
	// Confirm is how long Next waits before it confirms that nothing is new;
	// 0 means a minute.
	Confirm time.Duration
	Clock   func() time.Time // nil is time.Now
	Log     *slog.Logger     // nil is silent
}

// Service is the policy administration point over a store. It is safe for
// concurrent use.
type Service struct {
	store   store.Store
	checks  [2]func(policies.Update) error // by source.Scope
	weigh   func(policies.Update) error
	confirm time.Duration
	clock   func() time.Time
	log     *slog.Logger
	moved   *bell // rung when a follower reports
	bases   bases
}

// Open makes a Service and, in an empty store, the PAP "default". The store
// stays the caller's to close.
func Open(ctx context.Context, o Options) (*Service, error) {
	s := &Service{store: o.Store, clock: o.Clock, log: o.Log, moved: newBell(), confirm: o.Confirm, weigh: o.Weigh}
	s.checks[source.Everyone], s.checks[source.Admin] = o.Check, o.CheckAdmin
	if s.confirm <= 0 {
		s.confirm = time.Minute
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	first := change.Request{Author: change.Author{Name: "gatehouse", Via: "init"}}
	_, err := s.change(ctx, first, "create PAP default", nil, func(d *draft) error {
		d.linkAll()
		if _, ok := d.PAP(change.DefaultPAP); ok {
			return nil
		}
		if d.result.Revision.Number != 0 {
			return fmt.Errorf("the PAP %q is missing from a store at revision %s", change.DefaultPAP, d.result.Revision)
		}
		place, err := policies.Between("", "")
		d.put(change.Edit{PAP: &change.PAP{Alias: change.DefaultPAP, Place: place, Enabled: true, Public: true}})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the administration point: %w", err)
	}
	return s, nil
}

// Revision returns the revision that holds.
func (s *Service) Revision(ctx context.Context) (authz.Revision, error) {
	var at authz.Revision
	err := s.store.View(ctx, func(tx store.ReadTx) error { at = revision(tx, 0); return nil })
	return at, err
}

// now is the time as it is stored: in UTC, in milliseconds, without what only
// this process knows.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Millisecond) }
