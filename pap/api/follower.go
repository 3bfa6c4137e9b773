package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// FollowerOptions are what a Follower is made of. Client and Name must be set.
type FollowerOptions struct {
	Client *Client
	// Name registers the follower at the PAP, for those who wait until a change
	// is in force. It belongs to the first certificate that used it.
	Name string
	// Path is the file of the last good copy; "" keeps none. The file belongs to
	// one follower, and its directory to nobody else.
	Path string
	// Relays says that this follower has followers of its own: it settles a
	// revision when told by Settle, not when it has applied it.
	Relays bool
	Clock  func() time.Time // nil is time.Now
	Log    *slog.Logger     // nil is silent
	Hold   time.Duration    // how long the PAP may hold the feed; 0 is DefaultHold
}

// Follower is a source of policies for a decision point, fed by a PAP on another
// machine. When the PAP is away it serves its last good copy, whose age Confirmed
// tells, and tries again.
type Follower struct {
	o    FollowerOptions
	turn chan struct{} // held by the one who is in Next; guards the fields below it
	copy *source.Copy
	disk *disk
	// newest is the newest revision that was ever here, in the copy or in force.
	newest authz.Revision
	// offered is the last base that was given, and to whom.
	offered offer
	// asked: the PAP has been asked once, or could not be.
	asked bool
	// fresh are the sets taken since the copy was last written down.
	fresh []change.Set

	people atomic.Pointer[people]

	mu        sync.Mutex // guards what follows
	confirmed time.Time
	trouble   error
	untold    error    // why the last report did not arrive
	progress  progress // as it is
	reported  progress // as the PAP knows
	at        time.Time
}

// people are the persons of the copy.
type people struct {
	all []change.Person
	at  authz.Revision // that they were taken at
}

// offer is a base given to a caller at a revision.
type offer struct{ after, to authz.Revision }

// NewFollower returns a Follower that starts with the copy on disk, if there is
// a good one. A damaged copy is set aside and reported to the log; only a
// directory that cannot be used is an error.
func NewFollower(o FollowerOptions) (*Follower, error) {
	if o.Client == nil || o.Name == "" {
		return nil, errors.New("a follower needs a client and a name")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Hold == 0 {
		o.Hold = DefaultHold
	}
	f := &Follower{o: o, turn: make(chan struct{}, 1), copy: &source.Copy{}}
	if o.Path == "" {
		return f, nil
	}
	f.disk = &disk{path: o.Path, log: o.Log}
	kept, confirmed, err := f.disk.load(o.Clock())
	if err != nil {
		return nil, err
	}
	if kept != nil {
		f.copy, f.confirmed, f.newest = kept, confirmed, kept.Revision()
		f.showPersons()
	}
	return f, nil
}

// Next waits until there is something newer than after, which is what the caller
// has in force, and returns what leads there; an update from after to after is
// word from the PAP that there is nothing newer. It is a pdp.Source.
//
// To a caller who is not where the copy is it gives the whole copy, at once or,
// the first time, when the PAP has been given two seconds to say something
// newer; Update.Confirmed tells its age. Being called is taken as word that
// after is in force. It returns ctx.Err() when ctx is done, without delay, and
// no other error: while the PAP is away it waits and tries again.
func (f *Follower) Next(ctx context.Context, after authz.Revision) (policies.Update, error) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return policies.Update{}, ctx.Err()
	}
	f.applied(after)
	f.reached(after)
	for pause := newPause(); ; {
		if update, ok := f.standing(ctx, after); ok {
			return update, nil
		}
		f.keep()
		_ = f.report(ctx) // it has been logged; the feed matters more
		update, err := f.ask(ctx, after)
		switch {
		case ctx.Err() != nil:
			return policies.Update{}, ctx.Err()
		case err != nil:
			f.failed(err)
			if err := pause.wait(ctx); err != nil {
				return policies.Update{}, err
			}
		case update.From == after:
			return update, nil
		default: // a base, for a caller who is elsewhere
			pause.reset()
		}
	}
}

// ask polls the PAP. A PAP that is stopping holds nothing: its answers are not
// passed on faster than it makes sense to ask.
func (f *Follower) ask(ctx context.Context, after authz.Revision) (policies.Update, error) {
	began := time.Now()
	update, some, err := f.poll(ctx, f.o.Hold)
	if err != nil || some {
		return update, err
	}
	if time.Since(began) < firstPause {
		if err := newPause().wait(ctx); err != nil {
			return policies.Update{}, err
		}
	}
	return policies.Update{From: f.copy.Revision(), To: f.copy.Revision()}, nil
}

// firstWait is how long a restarted follower asks for news before it serves
// what it has.
const firstWait = 2 * time.Second

// standing returns the copy to a caller who is elsewhere.
func (f *Follower) standing(ctx context.Context, after authz.Revision) (policies.Update, bool) {
	if f.copy.Revision() == (authz.Revision{}) || f.copy.Revision() == after {
		return policies.Update{}, false
	}
	if !f.asked {
		first, cancel := context.WithTimeout(ctx, firstWait)
		defer cancel()
		if _, _, err := f.poll(first, 0); err != nil {
			f.failed(err)
		}
		if f.copy.Revision() == (authz.Revision{}) { // what was there has proved bad
			return policies.Update{}, false
		}
	}
	// A caller who comes again for what it was just given cannot use it. The
	// PAP may have something better: a bad policy must not hold up a ban.
	now := offer{after, f.copy.Revision()}
	if f.offered == now {
		f.offered = offer{}
		return policies.Update{}, false
	}
	f.offered = now
	base, err := source.Snapshot(f.copy, source.Everyone, f.copy.Revision())
	if err != nil {
		f.failed(fmt.Errorf("no policy can be made from the copy at %s: %w", f.copy.Revision(), err))
		f.copy = &source.Copy{}
		return policies.Update{}, false
	}
	return policies.Update{From: after, To: base.Revision, Base: base, Confirmed: f.vouched()}, true
}

// poll asks the PAP once and takes what it says. It reports whether there was
// something newer.
func (f *Follower) poll(ctx context.Context, hold time.Duration) (policies.Update, bool, error) {
	f.asked = true
	had := f.copy.Revision()
	set, some, err := f.o.Client.poll(ctx, had, hold)
	if err != nil {
		return policies.Update{}, false, err
	}
	if !some {
		set.To = had // an answer without a body: nothing is newer
	}
	if err := follows(f.newest, set); err != nil {
		return policies.Update{}, false, err
	}
	if set.To == had {
		f.confirm()
		return policies.Update{}, false, nil
	}
	update, err := f.copy.Apply(set)
	if err != nil {
		// The next poll asks for everything. What is in force stays in force.
		f.copy, f.fresh = &source.Copy{}, nil
		return policies.Update{}, false, fmt.Errorf("update to %s: %w", set.To, err)
	}
	if set.Whole {
		f.fresh = nil
	}
	f.fresh = append(f.fresh, set)
	if set.Whole || slices.ContainsFunc(set.Edits, func(e change.Edit) bool { return e.Person != nil }) {
		f.showPersons()
	}
	f.reached(set.To)
	f.confirm()
	f.o.Log.Info("policies have come", "revision", set.To.String(), "edits", len(set.Edits), "whole", set.Whole)
	return update, true, nil
}

// showPersons lets others see the persons of the copy.
func (f *Follower) showPersons() {
	f.people.Store(&people{slices.Collect(f.copy.Persons()), f.copy.Revision()})
}

// Persons returns the persons as the PAP last told them, in no order, and the
// revision of that; until it has, and without a copy, ErrUnavailable. The caller
// must not change them.
func (f *Follower) Persons() ([]change.Person, authz.Revision, error) {
	p := f.people.Load()
	if p == nil {
		return nil, authz.Revision{}, fmt.Errorf("%w: no policies have come yet", ErrUnavailable)
	}
	return p.all, p.at, nil
}

// reached notes the newest revision that was ever here.
func (f *Follower) reached(at authz.Revision) {
	if at.Lineage != f.newest.Lineage && at != (authz.Revision{}) || at.Number > f.newest.Number {
		f.newest = at
	}
}

// follows refuses a set that would take the policies back. ⚿ A PAP, or one of its
// addresses, that has lost revisions has lost bans: who restores an older backup
// gives it a new lineage.
func follows(newest authz.Revision, set change.Set) error {
	if set.To.Lineage == "" {
		return errors.New("the PAP answered with no revision")
	}
	if newest.Lineage == set.To.Lineage && set.To.Number < newest.Number {
		return fmt.Errorf("the PAP went back from revision %d to %d in one lineage and may have lost bans: its policies stay as they are here; "+
			"an older backup must be restored under a new lineage", newest.Number, set.To.Number)
	}
	return nil
}

// keep writes down what has come. What cannot be written is in force all the
// same, and the trouble is shown.
func (f *Follower) keep() {
	if f.disk == nil {
		f.fresh = nil
		return
	}
	err := f.disk.keep(f.copy, f.fresh, f.Confirmed())
	f.fresh = nil
	if err != nil {
		f.o.Log.Error("the copy of the policies cannot be kept on disk", "error", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.disk.trouble = err
}

func (f *Follower) confirm() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.confirmed, f.trouble = f.o.Clock(), nil
}

func (f *Follower) failed(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trouble == nil || !sameTrouble(f.trouble, err) {
		since := "the start"
		if !f.confirmed.IsZero() {
			since = f.confirmed.UTC().Format(time.RFC3339)
		}
		f.o.Log.Warn("the PAP cannot be followed", "error", err, "since", since)
	}
	f.trouble = err
}

// sameTrouble leaves out the id of the decision, which is new each time: a
// follower that may not follow would fill the log.
func sameTrouble(a, b error) bool {
	first, _, _ := strings.Cut(a.Error(), " (decision ")
	second, _, _ := strings.Cut(b.Error(), " (decision ")
	return first == second
}

// Confirmed returns when the PAP last said that the copy is up to date, or sent
// what made it so; zero if never. Staleness counts from it.
func (f *Follower) Confirmed() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.confirmed
}

// vouched is Confirmed for an Update, where zero would mean now.
func (f *Follower) vouched() time.Time {
	if at := f.Confirmed(); !at.IsZero() {
		return at
	}
	return time.Unix(0, 0)
}

// Trouble returns why the PAP cannot be followed, or the copy not be kept; nil
// if all is well.
func (f *Follower) Trouble() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trouble != nil || f.disk == nil {
		return f.trouble
	}
	return f.disk.trouble
}

// applied notes what the caller of Next has in force.
func (f *Follower) applied(at authz.Revision) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.progress.Applied = at
	if !f.o.Relays {
		f.progress.Settled = at
	}
}

// Settle tells the PAP that this follower's own followers have the revision in
// force.
func (f *Follower) Settle(ctx context.Context, at authz.Revision) error {
	f.mu.Lock()
	f.progress.Settled = at
	f.mu.Unlock()
	return f.report(ctx)
}

// reportEvery keeps the PAP's note of when the follower was last seen young.
const reportEvery = 5 * time.Minute

// report tells the PAP how far the follower is, if it does not know.
func (f *Follower) report(ctx context.Context) error {
	f.mu.Lock()
	now, known := f.progress, f.reported == f.progress && f.o.Clock().Sub(f.at) < reportEvery
	f.mu.Unlock()
	if known {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reportWait)
	defer cancel()
	err := f.o.Client.Report(ctx, change.Follower{Name: f.o.Name, Applied: now.Applied, Settled: now.Settled})
	f.mu.Lock()
	again := err != nil && f.untold != nil && sameTrouble(f.untold, err)
	f.untold = err
	f.mu.Unlock()
	if err != nil && !again {
		f.o.Log.Warn("the PAP was not told how far we are", "error", err)
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reported, f.at = now, f.o.Clock()
	return nil
}

const reportWait = 10 * time.Second

// pause is a wait between attempts that doubles, with jitter, so that the
// followers of a PAP that comes back do not all come at once.
type pause struct{ next time.Duration }

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
)

func newPause() *pause { return &pause{next: firstPause} }

func (p *pause) reset() { p.next = firstPause }

func (p *pause) wait(ctx context.Context) error {
	timer := time.NewTimer(p.next/2 + rand.N(p.next/2))
	defer timer.Stop()
	p.next = min(2*p.next, lastPause)
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
