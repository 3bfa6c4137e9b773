package pap

import (
	"context"
	"log/slog"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// Options are what a Service is made of.
type Options struct {
	Store store.Store
	// Check compiles an update without applying it; nil accepts everything
	// that parses. It is called inside the transaction, maybe more than once.
	Check func(policies.Update) error
	// CheckAdmin is Check for the policies of the PAP "admin".
	CheckAdmin func(policies.Update) error
	Clock      func() time.Time // nil is time.Now
	Log        *slog.Logger     // nil is silent
}

// Service is the policy administration point over a store. It is safe for
// concurrent use.
type Service struct {
	store store.Store
	check [2]func(policies.Update) error
	clock func() time.Time
	log   *slog.Logger
}

// Open makes a Service and, in an empty store, the PAP "default". The store
// stays the caller's to close.
func Open(ctx context.Context, o Options) (*Service, error) { panic("pap: being built") }

// Run lifts bans and announces rules whose time comes, until ctx is done.
func (s *Service) Run(ctx context.Context) error { panic("pap: being built") }

// Ban puts bans into a PAP, all or none. A ban whose names, resource and action
// are there already stays as it is, unless the new one lasts longer and then
// replaces it. Author and Time of the bans are set from the Request.
func (s *Service) Ban(ctx context.Context, r Request, pap string, bans ...change.Ban) (Result, error) {
	panic("pap: being built")
}

// Unban lifts bans of a PAP, each named by its ID or by its names, resource and
// action in any spelling. What is not there is reported in Result.Missing and
// hinders nothing.
func (s *Service) Unban(ctx context.Context, r Request, pap string, bans ...change.Ban) (Result, error) {
	panic("pap: being built")
}

// Bans returns the bans of one PAP, or of every PAP for "", by their time.
func (s *Service) Bans(ctx context.Context, pap string) ([]change.Ban, error) {
	panic("pap: being built")
}

// AddFile adds the units of a file, below what is there if At says nothing
// else. Result.IDs are those of its topmost units.
func (s *Service) AddFile(ctx context.Context, r Request, pap string, f File, at At) (Result, error) {
	panic("pap: being built")
}

// AddRule adds one rule. Result.IDs is its id.
func (s *Service) AddRule(ctx context.Context, r Request, pap string, rule Rule) (Result, error) {
	panic("pap: being built")
}

// Replace puts the one unit that a file holds in the place of the unit id, with
// everything below it, and keeps the id.
func (s *Service) Replace(ctx context.Context, r Request, pap, id string, f File) (Result, error) {
	panic("pap: being built")
}

// Move puts a unit before or behind its sibling pivot.
func (s *Service) Move(ctx context.Context, r Request, pap, id, pivot string, after bool) (Result, error) {
	panic("pap: being built")
}

// Remove removes units with everything below them.
func (s *Service) Remove(ctx context.Context, r Request, pap string, ids ...string) (Result, error) {
	panic("pap: being built")
}

// RemoveAll removes every unit of a PAP, and its bans only if asked to.
func (s *Service) RemoveAll(ctx context.Context, r Request, pap string, bans bool) (Result, error) {
	panic("pap: being built")
}

// Units returns the units of a PAP in the order in which they would be written.
func (s *Service) Units(ctx context.Context, pap string) ([]change.Unit, error) {
	panic("pap: being built")
}

// AddPAP makes a PAP behind the others; Place is ignored.
func (s *Service) AddPAP(ctx context.Context, r Request, p change.PAP) (Result, error) {
	panic("pap: being built")
}

// UpdatePAP replaces a PAP's record but for its Place.
func (s *Service) UpdatePAP(ctx context.Context, r Request, p change.PAP) (Result, error) {
	panic("pap: being built")
}

// RemovePAP removes a PAP with its units and bans. "default" stays.
func (s *Service) RemovePAP(ctx context.Context, r Request, alias string) (Result, error) {
	panic("pap: being built")
}

// Order gives the PAPs their order. "default" comes first if it is not listed,
// others that are not listed follow in the order that they have.
func (s *Service) Order(ctx context.Context, r Request, aliases ...string) (Result, error) {
	panic("pap: being built")
}

// PAPs returns the PAPs in their order, without "admin".
func (s *Service) PAPs(ctx context.Context) ([]change.PAP, error) { panic("pap: being built") }

// PutPersons adds or replaces persons; one without an ID gets one.
func (s *Service) PutPersons(ctx context.Context, r Request, persons ...change.Person) (Result, error) {
	panic("pap: being built")
}

// RemovePersons removes persons by their ids.
func (s *Service) RemovePersons(ctx context.Context, r Request, ids ...string) (Result, error) {
	panic("pap: being built")
}

// Persons returns all persons by their ids.
func (s *Service) Persons(ctx context.Context) ([]change.Person, error) { panic("pap: being built") }

// PutRows adds or replaces attribute names of the site's own.
func (s *Service) PutRows(ctx context.Context, r Request, rows ...change.Row) (Result, error) {
	panic("pap: being built")
}

// RemoveRows removes attribute names. It fails with ErrPolicy while a unit uses
// one.
func (s *Service) RemoveRows(ctx context.Context, r Request, names ...string) (Result, error) {
	panic("pap: being built")
}

// Rows returns the attribute names of the site's own.
func (s *Service) Rows(ctx context.Context) ([]change.Row, error) { panic("pap: being built") }

// Revision returns the revision that holds.
func (s *Service) Revision(ctx context.Context) (authz.Revision, error) { panic("pap: being built") }

// History returns entries of the journal, newest first.
func (s *Service) History(ctx context.Context, q Query) ([]change.Entry, error) {
	panic("pap: being built")
}

// Diff returns what differs between two revisions, without the PAP "admin".
func (s *Service) Diff(ctx context.Context, from, to uint64) ([]Difference, error) {
	panic("pap: being built")
}

// Rollback makes a new revision in which the units, PAPs, persons and rows of
// an older one hold again.
func (s *Service) Rollback(ctx context.Context, r Request, restore Restore) (Result, error) {
	panic("pap: being built")
}

// Next waits until there is something newer than after, and returns what leads
// there: edits if it can, else a base. It is a pdp.Source. It returns ctx.Err()
// when ctx is done first.
func (s *Service) Next(ctx context.Context, after authz.Revision) (policies.Update, error) {
	panic("pap: being built")
}

// Admin is the source of the policies that say who may administer: the bans and
// the PAP "admin".
func (s *Service) Admin() Source { panic("pap: being built") }

// Source is Next on its own.
type Source interface {
	Next(ctx context.Context, after authz.Revision) (policies.Update, error)
}

// Feed is Next in records, for a follower that makes the policies itself. The
// PAP "admin" is not in it.
func (s *Service) Feed(ctx context.Context, after authz.Revision) (change.Set, error) {
	panic("pap: being built")
}

// Report registers a follower under its Name, or says how far it has come. A
// name belongs to the Identity that first used it. Seen is set from the clock.
func (s *Service) Report(ctx context.Context, f change.Follower) error { panic("pap: being built") }

// Forget removes a follower.
func (s *Service) Forget(ctx context.Context, name string) error { panic("pap: being built") }

// Followers returns the registered followers by name.
func (s *Service) Followers(ctx context.Context) ([]change.Follower, error) {
	panic("pap: being built")
}

// Wait waits until every registered follower has settled at least the revision,
// or ctx is done, and returns those that have not. Legacy followers are not
// waited for.
func (s *Service) Wait(ctx context.Context, revision authz.Revision) ([]change.Follower, error) {
	panic("pap: being built")
}
