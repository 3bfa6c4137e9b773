package authz

import "context"

// Decider answers requests. Denied is a value; an error means that there is no
// decision and that the caller must refuse. It is safe for concurrent use and
// does not keep or change the request.
type Decider interface {
	Decide(ctx context.Context, r *Request) (Response, error)
}

// Enricher adds attributes to a request before it is decided. It never removes
// or weakens what is there. An error refuses the request.
type Enricher interface {
	Enrich(ctx context.Context, r *Request) error
}

// Fulfiller carries out one obligation of a permit and returns the obligations
// that remain in its place: none when the effect is complete, others when it
// only translated (an account mapping, say). It may tighten a limit, never
// widen one. An error turns the permit into a denial.
type Fulfiller interface {
	Fulfill(ctx context.Context, r *Request, o Obligation) ([]Obligation, error)
}

// Mapper names the local account for a permitted request. It returns the same
// account for the same identity and errors rather than guess.
type Mapper interface {
	Map(ctx context.Context, r *Request) (Account, error)
}

// Recorder writes audit records. An error means that the record is in no sink;
// whoever was about to permit must then refuse.
type Recorder interface {
	Record(ctx context.Context, rec Record) error
}

// Explainer is the optional ability of a Decider to show how it decides.
// Explaining never changes the answer.
type Explainer interface {
	Explain(ctx context.Context, r *Request) (Explanation, error)
}

// Watcher is the optional ability of a Decider to say that answers may have
// changed. Changed blocks until the state is newer than after and returns the
// new revision: judge again what you let in.
type Watcher interface {
	Changed(ctx context.Context, after Revision) (Revision, error)
}

// DenyAll is the Decider that refuses everything: what a role uses until it
// has been given a better one.
type DenyAll struct{}

var denyAllReason = &Reason{Policy: "deny-all", Because: "no decision point is configured"}

// Decide returns Deny.
func (DenyAll) Decide(context.Context, *Request) (Response, error) {
	return Response{Decision: Deny, Reason: denyAllReason}, nil
}

var _ Decider = DenyAll{}
