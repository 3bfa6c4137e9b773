package container_test

import (
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
)

// TestZeep lets a client that nobody here wrote call the container by its WSDL.
func TestZeep(t *testing.T) {
	const python = "/usr/bin/python3" // not the first one on PATH: the package is the system's
	if exec.Command(python, "-c", "import zeep").Run() != nil {
		t.Skip("needs python3-zeep")
	}
	s := newSite(t)
	proxy, err := s.user("Ann").Proxy(gridtest.ProxySpec{})
	require.NoError(t, err)
	dir := t.TempDir()
	_, _, err = proxy.WritePEM(dir, "proxy")
	require.NoError(t, err)
	var bundle []byte
	for _, ca := range s.grid.CAs() {
		bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Cert.Raw})...)
	}
	roots := filepath.Join(dir, "ca.pem")
	require.NoError(t, os.WriteFile(roots, bundle, 0o644))
	arguments := []string{"../.ci/interop/client.py", "--wsdl", s.url + "/services/sleepyAdd?wsdl", "--ca", roots, "--account", "grid", "--too-much", "7000"}
	add := []string{"--method", "add", "--parameter", "a=-1", "--parameter", "b=3", "--parameter", "seconds=0", "--file", "result", "--contains", "2"}
	slow := []string{"--slow-method", "add", "--slow-parameter", "a=1", "--slow-parameter", "b=3", "--slow-parameter", "seconds=300"}
	for name, extra := range map[string][]string{
		"proxy":           slices.Concat(add, slow, []string{"--credential", filepath.Join(dir, "proxy.pem")}),
		"anonymous":       slices.Concat(add, slow),
		"nothing to send": slices.Concat(add, []string{"--slow-method", "burn"}),
	} {
		out, err := exec.Command(python, append(arguments, extra...)...).CombinedOutput()
		require.NoError(t, err, "%s:\n%s", name, out)
		t.Logf("%s:\n%s", name, out)
		require.Contains(t, string(out), "enough requested-cpu-time <= 600")
	}
}
