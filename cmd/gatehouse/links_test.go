package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

const siteName = "https://ce.example.org"

// withIssuer starts a site that takes the tokens of an issuer of the test's own.
func withIssuer(t *testing.T, change func(*world)) (*running, *gridtest.Issuer) {
	t.Helper()
	issuer, err := gridtest.NewIssuer()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, issuer.Close()) })
	ca, err := issuer.WriteCA(t.TempDir())
	require.NoError(t, err)
	r := newRunning(t, func(w *world) {
		w.config.Container.Anonymous = false
		w.config.Accounts.Community = map[string]string{"weak": "community"}
		w.config.Tokens = &TokensConfig{Audiences: []string{siteName}, Issuers: []TokenIssuerConfig{{
			Issuer: issuer.URL, JWKS: issuer.URL + "/jwks", CA: conf.Path(ca), VO: "cms", Refresh: conf.Duration(time.Hour),
		}}}
		if change != nil {
			change(w)
		}
	})
	require.Eventually(t, func() bool { return strings.Contains(r.said(t), "TokenIssuer: "+issuer.URL+" OK, 1 keys") }, 5*time.Second, 10*time.Millisecond)
	return r, issuer
}

// inForce waits until a change is in force in the site itself.
func (r *running) inForce(result change.Result, err error) {
	r.t.Helper()
	require.NoError(r.t, err)
	missing, err := r.site.pap.Wait(r.t.Context(), result.Revision)
	require.NoError(r.t, err)
	require.Empty(r.t, missing)
}

// ⚿ A ban of one identity of a person refuses the others on their next request,
// on connections that stay open, unless it is to stand alone; and a certificate
// with a token of the same person is refused by a ban of either.
func TestBanReachesAllOfAPerson(t *testing.T) {
	r, issuer := withIssuer(t, nil)
	by := change.Request{Author: change.Author{Name: "test"}}
	dn := []change.Name{{Attribute: "subject", Value: r.world.dn("ann")}}
	token := []change.Name{{Attribute: "oidc-issuer", Value: issuer.URL}, {Attribute: "oidc-subject", Value: "ann"}}
	ann := change.Person{ID: "ann", Links: append(append([]change.Name{{Attribute: "account", Value: "ann"}}, dn...), token...)}
	r.inForce(r.site.pap.PutPersons(t.Context(), by, ann))

	callers := map[string]*caller{
		"certificate": r.person("ann"),
		"token":       r.bearer("", issuer.Token(issuer.Claims("ann", siteName, nil))),
		"both":        r.bearer("ann", issuer.Token(issuer.Claims("ann", siteName, nil))),
		"somebody":    r.bearer("", issuer.Token(issuer.Claims("bob", siteName, nil))),
	}
	refused := func() (who []string) {
		for _, name := range []string{"certificate", "token", "both", "somebody"} {
			if _, err := callers[name].submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0"); err != nil {
				require.ErrorContains(t, err, "you are banned", name)
				who = append(who, name)
			}
		}
		return who
	}
	require.Empty(t, refused())
	all := []string{"certificate", "token", "both"}
	for name, c := range map[string]struct {
		ban  change.Ban
		want []string
	}{
		"certificate":         {change.Ban{Names: []change.Name{{Attribute: "subject", Value: strings.ToUpper(dn[0].Value)}}}, all},
		"token":               {change.Ban{Names: token}, all},
		"account":             {change.Ban{Names: ann.Links[:1]}, all},
		"person":              {change.Ban{Names: []change.Name{{Attribute: "person", Value: "ann"}}}, all},
		"certificate, alone":  {change.Ban{Names: dn, Alone: true}, []string{"certificate", "both"}},
		"token, alone":        {change.Ban{Names: token, Alone: true}, []string{"token", "both"}},
		"the issuer's tokens": {change.Ban{Names: token[:1]}, []string{"token", "both", "somebody"}},
	} {
		r.inForce(r.site.pap.Ban(t.Context(), by, change.DefaultPAP, c.ban))
		require.Equal(t, c.want, refused(), name)
		r.inForce(r.site.pap.Unban(t.Context(), by, change.DefaultPAP, c.ban))
	}
	require.Empty(t, refused())
	// Banned first, linked later.
	r.inForce(r.site.pap.RemovePersons(t.Context(), by, "ann"))
	r.inForce(r.site.pap.Ban(t.Context(), by, change.DefaultPAP, change.Ban{Names: dn}))
	_, err := callers["token"].submit(t.Context(), time.Minute, "add", "a=1", "b=2", "seconds=0")
	require.NoError(t, err, "nobody knows that it is her")
	r.inForce(r.site.pap.PutPersons(t.Context(), by, ann))
	require.Equal(t, all, refused())
}
