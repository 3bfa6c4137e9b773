package profile_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func TestAttributesAreOneToOne(t *testing.T) {
	names := map[string]bool{}
	ids := map[string]bool{}
	for _, a := range profile.Attributes() {
		require.False(t, names[a.Name], "name %s twice", a.Name)
		require.False(t, ids[a.ID], "id %s twice", a.ID)
		names[a.Name], ids[a.ID] = true, true
		require.True(t, a.Type.Known(), "type of %s", a.Name)
		require.NotEmpty(t, a.Match, a.Name)
		u, err := url.Parse(a.ID)
		require.NoError(t, err)
		require.NotEmpty(t, u.Scheme, a.Name)
		got, ok := profile.Lookup(a.Name)
		require.True(t, ok)
		require.Equal(t, a, got)
		got, ok = profile.ByID(a.Category, a.ID)
		require.True(t, ok)
		require.Equal(t, a, got)
	}
	_, ok := profile.Lookup("dn")
	require.False(t, ok, "Argus dropped this name in 1.1")
}

// The mapping of reference/argus.md, 3.2, by sample of each kind.
func TestArgusRows(t *testing.T) {
	for name, want := range map[string]profile.Attribute{
		"subject":          {ID: "urn:oasis:names:tc:xacml:1.0:subject:subject-id", Category: authz.Subject, Type: authz.X500Name},
		"pfqan":            {ID: "http://glite.org/xacml/attribute/fqan/primary", Category: authz.Subject, Type: authz.FQANType},
		"emi-vo":           {ID: "http://dci-sec.org/xacml/attribute/virtual-organization", Category: authz.Subject, Type: authz.String},
		"oidc-issuer":      {ID: "http://glite.org/xacml/attribute/oidc-issuer", Category: authz.Subject, Type: authz.String},
		"resource":         {ID: "urn:oasis:names:tc:xacml:1.0:resource:resource-id", Category: authz.Resource, Type: authz.String},
		"pilot-classifier": {ID: "http://glite.org/xacml/attribute/pilot-job-classifier", Category: authz.Action, Type: authz.String},
	} {
		got, ok := profile.Lookup(name)
		require.True(t, ok, name)
		require.Equal(t, []any{want.ID, want.Category, want.Type}, []any{got.ID, got.Category, got.Type}, name)
	}
}

func TestIdentitiesAreAttributes(t *testing.T) {
	for _, i := range profile.Identities() {
		_, ok := profile.Lookup(i.Name)
		require.True(t, ok, i.Name)
		require.NotEmpty(t, i.Readings, i.Name)
		for _, r := range i.Readings {
			_, ok := profile.ByID(r.Category, r.ID)
			require.True(t, ok, "%s reads %s", i.Name, r.ID)
		}
		if i.Needs != "" {
			_, ok = profile.LookupIdentity(i.Needs)
			require.True(t, ok, i.Needs)
		}
	}
}

func TestComparisonsReadLiteralFirst(t *testing.T) {
	a, _ := profile.Lookup("requested-cpu-time")
	require.Contains(t, a.Comparisons(), profile.Comparison{Operator: "<=", Function: "urn:oasis:names:tc:xacml:1.0:function:integer-greater-than-or-equal"})
	a, _ = profile.Lookup("credential-strength")
	require.Contains(t, a.Comparisons(), profile.Comparison{Operator: ">=", Function: profile.FunctionStrengthLessOrEqual})
	a, _ = profile.Lookup("vo")
	require.Empty(t, a.Comparisons())
}
