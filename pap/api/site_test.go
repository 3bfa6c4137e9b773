package api_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bg = context.Background()

// site is a PAP over a bolt store behind mutual TLS, that can be stopped and
// started again at the same address.
type site struct {
	t       *testing.T
	dir     string
	grid    *gridtest.Grid
	host    *gridtest.Entity
	address string
	hold    time.Duration
	drain   time.Duration // short, or each stop waits a second for HTTP/2 to say goodbye
	rights  *rights
	audit   *audit
	service *pap.Service
	handler *api.Handler
	end     func()
}

func newSite(t *testing.T) *site {
	t.Helper()
	grid, err := gridtest.New()
	require.NoError(t, err)
	host, err := grid.Strong.Host("127.0.0.1")
	require.NoError(t, err)
	s := &site{t: t, dir: t.TempDir(), grid: grid, host: host, address: "127.0.0.1:0", rights: &rights{}, audit: &audit{}, hold: api.DefaultHold, drain: 50 * time.Millisecond}
	s.rights.grant("alice", "*", "*")
	s.rights.grant("pdp", profile.ActionFollow, "*")
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *site) start() {
	s.t.Helper()
	store, err := bolt.Open(filepath.Join(s.dir, "pap.db"), bolt.Options{})
	require.NoError(s.t, err)
	s.service, err = pap.Open(bg, pap.Options{Store: store})
	require.NoError(s.t, err)
	s.handler = api.NewHandler(api.Options{
		Service: s.service, Decider: s.rights, Recorder: s.audit, Caller: caller, Version: "test", Hold: s.hold,
	})
	l, err := net.Listen("tcp", s.address)
	require.NoError(s.t, err)
	s.address = l.Addr().String()
	ctx, cancel := context.WithCancel(bg)
	done := make(chan error, 1)
	server := daemon.HTTP{
		Name: "pap", Listener: l, Handler: s.handler, OnStop: s.handler.Release, Drain: s.drain,
		TLS: &tls.Config{Certificates: []tls.Certificate{s.host.TLS()}, ClientCAs: s.grid.Pool(), ClientAuth: tls.RequireAndVerifyClientCert},
	}.Component()
	go func() { done <- server.Run(ctx, func() {}) }()
	s.end = func() {
		cancel()
		require.NoError(s.t, <-done)
		require.NoError(s.t, store.Close())
	}
}

func (s *site) stop() {
	if s.end != nil {
		s.end()
		s.end = nil
	}
}

// caller names the caller by the common name of the certificate.
func caller(r *http.Request) (*authz.Request, error) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil, errors.New("no certificate")
	}
	name := r.TLS.PeerCertificates[0].Subject.CommonName
	credential := &authz.Credential{Subject: name}
	asked := &authz.Request{Credential: credential}
	switch name {
	case "expired":
		credential.Err = errors.New("certificate expired yesterday")
	case "limited":
		asked.Add(authz.Subject, profile.LimitedProxy, authz.BooleanValue(true))
	case "nameless":
		credential.Subject = ""
	case "unknown":
		return nil, errors.New("nobody knows the CA")
	}
	return asked, nil
}

// over returns the HTTP client of a person.
func (s *site) over(name string) *http.Client {
	s.t.Helper()
	who, err := s.grid.Strong.User(name)
	require.NoError(s.t, err)
	transport := &http.Transport{TLSClientConfig: who.ClientTLS(s.grid.Pool()), ForceAttemptHTTP2: true}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (s *site) url() string { return "https://" + s.address }

func (s *site) as(name string, more ...string) *api.Client {
	s.t.Helper()
	c, err := api.NewClient(s.over(name), append([]string{s.url()}, more...)...)
	require.NoError(s.t, err)
	return c
}

// rights is a Decider from a table: who, action, resource; "*" is any.
type rights struct {
	mu    sync.Mutex
	table map[string]bool
	odd   authz.Response
	err   error
}

func (d *rights) grant(who, action, resource string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.table == nil {
		d.table = map[string]bool{}
	}
	d.table[who+" "+action+" "+resource] = true
}

func (d *rights) revoke(who, action, resource string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.table, who+" "+action+" "+resource)
}

func (d *rights) answer(r authz.Response, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.odd, d.err = r, err
}

func (d *rights) Decide(_ context.Context, r *authz.Request) (authz.Response, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil || d.odd.Decision != authz.Indeterminate {
		return d.odd, d.err
	}
	action, _ := r.Verified(authz.Action, profile.ActionID)
	resource, _ := r.Verified(authz.Resource, profile.ResourceID)
	for _, a := range []string{"*", action.Text()} {
		for _, p := range []string{"*", resource.Text()} {
			if d.table[r.Credential.Subject+" "+a+" "+p] {
				return authz.Response{Decision: authz.Permit, Reason: &authz.Reason{Policy: "table"}}, nil
			}
		}
	}
	return authz.Response{Decision: authz.Deny, Reason: &authz.Reason{Policy: "hidden", Rule: "hidden", Because: "ask Alice"}}, nil
}

// audit keeps records.
type audit struct {
	mu      sync.Mutex
	records []authz.Record
	err     error
}

func (a *audit) Record(_ context.Context, r authz.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.records = append(a.records, r)
	return a.err
}

func (a *audit) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

// take returns the records since the last time.
func (a *audit) take() []authz.Record {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.records
	a.records = nil
	return out
}

func subject(dn string) change.Ban {
	return change.Ban{Names: []change.Name{{Attribute: "subject", Value: dn}}}
}

func eve(n int) change.Ban { return subject(fmt.Sprintf("/DC=org/CN=Eve %d", n)) }

// raw sends a request as it is and returns status and error.
func (s *site) raw(over *http.Client, method, path, contentType, body string, header ...string) (int, *api.Error) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url()+path, strings.NewReader(body))
	require.NoError(s.t, err)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := over.Do(r)
	require.NoError(s.t, err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	require.NoError(s.t, err)
	if answer.StatusCode < 300 {
		return answer.StatusCode, nil
	}
	var e api.Error
	require.NoError(s.t, json.Unmarshal(data, &e), string(data))
	return answer.StatusCode, &e
}

func read(t *testing.T, answer *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(data)
}
