package api

import (
	"context"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// Service is what a Handler needs behind it, and what a Client gives: an
// administration point. Package pap documents the methods.
type Service interface {
	Banner
	Writer
	Keeper
	Historian
	Leader
	Revision(ctx context.Context) (authz.Revision, error)
}

// Banner keeps bans.
type Banner interface {
	Ban(ctx context.Context, r change.Request, pap string, bans ...change.Ban) (change.Result, error)
	Unban(ctx context.Context, r change.Request, pap string, bans ...change.Ban) (change.Result, error)
	Bans(ctx context.Context, pap string) ([]change.Ban, error)
}

// Writer keeps the text of policies.
type Writer interface {
	AddFile(ctx context.Context, r change.Request, pap string, f change.File, at change.At) (change.Result, error)
	AddRule(ctx context.Context, r change.Request, pap string, rule change.Rule) (change.Result, error)
	Replace(ctx context.Context, r change.Request, pap, id string, f change.File) (change.Result, error)
	Move(ctx context.Context, r change.Request, pap, id, pivot string, after bool) (change.Result, error)
	Remove(ctx context.Context, r change.Request, pap string, ids ...string) (change.Result, error)
	RemoveAll(ctx context.Context, r change.Request, pap string, bans bool) (change.Result, error)
	Units(ctx context.Context, pap string) ([]change.Unit, error)
}

// Keeper keeps what policies stand on: PAPs, persons and attributes.
type Keeper interface {
	AddPAP(ctx context.Context, r change.Request, p change.PAP) (change.Result, error)
	UpdatePAP(ctx context.Context, r change.Request, p change.PAP) (change.Result, error)
	RemovePAP(ctx context.Context, r change.Request, alias string) (change.Result, error)
	Order(ctx context.Context, r change.Request, aliases ...string) (change.Result, error)
	PAPs(ctx context.Context) ([]change.PAP, error)
	PutPersons(ctx context.Context, r change.Request, persons ...change.Person) (change.Result, error)
	RemovePersons(ctx context.Context, r change.Request, ids ...string) (change.Result, error)
	ChangePersons(ctx context.Context, r change.Request, put []change.Person, remove []string) (change.Result, error)
	Persons(ctx context.Context) ([]change.Person, error)
	PutRows(ctx context.Context, r change.Request, rows ...change.Row) (change.Result, error)
	RemoveRows(ctx context.Context, r change.Request, names ...string) (change.Result, error)
	Rows(ctx context.Context) ([]change.Row, error)
}

// Historian knows what was.
type Historian interface {
	History(ctx context.Context, q change.Query) ([]change.Entry, error)
	Diff(ctx context.Context, from, to uint64) ([]change.Difference, error)
	Rollback(ctx context.Context, r change.Request, restore change.Restore) (change.Result, error)
}

// Leader has followers.
type Leader interface {
	Feed(ctx context.Context, after authz.Revision) (change.Set, error)
	Report(ctx context.Context, f change.Follower) error
	Forget(ctx context.Context, name string) error
	Followers(ctx context.Context) ([]change.Follower, error)
	Wait(ctx context.Context, revision authz.Revision) ([]change.Follower, error)
}
