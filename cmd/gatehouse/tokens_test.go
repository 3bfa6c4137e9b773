package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/service/sleepyadd"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/soap"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// withToken adds the header.
type withToken struct {
	http.RoundTripper
	token string
}

func (t withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+t.token)
	return t.RoundTripper.RoundTrip(r)
}

func (r *running) bearer(person, token string) *caller {
	c := r.person(person)
	c.http = &http.Client{Transport: withToken{c.http.Transport, token}, Timeout: time.Minute}
	c.soap = soap.Client{HTTP: c.http, URL: r.base + "/services/" + sleepyadd.Name}
	return c
}

// A configured site takes tokens: the shipped policy gives their holders the
// community account, the keys come over the network in the background, and a
// token next to a certificate needs a person that has both.
func TestTokens(t *testing.T) {
	const us = "https://ce.example.org"
	issuer, err := gridtest.NewIssuer()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, issuer.Close()) })
	ca, err := issuer.WriteCA(t.TempDir())
	require.NoError(t, err)
	r := newRunning(t, func(w *world) {
		w.config.Container.Anonymous = false
		w.config.Accounts.Community = map[string]string{"weak": "community"}
		w.config.Tokens = &TokensConfig{Audiences: []string{us}, Issuers: []TokenIssuerConfig{{
			Issuer: issuer.URL, JWKS: issuer.URL + "/jwks", CA: conf.Path(ca), VO: "cms", Refresh: conf.Duration(time.Hour),
		}}}
	})
	require.Eventually(t, func() bool { return strings.Contains(r.said(t), "TokenIssuer: "+issuer.URL+" OK, 1 keys") }, 5*time.Second, 10*time.Millisecond)

	mint := func(subject string) string { return issuer.Token(issuer.Claims(subject, us, nil)) }
	ann := r.bearer("", mint("ann"))
	j, err := ann.submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0")
	require.NoError(t, err)
	require.Equal(t, []string{issuer.URL + "#ann", "community"}, []string{j["owner"], j["account"]})
	_, err = ann.until(t.Context(), j["session"], func(answer) {}, "done")
	require.NoError(t, err)
	_, err = r.person("").submit(t.Context(), time.Minute, "add", "a=1", "b=2")
	require.ErrorContains(t, err, "present a certificate or a token")

	both := r.bearer("ann", mint("ann"))
	_, err = both.submit(t.Context(), time.Minute, "add", "a=1", "b=2")
	require.ErrorContains(t, err, "not linked as one person")
	_, err = r.site.pap.PutPersons(t.Context(), change.Request{Author: change.Author{Name: "test"}}, change.Person{ID: "ann", Links: []change.Name{
		{Attribute: "subject", Value: r.world.dn("ann")}, {Attribute: "oidc-issuer", Value: issuer.URL}, {Attribute: "oidc-subject", Value: "ann"},
	}})
	require.NoError(t, err)
	j, err = both.submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0")
	require.NoError(t, err)
	require.Equal(t, r.world.dn("ann"), j["owner"])
	_, err = r.bearer("ann", mint("bob")).submit(t.Context(), time.Minute, "add", "a=1", "b=2")
	require.ErrorContains(t, err, "not linked as one person")

	trail, err := os.ReadFile(string(r.world.config.Audit.File))
	require.NoError(t, err)
	require.Contains(t, string(trail), issuer.URL+"#ann")
	require.NotContains(t, string(trail), mint("ann")[:40], "⚿ no token is in the trail")
}

func (r *running) said(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, f := range r.health.Status(nil) {
		v, err := json.Marshal(f.Value)
		require.NoError(t, err)
		b.WriteString(f.Name + ": " + strings.Trim(string(v), `"`) + "\n")
	}
	return b.String()
}

// ⚿ A link helps, so it is read narrowly: a pair is a pair, and a subject of a
// CA is nobody else's.
func TestLinks(t *testing.T) {
	dn := func(s string) authz.DN {
		d, err := authz.ParseDN(s)
		require.NoError(t, err)
		return d
	}
	const subject, ca, iss = "/DC=test/CN=Ann", "/DC=test/CN=CA", "https://i.test"
	names := func(pairs ...string) (all []change.Name) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, change.Name{Attribute: pairs[i], Value: pairs[i+1]})
		}
		return all
	}
	for name, c := range map[string]struct {
		links []change.Name
		want  bool
	}{
		"both":                 {names("subject", subject, "oidc-issuer", iss, "oidc-subject", "ann"), true},
		"other order":          {names("oidc-subject", "ann", "oidc-issuer", iss, "subject-issuer", ca, "subject", subject), true},
		"comma form":           {names("subject", "CN=Ann,DC=test", "oidc-issuer", iss, "oidc-subject", "ann"), true},
		"another CA":           {names("subject", subject, "subject-issuer", "/DC=test/CN=Evil", "oidc-issuer", iss, "oidc-subject", "ann"), false},
		"another issuer":       {names("subject", subject, "oidc-issuer", "https://evil.test", "oidc-subject", "ann"), false},
		"no issuer":            {names("subject", subject, "oidc-subject", "ann"), false},
		"another's issuer":     {names("subject", subject, "oidc-issuer", "https://evil.test", "oidc-subject", "ann", "oidc-issuer", iss, "oidc-subject", "eve"), false},
		"two":                  {names("subject", subject, "oidc-issuer", "https://b.test", "oidc-subject", "eve", "oidc-issuer", iss, "oidc-subject", "ann"), true},
		"issuer apart":         {names("oidc-issuer", iss, "subject", subject, "oidc-subject", "ann"), false},
		"certificate only":     {names("subject", subject), false},
		"token only":           {names("oidc-issuer", iss, "oidc-subject", "ann"), false},
		"another spelling":     {names("subject", subject, "oidc-issuer", iss+"/", "oidc-subject", "ann"), false},
		"subject in subject":   {names("subject", subject+"/CN=x", "oidc-issuer", iss, "oidc-subject", "ann"), false},
		"nobody":               {nil, false},
		"CA of the one before": {names("subject", "/CN=Eve", "subject-issuer", "/CN=Evil", "subject", subject, "oidc-issuer", iss, "oidc-subject", "ann"), true},
	} {
		l := &links{persons: &register{all: []change.Person{{ID: "p", Links: c.links}}}}
		got, err := l.Linked(t.Context(), dn(subject), dn(ca), iss, "ann")
		require.NoError(t, err)
		require.Equal(t, c.want, got, name)
	}
	// What is linked to two persons is not linked across them.
	persons := &register{all: []change.Person{{Links: names("subject", subject)}, {Links: names("oidc-issuer", iss, "oidc-subject", "ann")}}}
	l := &links{persons: persons}
	linked := func() bool {
		got, err := l.Linked(t.Context(), dn(subject), dn(ca), iss, "ann")
		require.NoError(t, err)
		return got
	}
	require.False(t, linked())
	// The persons are read again when they changed, and only then.
	persons.change(change.Person{Links: names("subject", subject, "oidc-issuer", iss, "oidc-subject", "ann")})
	require.True(t, linked())
	require.True(t, linked())
	require.Equal(t, 2, persons.read)
	persons.change()
	require.False(t, linked())
	persons.err = io.ErrUnexpectedEOF
	_, err := l.Linked(t.Context(), dn(subject), dn(ca), iss, "ann")
	require.True(t, errors.Is(err, io.ErrUnexpectedEOF))
	require.Nil(t, (&site{}).linker())
}

// register is the persons of a test.
type register struct {
	all  []change.Person
	at   uint64
	read int
	err  error
}

func (r *register) change(all ...change.Person) { r.all, r.at = all, r.at+1 }

func (r *register) Revision(context.Context) (authz.Revision, error) {
	return authz.Revision{Number: r.at}, r.err
}

func (r *register) Persons(context.Context) ([]change.Person, error) {
	r.read++
	return r.all, r.err
}

// What inspect says of a token is what the service would say, and never the
// token.
func TestInspectToken(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) string {
		require.NoError(t, os.WriteFile(path(name), []byte(text), 0o600))
		return path(name)
	}
	issuer, err := gridtest.NewIssuer()
	require.NoError(t, err)
	require.NoError(t, issuer.Close()) // the keys are in a file
	write("keys.json", string(issuer.KeySet()))
	config := write("gatehouse.yaml", `pdp: {follow: ["https://pap.example.org:8150"]}
credential-strength: [{strength: strong, token-issuer: "`+issuer.URL+`"}]
tokens:
  audiences: [https://ce.example.org]
  issuers: [{issuer: "`+issuer.URL+`", jwks-file: keys.json, vo: cms}]
`)
	bare := write("bare.yaml", `pdp: {follow: ["https://pap.example.org:8150"]}`+"\n")
	good := issuer.Token(issuer.Claims("ann", "https://ce.example.org", map[string]any{
		"jti": "id-1", "scope": "compute.read", "wlcg.groups": []string{"/cms/uscms", "/atlas"},
	}))
	inspect := func(token string, args ...string) (code int, said string) {
		var out strings.Builder
		code = run(t.Context(), append([]string{"cert", "inspect", "--token", write("token", token+"\n")}, args...), strings.NewReader(""), &out, &out)
		require.NotContains(t, out.String(), token[:40])
		return code, out.String()
	}
	code, said := inspect(good, "--config", config, "-o", "json")
	require.Equal(t, exitOK, code, said)
	require.Contains(t, said, `"accepted": true`)
	require.Contains(t, said, `"as_one_for": "jobs"`)
	code, said = inspect(good, "--config", config)
	require.Equal(t, exitOK, code, said)
	for _, line := range []string{
		"issuer       " + issuer.URL, "subject      ann", "id           id-1", "scope        compute.read", "VO           cms", "FQAN         /cms/uscms",
		"not counted  /atlas", "Strength  strong", "Accepted within its scopes.",
	} {
		require.Contains(t, said, line)
	}
	code, said = inspect(issuer.Token(issuer.Claims("ann", "https://se.example.org", nil)), "--config", config)
	require.Equal(t, exitFailure, code)
	require.Contains(t, said, "Refused: token: it is made for somebody else")
	require.Contains(t, said, "subject      ann")
	// A PAP alone takes tokens for administration, with other audiences and never
	// within scopes.
	pap := write("pap.yaml", `pap: {token-audiences: ["https://pap.example.org"]}
tokens: {issuers: [{issuer: "`+issuer.URL+`", jwks-file: keys.json, vo: cms}]}
`)
	code, said = inspect(issuer.Token(issuer.Claims("ann", "https://pap.example.org", nil)), "--config", pap)
	require.Equal(t, exitOK, code, said)
	require.Contains(t, said, "as one for   administration")
	code, said = inspect(issuer.Token(issuer.Claims("ann", "https://pap.example.org", map[string]any{"scope": "compute.read"})), "--config", pap)
	require.Equal(t, exitFailure, code, said)
	require.Contains(t, said, "Refused: the scopes of the token limit it to other actions.")
	code, said = inspect(good, "--config", pap)
	require.Equal(t, exitFailure, code, said)
	for want, args := range map[string][]string{
		"needs --config":    nil,
		"no section tokens": {"--config", bare},
		"stands alone":      {"--config", config, "proxy.pem"},
		"no such file":      {"--config", path("absent.yaml")},
	} {
		code, said = inspect(good, args...)
		require.Equal(t, exitUsage, code, said)
		require.Contains(t, said, want)
	}
}

// ⚿ A configuration that would take tokens made for anybody does not start.
func TestCheckTokens(t *testing.T) {
	for want, section := range map[string]string{
		"tokens: token issuer 1.*no audience":  `{issuers: [{issuer: "https://i.test", jwks: "https://i.test/jwks"}]}`,
		`tokens: .*algorithm "none"`:           `{audiences: [us], issuers: [{issuer: "https://i.test", jwks: "https://i.test/jwks", algorithms: [none]}]}`,
		"tokens: .*no such file":               `{audiences: [us], issuers: [{issuer: "https://i.test", jwks-file: keys.json}]}`,
		"tokens: .*no token issuer":            `{audiences: [us]}`,
		`unknown key "audience".*audiences`:    `{audience: us}`,
		"tokens: .*may claim every group: set": `{audiences: [us], issuers: [{issuer: "https://i.test", jwks: "https://i.test/jwks"}, {issuer: "https://j.test", jwks: "https://j.test/jwks"}]}`,
	} {
		path := filepath.Join(t.TempDir(), "gatehouse.yaml")
		require.NoError(t, os.WriteFile(path, []byte("pdp: {follow: [\"https://pap.example.org:8150\"]}\ntokens: "+section+"\n"), 0o600))
		var out strings.Builder
		require.Equal(t, exitUsage, run(t.Context(), []string{"check", "--config", path}, strings.NewReader(""), &out, &out))
		require.Regexp(t, "(?s)"+want, out.String())
	}
}
