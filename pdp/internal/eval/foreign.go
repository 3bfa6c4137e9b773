package eval

import (
	"context"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// Language compiles the policies of one foreign format.
type Language interface {
	// Compile returns the policy ready to decide. The error says where in the
	// text it is wrong and refuses the policy.
	Compile(p policies.Foreign) (ForeignProgram, error)
}

// ForeignProgram is one compiled foreign policy. It is safe for concurrent use.
type ForeignProgram interface {
	// Decide answers a request at a time. An error is Indeterminate{DP}. It
	// must heed ctx and keep its own budget, have no other input, and neither
	// keep nor change the request.
	Decide(ctx context.Context, r *authz.Request, now time.Time) (Opinion, error)
}

// ForeignExplainer is what a ForeignProgram may be besides.
type ForeignExplainer interface {
	// Explain shows how Decide came to its answer. It is asked only where an
	// explanation is, and has no part in the answer.
	Explain(ctx context.Context, r *authz.Request, now time.Time) []*authz.Step
}

// Opinion is what a foreign policy answers: Permit, Deny or NotApplicable, and
// what goes with it. The zero Opinion is Indeterminate.
type Opinion struct {
	Decision    authz.Decision
	Obligations []authz.Obligation
	Advice      []authz.Obligation
	Because     string // what the user may read
}

// foreign is a compiled policies.Foreign.
type foreign struct {
	filings
	from    *policies.Foreign
	program ForeignProgram
	why     *authz.Reason
}

var _ node = (*foreign)(nil)

func (n *foreign) reason() *authz.Reason     { return n.why }
func (n *foreign) where() (place, id string) { return n.from.Place, n.from.ID }
func (n *foreign) goal() *target             { return nil }
func (n *foreign) settle(crowd)              {}

func (c *compilation) foreign(p *policies.Foreign, old node) node {
	if before, ok := old.(*foreign); ok && before.from == p {
		return before
	}
	language, ok := c.compiler.languages[p.Format]
	if !ok {
		c.fail(p.Position, "%q: no language %q", p.ID, p.Format)
		return nil
	}
	program, err := language.Compile(*p)
	if err != nil {
		c.fail(p.Position, "%q: %s", p.ID, err)
		return nil
	}
	return &foreign{from: p, program: program, why: &authz.Reason{PAP: c.pap, Policy: p.ID, Position: p.Position.String()}}
}

// said is an opinion with the reason that names its words.
type said struct{ why *authz.Reason }

func (s said) reason() *authz.Reason { return s.why }

// eval asks the policy about the verified attributes for a Permit, and about
// all of them for a Deny: a refusal in either stands.
func (n *foreign) eval(f *frame, side views) outcome {
	if f.trace != nil {
		return f.trace.foreign(n, side)
	}
	return n.answer(f, side)
}

func (n *foreign) answer(f *frame, side views) outcome {
	answer, opinion := n.ask(f, verified)
	if answer.decision == authz.Permit && !side.has(permitView) || answer.decision == authz.Deny && !side.has(denyView) {
		answer, opinion = notApplicable, Opinion{}
	}
	if !f.uniform && side.has(denyView) && answer.decision != authz.Deny {
		strict, strictly := n.ask(f, presented)
		if strict.decision == authz.Deny || strict.decision == authz.Indeterminate {
			answer, opinion = strict, strictly
		}
	}
	if answer.decision == authz.Permit || answer.decision == authz.Deny {
		f.duties = append(f.duties, &dutySegment{opinion.Obligations, opinion.Advice})
	}
	return answer
}

func (n *foreign) ask(f *frame, extent int) (outcome, Opinion) {
	r := f.request
	if extent == verified {
		r = f.verifiedOnly()
	}
	opinion, err := n.program.Decide(f.context, r, f.now())
	if err != nil {
		return uncertain(authz.ExtentDenyPermit, n, processingError(n.from.Position, "%s: %s", n.from.ID, err)), opinion
	}
	switch opinion.Decision {
	case authz.NotApplicable:
		return notApplicable, opinion
	case authz.Permit, authz.Deny:
		var by reasoner = n
		if opinion.Because != "" {
			why := *n.why
			why.Because = opinion.Because
			by = said{&why}
		}
		return outcome{decision: opinion.Decision, by: by}, opinion
	}
	return uncertain(authz.ExtentDenyPermit, n, processingError(n.from.Position, "%s gave no decision", n.from.ID)), opinion
}

// applicable of a policy without a target: it is asked in any case.
func (n *foreign) applicable(*frame, views) (match3, *authz.Status) { return matches, nil }

// verifiedOnly returns the request without what is merely presented.
func (f *frame) verifiedOnly() *authz.Request {
	if f.isVerified {
		return f.request
	}
	if f.strict == nil {
		strict := *f.request
		strict.Attributes = nil
		for _, a := range f.request.Attributes {
			if a.Standing == authz.Verified {
				strict.Attributes = append(strict.Attributes, a)
			}
		}
		strict.Content = nil
		for _, c := range f.request.Content {
			if c.Standing == authz.Verified {
				strict.Content = append(strict.Content, c)
			}
		}
		f.strict = &strict
	}
	return f.strict
}
