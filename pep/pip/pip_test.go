package pip_test

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

type site struct {
	grid     *gridtest.Grid
	verifier *gsi.Verifier
}

func newSite(t *testing.T) *site {
	t.Helper()
	grid, err := gridtest.New()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, grid.WriteTrust(dir))
	store, err := trust.Open(trust.Options{Dir: dir})
	require.NoError(t, err)
	return &site{grid, gsi.NewVerifier(store, nil)}
}

func (s *site) request(chain []*x509.Certificate) *authz.Request {
	return &authz.Request{Credential: s.verifier.Verify(chain)}
}

func verified(r *authz.Request, id string) []string {
	var all []string
	for a, v := range r.Values(authz.Subject, id) {
		if a.Standing == authz.Verified {
			all = append(all, v.Text())
		}
	}
	return all
}

func presented(r *authz.Request, id string) []string {
	var all []string
	for a, v := range r.Values(authz.Subject, id) {
		if a.Standing == authz.Presented {
			all = append(all, v.Text())
		}
	}
	return all
}

func TestX509(t *testing.T) {
	s := newSite(t)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	limited, err := ann.Proxy(gridtest.ProxySpec{Language: gridtest.Limited})
	require.NoError(t, err)
	const subject, issuer = "CN=Ann Other,OU=people,DC=strong,DC=test", "CN=CA,DC=strong,DC=test"
	for _, c := range []struct {
		e       *gridtest.Entity
		limited string
	}{{ann, "false"}, {limited, "true"}} {
		r := s.request(c.e.Chain)
		require.NoError(t, pip.X509{}.Enrich(t.Context(), r))
		require.Equal(t, []string{subject}, verified(r, profile.SubjectID))
		for _, id := range []string{profile.SubjectIssuer, profile.EMISubjectIssuer, profile.X509Issuer, profile.EMIX509Issuer} {
			require.Equal(t, []string{issuer}, verified(r, id))
		}
		require.Equal(t, []string{c.limited}, verified(r, profile.LimitedProxy))
		v, _ := r.Verified(authz.Subject, profile.SubjectID)
		require.Equal(t, authz.X500Name, v.Type())
	}
	r := &authz.Request{}
	require.NoError(t, pip.X509{}.Enrich(t.Context(), r))
	require.Empty(t, r.Attributes, "an anonymous caller has no names")
	r.Credential = &authz.Credential{Value: "a token's"}
	require.NoError(t, pip.X509{}.Enrich(t.Context(), r))
	require.Empty(t, r.Attributes)
}

// ⚿ What a caller asserts beside a certificate counts for nothing, and still
// against it (DECISIONS 12, 23).
func TestVerifiedReplacesAsserted(t *testing.T) {
	s := newSite(t)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	r := s.request(ann.Chain)
	for _, id := range []string{profile.SubjectID, profile.X509Issuer, profile.SubjectIssuer, profile.LimitedProxy, profile.CredentialStrength} {
		r.Add(authz.Subject, id, authz.StringValue("asserted"))
	}
	require.NoError(t, pip.X509{}.Enrich(t.Context(), r))
	strength, err := pip.NewStrength(nil)
	require.NoError(t, err)
	require.NoError(t, strength.Enrich(t.Context(), r))
	for _, id := range []string{profile.SubjectID, profile.X509Issuer, profile.SubjectIssuer, profile.LimitedProxy, profile.CredentialStrength} {
		require.NotContains(t, verified(r, id), "asserted", id)
		require.Contains(t, presented(r, id), "asserted", id)
		require.Len(t, verified(r, id), 1, id)
	}
}

// ⚿ The names of an expired, revoked or malformed chain are there for bans and
// for nothing else.
func TestRefusedChain(t *testing.T) {
	s := newSite(t)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	expired, err := ann.Proxy(gridtest.ProxySpec{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	require.NoError(t, err)
	independent, err := ann.Proxy(gridtest.ProxySpec{Language: gridtest.Independent})
	require.NoError(t, err)
	strength, err := pip.NewStrength(nil)
	require.NoError(t, err)
	for _, e := range []*gridtest.Entity{expired, independent} {
		r := s.request(e.Chain)
		r.Add(authz.Subject, profile.SubjectID, authz.StringValue("asserted"))
		require.NoError(t, pip.X509{}.Enrich(t.Context(), r))
		require.NoError(t, strength.Enrich(t.Context(), r))
		for _, a := range r.Attributes {
			require.Equal(t, authz.Presented, a.Standing, a.ID)
		}
		require.Contains(t, presented(r, profile.SubjectID), "CN=Ann Other,OU=people,DC=strong,DC=test")
		require.Contains(t, presented(r, profile.X509Issuer), "CN=CA,DC=strong,DC=test")
		require.Empty(t, presented(r, profile.CredentialStrength), "not even anonymous")
	}
}

func TestStrength(t *testing.T) {
	s := newSite(t)
	rules := []pip.StrengthRule{
		{Strength: "strong", AuthnProfile: []string{"policy-igtf-classic", "policy-igtf-mics"}},
		{Strength: "weak", CA: "/DC=test/DC=weak/CN=CA"},
		{Strength: "strong", CA: "CN=CA,DC=strong,DC=test"},
		{Strength: "strong", TokenIssuer: "https://issuer.test", Assurance: []string{"high"}},
	}
	strength, err := pip.NewStrength(rules)
	require.NoError(t, err)
	strong, err := s.grid.Strong.User("a")
	require.NoError(t, err)
	weak, err := s.grid.Weak.User("a")
	require.NoError(t, err)
	add := func(pairs ...string) func(*authz.Request) {
		return func(r *authz.Request) {
			for i := 0; i < len(pairs); i += 2 {
				r.Add(authz.Subject, pairs[i], authz.StringValue(pairs[i+1]))
			}
		}
	}
	for name, c := range map[string]struct {
		request *authz.Request
		change  func(*authz.Request)
		want    string
	}{
		"anonymous":                    {&authz.Request{}, add(), "anonymous"},
		"strong CA":                    {s.request(strong.Chain), add(), "strong"},
		"weak CA":                      {s.request(weak.Chain), add(), "weak"},
		"first match wins":             {s.request(weak.Chain), add(profile.AuthnProfile, "policy-igtf-mics"), "strong"},
		"token without assurance":      {&authz.Request{Credential: &authz.Credential{}}, add(profile.OIDCIssuer, "https://issuer.test"), "weak"},
		"token with assurance":         {&authz.Request{Credential: &authz.Credential{}}, add(profile.OIDCIssuer, "https://issuer.test", profile.Assurance, "high"), "strong"},
		"token of another issuer":      {&authz.Request{Credential: &authz.Credential{}}, add(profile.OIDCIssuer, "https://evil.test", profile.Assurance, "high"), "weak"},
		"unlisted":                     {&authz.Request{Credential: &authz.Credential{}}, add(), "weak"},
		"asserted by a peer that may":  {&authz.Request{}, add(profile.SubjectID, "CN=x"), "weak"},
		"asserted by one that may not": {&authz.Request{Attributes: []authz.Attribute{{Category: authz.Subject, ID: profile.SubjectID, Values: []authz.Value{authz.StringValue("CN=x")}}}}, add(), "anonymous"},
	} {
		t.Run(name, func(t *testing.T) {
			c.change(c.request)
			require.NoError(t, pip.X509{}.Enrich(t.Context(), c.request))
			require.NoError(t, strength.Enrich(t.Context(), c.request))
			require.Equal(t, []string{c.want}, verified(c.request, profile.CredentialStrength))
		})
	}
	refused := &authz.Request{Credential: &authz.Credential{Err: errors.New("bad")}}
	require.NoError(t, strength.Enrich(t.Context(), refused))
	require.Empty(t, refused.Attributes)
	for _, bad := range []pip.StrengthRule{{}, {Strength: "strong"}, {Strength: "anonymous", CA: "/CN=x"}, {Strength: "Strong", CA: "/CN=x"}, {Strength: "weak", CA: "x"}, {Strength: "strong", Assurance: []string{"high"}}} {
		_, err := pip.NewStrength([]pip.StrengthRule{bad})
		require.ErrorContains(t, err, "rule 1", bad)
	}
}

func TestDescribe(t *testing.T) {
	s := newSite(t)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	r := s.request(ann.Chain)
	require.NoError(t, pip.X509{}.Enrich(t.Context(), r))
	r.Add(authz.Action, profile.ActionID, authz.StringValue(profile.ActionSubmit))
	r.Attributes = append(r.Attributes, authz.Attribute{Category: authz.Resource, ID: profile.ResourceID, Values: []authz.Value{authz.StringValue("ce")}})
	var rec authz.Record
	pip.Describe(r, &rec)
	require.Equal(t, authz.Record{Subject: "/DC=test/DC=strong/OU=people/CN=Ann Other", Issuer: "/DC=test/DC=strong/CN=CA", Action: profile.ActionSubmit, Resource: "ce"}, rec)
}
