package spl_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

func TestShippedPolicies(t *testing.T) {
	for name, text := range map[string]string{"default.spl": policies.Default(), "sample.spl": policies.Sample()} {
		require.NoError(t, spl.Check(name, text, table(t)))
		formatted, err := spl.Format(name, text)
		require.NoError(t, err)
		require.Equal(t, text, formatted, "%s is in the one layout", name)
	}
}

// The ids in the patterns of the default policy are those that are sent.
func TestDefaultPolicyNamesTheActions(t *testing.T) {
	f, err := spl.Parse("default.spl", policies.Default())
	require.NoError(t, err)
	for _, want := range []struct {
		resource int
		ids      []string
	}{
		{0, []string{profile.ActionJobInfo, profile.ActionTerminate, profile.ActionManage}},
		{1, []string{profile.ActionSandboxRead, profile.ActionSandboxWrite}},
		{2, []string{profile.ActionSubmit, profile.ActionServiceInfo, profile.ActionJobInfo, profile.ActionSandboxRead, profile.ActionDelegationManage}},
	} {
		for _, id := range want.ids {
			require.True(t, anyAction(f.Resources[want.resource], id), "resource %d names %s", want.resource, id)
		}
	}
}

func anyAction(r *spl.Resource, id string) bool {
	for _, a := range r.Actions {
		if regexp.MustCompile("^(?:" + a.Value.Text + ")$").MatchString(id) {
			return true
		}
	}
	return false
}
