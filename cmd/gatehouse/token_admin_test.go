package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

const papName = "https://pap.example.org"

// withTokenAdmin starts a site that the subject "boss" of its issuer administers.
func withTokenAdmin(t *testing.T) (*running, *gridtest.Issuer) {
	return withIssuer(t, func(w *world) {
		w.config.PAP.TokenAudiences = []string{papName}
		issuer := w.config.Tokens.Issuers[0].Issuer
		w.config.Administrators = append(w.config.Administrators, issuer+"#boss")
		w.config.PAP.Followers = []string{issuer + "#node"}
	})
}

// admin is a client of the PAP with a certificate, a token, or both.
func (r *running) admin(person, token string) *api.Client {
	r.t.Helper()
	config, err := r.world.clientTLS(person)
	require.NoError(r.t, err)
	var over http.RoundTripper = &http.Transport{TLSClientConfig: config}
	r.t.Cleanup(over.(*http.Transport).CloseIdleConnections)
	if token != "" {
		over = api.WithToken(over, func() ([]byte, error) { return []byte(token + "\n"), nil })
	}
	c, err := api.NewClient(&http.Client{Transport: over, Timeout: 20 * time.Second}, "https://"+r.papHere())
	require.NoError(r.t, err)
	return c
}

// ⚿ A token administers if its identity is named and it was made for the PAP:
// not one for jobs, not one whose scopes limit it, not beside a certificate of
// somebody else, and not when it ended, also on a connection that is open. What
// it did is in the trail under its name.
func TestTokenAdministers(t *testing.T) {
	r, issuer := withTokenAdmin(t)
	mint := func(subject, audience string, changes map[string]any) string {
		return issuer.Token(issuer.Claims(subject, audience, changes))
	}
	n := 0
	ban := func(c *api.Client) error {
		n++
		_, err := c.Ban(t.Context(), change.Request{}, change.DefaultPAP, change.Ban{Names: []change.Name{{Attribute: "vo", Value: "vo" + string(rune('a'+n))}}})
		return err
	}
	boss := r.admin("", mint("boss", papName, nil))
	require.NoError(t, ban(boss))
	history, err := boss.History(t.Context(), change.Query{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, issuer.URL+"#boss", history[0].Author.Name)

	now := time.Now().Unix()
	for name, c := range map[string]struct {
		client *api.Client
		why    string
	}{
		"for jobs":              {r.admin("", mint("boss", siteName, nil)), "made for somebody else"},
		"for jobs, too":         {r.admin("", mint("boss", "", map[string]any{"aud": []string{papName, siteName}})), "somebody else, too"},
		"for anybody, too":      {r.admin("", mint("boss", "", map[string]any{"aud": []string{"https://wlcg.cern.ch/jwt/v1/any", papName}})), "somebody else, too"},
		"of somebody else":      {r.admin("", mint("ann", papName, nil)), "no right"},
		"follower":              {r.admin("", mint("node", papName, nil)), "no right"},
		"limited":               {r.admin("", mint("boss", papName, map[string]any{"scope": "compute.read"})), "scopes of the token limit it"},
		"limited to storage":    {r.admin("", mint("boss", papName, map[string]any{"scope": "storage.read:/"})), "scopes of the token limit it"},
		"ended":                 {r.admin("", mint("boss", papName, map[string]any{"exp": now - 400, "iat": now - 4000})), "it ended"},
		"beside another":        {r.admin("ann", mint("boss", papName, nil)), "not linked as one person"},
		"beside the other boss": {r.admin("admin", mint("boss", papName, nil)), "not linked as one person"},
		"spoilt, beside a boss": {r.admin("admin", "x.y.z"), "refused"},
		"nobody":                {r.admin("", ""), "needs a certificate or a token"},
	} {
		err := ban(c.client)
		require.ErrorIs(t, err, api.ErrRefused, name)
		require.ErrorContains(t, err, c.why, name)
	}
	require.NoError(t, ban(r.admin("admin", "")), "certificates as ever")

	// A ban in the PAP admin outranks the configuration.
	r.ban(t, "rule deny { oidc-subject=\"boss\" }")
	require.Eventually(t, func() bool { return ban(boss) != nil }, 5*time.Second, 10*time.Millisecond)
	require.ErrorIs(t, ban(boss), api.ErrRefused)
	trail, err := os.ReadFile(string(r.world.config.Audit.File))
	require.NoError(t, err)
	require.Contains(t, string(trail), issuer.URL+"#boss")
	require.NotContains(t, string(trail), mint("boss", papName, nil)[:30], "⚿ no token is in the trail")
}

// ban puts a rule into the PAP admin.
func (r *running) ban(t *testing.T, rule string) {
	t.Helper()
	text := `resource ".*" { action ".*" { ` + rule + ` } }`
	_, err := r.site.pap.AddFile(t.Context(), change.Request{Author: change.Author{Name: "test"}}, change.AdminPAP, change.File{Text: text}, change.At{})
	require.NoError(t, err)
}

// A decision point may follow with a token in place of its certificate, and
// reads it anew when it is exchanged.
func TestTokenFollows(t *testing.T) {
	r, issuer := withTokenAdmin(t)
	path := filepath.Join(t.TempDir(), "token")
	write := func(subject string) {
		require.NoError(t, os.WriteFile(path, []byte(issuer.Token(issuer.Claims(subject, papName, nil))), 0o600))
	}
	write("node")
	s := &site{verifier: r.verifier, host: r.host}
	s.config.PDP = &PDPConfig{TokenFile: conf.Secret(path)}
	client, err := api.NewClient(&http.Client{Transport: s.toPAP()}, "https://"+r.papHere())
	require.NoError(t, err)
	t.Cleanup(client.Close)
	set, err := client.Feed(t.Context(), authz.Revision{})
	require.NoError(t, err)
	require.NotZero(t, set.To.Number)
	require.NoError(t, client.Report(t.Context(), change.Follower{Name: "ce2", Applied: set.To, Settled: set.To}))
	followers, err := r.site.pap.Followers(t.Context())
	require.NoError(t, err)
	require.Equal(t, issuer.URL+"#node", followers[0].Identity)

	write("ann")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = client.Feed(ctx, authz.Revision{})
	require.ErrorIs(t, err, api.ErrRefused)
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = client.Revision(t.Context())
	require.ErrorContains(t, err, path, "⚿ a token that others can read is not used")
}

// The keys of a site's issuers survive a restart, unless somebody else could
// have written them.
func TestSiteKeepsTokenKeys(t *testing.T) {
	issuer, err := gridtest.NewIssuer()
	require.NoError(t, err)
	ca, err := issuer.WriteCA(t.TempDir())
	require.NoError(t, err)
	r := newRunning(t, func(w *world) {
		w.config.Tokens = &TokensConfig{Audiences: []string{siteName}, Issuers: []TokenIssuerConfig{{
			Issuer: issuer.URL, JWKS: issuer.URL + "/jwks", CA: conf.Path(ca), VO: "cms",
		}}}
	})
	keys := filepath.Join(string(r.config.Data), "token-keys")
	var kept []string
	require.Eventually(t, func() bool {
		kept, err = filepath.Glob(filepath.Join(keys, "*.json"))
		return err == nil && len(kept) == 1
	}, 5*time.Second, 10*time.Millisecond)
	require.NoError(t, issuer.Close())
	text := issuer.Token(issuer.Claims("ann", siteName, nil))
	verdict := func() error {
		again := &site{config: r.config, log: r.log, now: time.Now, health: r.health, verifier: r.verifier}
		verify, err := again.bearer()
		require.NoError(t, err)
		return verify(text).Verdict()
	}
	require.NoError(t, verdict())
	for _, path := range []string{kept[0], keys} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.NoError(t, os.Chmod(path, 0o777))
		require.ErrorContains(t, verdict(), "not known yet", path)
		require.NoError(t, os.Chmod(path, info.Mode().Perm()))
		require.NoError(t, verdict())
	}
}

// ⚿ What would let nobody in, or too many, is refused at the start.
func TestCheckTokenAdministration(t *testing.T) {
	for why, change := range map[string]func(*Config){
		"is also an audience of jobs":      func(c *Config) { c.PAP.TokenAudiences = []string{"https://ce.test"} },
		"is also an audience of jobs:":     func(c *Config) { c.PAP.TokenAudiences = []string{"https://other.test"} },
		"add a section tokens":             func(c *Config) { c.Tokens = nil },
		"the PAP takes none":               func(c *Config) { c.PAP.TokenAudiences = nil },
		"has no such issuer":               func(c *Config) { c.Administrators = []string{"https://evil.test#boss"} },
		"the subject is missing":           func(c *Config) { c.Administrators = []string{"https://iam.test#"} },
		"pap.followers: name \"somebody\"": func(c *Config) { c.PAP.Followers = []string{"somebody"} },
	} {
		c := defaults()
		c.PAP = &PAPConfig{TokenAudiences: []string{papName}}
		c.Administrators = []string{"https://iam.test#boss"}
		c.Tokens = &TokensConfig{Audiences: []string{"https://ce.test"}, Issuers: []TokenIssuerConfig{{
			Issuer: "https://iam.test", Audiences: []string{"https://other.test"},
		}}}
		require.NoError(t, c.Check())
		change(&c)
		require.ErrorContains(t, c.Check(), why)
	}
}
