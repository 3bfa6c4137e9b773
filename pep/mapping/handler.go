package mapping

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/go-json-experiment/json"
)

// Peer is who asks the service, as the configuration names it.
type Peer struct {
	Name string
	// Map lets it have accounts named, and leased, for identities that it
	// asserts without showing a credential (DECISIONS 23).
	Map bool
}

// Namer is the ability of a Mapper to give the account, or one out of the pool,
// that a policy names.
type Namer interface {
	Named(ctx context.Context, r *authz.Request, login string) (authz.Account, error)
}

// Confirmer is the ability of a Mapper to say whether an account named earlier
// could still be named.
type Confirmer interface {
	Confirm(ctx context.Context, a authz.Account) (authz.Account, error)
}

// Options say how a Handler answers. All but Enrichers, Log and Now are needed.
type Options struct {
	// Mapper names the accounts. It may be a Namer and a Confirmer.
	Mapper authz.Mapper
	// Peer finds out who asks; an error refuses.
	Peer func(*http.Request) (Peer, error)
	// Verify verifies a caller's chain (DER) and token, either of which may be
	// missing. It returns nil only if both are.
	Verify func(ctx context.Context, chain [][]byte, token string) (*authz.Credential, error)
	// Enrichers turn the verified credential into attributes, in this order.
	Enrichers []authz.Enricher
	// Verdict reports that an error of the Mapper says no, for good. Any other
	// says that nobody knows.
	Verdict func(error) bool
	// Recorder writes down each answer; an answer that is not written is not
	// given.
	Recorder authz.Recorder
	Log      *slog.Logger
	Now      func() time.Time
}

// Handler answers the questions of Clients.
type Handler struct {
	o   Options
	mux *http.ServeMux
}

var _ http.Handler = (*Handler)(nil)

// NewHandler returns the service at [Path].
func NewHandler(o Options) *Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Handler{o: o, mux: http.NewServeMux()}
	h.mux.HandleFunc("POST "+Path+"map", h.door(h.name))
	h.mux.HandleFunc("POST "+Path+"confirm", h.door(h.confirm))
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// failure is a refusal with its status.
type failure struct {
	status int
	kind   string
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func invalid(err error) *failure { return &failure{http.StatusBadRequest, kindInvalid, err} }
func refused(err error) *failure { return &failure{http.StatusForbidden, kindRefused, err} }
func notThisPeer(err error) *failure {
	return &failure{http.StatusForbidden, kindPeer, err}
}

func unavailable(err error) *failure {
	return &failure{http.StatusServiceUnavailable, kindUnavailable, err}
}

// door lets peers in, reads the question, and writes what answer returns.
func (h *Handler) door(reply func(context.Context, Peer, *question) (authz.Account, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		peer, err := h.o.Peer(r)
		if err != nil {
			h.fail(w, r, notThisPeer(err))
			return
		}
		q, err := readQuestion(w, r)
		if err != nil {
			h.fail(w, r, invalid(err))
			return
		}
		account, err := reply(r.Context(), peer, &q)
		if err != nil {
			h.fail(w, r, err)
			return
		}
		h.write(w, http.StatusOK, answer{Decision: q.Decision, Account: account})
	}
}

func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	var f *failure
	if !errors.As(err, &f) {
		f = unavailable(err)
	}
	if f.kind != kindRefused {
		h.o.Log.Warn("mapping", "peer", r.RemoteAddr, "path", r.URL.Path, "kind", f.kind, "error", f.err)
	}
	h.write(w, f.status, refusal{Kind: f.kind, Message: f.err.Error()})
}

func (h *Handler) write(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// name answers what account the caller of the peer gets, and writes it down.
func (h *Handler) name(ctx context.Context, peer Peer, q *question) (authz.Account, error) {
	start := h.o.Now()
	r, err := h.request(ctx, peer, q)
	var account authz.Account
	if err == nil {
		account, err = h.account(ctx, r, q.Login)
	}
	subject := ""
	if r != nil && r.Credential != nil {
		subject = r.Credential.Subject
	}
	rec := authz.Record{
		Time: start, Event: authz.EventDecision, ID: q.Decision, Process: "mapping", Peer: peer.Name, Subject: subject, Action: "map",
		Decision: authz.Permit.String(), Revision: q.Revision, Account: account.Name, Message: account.Source, Duration: h.o.Now().Sub(start),
	}
	if err != nil {
		rec.Decision, rec.Cause = authz.Deny.String(), err.Error()
	}
	if unwritten := h.o.Recorder.Record(ctx, rec); unwritten != nil && err == nil {
		return authz.Account{}, unavailable(unwritten)
	}
	return account, err
}

// request is the peer's question as this side sees it.
func (h *Handler) request(ctx context.Context, peer Peer, q *question) (*authz.Request, error) {
	r := &authz.Request{ID: q.Decision, Peer: peer.Name, Decided: q.Revision}
	if q.Account != nil {
		return r, invalid(errors.New("an account to be mapped"))
	}
	if err := h.credential(ctx, r, q); err != nil {
		return r, err
	}
	if len(q.Asserted) > 0 {
		if !peer.Map {
			return r, notThisPeer(fmt.Errorf("%s may not map for identities that it asserts: give it the right map", peer.Name))
		}
		asserted, err := q.attributes()
		if err != nil {
			return r, invalid(err)
		}
		for i := range asserted {
			asserted[i].Standing = authz.Verified
		}
		r.Attributes, r.MayMap = asserted, q.MayMap
	}
	for _, e := range h.o.Enrichers {
		if err := e.Enrich(ctx, r); err != nil {
			return r, refused(err)
		}
	}
	// An enricher may refuse what the verifier took: two credentials of two people,
	// a CA that is not accepted for the virtual organization.
	return r, standing(r.Credential)
}

func standing(c *authz.Credential) error {
	if c == nil {
		return nil
	}
	if err := c.Verdict(); err != nil {
		return refused(fmt.Errorf("the credential is refused: %w", err))
	}
	return nil
}

// credential verifies what the caller showed to the peer.
func (h *Handler) credential(ctx context.Context, r *authz.Request, q *question) error {
	if len(q.Chain) == 0 && q.Token == "" {
		return nil
	}
	c, err := h.o.Verify(ctx, q.Chain, q.Token)
	switch {
	case err != nil:
		return refused(err)
	case c == nil:
		return refused(errors.New("the credential is of a kind that is not taken here"))
	}
	r.Credential = c
	return standing(c)
}

func (h *Handler) account(ctx context.Context, r *authz.Request, login string) (a authz.Account, err error) {
	if login == "" {
		a, err = h.o.Mapper.Map(ctx, r)
	} else if namer, ok := h.o.Mapper.(Namer); ok {
		a, err = namer.Named(ctx, r, login)
	} else {
		return a, refused(errors.New("this mapping takes no accounts from policies"))
	}
	return h.checked(a, err)
}

func (h *Handler) confirm(ctx context.Context, _ Peer, q *question) (authz.Account, error) {
	confirmer, ok := h.o.Mapper.(Confirmer)
	switch {
	case q.Account == nil || len(q.Asserted) > 0 || len(q.Chain) > 0 || q.Token != "" || q.Login != "":
		return authz.Account{}, invalid(errors.New("want an account to confirm, and nothing else"))
	case !ok:
		return authz.Account{}, refused(errors.New("this mapping does not confirm"))
	}
	if err := checkAccount(q.Account); err != nil {
		return authz.Account{}, refused(err)
	}
	return h.checked(confirmer.Confirm(ctx, *q.Account))
}

// checked sees to it that an answer is one, and ends.
func (h *Handler) checked(a authz.Account, err error) (authz.Account, error) {
	switch {
	case err != nil && h.o.Verdict(err):
		return authz.Account{}, refused(err)
	case err != nil:
		return authz.Account{}, unavailable(err)
	}
	if err := checkAccount(&a); err != nil {
		return authz.Account{}, refused(err)
	}
	if latest := h.o.Now().Add(time.Minute).UTC(); a.Expires.IsZero() || a.Expires.After(latest) {
		a.Expires = latest
	}
	return a, nil
}
