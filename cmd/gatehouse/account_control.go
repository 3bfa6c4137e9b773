package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/pep/account/gridmapdir"
	leases "github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

// whose names an identity: a certificate's name with its CA, or a token's.
type whose struct {
	DN          string `json:"dn,omitempty"`
	Issuer      string `json:"issuer,omitempty"`
	TokenIssuer string `json:"token_issuer,omitempty"`
	Subject     string `json:"subject,omitempty"`
}

func (w whose) identity() (leases.Identity, error) {
	if w.TokenIssuer != "" || w.Subject != "" {
		return leases.Token(w.TokenIssuer, w.Subject)
	}
	subject, err := authz.ParseDN(w.DN)
	if err != nil {
		return leases.Identity{}, fmt.Errorf("--dn %q: %w", w.DN, err)
	}
	issuer, err := authz.ParseDN(w.Issuer)
	if err != nil {
		return leases.Identity{}, fmt.Errorf("--issuer %q: %w; two CAs can certify one name, so a lease needs it", w.Issuer, err)
	}
	return leases.Certificate(subject, issuer)
}

// accountOrder is what an administrator wants done.
type accountOrder struct {
	Pool    string   `json:"pool,omitempty"`
	Account string   `json:"account,omitempty"`
	Whose   whose    `json:"whose,omitzero"`
	Group   string   `json:"group,omitempty"`
	Groups  []string `json:"groups,omitempty"`
	Why     string   `json:"why,omitempty"`
	// Quarantine in nanoseconds; zero is that of the configuration.
	Quarantine time.Duration `json:"quarantine_ns,omitempty"`
}

// badOrder marks what no second try can mend.
type badOrder struct{ error }

// accountRoutes are the management verbs about accounts.
func (s *site) accountRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /account/list", s.answer(s.listAccounts))
	mux.HandleFunc("GET /account/show", s.aboutPools(s.showAccount))
	mux.HandleFunc("GET /account/history", s.aboutPools(s.accountHistory))
	mux.HandleFunc("POST /account/lease", s.aboutPools(s.ordered("lease", s.leaseAccount)))
	mux.HandleFunc("POST /account/release", s.aboutPools(s.ordered("release", s.releaseAccount)))
	mux.HandleFunc("POST /account/reserve", s.aboutPools(s.ordered("reserve", s.reserveAccount)))
	mux.HandleFunc("POST /account/explain", s.answer(s.explainAccount))
}

// answer sends what was found as JSON, or why nothing was.
func (s *site) answer(find func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		found, err := find(r)
		if err != nil {
			http.Error(w, err.Error(), httpStatus(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(found); err != nil {
			s.log.Warn("the answer to a management verb could not be sent", "error", err)
		}
	}
}

func httpStatus(err error) int {
	var bad badOrder
	switch {
	case errors.As(err, &bad):
		return http.StatusBadRequest
	case errors.Is(err, leases.ErrNoAccount), errors.Is(err, leases.ErrNoLease), errors.Is(err, leases.ErrNoPool):
		return http.StatusNotFound
	case final(err), errors.Is(err, leases.ErrState):
		return http.StatusConflict
	}
	return http.StatusInternalServerError
}

var errNoPools = errors.New("no accounts are leased by this service: it has no accounts.pools, or its mapping is elsewhere (accounts.service)")

func (s *site) aboutPools(find func(*http.Request) (any, error)) http.HandlerFunc {
	return s.answer(func(r *http.Request) (any, error) {
		switch {
		case s.gridmapdir != nil:
			return nil, badOrder{fmt.Errorf("the leases are links in %s, without a history: list and explain show them; to release one, remove the link when nothing of its holder is left", s.config.Accounts.GridMapDir)}
		case s.pools == nil:
			return nil, badOrder{errNoPools}
		}
		return find(r)
	})
}

// fromGridMapDir shows the accounts of a gridmapdir as those of pools. The names
// of holders are in small letters there.
func fromGridMapDir(entries []gridmapdir.Entry, of string, state leases.State) []leases.Account {
	all := []leases.Account{}
	for _, e := range entries {
		a := leases.Account{Name: e.Account, Pool: e.Pool, State: leases.Free}
		switch {
		case e.Fault != "":
			a.State = leases.Reserved // nobody gets it as it is
			a.Lease = &leases.Lease{Key: leases.Key{Pool: e.Pool, Identity: leases.Identity{Name: "unusable: " + e.Fault}}, Account: e.Account}
		case e.Holder != "":
			a.State = leases.Leased
			a.Lease = &leases.Lease{Key: leases.Key{Pool: e.Pool, Identity: leases.Identity{Name: e.Holder}}, Account: e.Account, Used: e.Used.UTC()}
			if len(e.Groups) > 0 {
				a.Lease.Group, a.Lease.Groups = e.Groups[0], e.Groups[1:]
			}
		}
		if (of == "" || of == a.Pool) && (state == "" || state == a.State) {
			all = append(all, a)
		}
	}
	return all
}

func (s *site) listAccounts(r *http.Request) (any, error) {
	q := r.URL.Query()
	switch {
	case s.gridmapdir != nil:
		all, err := s.gridmapdir.List(r.Context())
		return fromGridMapDir(all, q.Get("pool"), leases.State(q.Get("state"))), err
	case s.pools == nil:
		return nil, badOrder{errNoPools}
	}
	most, err := strconv.Atoi(cmp.Or(q.Get("most"), "0"))
	if err != nil {
		return nil, badOrder{err}
	}
	if name := q.Get("pool"); name != "" && !s.pools.Has(name) {
		return nil, fmt.Errorf("%w: %q", leases.ErrNoPool, name)
	}
	all, err := s.pools.List(r.Context(), leases.Query{Pool: q.Get("pool"), State: leases.State(q.Get("state")), After: q.Get("after"), Most: most})
	return orEmpty(all), err
}

func orEmpty[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

func (s *site) showAccount(r *http.Request) (any, error) {
	return s.pools.Show(r.Context(), r.URL.Query().Get("account"))
}

func (s *site) accountHistory(r *http.Request) (any, error) {
	q := r.URL.Query()
	past := leases.Past{Account: q.Get("account")}
	who := whose{q.Get("dn"), q.Get("issuer"), q.Get("token-issuer"), q.Get("subject")}
	if who != (whose{}) {
		id, err := who.identity()
		if err != nil {
			return nil, badOrder{err}
		}
		past.Identity = id.Key
	}
	if past.Account != "" {
		if _, err := s.pools.Show(r.Context(), past.Account); err != nil {
			return nil, err
		}
	}
	var err error
	for text, into := range map[string]*time.Time{q.Get("until"): &past.Until, q.Get("since"): &past.Since} {
		if text == "" {
			continue
		}
		if *into, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return nil, badOrder{err}
		}
	}
	if past.Most, err = strconv.Atoi(cmp.Or(q.Get("most"), "0")); err != nil {
		return nil, badOrder{err}
	}
	all, err := s.pools.History(r.Context(), past)
	return orEmpty(all), err
}

const maxOrder = 2 << 20

func readOrder(r *http.Request, into any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxOrder))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badOrder{fmt.Errorf("order: %w", err)}
	}
	return nil
}

// ordered reads an order, carries it out and writes it down.
func (s *site) ordered(verb string, do func(context.Context, accountOrder, leases.Cause) (leases.Account, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var o accountOrder
		if err := readOrder(r, &o); err != nil {
			return nil, err
		}
		peer, ok := daemon.PeerOf(r.Context())
		if !ok {
			return nil, errors.New("the kernel does not say who is calling")
		}
		by := fmt.Sprintf("uid %d at the control socket", peer.UID)
		a, err := do(r.Context(), o, leases.Cause{By: by, Why: o.Why})
		return a, errors.Join(err, s.recordOrder(r.Context(), verb, by, o, a, err))
	}
}

func (s *site) recordOrder(ctx context.Context, verb, by string, o accountOrder, a leases.Account, err error) error {
	rec := authz.Record{
		Time: s.now(), Event: authz.EventChange, Process: s.mappingRole(), Peer: by, Subject: by,
		Action: "account/" + verb, Resource: cmp.Or(a.Name, o.Account), Account: cmp.Or(a.Name, o.Account), Decision: "done", Message: o.Why,
	}
	if a.Lease != nil {
		rec.Owner = a.Lease.Identity.Name
	}
	if err != nil {
		rec.Decision, rec.Cause = "failed", err.Error()
	}
	if err := s.recorder.Record(context.WithoutCancel(ctx), rec); err != nil {
		return fmt.Errorf("the audit record was not written: %w", err)
	}
	return nil
}

// mappingRole is what the process that maps calls itself in the trail.
func (s *site) mappingRole() string {
	if s.config.Mapping != nil {
		return "mapping"
	}
	return "container"
}

func (s *site) leaseAccount(ctx context.Context, o accountOrder, why leases.Cause) (leases.Account, error) {
	// Without a trail nothing is given away; taking back goes on.
	if err := s.audit.Trouble(); err != nil {
		return leases.Account{}, fmt.Errorf("nothing is leased while the audit trail has trouble: %w", err)
	}
	id, err := o.Whose.identity()
	if err != nil {
		return leases.Account{}, badOrder{err}
	}
	k := leases.Key{Pool: o.Pool, Identity: id, Group: o.Group, Groups: o.Groups}
	var l leases.Lease
	if o.Account == "" {
		l, err = s.pools.Lease(ctx, k, why)
	} else {
		l, err = s.pools.Assign(ctx, k, o.Account, why)
	}
	if err != nil {
		return leases.Account{}, err
	}
	return s.pools.Show(ctx, l.Account)
}

func (s *site) releaseAccount(ctx context.Context, o accountOrder, why leases.Cause) (leases.Account, error) {
	return s.pools.Release(ctx, o.Account, o.Quarantine, why)
}

func (s *site) reserveAccount(ctx context.Context, o accountOrder, why leases.Cause) (leases.Account, error) {
	return s.pools.Reserve(ctx, o.Account, why)
}
