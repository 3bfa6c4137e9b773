package eval

import (
	"context"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Decide answers a request as of a moment. The response is complete but for
// its revision. The context reaches foreign policies only: nothing else waits.
func (p *Program) Decide(ctx context.Context, r *authz.Request, now time.Time) authz.Response {
	var response authz.Response
	p.decide(ctx, r, now, nil, &response)
	return response
}

// DecideNow is Decide as of the moment that the clock shows when it first
// matters, which it seldom does. It completes a zero response.
func (p *Program) DecideNow(ctx context.Context, r *authz.Request, clock func() time.Time, response *authz.Response) {
	p.decide(ctx, r, time.Time{}, clock, response)
}

func (p *Program) decide(ctx context.Context, r *authz.Request, now time.Time, clock func() time.Time, response *authz.Response) {
	f := p.compiler.frames.Get().(*frame)
	f.start(p, r, now, clock)
	f.context = ctx
	p.respond(f, p.run(f), response)
	f.finish()
	p.compiler.frames.Put(f) // not after a panic: that frame is dropped
}

// run evaluates the tree. A Permit of a request with presented attributes has
// to stand on the verified ones alone as well; see the package comment.
func (p *Program) run(f *frame) outcome {
	o := p.root.eval(f, bothSides)
	if f.uniform || o.decision != authz.Permit {
		return o
	}
	mark, applied := len(f.duties), f.applied
	f.variables, f.applied, f.uniform = f.variables[:0], nil, true
	alone := p.root.eval(f, bothSides)
	f.variables, f.uniform = f.variables[:0], false
	if alone.decision != authz.Permit {
		f.keepFrom(0, mark)
		return alone
	}
	f.drop(mark)
	f.applied = applied
	return o
}

func (p *Program) respond(f *frame, o outcome, to *authz.Response) {
	to.Decision, to.Extent, to.Policies = o.decision, o.extent, f.applied
	if o.by != nil {
		to.Reason = o.by.reason()
	}
	if o.decision == authz.Indeterminate {
		to.Status = o.status
		if to.Status == nil {
			to.Status = &authz.Status{Code: authz.StatusProcessingError}
		}
	}
	to.Obligations, to.Advice = f.collect()
	if o.decision != authz.Permit {
		to.Enough = p.enough(f, to)
	}
}
