package pdp

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// DefaultMaxStale is how long an engine answers without its source confirming
// that nothing changed (DECISIONS 9).
const DefaultMaxStale = 4 * time.Hour

// Options are what an Engine is made of. The zero Options serve.
type Options struct {
	Clock     func() time.Time    // nil is time.Now
	Log       *slog.Logger        // nil discards
	Languages map[string]Language // by policies.Foreign.Format
	// MaxStale is how long policies count without a confirmation; 0 is
	// DefaultMaxStale, less than 0 is forever: for policies without a source.
	MaxStale time.Duration
}

// Engine decides requests by the policies in force. It is safe for concurrent
// use; a decision takes no lock.
type Engine struct {
	clock    func() time.Time
	log      *slog.Logger
	maxStale time.Duration
	compiler *eval.Compiler

	state     atomic.Pointer[state]
	confirmed atomic.Int64 // unix nanoseconds

	applying sync.Mutex // one update at a time
	checked  checked
}

// state is the policies in force at one revision.
type state struct {
	snapshot *policies.Snapshot // nil before the first update
	program  *eval.Program
	applied  time.Time
	replaced chan struct{} // closed when another state is in force
}

var (
	_ authz.Decider   = (*Engine)(nil)
	_ authz.Explainer = (*Engine)(nil)
	_ authz.Watcher   = (*Engine)(nil)
)

// New returns an engine without policies: it answers Indeterminate.
func New(o Options) *Engine {
	e := &Engine{clock: o.Clock, log: o.Log, maxStale: o.MaxStale, compiler: eval.NewCompiler(o.Languages)}
	if e.clock == nil {
		e.clock = time.Now
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.maxStale == 0 {
		e.maxStale = DefaultMaxStale
	}
	e.state.Store(&state{replaced: make(chan struct{})})
	return e
}

// Decide answers a request. Policies that cannot be relied on are no error but
// Indeterminate, with a status that says why; the error is that of a context
// that is done already.
func (e *Engine) Decide(ctx context.Context, r *authz.Request) (response authz.Response, err error) {
	if err := ctx.Err(); err != nil {
		return authz.Response{}, err
	}
	s := e.state.Load()
	if status := e.unfit(s); status != nil {
		return authz.Response{Status: status, Extent: authz.ExtentDenyPermit, Revision: s.revision()}, nil
	}
	defer e.recovered(s, r, &response)
	s.program.DecideNow(ctx, r, e.clock, &response)
	response.Revision = s.snapshot.Revision
	return response, nil
}

// Explain decides a request and shows how: the answer is that of Decide.
func (e *Engine) Explain(ctx context.Context, r *authz.Request) (explanation authz.Explanation, err error) {
	if err := ctx.Err(); err != nil {
		return authz.Explanation{}, err
	}
	s, now := e.state.Load(), e.clock()
	if status := e.unfit(s); status != nil {
		return authz.Explanation{Response: authz.Response{Status: status, Extent: authz.ExtentDenyPermit, Revision: s.revision()}}, nil
	}
	defer e.recovered(s, r, &explanation.Response)
	explanation = s.program.Explain(ctx, r, now)
	explanation.Response.Revision = s.snapshot.Revision
	return explanation, nil
}

// recovered turns a panic into Indeterminate: a fault of ours must neither let
// anybody in nor stop the service.
func (e *Engine) recovered(s *state, r *authz.Request, response *authz.Response) {
	cause := recover()
	if cause == nil {
		return
	}
	e.log.Error("panic while deciding: the answer is Indeterminate", "id", r.ID, "revision", s.revision().String(), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	*response = authz.Response{
		Extent: authz.ExtentDenyPermit, Revision: s.revision(),
		Status: &authz.Status{Code: authz.StatusProcessingError, Message: "the decision point failed on this request"},
	}
}

// unfit says why a state cannot be relied on; nil when it can.
func (e *Engine) unfit(s *state) *authz.Status {
	if s.program == nil {
		return &authz.Status{Code: authz.StatusProcessingError, Message: "the decision point has no policies yet"}
	}
	if e.maxStale < 0 { // looking at the clock is a tenth of a decision
		return nil
	}
	if age := e.age(e.clock()); age >= e.maxStale {
		return &authz.Status{Code: authz.StatusProcessingError, Message: fmt.Sprintf("policies unconfirmed for %s, more than %s", age.Round(time.Second), e.maxStale)}
	}
	return nil
}

func (e *Engine) age(now time.Time) time.Duration {
	return max(now.Sub(time.Unix(0, e.confirmed.Load())), 0)
}

func (s *state) revision() authz.Revision {
	if s.snapshot == nil {
		return authz.Revision{}
	}
	return s.snapshot.Revision
}

// Changed waits until policies other than those of revision after are in
// force, and returns their revision.
func (e *Engine) Changed(ctx context.Context, after authz.Revision) (authz.Revision, error) {
	for {
		s := e.state.Load()
		if s.snapshot != nil && s.snapshot.Revision != after {
			return s.snapshot.Revision, nil
		}
		select {
		case <-s.replaced:
		case <-ctx.Done():
			return authz.Revision{}, ctx.Err()
		}
	}
}

// Confirmed notes that the policies in force are those of their source as of
// now. Apply does so by itself.
func (e *Engine) Confirmed() { e.confirmed.Store(e.clock().UnixNano()) }

// Status is the state of an engine as /status and metrics show it.
type Status struct {
	Revision authz.Revision
	Applied  time.Time     // when the policies were put in force
	Age      time.Duration // since they were last confirmed
	Ready    bool          // there are policies, and they count
	Cause    string        // why not, otherwise
	Bans     int
	Rules    int
	Policies int
}

// Status returns the state of the engine.
func (e *Engine) Status() Status {
	s, now := e.state.Load(), e.clock()
	status := Status{Revision: s.revision(), Applied: s.applied, Ready: true}
	if s.program != nil {
		counts := s.program.Counts()
		status.Bans, status.Rules, status.Policies = counts.Bans, counts.Rules, counts.Policies
		status.Age = e.age(now)
	}
	if why := e.unfit(s); why != nil {
		status.Ready, status.Cause = false, why.Message
	}
	return status
}
