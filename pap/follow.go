package pap

import (
	"context"
	"slices"
	"sync"
	"time"
	"weak"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// Source is what a decision point follows.
type Source interface {
	Next(ctx context.Context, after authz.Revision) (policies.Update, error)
}

var _ Source = (*Service)(nil)

// Next waits until there is something newer than after, and returns what leads
// there: edits if it can, else a base. When nothing has come for a minute (see
// Options.Confirm), it says so by an update from after to after without edits,
// so that a quiet source is not taken for a lost one (DECISIONS 9). It returns
// ctx.Err() when ctx is done first.
func (s *Service) Next(ctx context.Context, after authz.Revision) (policies.Update, error) {
	return s.next(ctx, after, source.Everyone)
}

// Admin is the source of the policies that say who may administer: the bans and
// the PAP "admin".
func (s *Service) Admin() Source { return admin{s} }

type admin struct{ service *Service }

func (a admin) Next(ctx context.Context, after authz.Revision) (policies.Update, error) {
	return a.service.next(ctx, after, source.Admin)
}

// behindAtMost bounds how many revisions, and how many differences, are told one
// by one: a follower of last year is better off with everything anew.
const behindAtMost = 10_000

func (s *Service) next(ctx context.Context, after authz.Revision, scope source.Scope) (policies.Update, error) {
	var update policies.Update
	anew := false
	err := s.newer(ctx, s.confirm, after, func(r *records, follows bool) error {
		to := revision(r.tx, 0)
		update, anew = policies.Update{From: after, To: to}, false
		if to == after {
			return nil
		}
		if !follows {
			anew = true
			return nil
		}
		differing, err := r.since(after.Number)
		if anew = len(differing) > behindAtMost; err != nil || anew {
			return err
		}
		update, err = source.Update(r, scope, after, to, differing)
		return err
	})
	if err != nil || !anew {
		return update, err
	}
	base, err := s.base(ctx, scope)
	if err != nil {
		return policies.Update{}, err
	}
	return policies.Update{From: after, To: base.Revision, Base: base}, nil
}

// bases remembers the bans of the last base, as long as somebody has it.
type bases struct {
	mu   sync.Mutex
	at   authz.Revision
	bans weak.Pointer[policies.Policy]
}

// base makes all policies of a scope. Those who ask at one revision get the same
// bans, as the two engines of a service do when it starts: a million are read
// once, and are in memory once.
func (s *Service) base(ctx context.Context, scope source.Scope) (*policies.Snapshot, error) {
	s.bases.mu.Lock()
	defer s.bases.mu.Unlock()
	var base *policies.Snapshot
	err := s.read(ctx, func(r *records) (err error) {
		at := revision(r.tx, 0)
		bans, known := s.bases.known(at)
		if !known {
			if bans, err = source.Bans(r); err != nil {
				return err
			}
		}
		base, err = source.Around(bans, r, scope, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Not before: of a transaction that failed some bans may be missing.
	node, _ := base.Root.Children.Find(policies.BansID)
	s.bases.at, s.bases.bans = base.Revision, weak.Make(node.(*policies.Policy))
	return base, nil
}

func (b *bases) known(at authz.Revision) (policies.List[*policies.Rule], bool) {
	if p := b.bans.Value(); p != nil && b.at == at {
		return p.Rules, true
	}
	return policies.List[*policies.Rule]{}, false
}

// since returns what differs from an older revision.
func (r *records) since(number uint64) ([]change.Difference, error) {
	return r.between(number, r.tx.Revision())
}

// newer waits for a revision that a follower at after does not have, and reads
// it. A follower of another lineage, from a future that a restored backup does
// not know, or from long ago, does not follow on and starts anew.
//
// With patience it waits no longer than that, and reads what holds then.
func (s *Service) newer(ctx context.Context, patience time.Duration, after authz.Revision, fn func(r *records, follows bool) error) error {
	at, err := s.Revision(ctx)
	if err != nil {
		return err
	}
	follows := at.Lineage == after.Lineage && after.Number > 0 &&
		after.Number <= at.Number && at.Number-after.Number <= behindAtMost
	if follows {
		if err := s.watch(ctx, patience, after.Number); err != nil {
			return err
		}
	}
	return s.read(ctx, func(r *records) error { return fn(r, follows) })
}

func (s *Service) watch(ctx context.Context, patience time.Duration, after uint64) error {
	wait, cancel := ctx, context.CancelFunc(func() {})
	if patience > 0 {
		wait, cancel = context.WithTimeout(ctx, patience)
	}
	defer cancel()
	if _, err := s.store.Watch(wait, after); err != nil && (wait.Err() == nil || ctx.Err() != nil) {
		return err
	}
	return nil
}

// Feed is Next in records, for a follower that makes the policies itself (see
// source.Copy). The PAP "admin" is not in it. It waits as long as ctx allows.
func (s *Service) Feed(ctx context.Context, after authz.Revision) (change.Set, error) {
	var set change.Set
	err := s.newer(ctx, 0, after, func(r *records, follows bool) error {
		set = change.Set{From: after, To: revision(r.tx, 0)}
		if !follows {
			set.From, set.Whole = authz.Revision{}, true
			set.Edits = r.everything()
			return nil
		}
		differing, err := r.since(after.Number)
		if err != nil {
			return err
		}
		for _, d := range differing {
			if e := subject(d); papOf(e) != change.AdminPAP {
				set.Edits = append(set.Edits, edit(d))
			}
		}
		return nil
	})
	return set, err
}

// edit is what makes a difference.
func edit(d change.Difference) change.Edit {
	if d.Is != nil {
		return *d.Is
	}
	return removal(*d.Was)
}

// everything puts all records but those of the PAP "admin", PAPs and rows first.
func (r *records) everything() []change.Edit {
	var edits []change.Edit
	for _, space := range []string{spacePAPs, spaceRows, spacePersons, spaceUnits, spaceBans} {
		edits = slices.AppendSeq(edits, r.scan(space, ""))
	}
	return filter(edits, func(e change.Edit) bool { return papOf(e) != change.AdminPAP })
}
