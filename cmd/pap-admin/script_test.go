package main

import (
	"context"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
	"github.com/gatehouse-authz/gatehouse/internal/token"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pap-admin": main})
}

// The scripts in testdata run the command against a real PAP over mutual TLS.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup:               setup,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "follower": follower, "id": id},
	})
}

type siteKey struct{}

// site is the PAP of one script.
type site struct{ service *pap.Service }

// setup starts a PAP with an administrator "Ada", who may do everything, and a
// "Rita", who may read policies.
func setup(env *testscript.Env) error {
	grid, err := gridtest.New()
	if err != nil {
		return err
	}
	anchors := filepath.Join(env.WorkDir, "certificates")
	if err := os.Mkdir(anchors, 0o755); err != nil {
		return err
	}
	if err := grid.WriteTrust(anchors); err != nil {
		return err
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: grid.Strong.Cert.Raw})
	if err := os.WriteFile(filepath.Join(env.WorkDir, "strong-ca.pem"), ca, 0o644); err != nil {
		return err
	}
	for _, name := range []string{"Ada", "Rita"} {
		user, err := grid.Strong.User(name)
		if err != nil {
			return err
		}
		if _, _, err := user.WritePEM(env.WorkDir, strings.ToLower(name)); err != nil {
			return err
		}
		proxy, err := user.Proxy(gridtest.ProxySpec{})
		if err != nil {
			return err
		}
		if _, _, err := proxy.WritePEM(env.WorkDir, strings.ToLower(name)+"-proxy"); err != nil {
			return err
		}
	}
	issuer, err := writeTokens(env)
	if err != nil {
		return err
	}
	service, address, err := serve(env, grid, anchors, issuer)
	if err != nil {
		return err
	}
	env.Values[siteKey{}] = &site{service}
	env.Setenv("PAP_ADMIN_URL", "https://"+address)
	env.Setenv("X509_CERT_DIR", anchors)
	env.Setenv("X509_USER_CERT", filepath.Join(env.WorkDir, "ada-cert.pem"))
	env.Setenv("X509_USER_KEY", filepath.Join(env.WorkDir, "ada-key.pem"))
	env.Setenv("TZ", "UTC")
	env.Setenv("GORACE", "atexit_sleep_ms=0") // else each run of the command sleeps a second at its end
	return nil
}

const audience = "https://pap.test"

// writeTokens starts an issuer and writes a token of Ada's and one of nobody.
func writeTokens(env *testscript.Env) (*gridtest.Issuer, error) {
	issuer, err := gridtest.NewIssuer()
	if err != nil {
		return nil, err
	}
	env.Defer(func() { _ = issuer.Close() })
	for file, text := range map[string]string{
		"ada.token": issuer.Token(issuer.Claims("ada/CN=Ada", audience, nil)), "bad.token": issuer.Token(issuer.Claims("ada/CN=Ada", "https://ce.test", nil)),
	} {
		if err := os.WriteFile(filepath.Join(env.WorkDir, file), []byte(text+"\n"), 0o600); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(env.WorkDir, "keys.json"), issuer.KeySet(), 0o644); err != nil {
		return nil, err
	}
	return issuer, nil
}

func serve(env *testscript.Env, grid *gridtest.Grid, anchors string, issuer *gridtest.Issuer) (*pap.Service, string, error) {
	host, err := grid.Strong.Host("localhost", "127.0.0.1")
	if err != nil {
		return nil, "", err
	}
	cert, key, err := host.WritePEM(env.WorkDir, "host")
	if err != nil {
		return nil, "", err
	}
	authorities, err := trust.Open(trust.Options{Dir: anchors})
	if err != nil {
		return nil, "", err
	}
	own, err := gsi.LoadHost(cert, key, nil, nil)
	if err != nil {
		return nil, "", err
	}
	verifier := gsi.NewVerifier(authorities, time.Now)
	tokens, err := token.New(token.Options{
		Audiences: []string{audience}, Issuers: []token.Issuer{{Issuer: issuer.URL, JWKSFile: filepath.Join(env.WorkDir, "keys.json")}},
	})
	if err != nil {
		return nil, "", err
	}
	service, err := pap.Open(context.Background(), pap.Options{Store: mem.New()})
	if err != nil {
		return nil, "", err
	}
	handler := api.NewHandler(api.Options{
		Service: service, Decider: rights{}, Recorder: quiet{}, Version: "test",
		Caller: func(r *http.Request) (*authz.Request, error) {
			credential := token.Beside(verifier.FromTLS(r.TLS), token.FromRequest(r, tokens.Verify))
			if credential == nil {
				return nil, errors.New("no certificate")
			}
			return &authz.Request{Credential: credential}, nil
		},
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	server := &http.Server{Handler: handler, TLSConfig: verifier.ServerTLS(own, true), ReadHeaderTimeout: time.Second}
	go func() { _ = server.ServeTLS(l, "", "") }()
	env.Defer(func() { handler.Release(); _ = server.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	return service, "localhost:" + port, err
}

// rights is who may do what in the scripts.
type rights struct{}

func (rights) Decide(_ context.Context, r *authz.Request) (authz.Response, error) {
	action, _ := r.Verified(authz.Action, profile.ActionID)
	switch {
	case strings.HasSuffix(r.Credential.Subject, "CN=Ada"),
		strings.HasSuffix(r.Credential.Subject, "CN=Rita") && action.Text() == profile.ActionPolicyRead:
		return authz.Response{Decision: authz.Permit}, nil
	}
	return authz.Response{Decision: authz.Deny}, nil
}

type quiet struct{}

func (quiet) Record(context.Context, authz.Record) error { return nil }

// exits runs a command and wants the exit code given first.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

// follower registers one that has the first revision and never moves.
func follower(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(siteKey{}).(*site)
	at, err := s.service.Revision(context.Background())
	ts.Check(err)
	ts.Check(s.service.Report(context.Background(), change.Follower{Name: args[0], Identity: "/CN=" + args[0], Applied: at, Settled: at}))
}

// id puts the id of the n-th unit of the PAP default into a variable.
func id(ts *testscript.TestScript, _ bool, args []string) {
	s := ts.Value(siteKey{}).(*site)
	units, err := s.service.Units(context.Background(), change.DefaultPAP)
	ts.Check(err)
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	if n >= len(units) {
		ts.Fatalf("there are %d units", len(units))
	}
	ts.Setenv(args[0], units[n].ID)
}
