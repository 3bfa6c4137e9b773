package eval

import (
	"context"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Decide answers a request as of a moment. The response is complete but for
// its revision. The context reaches foreign policies only: nothing else waits.
func (p *Program) Decide(ctx context.Context, r *authz.Request, now time.Time) authz.Response {
	f := p.compiler.frames.Get().(*frame)
	f.start(p, r, now)
	f.context = ctx
	response := p.respond(f, p.run(f))
	f.finish()
	p.compiler.frames.Put(f) // not after a panic: that frame is dropped
	return response
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

func (p *Program) respond(f *frame, o outcome) authz.Response {
	response := authz.Response{Decision: o.decision, Extent: o.extent, Policies: f.applied}
	if o.by != nil {
		response.Reason = o.by.reason()
	}
	if o.decision == authz.Indeterminate {
		response.Status = o.status
		if response.Status == nil {
			response.Status = &authz.Status{Code: authz.StatusProcessingError}
		}
	}
	response.Obligations, response.Advice = f.collect()
	if o.decision != authz.Permit {
		response.Enough = p.enough(f, response)
	}
	return response
}
