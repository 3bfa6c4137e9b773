package pdp_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bg = context.Background()

func revision(n uint64) authz.Revision { return authz.Revision{Lineage: "l", Number: n} }

func match(function, value, id string) policies.Target {
	return policies.Target{AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: []policies.Match{{
		Function: function, Value: authz.StringValue(value), Attribute: &policies.Designator{Category: authz.Subject, ID: id},
	}}}}}}}
}

func ban(id, dn string) *policies.Rule {
	t := match(profile.FunctionBanName, dn, profile.SubjectID)
	return &policies.Rule{ID: id, Effect: authz.Deny, Ban: true, PAP: "default", Target: &t, Because: "banned"}
}

// base permits everybody but the bans.
func base(n uint64, bans ...*policies.Rule) policies.Update {
	all := &policies.Policy{
		Header: policies.Header{ID: "all", Place: "V", PAP: "default", Combining: policies.FirstApplicable},
		Rules:  policies.NewList(&policies.Rule{ID: "yes", Effect: authz.Permit}),
	}
	s := &policies.Snapshot{Revision: revision(n), Root: policies.NewRoot(policies.NewList(bans...), all)}
	return policies.Update{To: revision(n), Base: s}
}

func edits(from, to uint64, edits ...policies.Edit) policies.Update {
	return policies.Update{From: revision(from), To: revision(to), Edits: edits}
}

func subject(t require.TestingT, dn string) *authz.Request {
	d, err := authz.ParseDN(dn)
	require.NoError(t, err)
	r := &authz.Request{ID: "id"}
	r.Add(authz.Subject, profile.SubjectID, authz.DNValue(d))
	return r
}

func decide(t require.TestingT, e *pdp.Engine, dn string) authz.Response {
	response, err := e.Decide(bg, subject(t, dn))
	require.NoError(t, err)
	return response
}

const (
	ann = "/DC=org/CN=Ann"
	bob = "/DC=org/CN=Bob"
)

func TestNoPoliciesPermitNobody(t *testing.T) {
	e := pdp.New(pdp.Options{})
	response := decide(t, e, ann)
	require.Equal(t, authz.Indeterminate, response.Decision)
	require.Contains(t, response.Status.Message, "no policies")
	require.False(t, e.Status().Ready)
}

// A ban in any spelling, put as one edit, refuses the next request; lifting it
// lets the person in again.
func TestBanAndUnban(t *testing.T) {
	e := pdp.New(pdp.Options{})
	require.NoError(t, e.Apply(base(1)))
	require.Equal(t, authz.Permit, decide(t, e, ann).Decision)
	require.NoError(t, e.Apply(edits(1, 2, policies.PutRule(ban("b", "cn=ANN, dc=org"), policies.BansID))))
	response := decide(t, e, ann)
	require.Equal(t, authz.Deny, response.Decision)
	require.Equal(t, &authz.Reason{PAP: "default", Policy: "bans", Rule: "b", Ban: true, Because: "banned"}, response.Reason)
	require.Equal(t, revision(2), response.Revision)
	require.Equal(t, authz.Permit, decide(t, e, bob).Decision)
	require.NoError(t, e.Apply(edits(2, 3, policies.RemoveItem("", "b", policies.BansID))))
	require.Equal(t, authz.Permit, decide(t, e, ann).Decision)
	require.Equal(t, 1, e.Status().Rules)
}

// Presented attributes are what bans see and permits do not.
func TestBanSeesWhatIsMerelyPresented(t *testing.T) {
	e := pdp.New(pdp.Options{})
	require.NoError(t, e.Apply(base(1, ban("b", ann))))
	r := subject(t, bob)
	r.Attributes = append(r.Attributes, authz.Attribute{
		Category: authz.Subject, ID: profile.SubjectID, Values: []authz.Value{authz.StringValue("CN=Ann,DC=org")}, Standing: authz.Presented,
	})
	response, err := e.Decide(bg, r)
	require.NoError(t, err)
	require.Equal(t, authz.Deny, response.Decision)
}

func TestMismatchChangesNothing(t *testing.T) {
	e := pdp.New(pdp.Options{})
	require.NoError(t, e.Apply(base(1)))
	require.ErrorIs(t, e.Apply(edits(7, 8)), pdp.ErrMismatch)
	require.ErrorIs(t, e.Apply(edits(1, 2, policies.RemoveItem("", "nobody", policies.BansID))), pdp.ErrMismatch)
	require.Equal(t, revision(1), decide(t, e, ann).Revision)
}

func broken(id string) *policies.Rule {
	t := match("urn:oasis:names:tc:xacml:1.0:function:no-such", "x", profile.SubjectID)
	return &policies.Rule{ID: id, Effect: authz.Permit, Target: &t, Position: policies.Position{File: "a.spl", Line: 3, Column: 5}}
}

func TestBrokenPolicyNeverGetsInForce(t *testing.T) {
	e := pdp.New(pdp.Options{})
	require.NoError(t, e.Apply(base(1)))
	require.Error(t, e.Apply(edits(1, 2, policies.PutRule(broken("x"), "all"))))
	require.Equal(t, authz.Permit, decide(t, e, ann).Decision)
	require.NoError(t, e.Apply(edits(1, 2, policies.PutRule(ban("b", ann), policies.BansID))))
}

// The administration point checks inside its transactions and may be ahead.
func TestCheck(t *testing.T) {
	e := pdp.New(pdp.Options{})
	put := func(r *policies.Rule) policies.Edit { return policies.PutRule(r, policies.BansID) }
	require.NoError(t, e.Check(edits(1, 2, put(ban("b", ann)))), "before the engine has anything")
	require.Error(t, e.Check(edits(1, 2, put(broken("x")))))
	require.NoError(t, e.Apply(base(1)))
	require.NoError(t, e.Check(edits(1, 2, put(ban("b", ann)))))
	require.NoError(t, e.Check(edits(2, 3, policies.RemoveItem("", "b", policies.BansID))), "on top of one that was checked")
	require.Error(t, e.Check(edits(2, 3, policies.RemoveItem("", "c", policies.BansID))))
	require.Error(t, e.Check(edits(3, 4, put(broken("x")))))
	require.Equal(t, authz.Permit, decide(t, e, ann).Decision, "nothing of this is in force")
	require.NoError(t, e.Check(edits(1, 2, put(ban("other", bob)))), "the first transaction failed")
	require.NoError(t, e.Check(edits(2, 3, policies.RemoveItem("", "other", policies.BansID))))
}

// What a change would do is known before it is made, by what was checked and by
// nothing that is in force by then.
func TestAt(t *testing.T) {
	e := pdp.New(pdp.Options{})
	_, found := e.At(revision(1))
	require.False(t, found)
	require.NoError(t, e.Apply(base(1)))
	require.NoError(t, e.Check(edits(1, 2, policies.PutRule(ban("b", "/CN=Eve"), policies.BansID))))
	now, found := e.At(revision(1))
	require.True(t, found)
	then, found := e.At(revision(2))
	require.True(t, found)
	answers := func() (all []authz.Decision) {
		for _, d := range []authz.Decider{now, then, e} {
			r, err := d.Decide(t.Context(), subject(t, "/CN=Eve"))
			require.NoError(t, err)
			all = append(all, r.Decision)
		}
		return all
	}
	before := decide(t, e, "/CN=Eve").Decision
	require.NotEqual(t, authz.Deny, before)
	require.Equal(t, []authz.Decision{before, authz.Deny, before}, answers())
	require.NoError(t, e.Apply(edits(1, 3, policies.PutRule(ban("b", "/CN=Eve"), policies.BansID))))
	require.Equal(t, []authz.Decision{before, authz.Deny, authz.Deny}, answers(), "whatever comes in force")
	_, found = e.At(revision(2))
	require.False(t, found, "it never was, and never will be")
}

func TestStaleness(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	e := pdp.New(pdp.Options{Clock: func() time.Time { return now }})
	require.NoError(t, e.Apply(base(1)))
	now = now.Add(pdp.DefaultMaxStale - time.Second)
	require.Equal(t, authz.Permit, decide(t, e, ann).Decision)
	now = now.Add(time.Second)
	response := decide(t, e, ann)
	require.Equal(t, authz.Indeterminate, response.Decision)
	require.Contains(t, response.Status.Message, "unconfirmed for 4h")
	require.False(t, e.Status().Ready)
	require.NoError(t, e.Apply(edits(1, 1)), "nothing new is a confirmation")
	require.Equal(t, authz.Permit, decide(t, e, ann).Decision)
	require.Equal(t, time.Duration(0), e.Status().Age)
}

func TestDoneContextIsNoDecision(t *testing.T) {
	e := pdp.New(pdp.Options{})
	require.NoError(t, e.Apply(base(1)))
	ctx, cancel := context.WithCancel(bg)
	cancel()
	_, err := e.Decide(ctx, subject(t, ann))
	require.ErrorIs(t, err, context.Canceled)
}

type explosive struct{}

func (explosive) Compile(policies.Foreign) (pdp.Program, error) { return explosive{}, nil }

func (explosive) Decide(context.Context, *authz.Request, time.Time) (pdp.Opinion, error) {
	panic("boom")
}

// A foreign policy that panics refuses its requests, and the engine goes on.
func TestPanicIsIndeterminate(t *testing.T) {
	e := pdp.New(pdp.Options{Languages: map[string]pdp.Language{"bomb": explosive{}}})
	u := base(1, ban("b", bob))
	u.Base.Root.Children = u.Base.Root.Children.Put(&policies.Foreign{ID: "x", Place: "1", Format: "bomb"})
	require.NoError(t, e.Apply(u))
	response := decide(t, e, ann)
	require.Equal(t, authz.Indeterminate, response.Decision)
	require.Equal(t, revision(1), response.Revision)
	require.Equal(t, authz.Deny, decide(t, e, bob).Decision, "bans stand before it")
}

// script is a source that plays updates and then waits.
type script struct {
	mu     sync.Mutex
	steps  []func(after authz.Revision) (policies.Update, error)
	asked  []authz.Revision
	played atomic.Bool
}

func (s *script) Next(ctx context.Context, after authz.Revision) (policies.Update, error) {
	s.mu.Lock()
	s.asked = append(s.asked, after)
	if len(s.steps) > 0 {
		step := s.steps[0]
		s.steps = s.steps[1:]
		s.mu.Unlock()
		return step(after)
	}
	s.mu.Unlock()
	s.played.Store(true)
	<-ctx.Done()
	return policies.Update{}, ctx.Err()
}

func give(u policies.Update) func(authz.Revision) (policies.Update, error) {
	return func(authz.Revision) (policies.Update, error) { return u, nil }
}

// Follow survives failures, asks for a base on a mismatch and takes another
// lineage.
func TestFollow(t *testing.T) {
	other := base(1, ban("b", ann))
	other.To.Lineage, other.Base.Revision.Lineage = "other", "other"
	s := &script{steps: []func(authz.Revision) (policies.Update, error){
		func(authz.Revision) (policies.Update, error) { return policies.Update{}, errors.New("unreachable") },
		give(base(1)),
		give(edits(5, 6)),
		give(other),
	}}
	e := pdp.New(pdp.Options{})
	ctx, cancel := context.WithCancel(bg)
	done := make(chan error)
	go func() { done <- e.Follow(ctx, s) }()
	at, err := e.Changed(ctx, authz.Revision{})
	require.NoError(t, err)
	require.Equal(t, revision(1), at)
	at, err = e.Changed(ctx, at)
	require.NoError(t, err)
	require.Equal(t, "other", at.Lineage)
	require.Equal(t, authz.Deny, decide(t, e, ann).Decision)
	require.Eventually(t, s.played.Load, 5*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Equal(t, []authz.Revision{{}, {}, revision(1), {}, other.To}, s.asked)
	_, err = e.Changed(ctx, at)
	require.ErrorIs(t, err, context.Canceled)
}

// Readers go on while bans come and go: every answer is that of some revision,
// and nobody waits for an update.
func TestReadersDuringUpdates(t *testing.T) {
	e := pdp.New(pdp.Options{})
	require.NoError(t, e.Apply(base(1)))
	var wait sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				response := decide(t, e, ann)
				want := authz.Permit
				if response.Revision.Number%2 == 0 {
					want = authz.Deny
				}
				require.Equal(t, want, response.Decision, response.Revision.String())
			}
		})
	}
	for n := uint64(1); n < 200; n += 2 {
		require.NoError(t, e.Apply(edits(n, n+1, policies.PutRule(ban("b", ann), policies.BansID))))
		require.NoError(t, e.Apply(edits(n+1, n+2, policies.RemoveItem("", "b", policies.BansID))))
	}
	close(stop)
	wait.Wait()
}
