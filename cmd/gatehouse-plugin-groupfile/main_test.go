package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/plugins"
	"github.com/gatehouse-authz/gatehouse/plugins/groupfile"
	"github.com/gatehouse-authz/gatehouse/plugins/plugintest"
)

func TestPlugin(t *testing.T) {
	defer goleak.VerifyNone(t)
	path := filepath.Join(t.TempDir(), "groups")
	require.NoError(t, os.WriteFile(path, []byte("\"/DC=org/CN=Alice\" physics,shift\n\"/DC=org/CN=Bob\" physics\n"), 0o600))
	person := func(name string) func() *authz.Request {
		return func() *authz.Request {
			d, err := authz.ParseDN("/DC=org/CN=" + name)
			require.NoError(t, err)
			r := &authz.Request{}
			r.Add(authz.Subject, "urn:oasis:names:tc:xacml:1.0:subject:subject-id", authz.DNValue(d))
			return r
		}
	}
	plugintest.Enricher(t, plugintest.Subject{
		Program: plugintest.Build(t, "."),
		Args:    []string{"-file", path},
		Assert:  []plugins.AttributeName{{Category: authz.Subject, ID: groupfile.DefaultAttribute}},
		Cases: []plugintest.Case{
			{Request: person("Alice"), Want: []string{"physics", "shift"}},
			{Request: person("Bob"), Want: []string{"physics"}},
			{Request: person("Carol")},
		},
	})
}
