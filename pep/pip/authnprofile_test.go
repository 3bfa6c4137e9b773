package pip_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/authnprofile"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

const strongCA, weakCA = "/DC=test/DC=strong/CN=CA", "/DC=test/DC=weak/CN=CA"

// profiles has the strong CA in classic and mics, the weak one in iota.
func profiles(t *testing.T, policy string) pip.AuthnProfile {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for alias, ca := range map[string]string{"policy-classic": strongCA, "policy-mics": strongCA, "policy-iota": weakCA} {
		put(alias+".info", "alias = "+alias+"\nsubjectdn = \""+ca+"\"\n")
	}
	o := authnprofile.Options{Dir: dir}
	if policy != "" {
		o.Policy = put("vo-ca-ap", policy)
	}
	d, err := authnprofile.Open(o)
	require.NoError(t, err)
	return pip.AuthnProfile{Current: d.Current}
}

const gated = `
/testvo file:policy-mics.info, file:policy-classic.info, file:policy-iota.info
"-"     file:policy-classic.info
`

func enrich(t *testing.T, r *authz.Request, all ...authz.Enricher) {
	t.Helper()
	strength, err := pip.NewStrength([]pip.StrengthRule{{Strength: "strong", AuthnProfile: []string{"policy-classic", "policy-mics"}}})
	require.NoError(t, err)
	for _, e := range append(all, strength) {
		require.NoError(t, e.Enrich(t.Context(), r))
	}
}

func TestAuthnProfile(t *testing.T) {
	s, server, _ := newVOMSSite(t)
	chain := func(ca *gridtest.CA, fqans ...string) *authz.Request {
		e, err := ca.User("Somebody")
		require.NoError(t, err)
		if len(fqans) > 0 {
			e, err = e.VOMSProxy(server, fqans...)
			require.NoError(t, err)
		}
		return s.request(e.Chain)
	}
	for name, c := range map[string]struct {
		policy   string
		request  *authz.Request
		profiles []string
		strength string // "" if refused
		vo       bool
	}{
		"classic, no policy":    {"", chain(s.grid.Strong), []string{"policy-classic", "policy-mics"}, "strong", false},
		"iota, no policy":       {"", chain(s.grid.Weak), []string{"policy-iota"}, "weak", false},
		"classic, no VO":        {gated, chain(s.grid.Strong), []string{"policy-classic"}, "strong", false},
		"classic, VO":           {gated, chain(s.grid.Strong, "/testvo"), []string{"policy-mics"}, "strong", true},
		"iota, VO":              {gated, chain(s.grid.Weak, "/testvo"), []string{"policy-iota"}, "weak", true},
		"iota, no VO":           {gated, chain(s.grid.Weak), nil, "", false},
		"classic, VO stripped":  {"/other file:policy-classic.info\n\"-\" file:policy-classic.info", chain(s.grid.Strong, "/testvo"), []string{"policy-classic"}, "strong", false},
		"iota, VO not accepted": {"/testvo file:policy-classic.info\n/* file:policy-iota.info", chain(s.grid.Weak, "/testvo"), nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			c.request.Add(authz.Subject, profile.AuthnProfile, authz.StringValue("policy-mics"), authz.StringValue("asserted"))
			enrich(t, c.request, pip.X509{}, profiles(t, c.policy))
			require.Equal(t, c.profiles, verified(c.request, profile.AuthnProfile))
			require.Equal(t, c.profiles, verified(c.request, profile.EMIAuthnProfile))
			require.Contains(t, presented(c.request, profile.AuthnProfile), "asserted")
			if c.strength == "" {
				require.ErrorContains(t, c.request.Credential.Verdict(), "in no authentication profile that is accepted here")
				for _, a := range c.request.Attributes {
					require.Equal(t, authz.Presented, a.Standing, a.ID)
				}
				require.NotEmpty(t, presented(c.request, profile.SubjectID), "bans see who it is")
				return
			}
			require.NoError(t, c.request.Credential.Verdict())
			require.Equal(t, []string{c.strength}, verified(c.request, profile.CredentialStrength))
			require.Len(t, verified(c.request, profile.SubjectID), 1)
			for _, id := range []string{profile.VO, profile.FQAN, profile.PrimaryFQAN, profile.EMIVO, profile.EMIGroup, profile.EMIPrimaryGroup, profile.VOMSIssuer} {
				require.Equal(t, c.vo, len(verified(c.request, id)) > 0, "⚿ %s: Argus forgets to strip virtual-organization", id)
			}
		})
	}
}

// The profile goes into the name space that the request asks for.
func TestAuthnProfileNameSpace(t *testing.T) {
	s := newSite(t)
	e, err := s.grid.Strong.User("Somebody")
	require.NoError(t, err)
	for id, want := range map[string][]bool{
		profile.ProfileGridCE: {true, false}, profile.ProfileEMICommon: {false, true}, profile.ProfileEMICE: {false, true}, profile.ProfileInterop: {true, true},
	} {
		r := s.request(e.Chain)
		r.Add(authz.Environment, profile.ProfileID, authz.URIValue(id))
		enrich(t, r, pip.X509{}, profiles(t, gated))
		require.Equal(t, want, []bool{len(verified(r, profile.AuthnProfile)) > 0, len(verified(r, profile.EMIAuthnProfile)) > 0}, id)
		require.Equal(t, []string{"strong"}, verified(r, profile.CredentialStrength))
	}
}

// ⚿ A caller whom a peer vouches for is judged as the peer says, and is not
// anonymous once refused.
func TestAuthnProfileOfAssertedIssuer(t *testing.T) {
	for name, c := range map[string]struct {
		issuers, vos, fqans []string
		ok                  bool
	}{
		"classic":           {[]string{strongCA}, nil, nil, true},
		"iota":              {[]string{weakCA}, nil, nil, false},
		"iota, VO":          {[]string{weakCA}, []string{"testvo"}, nil, true},
		"iota, by FQAN":     {[]string{weakCA}, nil, []string{"/testvo/Role=x"}, true},
		"iota, an FQAN too": {[]string{weakCA}, []string{"testvo"}, []string{"/evil"}, false},
		"two CAs":           {[]string{strongCA, weakCA}, nil, nil, false},
		"no name":           {[]string{"CA"}, nil, nil, false},
		"another":           {[]string{"/CN=unlisted"}, []string{"testvo"}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := &authz.Request{}
			r.Add(authz.Subject, profile.SubjectID, authz.StringValue("CN=Somebody"))
			for id, all := range map[string][]string{profile.X509Issuer: c.issuers, profile.VO: c.vos, profile.FQAN: c.fqans} {
				for _, v := range all {
					r.Add(authz.Subject, id, authz.StringValue(v))
				}
			}
			enrich(t, r, pip.X509{}, profiles(t, gated))
			if c.ok {
				require.Nil(t, r.Credential)
				require.NotEmpty(t, verified(r, profile.AuthnProfile))
				return
			}
			require.Error(t, r.Credential.Verdict())
			require.Empty(t, verified(r, profile.SubjectID))
			require.Empty(t, verified(r, profile.CredentialStrength))
		})
	}
	r := &authz.Request{}
	enrich(t, r, profiles(t, gated))
	require.Equal(t, []string{"anonymous"}, verified(r, profile.CredentialStrength), "nobody is refused who brings no certificate")
}

// ⚿ A virtual organization that a peer asserts beside a chain without one is
// judged as any other.
func TestAuthnProfileOfAssertedMembership(t *testing.T) {
	s := newSite(t)
	for name, c := range map[string]struct {
		ca      *gridtest.CA
		vo      string
		ok, has bool
	}{
		"accepted":                 {s.grid.Weak, "testvo", true, true},
		"accepted, but not as":     {s.grid.Strong, "other", true, false},
		"not accepted as anything": {s.grid.Weak, "other", false, false},
	} {
		e, err := c.ca.User("Somebody")
		require.NoError(t, err)
		r := s.request(e.Chain)
		r.Add(authz.Subject, profile.VO, authz.StringValue(c.vo))
		r.Add(authz.Subject, profile.FQAN, authz.StringValue("/"+c.vo))
		enrich(t, r, pip.X509{}, profiles(t, gated))
		require.Equal(t, c.ok, r.Credential.Verdict() == nil, name)
		require.Equal(t, c.has, len(verified(r, profile.VO)) > 0, name)
		require.Equal(t, c.has, len(verified(r, profile.FQAN)) > 0, name)
	}
}

func TestAuthnProfileForAdministration(t *testing.T) {
	s := newSite(t)
	e, err := s.grid.Weak.User("Somebody")
	require.NoError(t, err)
	r, add := s.request(e.Chain), profiles(t, gated)
	add.AddOnly = true
	enrich(t, r, pip.X509{}, add)
	require.NoError(t, r.Credential.Verdict())
	require.Equal(t, []string{"policy-iota"}, verified(r, profile.AuthnProfile))
}
