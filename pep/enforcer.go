package pep

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// DefaultDeadline is how long a request may take from the first enricher to
// the last fulfiller.
const DefaultDeadline = 5 * time.Second

// Enforcer enforces decisions. Fill it in once, then use it from any number of
// goroutines; it must not change any more. The zero Enforcer refuses.
type Enforcer struct {
	// Process is the role that writes the audit records: "pep", "container".
	Process string
	// Enrichers run in order, each seeing what those before it added.
	Enrichers []authz.Enricher
	Decider   authz.Decider
	// Fulfillers carry out the obligations of a permit, by obligation id.
	Fulfillers map[string]authz.Fulfiller
	// Understood says which obligations the caller carries out itself, besides
	// those with a Fulfiller; nil means none. See [Understand] and
	// [UnderstandAny].
	Understood func(id string) bool
	// Recorder gets one record for each request, before the answer. Without
	// one nothing is permitted.
	Recorder authz.Recorder
	// Describe fills in subject, action, resource and the like from the
	// attributes of the request, whose ids this package does not know.
	Describe func(r *authz.Request, rec *authz.Record)
	Deadline time.Duration    // DefaultDeadline if zero
	Clock    func() time.Time // time.Now if nil
	NewID    func() string    // 32 random hex digits if nil
}

var (
	_ authz.Decider   = (*Enforcer)(nil)
	_ authz.Explainer = (*Enforcer)(nil)
	_ authz.Watcher   = (*Enforcer)(nil)
)

// Understand returns the set of these obligation ids.
func Understand(ids ...string) func(string) bool {
	set := map[string]bool{}
	for _, id := range ids {
		set[id] = true
	}
	return func(id string) bool { return set[id] }
}

// UnderstandAny is for an Enforcer whose client is itself the enforcement
// point and refuses what it does not understand.
func UnderstandAny(string) bool { return true }

// Enforce decides the request and carries its obligations out. It does not
// change r. A request that has an ID keeps it.
func (e *Enforcer) Enforce(ctx context.Context, r *authz.Request) Outcome {
	start := e.now()
	if r == nil {
		o := failure(errors.New("no request"))
		o.ID = e.newID()
		return e.record(ctx, o, &authz.Request{}, start)
	}
	q := copyOf(r)
	if q.ID == "" {
		q.ID = e.newID()
	}
	o := e.inTime(ctx, q)
	o.ID = q.ID
	if o.Request == nil {
		// q may still be in the hands of somebody too slow.
		q = copyOf(r)
		q.ID = o.ID
	}
	return e.record(ctx, o, q, start)
}

// Decide implements authz.Decider: an Enforcer stands before a wire whose
// client enforces. A failure is Indeterminate.
func (e *Enforcer) Decide(ctx context.Context, r *authz.Request) (authz.Response, error) {
	return e.Enforce(ctx, r).Response, nil
}

// copyOf copies what an enricher may change.
func copyOf(r *authz.Request) *authz.Request {
	q := *r
	q.Attributes = append(make([]authz.Attribute, 0, len(r.Attributes)+16), r.Attributes...)
	return &q
}

var errTooSlow = errors.New("no decision within the deadline")

// inTime does the work on a goroutine of its own, so that a Decider that hangs
// or panics costs this request only.
func (e *Enforcer) inTime(ctx context.Context, q *authz.Request) Outcome {
	deadline := e.Deadline
	if deadline <= 0 {
		deadline = DefaultDeadline
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	done := make(chan Outcome, 1)
	go func() {
		o := failure(errors.New("ended without an outcome"))
		defer func() {
			if p := recover(); p != nil {
				o = failure(fmt.Errorf("panic: %v", p))
			}
			done <- o
		}()
		o = e.judge(ctx, q)
	}()
	select {
	case o := <-done:
		return o
	case <-ctx.Done():
		return failure(fmt.Errorf("%w: %w", errTooSlow, ctx.Err()))
	}
}

func (e *Enforcer) judge(ctx context.Context, q *authz.Request) Outcome {
	response, refused, err := ask(ctx, e.Decider, e.Enrichers, q)
	if err != nil {
		o := failure(err)
		o.credential = refused
		return o
	}
	o := Outcome{Response: response, Request: q, Cause: refused, credential: refused}
	if !response.Permitted() {
		return o
	}
	q.Decided = response.Revision
	o.Response.Obligations, err = e.fulfil(withEffects(ctx, &o.Effects), &o.Effects, q, response.Obligations)
	if err != nil {
		o = failure(err)
		o.Response.Revision, o.Request = response.Revision, q
		return o
	}
	o.Permit = true
	return o
}

// record writes the record and takes a permit back that left no trace.
func (e *Enforcer) record(ctx context.Context, o Outcome, r *authz.Request, start time.Time) Outcome {
	rec := authz.Record{
		Time: start, Event: authz.EventDecision, ID: o.ID, Process: e.Process, Peer: r.Peer,
		Decision: o.Response.Decision.String(), Reason: o.Response.Reason, Revision: o.Response.Revision,
		Account: o.Effects.Account.Name, Duration: e.now().Sub(start),
	}
	if r.Credential != nil {
		rec.Subject = r.Credential.Subject
	}
	if o.Permit {
		rec.Limits = limits(o.Effects)
	}
	if o.Cause != nil {
		rec.Cause = o.Cause.Error()
	}
	if err := e.write(ctx, rec, r); err != nil {
		err = fmt.Errorf("the audit record was not written: %w", err)
		if !o.Permit {
			o.Cause = errors.Join(o.Cause, err)
			return o
		}
		refused := failure(err)
		refused.ID, refused.Request = o.ID, o.Request
		return refused
	}
	return o
}

func (e *Enforcer) write(ctx context.Context, rec authz.Record, r *authz.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if e.Recorder == nil {
		return errors.New("no audit log is configured")
	}
	if e.Describe != nil {
		e.Describe(r, &rec)
	}
	// The caller may be gone; what was decided is written down all the same.
	return e.Recorder.Record(context.WithoutCancel(ctx), rec)
}

func limits(e Effects) string {
	var s string
	if e.CPUTime.Set {
		s = "cpu " + e.CPUTime.String()
	}
	if e.WallTime.Set {
		if s != "" {
			s += ", "
		}
		s += "wall " + e.WallTime.String()
	}
	return s
}

func (e *Enforcer) now() time.Time {
	if e.Clock == nil {
		return time.Now()
	}
	return e.Clock()
}

func (e *Enforcer) newID() string {
	if e.NewID != nil {
		return e.NewID()
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process first
	return hex.EncodeToString(b[:])
}
