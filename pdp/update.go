package pdp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// ErrMismatch says that an update does not follow on the policies in force:
// ask for a base.
var ErrMismatch = errors.New("update does not follow on the policies in force")

// Apply puts an update in force. On an error nothing has changed: it is
// ErrMismatch, or what is wrong with the policies, with every place.
//
// One rule among a million costs about a millisecond; decisions meanwhile go
// on by the policies before.
func (e *Engine) Apply(u policies.Update) error {
	e.applying.Lock()
	defer e.applying.Unlock()
	s := e.state.Load()
	if isConfirmation(u) && s.snapshot != nil && s.snapshot.Revision == u.To {
		e.confirm(u)
		return nil
	}
	snapshot, err := next(s.snapshot, u)
	if err != nil {
		return err
	}
	program, err := e.compiler.Compile(snapshot, s.program)
	if err != nil {
		return fmt.Errorf("revision %s: %w", u.To, err)
	}
	e.confirm(u)
	e.state.Store(&state{snapshot: snapshot, program: program, applied: e.clock(), replaced: make(chan struct{})})
	close(s.replaced)
	e.checked.forget(u.To)
	return nil
}

// confirm notes when the policies were last known to be those of the source: a
// follower that serves a copy from its disk says how old that word is.
func (e *Engine) confirm(u policies.Update) {
	if u.Confirmed.IsZero() {
		e.Confirmed()
		return
	}
	e.confirmed.Store(u.Confirmed.UnixNano())
}

func isConfirmation(u policies.Update) bool {
	return u.Base == nil && len(u.Edits) == 0 && u.From == u.To
}

// next returns the snapshot after an update, under the update's revision.
func next(s *policies.Snapshot, u policies.Update) (*policies.Snapshot, error) {
	after, err := s.Apply(u)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	if after.Root == nil {
		return nil, fmt.Errorf("revision %s has no root", u.To)
	}
	if after.Revision != u.To {
		renamed := *after
		renamed.Revision = u.To
		after = &renamed
	}
	return after, nil
}

// Check compiles an update as Apply would, without putting it in force: what
// it refuses must not become a revision. The policy administration point calls
// it inside its transactions and may be some revisions ahead of this engine; an
// update that follows on one checked before is tried in full, and one whose
// foundation is unknown here item by item.
func (e *Engine) Check(u policies.Update) error {
	s := e.state.Load()
	base := compiled{s.snapshot, s.program}
	if u.Base == nil && s.revision() != u.From {
		ahead, ok := e.checked.at(u.From)
		if !ok {
			return e.compiler.CheckItems(u.Edits)
		}
		base = ahead
	}
	snapshot, err := next(base.snapshot, u)
	if err != nil {
		return err
	}
	program, err := e.compiler.Compile(snapshot, base.program)
	if err != nil {
		return fmt.Errorf("revision %s: %w", u.To, err)
	}
	e.checked.remember(compiled{snapshot, program})
	return nil
}

// At returns who decides by the policies of a revision: those in force, or an
// update that Check accepted lately. It tells before a change what the change
// would do. Neither staleness nor a later revision changes its answers.
func (e *Engine) At(r authz.Revision) (authz.Decider, bool) {
	if s := e.state.Load(); s.snapshot != nil && s.revision() == r {
		return &foreseen{e, s}, true
	}
	c, ok := e.checked.at(r)
	return &foreseen{e, &state{snapshot: c.snapshot, program: c.program}}, ok
}

// foreseen decides by one state, whatever is in force.
type foreseen struct {
	engine *Engine
	state  *state
}

var _ authz.Decider = (*foreseen)(nil)

// Decide implements authz.Decider.
func (f *foreseen) Decide(ctx context.Context, r *authz.Request) (response authz.Response, err error) {
	if err := ctx.Err(); err != nil {
		return authz.Response{}, err
	}
	defer f.engine.recovered(f.state, r, &response)
	response = f.state.program.Decide(ctx, r, f.engine.clock())
	response.Revision = f.state.snapshot.Revision
	return response, nil
}

// compiled is a snapshot with its program.
type compiled struct {
	snapshot *policies.Snapshot
	program  *eval.Program
}

// checked remembers the last few updates that were checked, by the revision
// that they would become. They are never put in force: the transaction that
// asked may have failed, and its revision come to mean something else.
type checked struct {
	mu   sync.Mutex
	last []compiled
}

const checkedAtMost = 8

func (c *checked) at(r authz.Revision) (compiled, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.last) - 1; i >= 0; i-- {
		if c.last[i].snapshot.Revision == r {
			return c.last[i], true
		}
	}
	return compiled{}, false
}

func (c *checked) remember(one compiled) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.last) == checkedAtMost {
		c.last = append(c.last[:0], c.last[1:]...)
	}
	c.last = append(c.last, one)
}

// forget drops what the engine itself has reached.
func (c *checked) forget(r authz.Revision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.last[:0]
	for _, one := range c.last {
		if at := one.snapshot.Revision; at.Lineage == r.Lineage && at.Number > r.Number {
			kept = append(kept, one)
		}
	}
	clear(c.last[len(kept):])
	c.last = kept
}
