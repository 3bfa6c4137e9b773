package eval

import (
	"context"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// DecideTrying is Decide that looks for what would have been enough whether or
// not a bound was come across that failed.
func (p *Program) DecideTrying(ctx context.Context, r *authz.Request, now time.Time) (response authz.Response) {
	f := p.compiler.frames.Get().(*frame)
	f.start(p, r, now, nil)
	f.context = ctx
	o := p.run(f)
	f.unmet = p.root.children.bounded
	p.respond(f, o, &response)
	f.finish()
	p.compiler.frames.Put(f)
	return response
}
