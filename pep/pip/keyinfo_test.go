package pip_test

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func chainText(t *testing.T, e *gridtest.Entity) authz.Value {
	t.Helper()
	text, _, err := e.PEM()
	require.NoError(t, err)
	return authz.StringValue(string(text))
}

// ⚿ What the chain says takes the place of what the peer asserts beside it
// (DECISIONS 23).
func TestKeyInfo(t *testing.T) {
	s, server, ann := newVOMSSite(t)
	e, err := ann.VOMSProxy(server, "/testvo/Role=pilot")
	require.NoError(t, err)
	var der []authz.Value
	for _, c := range e.Chain {
		v, err := authz.ParseValue("http://www.w3.org/2001/XMLSchema#base64Binary", base64.StdEncoding.EncodeToString(c.Raw))
		require.NoError(t, err)
		der = append(der, v)
	}
	for name, values := range map[string][]authz.Value{"PEM": {chainText(t, e)}, "base64": der, "twice": {chainText(t, e), chainText(t, e)}} {
		t.Run(name, func(t *testing.T) {
			r := &authz.Request{Peer: "ce.test"}
			r.Add(authz.Subject, profile.KeyInfo, values...)
			for _, id := range []string{profile.SubjectID, profile.SubjectIssuer, profile.X509Issuer, profile.VO, profile.FQAN, profile.PrimaryFQAN} {
				r.Add(authz.Subject, id, authz.StringValue("asserted"))
			}
			enrich(t, r, pip.KeyInfo{Verifier: s.verifier}, pip.X509{})
			require.NoError(t, r.Credential.Verdict())
			for id, want := range map[string]string{
				profile.SubjectID: "CN=Ann Other,OU=people,DC=strong,DC=test", profile.SubjectIssuer: "CN=CA,DC=strong,DC=test",
				profile.VO: "testvo", profile.FQAN: "/testvo/Role=pilot", profile.PrimaryFQAN: "/testvo/Role=pilot",
			} {
				require.Equal(t, []string{want}, verified(r, id), id)
				require.Contains(t, presented(r, id), "asserted", id)
			}
		})
	}
}

// ⚿ Without the right to assert, and beside another credential, a chain only
// counts against the caller.
func TestKeyInfoThatDoesNotCount(t *testing.T) {
	s, server, ann := newVOMSSite(t)
	e, err := ann.VOMSProxy(server, "/testvo/Role=pilot")
	require.NoError(t, err)
	bob, err := s.grid.Strong.User("Bob")
	require.NoError(t, err)
	for name, r := range map[string]*authz.Request{
		"no right": {Attributes: []authz.Attribute{{Category: authz.Subject, ID: profile.KeyInfo, Values: []authz.Value{chainText(t, e)}}}},
		"beside a certificate": {
			Credential: s.verifier.Verify(bob.Chain),
			Attributes: []authz.Attribute{{Category: authz.Subject, ID: profile.KeyInfo, Values: []authz.Value{chainText(t, e)}, Standing: authz.Verified}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := r.Credential
			enrich(t, r, pip.KeyInfo{Verifier: s.verifier}, pip.X509{})
			require.Equal(t, before, r.Credential)
			require.NotContains(t, verified(r, profile.SubjectID), "CN=Ann Other,OU=people,DC=strong,DC=test")
			require.Contains(t, presented(r, profile.SubjectID), "CN=Ann Other,OU=people,DC=strong,DC=test")
			require.Equal(t, []string{"/testvo/Role=pilot"}, presented(r, profile.FQAN))
			require.Equal(t, []string{"testvo"}, presented(r, profile.VO))
			require.Empty(t, verified(r, profile.FQAN))
		})
	}
}

// ⚿ A private key in a key-info is nowhere afterwards, and a key-info that
// cannot be read is no anonymous caller.
func TestKeyInfoWithPrivateKey(t *testing.T) {
	s := newSite(t)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	chain, key, err := ann.PEM()
	require.NoError(t, err)
	block, _ := pem.Decode(key)
	secret := base64.StdEncoding.EncodeToString(block.Bytes)
	for _, standing := range []authz.Standing{authz.Verified, authz.Presented} {
		for _, values := range [][]authz.Value{
			{authz.StringValue(string(chain) + string(key))},
			{authz.StringValue(secret)},
			{authz.StringValue("x" + secret)},
		} {
			r := &authz.Request{Attributes: []authz.Attribute{{Category: authz.Subject, ID: profile.KeyInfo, Values: values, Standing: standing}}}
			enrich(t, r, pip.KeyInfo{Verifier: s.verifier}, pip.X509{})
			var rec authz.Record
			pip.Describe(r, &rec)
			require.NotContains(t, fmt.Sprintf("%+v %+v", r, rec), secret[:40])
			require.Empty(t, presented(r, profile.KeyInfo))
			if standing == authz.Verified {
				require.Error(t, r.Credential.Verdict())
				require.Empty(t, verified(r, profile.CredentialStrength))
			} else {
				require.Nil(t, r.Credential)
			}
		}
	}
	r := &authz.Request{}
	r.Add(authz.Subject, profile.KeyInfo, authz.StringValue(string(chain)+string(key)))
	require.NoError(t, pip.KeyInfo{Verifier: s.verifier}.Enrich(t.Context(), r))
	require.ErrorIs(t, r.Credential.Verdict(), gsi.ErrPrivateKey)
}
