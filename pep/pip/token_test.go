package pip_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
	"github.com/gatehouse-authz/gatehouse/internal/token"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

const us = "https://ce.example.org"

// minter verifies what its key signed.
type minter struct {
	key      *gridtest.TokenKey
	verifier *token.Verifier
}

const iss = "https://issuer.test"

func newMinter(t *testing.T, change ...func(*token.Issuer)) *minter {
	key, err := gridtest.NewTokenKey("ES256")
	require.NoError(t, err)
	jwk, err := json.Marshal(key.JWK())
	require.NoError(t, err)
	config := token.Issuer{Issuer: iss, JWKSFile: "keys", VO: "cms"}
	for _, f := range change {
		f(&config)
	}
	v, err := token.New(token.Options{
		Issuers: []token.Issuer{config}, Audiences: []string{us},
		ReadFile: func(string) ([]byte, error) { return []byte(`{"keys":[` + string(jwk) + `]}`), nil },
	})
	require.NoError(t, err)
	return &minter{key, v}
}

func (m *minter) mint(t *testing.T, changes map[string]any) *authz.Credential {
	claims, err := json.Marshal((&gridtest.Issuer{URL: iss}).Claims("ann", us, changes))
	require.NoError(t, err)
	return m.verifier.Verify(m.key.Sign(map[string]any{"alg": "ES256", "kid": m.key.ID}, claims))
}

func about(c *authz.Credential, action string) *authz.Request {
	r := &authz.Request{Credential: c}
	r.Add(authz.Action, profile.ActionID, authz.StringValue(action))
	return r
}

func TestToken(t *testing.T) {
	m := newMinter(t)
	c := m.mint(t, map[string]any{
		"jti": "id-1", "client_id": "portal", "scope": "compute.create openid", "eduperson_assurance": "high",
		"wlcg.groups": []string{"/cms/uscms", "/cms", "/atlas"},
	})
	require.NoError(t, c.Verdict())
	r := about(c, profile.ActionSubmit)
	for _, id := range []string{profile.OIDCIssuer, profile.OIDCSubject, profile.OIDCGroup, profile.FQAN, profile.TokenID, profile.Assurance, profile.VO} {
		r.Add(authz.Subject, id, authz.StringValue("asserted"))
	}
	require.NoError(t, pip.X509{}.Enrich(t.Context(), r))
	require.NoError(t, pip.Token{}.Enrich(t.Context(), r))
	require.NoError(t, r.Credential.Verdict())
	for id, want := range map[string][]string{
		profile.OIDCIssuer: {iss}, profile.OIDCSubject: {"ann"}, profile.OIDCGroup: {"/cms/uscms", "/cms"}, profile.TokenID: {"id-1"},
		profile.OIDCClientID: {"portal"}, profile.OIDCScope: {"compute.create", "openid"}, profile.Assurance: {"high"},
		profile.VO: {"cms"}, profile.FQAN: {"/cms/uscms", "/cms"}, profile.PrimaryFQAN: {"/cms/uscms"}, profile.SubjectID: nil,
	} {
		require.Equal(t, want, verified(r, id), id)
	}
	require.ElementsMatch(t, []string{"asserted", "/atlas"}, presented(r, profile.OIDCGroup))
	for _, a := range r.Attributes {
		if a.Standing == authz.Verified && a.Category == authz.Subject {
			require.Equal(t, iss, a.Issuer, a.ID)
		}
	}
	strength, err := pip.NewStrength([]pip.StrengthRule{{Strength: "strong", TokenIssuer: iss, Assurance: []string{"high"}}})
	require.NoError(t, err)
	require.NoError(t, strength.Enrich(t.Context(), r))
	require.Equal(t, []string{"strong"}, verified(r, profile.CredentialStrength))
	var rec authz.Record
	pip.Describe(r, &rec)
	require.Equal(t, []string{"ann", iss}, []string{rec.Subject, rec.Issuer})
}

// ⚿ What a refused token says is there for bans and for nothing else.
func TestRefusedToken(t *testing.T) {
	m := newMinter(t)
	c := m.mint(t, map[string]any{"aud": "https://elsewhere", "jti": "id-1", "wlcg.groups": []string{"/cms"}})
	require.ErrorContains(t, c.Verdict(), "somebody else")
	r := about(c, profile.ActionSubmit)
	r.Add(authz.Subject, profile.OIDCIssuer, authz.StringValue("asserted"))
	require.NoError(t, pip.Token{}.Enrich(t.Context(), r))
	for _, a := range r.Attributes {
		require.True(t, a.Category == authz.Action || a.Standing == authz.Presented, a.ID)
	}
	for id, want := range map[string]string{
		profile.OIDCIssuer: iss, profile.OIDCSubject: "ann", profile.TokenID: "id-1", profile.OIDCGroup: "/cms", profile.VO: "cms", profile.FQAN: "/cms",
	} {
		require.Contains(t, presented(r, id), want, id)
	}
	require.Error(t, r.Credential.Verdict())
}

// ⚿ Scopes limit: what they do not name, no policy can permit.
func TestScopesLimit(t *testing.T) {
	m := newMinter(t)
	actions := map[string]string{
		profile.ActionSubmit: "compute.create", profile.ActionJobInfo: "compute.read", profile.ActionTerminate: "compute.cancel", profile.ActionManage: "compute.modify",
		profile.ActionSandboxRead: "compute.read", profile.ActionSandboxWrite: "compute.create", profile.ActionServiceInfo: "", profile.ActionPolicyWrite: "never",
		profile.ActionESCreation + "/CreateActivity": "compute.create", profile.ActionESActivityManagement + "/CancelActivity": "compute.cancel",
		profile.ActionESCreation + "/Nonsense": "never", "": "never",
	}
	for _, scopes := range []string{"compute.create", "compute.read", "compute.read compute.cancel", "compute.modify", "storage.read:/a", "openid", ""} {
		changes := map[string]any{"scope": scopes}
		if scopes == "" {
			changes = nil
		}
		c := m.mint(t, changes)
		claims, _ := token.ClaimsOf(c)
		for action, scope := range actions {
			r := about(c, action)
			require.NoError(t, pip.Token{}.Enrich(t.Context(), r))
			free := scopes == "openid" || scopes == "" || scope == ""
			require.Equal(t, free || has(claims.Scopes, scope), r.Credential.Verdict() == nil, "%q for %s", scopes, action)
			require.Equal(t, r.Credential.Verdict() == nil, len(verified(r, profile.OIDCSubject)) == 1)
			require.NoError(t, c.Verdict(), "the credential of the connection is as it was")
		}
		r := &authz.Request{Credential: c}
		require.NoError(t, pip.Token{}.Enrich(t.Context(), r))
		require.Equal(t, scopes == "openid" || scopes == "", r.Credential.Verdict() == nil, "no action at all")
	}
	c := newMinter(t, func(i *token.Issuer) { i.IgnoreCapabilities = true }).mint(t, map[string]any{"scope": "compute.read"})
	r := about(c, profile.ActionSubmit)
	require.NoError(t, pip.Token{}.Enrich(t.Context(), r))
	require.NoError(t, r.Credential.Verdict(), "as configured")
}

func has(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

type links struct {
	linked bool
	err    error
	asked  []string
}

func (l *links) Linked(_ context.Context, subject, issuer authz.DN, tokenIssuer, tokenSubject string) (bool, error) {
	l.asked = []string{subject.Slash(), issuer.Slash(), tokenIssuer, tokenSubject}
	return l.linked, l.err
}

// ⚿ Somebody's token does not become mine by being shown with my certificate.
func TestTokenBesideCertificate(t *testing.T) {
	s, m := newSite(t), newMinter(t)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		links   pip.Linker
		changes map[string]any
		why     string
	}{
		"nobody knows":   {nil, nil, "not linked as one person"},
		"not linked":     {&links{}, nil, "not linked as one person"},
		"cannot be told": {&links{linked: true, err: errors.New("store is down")}, nil, "store is down"},
		"scopes":         {&links{linked: true}, map[string]any{"scope": "compute.read"}, "lacks the scope compute.create"},
		"bad token":      {&links{linked: true}, map[string]any{"aud": "x"}, "somebody else"},
		"linked":         {&links{linked: true}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			both := *s.verifier.Verify(ann.Chain)
			both.Beside = m.mint(t, c.changes)
			r := about(&both, profile.ActionSubmit)
			r.Add(authz.Subject, profile.Network, authz.StringValue("127.0.0.1"))
			strength, err := pip.NewStrength(nil)
			require.NoError(t, err)
			for _, e := range []authz.Enricher{pip.X509{}, pip.Token{Links: c.links}, strength} {
				require.NoError(t, e.Enrich(t.Context(), r))
			}
			if c.why == "" {
				require.NoError(t, r.Credential.Verdict())
				require.Len(t, verified(r, profile.SubjectID), 1)
				require.Equal(t, []string{"ann"}, verified(r, profile.OIDCSubject))
				require.Equal(t, []string{"/DC=test/DC=strong/OU=people/CN=Ann Other", "/DC=test/DC=strong/CN=CA", iss, "ann"}, c.links.(*links).asked)
				return
			}
			require.ErrorContains(t, r.Credential.Verdict(), c.why)
			for _, a := range r.Attributes {
				require.True(t, a.Category == authz.Action || a.ID == profile.Network || a.Standing == authz.Presented, a.ID)
			}
			require.NotEmpty(t, presented(r, profile.SubjectID), "a ban on either bites")
			require.Equal(t, []string{"ann"}, presented(r, profile.OIDCSubject))
			require.NoError(t, s.verifier.Verify(ann.Chain).Verdict(), "alone it is as good as before")
		})
	}
}

// The rule that the manual offers to those who let policies read the scopes.
func TestScopeRule(t *testing.T) {
	engine := pdp.New(pdp.Options{})
	service, err := pap.Open(t.Context(), pap.Options{Store: mem.New(), Check: engine.Check})
	require.NoError(t, err)
	_, err = service.AddFile(t.Context(), change.Request{Author: change.Author{Name: "test"}}, change.DefaultPAP, change.File{Name: "scopes.spl", Text: `spl 2
resource ".*" {
    action ".*" {
        rule deny { oidc-scope matches "compute[.].*" oidc-scope != "compute.create" }
        rule permit { oidc-issuer = "` + iss + `" }
    }
}
`}, change.At{})
	require.NoError(t, err)
	update, err := service.Next(t.Context(), authz.Revision{})
	require.NoError(t, err)
	require.NoError(t, engine.Apply(update))
	m := newMinter(t, func(i *token.Issuer) { i.IgnoreCapabilities = true })
	for scopes, want := range map[string]authz.Decision{
		"compute.create compute.read": authz.Permit, "openid": authz.Permit, "compute.read": authz.Deny, "compute.cancel openid": authz.Deny,
	} {
		r := about(m.mint(t, map[string]any{"scope": scopes}), profile.ActionSubmit)
		r.Add(authz.Resource, profile.ResourceID, authz.StringValue("ce"))
		require.NoError(t, pip.Token{}.Enrich(t.Context(), r))
		response, err := engine.Decide(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, want, response.Decision, scopes)
	}
}
