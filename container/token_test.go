package container_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
	"github.com/gatehouse-authz/gatehouse/internal/token"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

const here = "https://ce.example.org:8443"

var author = change.Request{Author: change.Author{Name: "test"}}

// tokenSite is a container that takes tokens, over a real engine and its PAP.
type tokenSite struct {
	*site
	issuer   *gridtest.Issuer
	verifier *token.Verifier
	pap      *pap.Service
	engine   *pdp.Engine

	mu     sync.Mutex
	logged bytes.Buffer
	tokens []string
}

// Write hears what is logged.
func (s *tokenSite) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logged.Write(b)
}

func newTokenSite(t *testing.T, change ...func(*container.Config)) *tokenSite {
	s := &tokenSite{}
	var err error
	s.issuer, err = gridtest.NewIssuer()
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.issuer.Close() })
	ca, err := s.issuer.WriteCA(t.TempDir())
	require.NoError(t, err)
	log := slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.verifier, err = token.New(token.Options{
		Audiences: []string{here}, Log: log,
		Issuers: []token.Issuer{{Issuer: s.issuer.URL, JWKS: s.issuer.URL + "/jwks", CA: ca, VO: "cms"}},
	})
	require.NoError(t, err)
	require.NoError(t, s.verifier.Refresh(t.Context()))
	s.follow(t)
	strength, err := pip.NewStrength(nil)
	require.NoError(t, err)
	wire := func(c *container.Config) {
		c.Bearer, c.Named, c.Log, c.Decider = s.verifier.Verify, true, log, s.engine
		e := c.Enforcer.(*pep.Enforcer)
		e.Decider, e.Enrichers, e.Describe = s.engine, []authz.Enricher{pip.X509{}, pip.Token{}, strength}, pip.Describe
	}
	s.site = newSite(t, append([]func(*container.Config){wire}, change...)...)
	t.Cleanup(s.checkSecrecy)
	return s
}

func (s *tokenSite) follow(t *testing.T) {
	policy := fmt.Sprintf(`spl 2
resource ".*" {
    action ".*" {
        rule permit { oidc-issuer = %q oidc-group = "/cms/uscms" obligation "test:account" { } }
        rule permit { subject matches "/DC=test/DC=strong/OU=people" obligation "test:account" { } }
    }
}
`, s.issuer.URL)
	var err error
	s.engine = pdp.New(pdp.Options{})
	s.pap, err = pap.Open(t.Context(), pap.Options{Store: mem.New(), Check: s.engine.Check})
	require.NoError(t, err)
	_, err = s.pap.AddFile(t.Context(), author, change.DefaultPAP, change.File{Name: "tokens.spl", Text: policy}, change.At{})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.engine.Follow(ctx, s.pap) }()
	t.Cleanup(func() {
		stop()
		require.ErrorIs(t, <-done, context.Canceled)
	})
	_, err = s.engine.Changed(t.Context(), authz.Revision{})
	require.NoError(t, err)
}

func (s *tokenSite) ban(names ...change.Name) {
	s.t.Helper()
	_, err := s.pap.Ban(s.t.Context(), author, change.DefaultPAP, change.Ban{Names: names, Reason: "a test"})
	require.NoError(s.t, err)
	want, err := s.pap.Revision(s.t.Context())
	require.NoError(s.t, err)
	require.Eventually(s.t, func() bool {
		response, err := s.engine.Decide(s.t.Context(), &authz.Request{ID: "1"})
		return err == nil && response.Revision == want
	}, 5*time.Second, time.Millisecond)
}

// checkSecrecy ⚿: no part of any token is in a log, an audit record or a file
// of a job.
func (s *tokenSite) checkSecrecy() {
	records, err := json.Marshal(s.trail.all())
	require.NoError(s.t, err)
	s.mu.Lock()
	said := s.logged.String() + string(records)
	s.mu.Unlock()
	for _, text := range s.tokens {
		for part := range strings.SplitSeq(text, ".") {
			if len(part) >= 8 {
				require.NotContains(s.t, said, part[:min(len(part), 40)])
			}
		}
	}
}

func (s *tokenSite) mint(subject string, changes map[string]any) string {
	if changes == nil {
		changes = map[string]any{}
	}
	if _, set := changes["wlcg.groups"]; !set {
		changes["wlcg.groups"] = []string{"/cms/uscms"}
	}
	text := s.issuer.Token(s.issuer.Claims(subject, here, changes))
	s.tokens = append(s.tokens, text)
	return text
}

// bearing sends headers with every request.
type bearing struct {
	http.RoundTripper
	headers []string
}

func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header["Authorization"] = b.headers
	return b.RoundTripper.RoundTrip(r)
}

func (s *tokenSite) bearer(e *gridtest.Entity, headers ...string) *client {
	c := s.client(e)
	c.HTTP.Transport = bearing{c.HTTP.Transport, headers}
	return c
}

// From the token issuer's signature to a job and its result, with everything
// real: permitted by a rule about a group, owned by issuer and subject.
func TestTokenJob(t *testing.T) {
	s := newTokenSite(t)
	ann := s.bearer(nil, "Bearer "+s.mint("ann", nil))
	j, err := ann.submit("", "add", "a", "3", "b", "4", "seconds", "0")
	require.NoError(t, err)
	require.Equal(t, s.issuer.URL+"#ann", get(j, "owner"))
	session := get(j, "session")
	require.Eventually(t, func() bool {
		now, err := ann.about("status", session)
		return err == nil && get(now, "state") == string(job.Done)
	}, 15*time.Second, 20*time.Millisecond)
	code, body, _ := ann.fetch(get(j, "sandbox") + "result")
	require.Equal(t, "200 7\n", fmt.Sprint(code, " ", body))

	again := s.bearer(nil, "bearer   "+s.mint("ann", nil)) // another token of hers
	_, err = again.about("status", session)
	require.NoError(t, err)
	for name, other := range map[string]*client{
		"another subject":                s.bearer(nil, "Bearer "+s.mint("bob", nil)),
		"a certificate of the same name": s.client(s.user("ann")),
	} {
		_, err = other.about("status", session)
		_, kind := fault(t, err)
		require.Equal(t, "unknownJob", kind, name)
	}
	_, err = s.bearer(nil, "Bearer "+s.mint("carl", map[string]any{"wlcg.groups": []string{"/cms"}})).submit("", "add", "a", "1", "b", "2")
	_, kind := fault(t, err)
	require.Equal(t, "refused", kind, "in another group")
	var subjects []string
	for _, rec := range s.trail.all() {
		subjects = append(subjects, rec.Subject)
	}
	require.Contains(t, subjects, s.issuer.URL+"#ann")
	sandboxes := 0
	require.NoError(t, filepath.WalkDir(s.sandboxes, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			content, _ := os.ReadFile(path)
			require.NotContains(t, string(content), s.tokens[0][:40])
			sandboxes++
		}
		return nil
	}))
	require.NotZero(t, sandboxes)
}

// ⚿ What is no good token is refused, never taken for nobody or for the
// certificate alone.
func TestBadTokens(t *testing.T) {
	s := newTokenSite(t)
	good := s.mint("ann", nil)
	now := time.Now().Unix()
	for name, c := range map[string]struct {
		who  *client
		why  string
		code int
	}{
		"nobody":                 {s.client(nil), "present a certificate or a token", 401},
		"another scheme":         {s.bearer(nil, "Basic YW5uOnNlY3JldA=="), "only scheme", 403},
		"no scheme":              {s.bearer(nil, good), "only scheme", 403},
		"empty":                  {s.bearer(nil, "Bearer "), "three parts", 401},
		"garbage":                {s.bearer(nil, "Bearer x.y.z"), "claims", 401},
		"two":                    {s.bearer(nil, "Bearer "+good, "Bearer "+good), "more than once", 403},
		"two in one":             {s.bearer(nil, "Bearer "+good+", Bearer "+good), "JWE", 401},
		"expired":                {s.bearer(nil, "Bearer "+s.mint("ann", map[string]any{"exp": now - 400, "iat": now - 4000})), "it ended", 401},
		"for another":            {s.bearer(nil, "Bearer "+s.mint("ann", map[string]any{"aud": "https://se.example.org"})), "somebody else", 401},
		"bad beside good":        {s.bearer(s.user("Ann"), "Bearer "+good+"x"), "signature", 403},
		"bad scheme beside good": {s.bearer(s.user("Ann"), "Basic YW5uOnNlY3JldA=="), "only scheme", 403},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.who.submit("", "add", "a", "1", "b", "2")
			f, kind := fault(t, err)
			require.Equal(t, "unauthenticated", kind, f)
			require.Contains(t, f.String, c.why)
			code, body, header := c.who.fetch(s.url + "/services/sleepyAdd?wsdl")
			require.Equal(t, c.code, code, body)
			require.Equal(t, c.code == 401, header.Get("WWW-Authenticate") != "")
			require.NotContains(t, body+f.String, good[:40])
		})
	}
	// In the query it is no token at all.
	code, _, _ := s.client(nil).fetch(s.url + "/services/sleepyAdd?wsdl&access_token=" + good)
	require.Equal(t, 401, code)
	pending, err := s.jobs.Pending(t.Context())
	require.NoError(t, err)
	require.Empty(t, pending)
}

// ⚿ Without tokens in the configuration, and without TLS, there are none.
func TestTokensElsewhere(t *testing.T) {
	s := newTokenSite(t, func(c *container.Config) { c.Bearer = nil })
	_, err := s.bearer(s.user("Ann"), "Bearer "+s.mint("ann", nil)).submit("", "add", "a", "1", "b", "2")
	f, _ := fault(t, err)
	require.Contains(t, f.String, "no tokens are accepted")

	s.config.Bearer = s.verifier.Verify
	handler, err := container.New(s.config)
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "http://ce.example.org/services/", nil)
	r.Header.Set("Authorization", "Bearer "+s.mint("ann", nil))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Contains(t, w.Body.String(), "only accepted over TLS")
}

// ⚿ A ban on issuer and subject holds on the next request of a connection that
// is open, and ends the subject's jobs; so does one on a token's id.
func TestBannedTokenOnOpenConnection(t *testing.T) {
	s := newTokenSite(t)
	ann := s.bearer(nil, "Bearer "+s.mint("ann", map[string]any{"jti": "lost"}))
	bob := s.bearer(nil, "Bearer "+s.mint("bob", nil))
	carl := s.bearer(nil, "Bearer "+s.mint("carl", map[string]any{"jti": "stolen"}))
	opened := 0
	counted := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
		if !c.Reused {
			opened++
		}
	}}
	ann.HTTP.Transport = counting{ann.HTTP.Transport, counted}
	j, err := ann.submit("", "add", "a", "1", "b", "2", "seconds", "60")
	require.NoError(t, err)
	_, err = carl.call("list", func(*xml.Writer) {})
	require.NoError(t, err)
	s.ban(change.Name{Attribute: "oidc-issuer", Value: s.issuer.URL}, change.Name{Attribute: "oidc-subject", Value: "ann"})
	_, err = ann.about("status", get(j, "session"))
	_, kind := fault(t, err)
	require.Equal(t, "refused", kind)
	_, err = ann.submit("", "add", "a", "1", "b", "2")
	f, kind := fault(t, err)
	require.Equal(t, "refused", kind, f)
	require.Equal(t, 1, opened, "all on one connection")
	require.Eventually(t, func() bool {
		now, err := s.jobs.Find(t.Context(), get(j, "session"))
		return err == nil && now.State == job.Cancelled
	}, 15*time.Second, 20*time.Millisecond, "her job is ended")

	_, err = bob.submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err)
	s.ban(change.Name{Attribute: "token-id", Value: "stolen"})
	_, err = carl.submit("", "add", "a", "1", "b", "2")
	_, kind = fault(t, err)
	require.Equal(t, "refused", kind)
	_, err = s.bearer(nil, "Bearer "+s.mint("carl", nil)).submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err, "a new token of the same person")
	banned := 0
	for _, rec := range s.trail.all() {
		if rec.Reason != nil && rec.Reason.Ban {
			banned++
		}
	}
	require.GreaterOrEqual(t, banned, 3)
}

// ⚿ Keys that leave and scopes that are missing hold on open connections too.
func TestTokenLimits(t *testing.T) {
	s := newTokenSite(t)
	reader := s.bearer(nil, "Bearer "+s.mint("ann", map[string]any{"scope": "compute.read"}))
	_, err := reader.submit("", "add", "a", "1", "b", "2")
	f, kind := fault(t, err)
	require.Equal(t, "refused", kind)
	require.Contains(t, f.String, "lacks the scope compute.create")
	_, err = reader.call("list", func(*xml.Writer) {})
	require.NoError(t, err)

	beside := s.bearer(s.user("Ann"), "Bearer "+s.mint("ann", nil))
	_, err = beside.submit("", "add", "a", "1", "b", "2")
	f, kind = fault(t, err)
	require.Equal(t, "refused", kind)
	require.Contains(t, f.String, "not linked as one person")
	_, err = s.client(s.user("Ann")).submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err, "the certificate alone")

	ann := s.bearer(nil, "Bearer "+s.mint("ann", nil))
	_, err = ann.submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err)
	_, err = s.issuer.Rotate("ES256")
	require.NoError(t, err)
	require.NoError(t, s.verifier.Refresh(t.Context()))
	_, err = ann.submit("", "add", "a", "1", "b", "2")
	f, kind = fault(t, err)
	require.Equal(t, "unauthenticated", kind)
	require.Contains(t, f.String, "no longer publishes")
}

// ⚿ Each scope leaves the token its own operations and no other, however much
// the policies permit; there is none here for compute.modify. Several scopes
// leave what each of them does.
func TestScopesGateOperations(t *testing.T) {
	s := newTokenSite(t)
	owner := s.bearer(nil, "Bearer "+s.mint("ann", nil))
	j, err := owner.submit("", "add", "a", "1", "b", "2", "seconds", "0")
	require.NoError(t, err)
	session := get(j, "session")
	owner.reach(session, job.Done)
	operations := map[string]func(*client) error{
		"submit": func(c *client) error {
			_, err := c.submit("", "add", "a", "1", "b", "2", "seconds", "0")
			return err
		},
		"status": func(c *client) error { _, err := c.about("status", session); return err },
		"list":   func(c *client) error { _, err := c.call("list", func(*xml.Writer) {}); return err },
		"cancel": func(c *client) error {
			_, err := c.about("cancel", session)
			if _, kind := fault(t, err); kind == "conflict" { // it may, and the job is done
				return nil
			}
			return err
		},
		"fetch": func(c *client) error {
			if code, body, _ := c.fetch(get(j, "sandbox") + "result"); code != http.StatusOK {
				return errors.New(body)
			}
			return nil
		},
	}
	for scope, may := range map[string][]string{
		"compute.create":                {"submit"},
		"compute.read":                  {"fetch", "list", "status"},
		"compute.cancel":                {"cancel"},
		"compute.modify":                nil,
		"storage.read:/":                nil,
		"compute.creat compute.read2":   nil,
		"compute.read compute.cancel":   {"cancel", "fetch", "list", "status"},
		"openid offline_access profile": {"cancel", "fetch", "list", "status", "submit"},
	} {
		c := s.bearer(nil, "Bearer "+s.mint("ann", map[string]any{"scope": scope}))
		var done []string
		for name, do := range operations {
			err := do(c)
			if err == nil {
				done = append(done, name)
			} else if name != "fetch" { // which tells nobody why
				f, kind := fault(t, err)
				require.Equal(t, "refused", kind, f)
				require.Contains(t, f.String, "scope", scope+" "+name)
			}
		}
		require.ElementsMatch(t, may, done, scope)
	}
}
