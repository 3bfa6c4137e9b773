package main

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
)

func TestCertScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "cert"), RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			writeCredentials(t, e.WorkDir)
			return nil
		},
	})
}

// writeCredentials makes a grid and the credential files that the scripts
// look at.
func writeCredentials(t *testing.T, dir string) {
	grid, err := gridtest.New()
	require.NoError(t, err)
	user := func(ca *gridtest.CA, name string) *gridtest.Entity {
		e, err := ca.User(name)
		require.NoError(t, err)
		return e
	}
	ann, bob, eve := user(grid.Strong, "Ann Other"), user(grid.Strong, "Bob"), user(grid.Strong, "Eve")
	grid.Strong.Revoke(eve)
	trust, bare := filepath.Join(dir, "trust"), filepath.Join(dir, "nocrl")
	for _, d := range []string{trust, bare} {
		require.NoError(t, os.Mkdir(d, 0o755))
		require.NoError(t, grid.WriteTrust(d))
	}
	lists, err := filepath.Glob(filepath.Join(bare, "*.r0"))
	require.NoError(t, err)
	for _, path := range lists {
		require.NoError(t, os.Remove(path))
	}
	server, err := grid.Strong.VOMS("testvo", "voms.example.org")
	require.NoError(t, err)
	require.NoError(t, server.WriteLSC(filepath.Join(dir, "vomsdir")))
	other, err := gridtest.NewCA("/DC=test/DC=strong")
	require.NoError(t, err)

	carrying := func(s gridtest.ACSpec) func(*x509.Certificate) {
		ac, err := server.Certify(ann, s)
		require.NoError(t, err)
		return gridtest.Carrying(ac)
	}
	pilot := carrying(gridtest.ACSpec{FQANs: []string{"/testvo/Role=pilot", "/testvo"}})
	for name, c := range map[string]struct {
		e    *gridtest.Entity
		spec gridtest.ProxySpec
	}{
		"pilot":    {ann, gridtest.ProxySpec{Change: pilot}},
		"stolen":   {bob, gridtest.ProxySpec{Change: pilot}},
		"aimed":    {ann, gridtest.ProxySpec{Change: carrying(gridtest.ACSpec{Hosts: []string{"ce.example.org"}})}},
		"limited":  {ann, gridtest.ProxySpec{Language: gridtest.Limited}},
		"expired":  {ann, gridtest.ProxySpec{Change: pilot, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)}},
		"forged":   {ann, gridtest.ProxySpec{SignWith: bob.Key}},
		"revoked":  {eve, gridtest.ProxySpec{}},
		"legacy":   {ann, gridtest.ProxySpec{Legacy: true, Change: func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }}},
		"draft":    {ann, gridtest.ProxySpec{Draft: true}},
		"hopeless": {ann, gridtest.ProxySpec{Draft: true, Language: gridtest.Independent}},
		"iota":     {user(grid.Weak, "Ann Other"), gridtest.ProxySpec{}},
		"stranger": {user(other, "Ann Other"), gridtest.ProxySpec{}},
	} {
		proxy, err := c.e.Proxy(c.spec)
		require.NoError(t, err)
		_, _, err = proxy.WritePEM(dir, name)
		require.NoError(t, err)
	}
}
