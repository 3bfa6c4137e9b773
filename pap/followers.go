package pap

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// seenEvery is how old a follower's Seen gets before it is worth a write.
const seenEvery = time.Minute

// maxNames bounds the names of one identity: ⚿ registering is urgent, and whoever may
// follow must not use up the room that is kept for bans, nor make --wait wait for a
// crowd of its inventions.
const maxNames = 16

// Report registers a follower under its Name, or says how far it has come. A
// name belongs to the Identity that first used it, until it is forgotten. Seen
// is set from the clock.
func (s *Service) Report(ctx context.Context, f change.Follower) error {
	if f.Name == "" || len(f.Name) > 256 || f.Identity == "" || !utf8.ValidString(f.Name+f.Identity) {
		return fmt.Errorf("%w: a follower needs a name of at most 256 bytes and an identity, both in UTF-8", change.ErrInvalid)
	}
	f.Seen = s.now()
	// Urgent, because who cannot report cannot go on to the next ban either.
	_, err := s.store.Update(store.Urgent(ctx), func(tx store.WriteTx) error {
		before, known, err := follower(tx, f.Name)
		switch {
		case err != nil:
			return err
		case known && before.Identity != f.Identity:
			return fmt.Errorf("follower %q %w: the name belongs to %s", f.Name, change.ErrNotAllowed, before.Identity)
		case ahead(tx, f.Applied) || ahead(tx, f.Settled):
			return fmt.Errorf("follower %q %w: it has revision %s, and here %d is the newest; was an older store put back? give it a new lineage",
				f.Name, change.ErrConflict, f.Applied, tx.Revision())
		case known && f.Seen.Sub(before.Seen) < seenEvery && same(before, f):
			return nil
		}
		if !known && namesOf(tx, f.Identity) >= maxNames {
			return fmt.Errorf("follower %q %w: %s has %d names already; forget those that are no more", f.Name, change.ErrNotAllowed, f.Identity, maxNames)
		}
		tx.Put(spaceFollowers, f.Name, encode(f))
		return nil
	})
	if err == nil {
		s.moved.ring()
	}
	return err
}

// ahead reports whether a revision has not been made yet. ⚿ Taken at its word, a
// follower of a store that an older one replaced would count as having changes
// that it never saw.
func ahead(tx store.ReadTx, r authz.Revision) bool {
	return r.Lineage == tx.Lineage().String() && r.Number > tx.Revision()
}

// same reports whether two reports of a follower differ in nothing but time.
func same(a, b change.Follower) bool {
	a.Seen = b.Seen
	return a == b
}

// namesOf counts the followers that an identity has registered.
func namesOf(tx store.ReadTx, identity string) (n int) {
	for _, value := range tx.Scan(spaceFollowers, "", "") {
		var f change.Follower
		if json.Unmarshal(value, &f) == nil && f.Identity == identity {
			n++
		}
	}
	return n
}

func follower(tx store.ReadTx, name string) (change.Follower, bool, error) {
	value, ok := tx.Get(spaceFollowers, name)
	if !ok {
		return change.Follower{}, false, nil
	}
	var f change.Follower
	err := json.Unmarshal(value, &f)
	return f, true, err
}

// Forget removes a follower.
func (s *Service) Forget(ctx context.Context, name string) error {
	_, err := s.store.Update(ctx, func(tx store.WriteTx) error {
		if _, known := tx.Get(spaceFollowers, name); !known {
			return fmt.Errorf("follower %q %w", name, change.ErrNotFound)
		}
		tx.Delete(spaceFollowers, name)
		return nil
	})
	if err == nil {
		s.moved.ring()
	}
	return err
}

// Followers returns the registered followers by name.
func (s *Service) Followers(ctx context.Context) ([]change.Follower, error) {
	var followers []change.Follower
	err := s.store.View(ctx, func(tx store.ReadTx) error {
		followers = nil
		for name, value := range tx.Scan(spaceFollowers, "", "") {
			var f change.Follower
			if err := json.Unmarshal(value, &f); err != nil {
				return fmt.Errorf("follower %q: %w", name, err)
			}
			followers = append(followers, f)
		}
		return nil
	})
	return followers, err
}

// elsewhere is how often Wait looks for followers that report to another PAP over
// the same store.
const elsewhere = 500 * time.Millisecond

// Wait waits until every registered follower has settled at least the revision,
// or ctx is done, and returns those that have not. Legacy followers are not
// waited for.
func (s *Service) Wait(ctx context.Context, revision authz.Revision) ([]change.Follower, error) {
	for {
		moved := s.moved.next()
		// Not with ctx: who is missing is told when its time is over, too.
		followers, err := s.Followers(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		missing := slices.DeleteFunc(followers, func(f change.Follower) bool { return f.Legacy || settled(f, revision) })
		if len(missing) == 0 {
			return nil, nil
		}
		select {
		case <-moved:
		case <-time.After(elsewhere):
		case <-ctx.Done():
			return missing, nil
		}
	}
}

func settled(f change.Follower, at authz.Revision) bool {
	return f.Settled.Lineage == at.Lineage && f.Settled.Number >= at.Number
}

// bell wakes all who wait for the next ring.
type bell struct {
	mu   sync.Mutex
	rung chan struct{}
}

func newBell() *bell { return &bell{rung: make(chan struct{})} }

// next returns a channel that is closed at the next ring.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rung
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.rung)
	b.rung = make(chan struct{})
}
