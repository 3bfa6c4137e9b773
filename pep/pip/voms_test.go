package pip_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func newVOMSSite(t *testing.T) (*site, *gridtest.VOMS, *gridtest.Entity) {
	t.Helper()
	s := newSite(t)
	server, err := s.grid.Strong.VOMS("testvo", "voms.example.org")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, server.WriteLSC(dir))
	directory, err := voms.Open(voms.Options{Dir: dir})
	require.NoError(t, err)
	s.verifier = gsi.NewVerifier(s.verifier.Trust(), nil, gsi.WithVOMS(directory, nil))
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	return s, server, ann
}

func TestVOMSAttributes(t *testing.T) {
	s, server, ann := newVOMSSite(t)
	e, err := ann.VOMSProxy(server, "/testvo/Role=pilot", "/testvo/Role=NULL/Capability=NULL", "/testvo/g/Role=x")
	require.NoError(t, err)
	r := s.request(e.Chain)
	r.Add(authz.Subject, profile.FQAN, authz.StringValue("/testvo/Role=asserted"))
	require.NoError(t, pip.X509{}.Enrich(t.Context(), r))
	for id, want := range map[string][]string{
		profile.FQAN:            {"/testvo/Role=pilot", "/testvo", "/testvo/g/Role=x"},
		profile.PrimaryFQAN:     {"/testvo/Role=pilot"},
		profile.VO:              {"testvo"},
		profile.EMIVO:           {"testvo"},
		profile.EMIGroup:        {"/testvo", "/testvo/g"},
		profile.EMIPrimaryGroup: {"/testvo"},
		profile.EMIRole:         {"pilot", "x"},
		profile.EMIPrimaryRole:  {"pilot"},
		profile.VOMSIssuer:      {"CN=voms.example.org,OU=hosts,DC=strong,DC=test"},
	} {
		require.Equal(t, want, verified(r, id), id)
	}
	require.Equal(t, []string{"/testvo/Role=asserted"}, presented(r, profile.FQAN))
	for a, v := range r.Values(authz.Subject, profile.EMIRole) {
		require.Equal(t, map[string]string{"pilot": "/testvo", "x": "/testvo/g"}[v.Text()], a.Issuer, "a role is one of its group")
	}
	v, _ := r.Verified(authz.Subject, profile.PrimaryFQAN)
	require.Equal(t, authz.FQANType, v.Type())
}

// ⚿ What an attribute certificate says that does not count is seen by bans and
// by nobody else, and takes what was asserted beside it along (DECISIONS 12).
func TestVOMSAttributesThatDoNotCount(t *testing.T) {
	s, server, ann := newVOMSSite(t)
	for name, c := range map[string]struct {
		spec  gridtest.ACSpec
		proxy gridtest.ProxySpec
		fqans []string
	}{
		"expired":          {gridtest.ACSpec{FQANs: []string{"/testvo/Role=pilot"}, NotAfter: time.Now().Add(-time.Hour)}, gridtest.ProxySpec{}, []string{"/testvo/Role=pilot"}},
		"not normal":       {gridtest.ACSpec{FQANs: []string{"/testvo//pilot"}}, gridtest.ProxySpec{}, []string{"/testvo//pilot"}},
		"in a dead proxy":  {gridtest.ACSpec{FQANs: []string{"/testvo/Role=pilot"}}, gridtest.ProxySpec{NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(-time.Minute)}, []string{"/testvo/Role=pilot"}},
		"of a stranger":    {gridtest.ACSpec{FQANs: []string{"/testvo/Role=pilot"}, SignWith: ann.Key}, gridtest.ProxySpec{}, []string{"/testvo/Role=pilot"}},
		"of another realm": {gridtest.ACSpec{FQANs: []string{"/othervo/g"}}, gridtest.ProxySpec{}, []string{"/othervo/g"}},
	} {
		t.Run(name, func(t *testing.T) {
			ac, err := server.Certify(ann, c.spec)
			require.NoError(t, err)
			c.proxy.Change = gridtest.Carrying(ac)
			e, err := ann.Proxy(c.proxy)
			require.NoError(t, err)
			r := s.request(e.Chain)
			ids := []string{profile.FQAN, profile.PrimaryFQAN, profile.VO, profile.VOMSIssuer, profile.EMIVO, profile.EMIGroup, profile.EMIPrimaryGroup, profile.EMIRole, profile.EMIPrimaryRole}
			for _, id := range ids {
				r.Add(authz.Subject, id, authz.StringValue("asserted"))
			}
			require.NoError(t, pip.X509{}.Enrich(t.Context(), r))
			for _, id := range ids {
				require.Empty(t, verified(r, id), id)
			}
			require.Equal(t, append([]string{"asserted"}, c.fqans...), presented(r, profile.FQAN))
			require.Equal(t, []string{"asserted", "testvo"}, presented(r, profile.VO))
		})
	}
}
