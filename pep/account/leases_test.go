package account

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
	"github.com/gatehouse-authz/gatehouse/internal/token"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// withPools puts pools of four accounts each, cms and weak, behind the mapping.
func (s *setting) withPools(t *testing.T) (*Mapper, *pool.Pools) {
	t.Helper()
	text := accounts
	for i := 1; i <= 4; i++ {
		text += fmt.Sprintf("cms%03d 2000%d pool=2000\nweak%03d 2100%d pool=2000\n", i, i, i, i)
	}
	text += "alias 20001 users=10000\n"
	var err error
	s.file, err = ParseFile([]byte(text))
	require.NoError(t, err)
	s.config.Directory = s.file
	pools, err := pool.Open(t.Context(), mem.New(), pool.Config{
		Pools:     []pool.Definition{{Name: "cms", Members: []string{"cms[001-004]"}}, {Name: "weak", Members: []string{"weak[001-004]"}}},
		Directory: Guard(s.file, Rules{}), SecondaryGroups: true, Now: func() time.Time { return s.now },
	})
	require.NoError(t, err)
	s.config.Leases, s.config.Roster = pools, pools
	m, err := NewMapper(t.Context(), s.config)
	require.NoError(t, err)
	return m, pools
}

// verified gives a request the credential of a verified chain.
func verified(t testing.TB, r *authz.Request, subject, issuer string) *authz.Request {
	t.Helper()
	d, err := authz.ParseDN(subject)
	require.NoError(t, err)
	i, err := authz.ParseDN(issuer)
	require.NoError(t, err)
	r.Credential = &authz.Credential{Subject: subject, Value: &gsi.Chain{Subject: d, Issuer: i}}
	return r
}

const someCA = "/O=x/CN=CA"

func TestPoolAccounts(t *testing.T) {
	s := newSetting(t, "\"/cms\" .cms\n\"/O=x/CN=ann\" ann\n", "\"/cms\" cms\n")
	s.config.Prefer = Preference{}
	m, pools := s.withPools(t)
	ask := func(name string, fqans ...string) *authz.Request {
		r := verified(t, caller(t, name, fqans...), name, someCA)
		r.ID, r.Decided = "decision-1", authz.Revision{Lineage: "x", Number: 7}
		return r
	}
	a, err := m.Map(t.Context(), ask("/O=x/CN=carl", "/cms"))
	require.NoError(t, err)
	require.Regexp(t, `^cms00[1-4]$`, a.Name)
	require.Equal(t, authz.Group{Name: "cms", GID: 10010}, a.Group, "of the group map")
	require.Equal(t, s.config.AccountMap+":1, pool cms", a.Source)
	require.False(t, a.Shared)
	require.Equal(t, authz.Revision{Lineage: "x", Number: 7}, a.Revision)
	require.Equal(t, s.now.Add(pool.AnswerLife).UTC(), a.Expires)

	for _, spelling := range []string{"/o=x/cn=carl", "CN=Carl,O=X", "/O=x/CN=c\\x61rl"} {
		again, err := m.Map(t.Context(), verified(t, caller(t, spelling, "/cms"), spelling, "CN=CA,O=x"))
		require.NoError(t, err)
		require.Equal(t, a.Name, again.Name, "%s is the same name in the reading of permits", spelling)
	}
	for _, another := range []*authz.Request{
		ask("/O=x/CN=carla", "/cms"), ask("/CN=carl/O=x", "/cms"),
		verified(t, caller(t, "/O=x/CN=carl", "/cms"), "/O=x/CN=carl", "/O=y/CN=CA"),
	} {
		b, err := m.Map(t.Context(), another)
		require.NoError(t, err)
		require.NotEqual(t, a.Name, b.Name, "another order or another issuer is somebody else")
	}
	e, err := pools.At(t.Context(), a.Name, s.now.Add(time.Second))
	require.NoError(t, err)
	require.Equal(t, "/O=x/CN=carl", e.Identity.Name)
	require.Equal(t, pool.Cause{By: "gatehouse", Why: s.config.AccountMap + ":1", Decision: "decision-1", Revision: authz.Revision{Lineage: "x", Number: 7}}, e.Cause)

	b, err := m.Map(t.Context(), ask("/O=x/CN=ann"))
	require.NoError(t, err)
	require.Equal(t, "ann", b.Name)
	require.Empty(t, b.Lease)
}

// ⚿ DECISIONS 23: nobody is leased an account on somebody's mere word.
func TestLeaseOnlyForVerifiedCredential(t *testing.T) {
	s := newSetting(t, "\"/cms\" .cms\n", "")
	m, pools := s.withPools(t)
	refused := verified(t, caller(t, "/O=x/CN=carl", "/cms"), "/O=x/CN=carl", someCA)
	refused.Credential.Err = errors.New("revoked")
	judged := verified(t, caller(t, "/O=x/CN=carl", "/cms"), "/O=x/CN=carl", someCA)
	judged.Credential.Judge = func() error { return errors.New("expired since") }
	strange := caller(t, "/O=x/CN=carl", "/cms")
	strange.Credential = &authz.Credential{Value: 7}
	issuer, err := authz.ParseDN(someCA)
	require.NoError(t, err)
	asserted := caller(t, "/O=x/CN=carl", "/cms")
	asserted.Add(authz.Subject, profile.X509Issuer, authz.DNValue(issuer))
	halfNamed := caller(t, "/O=x/CN=carl", "/cms")
	halfNamed.MayMap = true
	for name, r := range map[string]*authz.Request{
		"no credential, and a peer that may not map": asserted,
		"a refused credential":                       refused,
		"a credential that no longer stands":         judged,
		"a credential of another kind":               strange,
		"somebody else's credential":                 verified(t, caller(t, "/O=x/CN=carl", "/cms"), "/O=x/CN=eve", someCA),
		"a peer that names no issuer":                halfNamed,
	} {
		_, err := m.Map(t.Context(), r)
		require.Error(t, err, name)
		if name != "a refused credential" {
			require.ErrorIs(t, err, ErrNoHolder, name)
		}
	}
	require.Equal(t, 4, pools.Counts()["cms"].States[pool.Free], "nothing was leased")

	named := caller(t, "/O=x/CN=carl", "/cms")
	named.MayMap = true
	named.Add(authz.Subject, profile.X509Issuer, authz.DNValue(issuer))
	a, err := m.Map(t.Context(), named)
	require.NoError(t, err)
	b, err := m.Map(t.Context(), verified(t, caller(t, "/O=x/CN=carl", "/cms"), "/O=x/CN=carl", someCA))
	require.NoError(t, err)
	require.Equal(t, a.Name, b.Name, "asserted by a peer that may map, or verified here: one identity")
	named.Attributes[len(named.Attributes)-1].Standing = authz.Presented
	_, err = m.Map(t.Context(), named)
	require.ErrorIs(t, err, ErrNoHolder, "what is only presented names nobody")
}

// Proxies, a renewed certificate and a new key of the CA are one identity.
func TestRollOverKeepsTheLease(t *testing.T) {
	s := newSetting(t, "\"/cms\" .cms\n", "")
	m, _ := s.withPools(t)
	r := verified(t, caller(t, "/O=x/CN=carl", "/cms"), "/O=x/CN=carl", someCA)
	a, err := m.Map(t.Context(), r)
	require.NoError(t, err)
	chain := *r.Credential.Value.(*gsi.Chain)
	chain.IssuerKey, chain.Certificates = "another", []*x509.Certificate{{}, {}}
	r.Credential = &authz.Credential{Value: &chain, Digest: [32]byte{1}}
	b, err := m.Map(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, a.Name, b.Name)
}

func TestAccountsNamedByPolicyOutOfPools(t *testing.T) {
	s := newSetting(t, "", "\"/cms\" cms\n")
	m, _ := s.withPools(t)
	r := verified(t, caller(t, "/O=x/CN=carl", "/cms"), "/O=x/CN=carl", someCA)
	a, err := m.Named(t.Context(), r, ".cms")
	require.NoError(t, err)
	require.Regexp(t, `^cms00[1-4]$`, a.Name)
	require.Equal(t, "cms", a.Group.Name)
	require.Equal(t, "policy, pool cms", a.Source)
	_, err = m.Named(t.Context(), r, ".nowhere")
	require.ErrorIs(t, err, pool.ErrNoPool)
	_, err = m.Named(t.Context(), &authz.Request{}, ".cms")
	require.ErrorIs(t, err, ErrNoHolder)
}

func tokenCaller(issuer, subject string, groups ...string) *authz.Request {
	r := &authz.Request{Credential: &authz.Credential{Value: &token.Claims{Issuer: issuer, Subject: subject}}}
	r.Add(authz.Subject, profile.OIDCIssuer, authz.StringValue(issuer))
	r.Add(authz.Subject, profile.OIDCSubject, authz.StringValue(subject))
	for _, g := range groups {
		r.Attributes = append(r.Attributes, authz.Attribute{
			Category: authz.Subject, ID: profile.OIDCGroup, Issuer: issuer, Standing: authz.Verified, Values: []authz.Value{authz.StringValue(g)},
		})
	}
	return r
}

func TestTokenRules(t *testing.T) {
	const iam, other = "https://iam.example.org/", "https://other.example.org/"
	s := newSetting(t, "\"/O=x/CN=bob\" bob\n", "")
	s.config.Shared = []string{"guest"}
	s.config.Community = map[string]string{"weak": ".weak"}
	s.config.Tokens = []TokenRule{
		{Issuer: iam, Subject: "ann-sub", Account: "ann"},
		{Issuer: iam, Group: "/cms/prod", Account: "guest"},
		{Issuer: iam, Entitlement: "URN:mace:EGI.eu:group:cms", Account: ".cms"},
	}
	m, _ := s.withPools(t)
	for name, c := range map[string]struct {
		r      *authz.Request
		want   string
		source string
	}{
		"subject":               {tokenCaller(iam, "ann-sub", "/cms/prod"), "ann", "accounts.tokens[0]"},
		"group":                 {tokenCaller(iam, "x", "/cms", "/cms/prod"), "guest", "accounts.tokens[1]"},
		"entitlement":           {tokenCaller(iam, "y", "urn:mace:egi.eu:group:cms"), "cms00[1-4]", "accounts.tokens[2], pool cms"},
		"a group below is none": {tokenCaller(iam, "z", "/cms/prod/x"), "", ""},
		"another issuer":        {tokenCaller(other, "ann-sub", "/cms/prod"), "", ""},
		"the group's case":      {tokenCaller(iam, "z", "/CMS/prod"), "", ""},
	} {
		a, err := m.Map(t.Context(), c.r)
		if c.want == "" {
			require.ErrorIs(t, err, ErrNoLogin, name)
			continue
		}
		require.NoError(t, err, name)
		require.Regexp(t, "^"+c.want+"$", a.Name, name)
		require.Equal(t, c.source, a.Source, name)
	}

	weak := tokenCaller(other, "w")
	weak.Add(authz.Subject, profile.CredentialStrength, authz.StringValue(profile.Weak))
	a, err := m.Map(t.Context(), weak)
	require.NoError(t, err)
	require.Regexp(t, `^weak00[1-4]$`, a.Name, "a community may be a pool")

	// ⚿ what nobody vouches for maps to nothing
	claimed := tokenCaller(iam, "z", "/cms/prod")
	for i := range claimed.Attributes {
		claimed.Attributes[i].Standing = authz.Presented
	}
	_, err = m.Map(t.Context(), claimed)
	require.ErrorIs(t, err, ErrNoLogin)
	foreign := tokenCaller(iam, "z", "/cms/prod")
	foreign.Attributes[2].Issuer = other
	_, err = m.Map(t.Context(), foreign)
	require.ErrorIs(t, err, ErrNoLogin, "a group that another issuer vouches for")

	// Beside a certificate, the certificate's name decides.
	both := tokenCaller(iam, "ann-sub")
	both.Attributes = append(both.Attributes, caller(t, "/O=x/CN=bob").Attributes...)
	a, err = m.Map(t.Context(), verified(t, both, "/O=x/CN=bob", someCA))
	require.NoError(t, err)
	require.Equal(t, "bob", a.Name)
}

func TestTokenRulesThatSayTooLittle(t *testing.T) {
	for want, rules := range map[string][]TokenRule{
		"issuer is missing":                {{Subject: "s", Account: "ann"}},
		"want one of subject":              {{Issuer: "i", Account: "ann"}},
		"one of subject, group":            {{Issuer: "i", Subject: "s", Group: "/g", Account: "ann"}},
		"account is missing":               {{Issuer: "i", Subject: "s"}},
		"entitlement":                      {{Issuer: "i", Entitlement: "/cms", Account: ".cms"}},
		"accounts.tokens[0]: account bob":  {{Issuer: "i", Group: "/g", Account: "bob"}},
		"accounts.tokens[1]: account ann":  {{Issuer: "i", Subject: "s", Account: "ann"}, {Issuer: "i", Subject: "t", Account: "ann"}},
		"is an account of pool cms":        {{Issuer: "i", Subject: "s", Account: "cms001"}},
		"not an account or group":          {{Issuer: "i", Subject: "s", Account: "daemon"}},
		"which is not listed as shared":    {{Issuer: "i", Subject: "s", Account: "twin"}},
		"\"/x\" is no account name":        {{Issuer: "i", Subject: "s", Account: "./x"}},
		"\"/../x\" is no account name":     {{Issuer: "i", Subject: "s", Account: "./../x"}},
		"\"cms;id\" is no account name":    {{Issuer: "i", Group: "/g", Account: ".cms;id"}},
		"bob and twin have the same uid":   {{Issuer: "i", Subject: "s", Account: "bob"}, {Issuer: "i", Subject: "t", Account: "twin"}},
		"accounts.tokens[0]: want one of ": {{Issuer: "i", Group: "/g", Entitlement: "e", Account: ".cms"}},
	} {
		s := newSetting(t, "\"/O=x/CN=twin\" twin\n", "")
		s.withPools(t)
		s.config.Tokens = rules
		_, err := NewMapper(t.Context(), s.config)
		require.ErrorContains(t, err, want)
	}
}

// ⚿ Two identities never share a uid: an account of a pool is nobody's by name.
func TestPoolAccountsAreNotNamed(t *testing.T) {
	for what, change := range map[string]func(*setting){
		"the account map": func(s *setting) { s.write(t, "grid-mapfile", "\"/O=x/CN=ann\" cms001\n") },
		"a community":     func(s *setting) { s.config.Community = map[string]string{"weak": "cms001"} },
	} {
		s := newSetting(t, "", "")
		s.config.Shared = []string{"*"}
		s.withPools(t)
		change(s)
		_, err := NewMapper(t.Context(), s.config)
		require.ErrorContains(t, err, "is an account of pool cms", what)
	}
	s := newSetting(t, "\"/cms\" .cms\n\"/O=x/CN=ann\" alias\n", "")
	s.config.Shared = []string{"*"}
	m, _ := s.withPools(t)
	_, err := m.Named(t.Context(), &authz.Request{}, "cms001")
	require.ErrorContains(t, err, "is an account of pool cms", "a policy")
	refused := 0
	for i := range 4 { // "alias" has the uid of cms001
		name := fmt.Sprintf("/O=x/CN=user%d", i)
		a, err := m.Map(t.Context(), verified(t, caller(t, name, "/cms"), name, someCA))
		if err != nil {
			require.ErrorContains(t, err, "the uid 20001, which is also that of alias")
			refused++
			continue
		}
		require.NotEqual(t, "cms001", a.Name)
	}
	require.Equal(t, 1, refused)
}

func TestConfirm(t *testing.T) {
	s := newSetting(t, "\"/cms\" .cms\n\"/O=x/CN=ann\" ann\n", "")
	m, pools := s.withPools(t)
	leased, err := m.Map(t.Context(), verified(t, caller(t, "/O=x/CN=carl", "/cms"), "/O=x/CN=carl", someCA))
	require.NoError(t, err)
	named, err := m.Map(t.Context(), caller(t, "/O=x/CN=ann"))
	require.NoError(t, err)
	s.now = s.now.Add(time.Hour)
	for _, a := range []authz.Account{leased, named} {
		require.True(t, a.Expired(s.now))
		again, err := m.Confirm(t.Context(), a)
		require.NoError(t, err)
		require.False(t, again.Expired(s.now))
		require.True(t, again.Expired(s.now.Add(pool.AnswerLife)))
		again.Expires = a.Expires
		require.Equal(t, a, again)
	}
	forged := leased
	forged.Lease = ""
	_, err = m.Confirm(t.Context(), forged)
	require.ErrorIs(t, err, ErrForbidden, "an account of a pool without its lease")
	_, err = pools.Release(t.Context(), leased.Name, 0, pool.Cause{By: "test"})
	require.NoError(t, err)
	_, err = m.Confirm(t.Context(), leased)
	require.ErrorIs(t, err, pool.ErrNoLease)
	require.NoError(t, m.Gives(context.Background(), leased), "the signer knows pools and not leases")
}
