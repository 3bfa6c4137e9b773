package pep_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/audit"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/pep/account"
	"github.com/gatehouse-authz/gatehouse/pep/obligation"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// banning permits everybody, with an account and a limit, but the banned.
type banning struct {
	mu     sync.Mutex
	banned string
}

func (b *banning) ban(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.banned = authz.BanKey(name)
}

func (b *banning) Decide(_ context.Context, r *authz.Request) (authz.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, v := range r.Values(authz.Subject, profile.SubjectID) {
		if authz.BanKey(v.Text()) == b.banned {
			return authz.Response{Decision: authz.Deny, Reason: &authz.Reason{Rule: "b1", Ban: true, Because: "you are banned"}}, nil
		}
	}
	return authz.Response{Decision: authz.Permit, Obligations: []authz.Obligation{
		{ID: profile.ObligationMap},
		{ID: profile.ObligationCPUTime, Assignments: []authz.Assignment{{ID: profile.Seconds, Value: authz.IntegerValue(60)}}},
	}}, nil
}

// gate is a service behind an Enforcer made of the real parts.
type gate struct {
	grid    *gridtest.Grid
	decider banning
	log     *audit.Log
	trail   string
	url     string
}

func newGate(t *testing.T) *gate {
	t.Helper()
	grid, err := gridtest.New()
	require.NoError(t, err)
	g := &gate{grid: grid, trail: filepath.Join(t.TempDir(), "audit.jsonl")}
	dir := t.TempDir()
	require.NoError(t, grid.WriteTrust(dir))
	store, err := trust.Open(trust.Options{Dir: dir})
	require.NoError(t, err)
	verifier := gsi.NewVerifier(store, nil)
	e, err := grid.Strong.Host("localhost", "127.0.0.1")
	require.NoError(t, err)
	cert, key, err := e.WritePEM(dir, "host")
	require.NoError(t, err)
	host, err := gsi.LoadHost(cert, key, nil, nil)
	require.NoError(t, err)
	enforcer := g.enforcer(t, dir)
	g.serve(t, &http.Server{
		TLSConfig: verifier.ServerTLS(host, true), ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			o := enforcer.Enforce(r.Context(), &authz.Request{Peer: r.RemoteAddr, Credential: verifier.FromTLS(r.TLS)})
			if !o.Permit {
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, o.Message())
				return
			}
			fmt.Fprintf(w, "%s cpu %s", o.Effects.Account.Name, o.Effects.CPUTime)
		}),
	})
	return g
}

func (g *gate) serve(t *testing.T, server *http.Server) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g.url = "https://" + listener.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, "", "")
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
}

func (g *gate) enforcer(t *testing.T, dir string) *pep.Enforcer {
	t.Helper()
	accounts, err := account.ParseFile([]byte("ann 10001 users=10000\nguest 10002 guests=10001\nnobody1 10003 guests=10001"))
	require.NoError(t, err)
	maps := filepath.Join(dir, "grid-mapfile")
	require.NoError(t, os.WriteFile(maps, []byte(`"/DC=test/DC=strong/OU=people/CN=Ann Other" ann`), 0o644))
	mapper, err := account.NewMapper(t.Context(), account.Config{
		Directory: accounts, AccountMap: maps,
		Community: map[string]string{profile.Weak: "guest", profile.Anonymous: "nobody1"}, Shared: []string{"guest", "nobody1"},
	})
	require.NoError(t, err)
	strength, err := pip.NewStrength([]pip.StrengthRule{{Strength: profile.Strong, CA: "/DC=test/DC=strong/CN=CA"}})
	require.NoError(t, err)
	g.log, err = audit.Open(audit.Options{Path: g.trail})
	require.NoError(t, err)
	t.Cleanup(func() { _ = g.log.Close() })
	return &pep.Enforcer{
		Process: "container", Enrichers: []authz.Enricher{pip.X509{}, strength}, Decider: &g.decider,
		Fulfillers: obligation.All(mapper, mapper, false), Recorder: g.log, Describe: pip.Describe,
	}
}

func (g *gate) client(t *testing.T, e *gridtest.Entity) *http.Client {
	t.Helper()
	tr := &http.Transport{TLSClientConfig: e.ClientTLS(g.grid.Pool())}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 5 * time.Second}
}

func (g *gate) ask(t *testing.T, c *http.Client) string {
	t.Helper()
	r, err := c.Get(g.url)
	require.NoError(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return fmt.Sprintf("%d %s", r.StatusCode, body)
}

// From the handshake to the audit trail, with everything real but the policies.
func TestWalkThroughTheGate(t *testing.T) {
	g := newGate(t)
	user, err := g.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	proxy, err := user.Proxy(gridtest.ProxySpec{})
	require.NoError(t, err)
	expired, err := user.Proxy(gridtest.ProxySpec{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	require.NoError(t, err)
	weak, err := g.grid.Weak.User("Ann Other")
	require.NoError(t, err)

	ann := g.client(t, proxy)
	require.Equal(t, "200 ann cpu 60s", g.ask(t, ann))
	require.Equal(t, "200 guest cpu 60s", g.ask(t, g.client(t, weak)))
	require.Equal(t, "200 nobody1 cpu 60s", g.ask(t, g.client(t, nil)))
	require.Regexp(t, `^403 your credential was refused: a proxy .* ended .* \(decision [0-9a-f]{32}\)$`, g.ask(t, g.client(t, expired)))

	g.decider.ban("cn = ann  OTHER, ou=people, dc=strong, dc=test")
	require.Contains(t, g.ask(t, ann), "403 not permitted: you are banned", "⚿ on the same open connection, in another spelling")
	g.ask(t, g.client(t, expired))
	require.Equal(t, "200 guest cpu 60s", g.ask(t, g.client(t, weak)), "a namesake elsewhere is somebody else")
	g.decider.ban("/CN=nobody")
	require.Equal(t, "200 ann cpu 60s", g.ask(t, ann))

	require.NoError(t, g.log.Close())
	var decisions []string
	text, err := os.ReadFile(g.trail)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		var rec authz.Record
		require.NoError(t, json.Unmarshal([]byte(line), &rec))
		ban := ""
		if rec.Reason != nil && rec.Reason.Ban {
			ban = " ban"
		}
		decisions = append(decisions, strings.TrimSpace(rec.Decision+" "+rec.Strength+" "+rec.Account+ban))
	}
	require.Equal(t, []string{
		"Permit strong ann", "Permit weak guest", "Permit anonymous nobody1", "Indeterminate", "Deny strong  ban", "Deny   ban", "Permit weak guest", "Permit strong ann",
	}, decisions)
}
