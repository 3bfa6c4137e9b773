package pep

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// maxTranslations bounds how often an obligation may turn into others.
const maxTranslations = 8

var (
	errNotUnderstood = errors.New("nobody here understands it")
	errNoEffect      = errors.New("its fulfiller reports no effect")
	errEndless       = errors.New("it turns into others without end")
)

// fulfil carries out the obligations and returns those left for the caller.
func (e *Enforcer) fulfil(ctx context.Context, effects *Effects, r *authz.Request, obligations []authz.Obligation) ([]authz.Obligation, error) {
	var left []authz.Obligation
	for _, o := range obligations {
		rest, err := e.fulfilOne(ctx, effects, r, o, 0)
		if err != nil {
			return nil, err
		}
		left = append(left, rest...)
	}
	return left, nil
}

func (e *Enforcer) fulfilOne(ctx context.Context, effects *Effects, r *authz.Request, o authz.Obligation, depth int) ([]authz.Obligation, error) {
	f := e.Fulfillers[o.ID]
	if f == nil {
		return e.leave(o)
	}
	if depth > maxTranslations {
		return nil, fmt.Errorf("obligation %s: %w", o.ID, errEndless)
	}
	before := effects.reports
	rest, err := f.Fulfill(ctx, r, o)
	if err != nil {
		return nil, fmt.Errorf("obligation %s: %w", o.ID, err)
	}
	if len(rest) == 0 && effects.reports == before {
		return nil, fmt.Errorf("obligation %s: %w", o.ID, errNoEffect)
	}
	var left []authz.Obligation
	for _, next := range rest {
		var more []authz.Obligation
		if next.ID == o.ID { // not carried out: the caller's, or nobody's
			more, err = e.leave(next)
		} else {
			more, err = e.fulfilOne(ctx, effects, r, next, depth+1)
		}
		if err != nil {
			return nil, err
		}
		left = append(left, more...)
	}
	return left, nil
}

func (e *Enforcer) leave(o authz.Obligation) ([]authz.Obligation, error) {
	if e.Understood == nil || !e.Understood(o.ID) {
		return nil, fmt.Errorf("obligation %s: %w", o.ID, errNotUnderstood)
	}
	return []authz.Obligation{o}, nil
}
