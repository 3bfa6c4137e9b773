package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/internal/token"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// buildPAP opens the policy administration point and its two doors: JSON over
// mutual TLS for administrators, and a unix socket for root on this machine.
func (s *site) buildPAP(ctx context.Context) error {
	c := s.config.PAP
	if c == nil {
		return nil
	}
	s.engine = s.newEngine()
	s.admins = s.newEngine()
	s.seen = &seen{}
	service, err := pap.Open(ctx, pap.Options{
		Store: s.store, Check: s.engine.Check, Weigh: s.weighUpdate, CheckAdmin: s.admins.Check, Clock: s.now, Log: s.log,
	})
	if err != nil {
		return fmt.Errorf("pap: %w", err)
	}
	s.pap = service
	if err := s.seed(ctx); err != nil {
		return err
	}
	s.group.Add(
		daemon.Background("pap", service.Run),
		daemon.Background("pap-admin-policy", func(ctx context.Context) error { return s.admins.Follow(ctx, service.Admin()) }),
	)
	if err := s.openAdminDoor(); err != nil {
		return err
	}
	return s.openRootDoor()
}

// seed loads the configured policies, or the shipped default, into a store
// that has never had a policy.
func (s *site) seed(ctx context.Context) error {
	now, err := s.pap.Revision(ctx)
	if err != nil {
		return err
	}
	units, err := s.pap.Units(ctx, change.DefaultPAP)
	if err != nil || len(units) > 0 || now.Number > 1 {
		return err
	}
	files := []change.File{{Name: "default.spl", Text: policies.Default()}}
	if len(s.config.PAP.Policies) > 0 {
		files = nil
		for _, path := range s.config.PAP.Policies {
			text, err := os.ReadFile(string(path))
			if err != nil {
				return err
			}
			files = append(files, change.File{Name: string(path), Text: string(text)})
		}
	}
	for _, f := range files {
		r := change.Request{Author: change.Author{Name: "gatehouse", Via: "import"}, Message: "first policies, from " + f.Name}
		if _, err := s.pap.AddFile(ctx, r, change.DefaultPAP, f, change.At{}); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) newEngine() *pdp.Engine {
	staleness := 4 * time.Hour
	if s.config.PDP != nil {
		staleness = s.config.PDP.MaxStale.Std()
	}
	return pdp.New(pdp.Options{Clock: s.now, Log: s.log, MaxStale: staleness, Languages: languages()})
}

// openAdminDoor serves pap/api to administrators and followers.
func (s *site) openAdminDoor() error {
	l, err := s.listen("pap", s.config.PAP.Listen)
	if err != nil {
		return err
	}
	s.papAddress = l.Addr()
	enrichers, err := s.adminEnrichers()
	if err != nil {
		return err
	}
	decider := &administrators{engine: s.admins}
	if decider.named, err = readNamed(s.config.Administrators); err != nil {
		return err
	}
	if decider.followers, err = readNamed(s.config.PAP.Followers); err != nil {
		return err
	}
	bearer, err := s.papBearer()
	if err != nil {
		return err
	}
	s.caller = callerBy(s.verifier.FromTLS, bearer)
	handler := api.NewHandler(api.Options{
		Service:  s.pap,
		Decider:  pep.Enrich(decider, enrichers...),
		Caller:   s.caller,
		Recorder: s.recorder, Clock: s.now, Log: s.log, Version: version(),
	})
	s.group.Add(daemon.HTTP{
		Name: "pap-api", Listener: l, TLS: s.verifier.ServerTLS(s.host, bearer != nil), Handler: s.papRoutes(handler),
		Log: s.log, OnStop: handler.Release,
	}.Component())
	return nil
}

// Requests per second from one address, and at once: more than a person or a
// script of bans one by one needs, less than would keep others out.
const (
	papRate  = 200
	papBurst = 1000
)

func (s *site) papRoutes(administration http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/pap/v1/", daemon.LimitRate(administration, nil, papRate, papBurst, s.now))
	mux.Handle("/pap/status", s.known(s.health.StatusHandler()))
	return mux
}

// openRootDoor serves pap/api on a socket that only root, and whoever runs
// this process, can open: for the day when no certificate works. It is beyond
// any ban and always recorded.
func (s *site) openRootDoor() error {
	l, err := daemon.ListenUnix(string(s.config.PAP.Socket))
	if err != nil {
		return fmt.Errorf("pap socket: %w", err)
	}
	s.closeLater(ignoreClosed{l})
	handler := api.NewHandler(api.Options{
		Service: s.pap, Decider: rootDoor{uid: uint32(os.Geteuid())}, Caller: socketCaller,
		Recorder: s.recorder, Clock: s.now, Log: s.log, Version: version(),
	})
	s.group.Add(daemon.HTTP{Name: "pap-socket", Listener: l, Handler: handler, Log: s.log, OnStop: handler.Release}.Component())
	return nil
}

// known lets through who shows a credential that stands.
func (s *site) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, err := s.caller(r)
		if err == nil {
			err = asked.Credential.Verdict()
		}
		if err != nil {
			http.Error(w, "your certificate is not accepted: "+err.Error(), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// callerBy makes the start of a request out of the TLS connection it came by and
// of its token; bearer is nil where no tokens are taken.
func callerBy(certificate func(*tls.ConnectionState) *authz.Credential, bearer func(string) *authz.Credential) func(*http.Request) (*authz.Request, error) {
	return func(r *http.Request) (*authz.Request, error) {
		if r.TLS == nil {
			return nil, fmt.Errorf("not a TLS connection")
		}
		credential := token.Beside(certificate(r.TLS), token.FromRequest(r, bearer))
		switch {
		case credential == nil && bearer == nil:
			return nil, fmt.Errorf("administration needs a certificate")
		case credential == nil:
			return nil, fmt.Errorf("administration needs a certificate or a token")
		}
		return &authz.Request{Peer: r.RemoteAddr, Credential: credential}, nil
	}
}

// administrators answers who may administer: the admin policy first, because a
// ban there outranks everything that comes over the network, then those whom
// the configuration names. A limited proxy administers nothing, and neither does
// a token whose scopes limit it: that one, pip.Token has refused already.
type administrators struct {
	engine           authz.Decider
	named, followers named
}

var byConfiguration = &authz.Reason{Policy: "gatehouse.yaml", Rule: "administrators"}
var followerByConfiguration = &authz.Reason{Policy: "gatehouse.yaml", Rule: "pap.followers"}
var limitedProxy = &authz.Reason{Policy: "administrators", Because: "a limited proxy may not administer: use a full credential"}

// Decide implements authz.Decider.
func (a *administrators) Decide(ctx context.Context, r *authz.Request) (authz.Response, error) {
	if why := refusedCredential(r.Credential); why != nil {
		return authz.Response{Decision: authz.Deny, Reason: why}, nil
	}
	if !unlimited(r) {
		return authz.Response{Decision: authz.Deny, Reason: limitedProxy}, nil
	}
	response, err := a.engine.Decide(ctx, r)
	if err != nil || response.Decision != authz.NotApplicable {
		return response, err
	}
	switch {
	case a.named.has(r):
		return authz.Response{Decision: authz.Permit, Reason: byConfiguration, Revision: response.Revision}, nil
	case a.followers.has(r) && asks(r, profile.ActionFollow):
		return authz.Response{Decision: authz.Permit, Reason: followerByConfiguration, Revision: response.Revision}, nil
	}
	return response, nil
}

func asks(r *authz.Request, action string) bool {
	v, ok := r.Verified(authz.Action, profile.ActionID)
	return ok && v.Text() == action
}

// refusedCredential is why a credential does not stand: an enricher may have seen to that.
func refusedCredential(c *authz.Credential) *authz.Reason {
	if c == nil || c.Verdict() == nil {
		return nil
	}
	return &authz.Reason{Policy: "administrators", Because: c.Verdict().Error()}
}

// unlimited reports that somebody looked whether the caller's proxy is limited,
// and that it is not; a token alone has none.
func unlimited(r *authz.Request) bool {
	if limited, ok := r.Verified(authz.Subject, profile.LimitedProxy); ok {
		return limited.Text() == "false"
	}
	_, certificate := r.Verified(authz.Subject, profile.SubjectID)
	_, bearer := r.Verified(authz.Subject, profile.OIDCSubject)
	return bearer && !certificate
}

// rootDoor permits root and the user of this process, by the kernel's word.
type rootDoor struct{ uid uint32 }

// Decide implements authz.Decider. The caller is in Peer, which socketCaller
// set from the kernel and nobody else can.
func (d rootDoor) Decide(_ context.Context, r *authz.Request) (authz.Response, error) {
	if r.Peer == socketPeer(0) || r.Peer == socketPeer(d.uid) {
		return authz.Response{Decision: authz.Permit, Reason: &authz.Reason{Policy: "root socket"}}, nil
	}
	return authz.Response{Decision: authz.Deny, Reason: &authz.Reason{Policy: "root socket", Because: "only root may use this socket"}}, nil
}

func socketPeer(uid uint32) string { return fmt.Sprintf("uid %d at the root socket", uid) }

func socketCaller(r *http.Request) (*authz.Request, error) {
	peer, ok := daemon.PeerOf(r.Context())
	if !ok {
		return nil, fmt.Errorf("the kernel does not say who is calling")
	}
	asked := &authz.Request{Peer: socketPeer(peer.UID)}
	asked.Add(authz.Subject, profile.SubjectID, authz.StringValue(asked.Peer))
	return asked, nil
}

var (
	_ authz.Decider = (*administrators)(nil)
	_ authz.Decider = rootDoor{}
)
