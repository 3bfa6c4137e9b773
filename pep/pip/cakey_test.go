package pip_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// ⚿ A ban on a CA means its key (DECISIONS 13): a CA that takes another name
// stays banned, and the next key of the same name is not.
func TestBanOnCA(t *testing.T) {
	const base = "/DC=test/DC=bad"
	old, err := gridtest.NewCA(base)
	require.NoError(t, err)
	rolled, err := gridtest.NewCA(base) // the same name, a new key
	require.NoError(t, err)
	renamed, err := gridtest.NewCAFrom(base, gridtest.Spec{Subject: base + "/CN=Better CA", Key: old.Key})
	require.NoError(t, err)
	below, err := old.Sub(base + "/DC=below")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, gridtest.WriteTrust(dir, old, rolled, renamed, below))
	store, err := trust.Open(trust.Options{Dir: dir})
	require.NoError(t, err)
	s := &site{verifier: gsi.NewVerifier(store, nil)}

	engine := pdp.New(pdp.Options{})
	service, err := pap.Open(t.Context(), pap.Options{Store: mem.New(), Check: engine.Check})
	require.NoError(t, err)
	by := change.Request{Author: change.Author{Name: "test"}}
	_, err = service.AddFile(t.Context(), by, change.DefaultPAP, change.File{Name: "all.spl", Text: `
resource ".*" {
    action ".*" {
        rule permit { subject-issuer = "/DC=test/DC=bad/CN=CA" }
        rule permit { subject-issuer = "/DC=test/DC=bad/CN=Better CA" }
        rule permit { vo = "testvo" }
    }
}
`}, change.At{})
	require.NoError(t, err)
	_, err = service.Ban(t.Context(), by, change.DefaultPAP, change.Ban{Names: []change.Name{{Attribute: "ca-key", Value: trust.KeyOf(old.Cert)}}})
	require.NoError(t, err)
	update, err := service.Next(t.Context(), authz.Revision{})
	require.NoError(t, err)
	require.NoError(t, engine.Apply(update))
	decide := func(r *authz.Request) authz.Decision {
		t.Helper()
		require.NoError(t, pip.X509{CAs: store}.Enrich(t.Context(), r))
		r.Add(authz.Resource, profile.ResourceID, authz.StringValue("ce"))
		r.Add(authz.Action, profile.ActionID, authz.StringValue("submit"))
		response, err := engine.Decide(t.Context(), r)
		require.NoError(t, err)
		return response.Decision
	}
	user := func(ca *gridtest.CA) *gridtest.Entity {
		e, err := ca.User("Somebody")
		require.NoError(t, err)
		return e
	}
	for name, c := range map[string]struct {
		ca   *gridtest.CA
		want authz.Decision
	}{"banned": {old, authz.Deny}, "rolled over": {rolled, authz.Permit}, "renamed": {renamed, authz.Deny}, "below": {below, authz.Deny}} {
		e := user(c.ca)
		require.NoError(t, s.verifier.Verify(e.Chain).Verdict(), name)
		require.Equal(t, c.want, decide(s.request(e.Chain)), name)
		proxy, err := e.Proxy(gridtest.ProxySpec{})
		require.NoError(t, err)
		require.Equal(t, c.want, decide(s.request(proxy.Chain)), name)
		beside := s.request(e.Chain)
		beside.Add(authz.Subject, profile.SubjectIssuer, authz.StringValue("/DC=test/DC=bad/CN=CA"))
		if name == "rolled over" {
			require.Equal(t, c.want, decide(beside), "the name of its own CA, asserted beside the chain, says nothing new")
		}
	}

	// Where nobody shows the key the name stands for it, in any spelling.
	for name, c := range map[string]struct {
		issuer string
		want   authz.Decision
	}{"asserted": {"cn=ca ,dc=BAD,dc=test", authz.Deny}, "asserted, another": {"/DC=test/DC=good/CN=CA", authz.Permit}} {
		r := &authz.Request{}
		r.Add(authz.Subject, profile.SubjectIssuer, authz.StringValue(c.issuer))
		r.Add(authz.Subject, profile.VO, authz.StringValue("testvo"))
		require.Equal(t, c.want, decide(r), name)
	}
	expired, err := user(old).Proxy(gridtest.ProxySpec{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	require.NoError(t, err)
	r := s.request(append(expired.Chain, old.Cert))
	decide(r)
	require.Contains(t, presented(r, profile.CAKey), trust.KeyOf(old.Cert))
	require.Empty(t, verified(r, profile.CAKey))
}

func TestCAKeyReplacesAsserted(t *testing.T) {
	s := newSite(t)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	r := s.request([]*x509.Certificate{ann.Cert()})
	r.Add(authz.Subject, profile.CAKey, authz.StringValue("asserted"))
	require.NoError(t, pip.X509{}.Enrich(t.Context(), r))
	require.Equal(t, []string{trust.KeyOf(s.grid.Strong.Cert)}, verified(r, profile.CAKey))
	require.Equal(t, []string{"asserted"}, presented(r, profile.CAKey))
}
