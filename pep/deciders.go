package pep

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
)

var errNoDecider = errors.New("no decision point is configured")

// ask enriches the request, which it changes, and has it decided. If the
// credential of the request does not stand, refused says why; the response is
// then never a permit, but a ban on what was presented is named.
func ask(ctx context.Context, d authz.Decider, enrichers []authz.Enricher, q *authz.Request) (response authz.Response, refused, err error) {
	if q.Credential != nil {
		refused = q.Credential.Verdict()
	}
	if d == nil {
		return response, refused, errNoDecider
	}
	for _, e := range enrichers {
		if err := e.Enrich(ctx, q); err != nil {
			return response, refused, fmt.Errorf("the request could not be enriched: %w", err)
		}
	}
	if q.Credential != nil && refused == nil {
		refused = q.Credential.Verdict() // an enricher may bring one
	}
	response, err = d.Decide(ctx, q)
	if err != nil {
		return authz.Response{}, refused, fmt.Errorf("no decision: %w", err)
	}
	if refused != nil && response.Decision != authz.Deny {
		revision := response.Revision
		response = undecided("the credential was refused")
		response.Revision = revision
	}
	return response, refused, nil
}

// Enrich returns a Decider that enriches each request before d decides it, and
// carries nothing out: what stands before a wire, so that a raw request gets
// the same attributes as an embedded one. It has d's abilities to explain and
// to watch. A request whose credential does not stand is never permitted.
func Enrich(d authz.Decider, enrichers ...authz.Enricher) authz.Decider {
	return &enriching{d, enrichers}
}

type enriching struct {
	decider   authz.Decider
	enrichers []authz.Enricher
}

var (
	_ authz.Explainer = (*enriching)(nil)
	_ authz.Watcher   = (*enriching)(nil)
)

// Decide implements authz.Decider.
func (e *enriching) Decide(ctx context.Context, r *authz.Request) (response authz.Response, err error) {
	defer recovered(&err)
	response, _, err = ask(ctx, e.decider, e.enrichers, copyOf(r))
	return response, err
}

// recovered turns a panic into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v", p)
	}
}

// Explain implements authz.Explainer; errors.ErrUnsupported if the Decider
// behind cannot.
func (e *enriching) Explain(ctx context.Context, r *authz.Request) (authz.Explanation, error) {
	return explain(ctx, e.decider, e.enrichers, r)
}

// Changed implements authz.Watcher; errors.ErrUnsupported if the Decider
// behind cannot.
func (e *enriching) Changed(ctx context.Context, after authz.Revision) (authz.Revision, error) {
	return changed(ctx, e.decider, after)
}

// Explain implements authz.Explainer: what the Decider would do with the
// enriched request. Nothing is carried out or recorded. The error is
// errors.ErrUnsupported if the Decider cannot explain.
func (e *Enforcer) Explain(ctx context.Context, r *authz.Request) (authz.Explanation, error) {
	return explain(ctx, e.Decider, e.Enrichers, r)
}

// Changed implements authz.Watcher; errors.ErrUnsupported if the Decider
// cannot tell.
func (e *Enforcer) Changed(ctx context.Context, after authz.Revision) (authz.Revision, error) {
	return changed(ctx, e.Decider, after)
}

func explain(ctx context.Context, d authz.Decider, enrichers []authz.Enricher, r *authz.Request) (x authz.Explanation, err error) {
	defer recovered(&err)
	explainer, ok := d.(authz.Explainer)
	if !ok {
		return authz.Explanation{}, fmt.Errorf("this decision point does not explain: %w", errors.ErrUnsupported)
	}
	q := copyOf(r)
	for _, e := range enrichers {
		if err := e.Enrich(ctx, q); err != nil {
			return authz.Explanation{}, fmt.Errorf("the request could not be enriched: %w", err)
		}
	}
	x, err = explainer.Explain(ctx, q)
	if err == nil && q.Credential != nil && x.Response.Decision != authz.Deny {
		if refused := q.Credential.Verdict(); refused != nil {
			x.Response = undecided("the credential was refused: " + refused.Error())
		}
	}
	return x, err
}

func changed(ctx context.Context, d authz.Decider, after authz.Revision) (authz.Revision, error) {
	watcher, ok := d.(authz.Watcher)
	if !ok {
		return authz.Revision{}, fmt.Errorf("this decision point does not tell of changes: %w", errors.ErrUnsupported)
	}
	return watcher.Changed(ctx, after)
}

// Failover returns a Decider that asks in order and takes the first answer.
// Any decision is an answer, NotApplicable and Indeterminate too; an error is
// none. Without an answer its error joins all of them.
func Failover(deciders ...authz.Decider) authz.Decider { return failover(deciders) }

type failover []authz.Decider

// Decide implements authz.Decider.
func (f failover) Decide(ctx context.Context, r *authz.Request) (authz.Response, error) {
	all := []error{errNoDecider}
	for i, d := range f {
		response, err := decideSafely(ctx, d, r)
		if err == nil {
			return response, nil
		}
		if i == 0 {
			all = nil
		}
		all = append(all, err)
	}
	return authz.Response{}, errors.Join(all...)
}

func decideSafely(ctx context.Context, d authz.Decider, r *authz.Request) (response authz.Response, err error) {
	defer recovered(&err)
	if d == nil {
		return authz.Response{}, errNoDecider
	}
	return d.Decide(ctx, r)
}

// DenyOverrides returns a Decider that asks all. One Deny denies; else one
// Indeterminate, or one that does not answer, leaves it undecided; else one
// Permit permits, with the obligations and advice of every Permit.
func DenyOverrides(deciders ...authz.Decider) authz.Decider { return denyOverrides(deciders) }

type denyOverrides []authz.Decider

// Decide implements authz.Decider.
func (d denyOverrides) Decide(ctx context.Context, r *authz.Request) (authz.Response, error) {
	result := authz.Response{Decision: authz.NotApplicable}
	var failed error
	if len(d) == 0 {
		failed = errNoDecider
	}
	for _, one := range d {
		response, err := decideSafely(ctx, one, r)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if response.Decision == authz.Deny {
			return response, nil
		}
		result = joinAnswers(result, response)
	}
	if failed != nil {
		return authz.Response{}, failed
	}
	return result, nil
}

// joinAnswers joins two answers that are no Deny. What is joined is copied:
// a Response's slices belong to whoever made it.
func joinAnswers(a, b authz.Response) authz.Response {
	switch {
	case a.Decision == authz.Indeterminate:
		return a
	case b.Decision == authz.Indeterminate:
		return b
	case b.Decision == authz.NotApplicable:
		if a.Decision == authz.NotApplicable && a.Revision == (authz.Revision{}) {
			return b
		}
		return a
	case a.Decision == authz.NotApplicable:
		return b
	}
	a.Obligations = append(append([]authz.Obligation(nil), a.Obligations...), b.Obligations...)
	a.Advice = append(append([]authz.Obligation(nil), a.Advice...), b.Advice...)
	a.Policies = append(append([]authz.PolicyID(nil), a.Policies...), b.Policies...)
	return a
}
