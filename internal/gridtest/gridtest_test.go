package gridtest_test

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
)

// OpenSSL must find the CA by our file names, and take chain and CRL for good.
func TestOpenSSLAgrees(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl command: its opinion of the generated grid is not asked")
	}
	grid, err := gridtest.New()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, grid.WriteTrust(dir))
	user, err := grid.Strong.User("Ann Other")
	require.NoError(t, err)
	proxy, err := user.Proxy(gridtest.ProxySpec{Language: gridtest.Limited, PathLen: gridtest.Length(3)})
	require.NoError(t, err)
	_, _, err = proxy.WritePEM(t.TempDir(), "proxy")
	require.NoError(t, err)
	cert := filepath.Join(t.TempDir(), "proxy-cert.pem")
	chain, _, err := proxy.PEM()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cert, chain, 0o600))
	out, err := exec.Command(openssl, "verify", "-CApath", dir, "-crl_check", "-allow_proxy_certs", "-untrusted", cert, cert).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "OK")
}

func TestRevokedIsInBothVersionsOfTheList(t *testing.T) {
	ca, err := gridtest.NewCA("/DC=test")
	require.NoError(t, err)
	user, err := ca.User("a")
	require.NoError(t, err)
	ca.Revoke(user)
	der, err := ca.CRL()
	require.NoError(t, err)
	list, err := x509.ParseRevocationList(der)
	require.NoError(t, err)
	require.Len(t, list.RevokedCertificateEntries, 1)
	old, err := ca.OldCRL()
	require.NoError(t, err)
	_, err = x509.ParseRevocationList(old)
	require.ErrorContains(t, err, "version", "the standard library reads v1 now: simplify internal/gsi/trust")
}

func TestNames(t *testing.T) {
	ca, err := gridtest.NewCA("/DC=test")
	require.NoError(t, err)
	d, err := authz.ParseDN("/DC=test/CN=Jérôme+UID=j/O=a\\/b")
	require.NoError(t, err)
	raw, err := gridtest.EncodeName(d, 30)
	require.NoError(t, err)
	e, err := ca.Issue(gridtest.Spec{RawSubject: raw, NotAfter: time.Now().Add(time.Minute)})
	require.NoError(t, err)
	require.Equal(t, raw, e.Cert().RawSubject)
	policy, err := ca.SigningPolicy()
	require.NoError(t, err)
	require.True(t, strings.Contains(string(policy), "/DC=test/*"), string(policy))
}

func TestRSAKeys(t *testing.T) {
	seen := map[string]bool{}
	for bits, count := range map[int]int{1024: 2, 2048: 8, 4096: 1} {
		for n := range count {
			k, err := gridtest.RSAKey(bits, n)
			require.NoError(t, err)
			require.Equal(t, bits, k.N.BitLen())
			require.False(t, seen[k.N.String()])
			seen[k.N.String()] = true
		}
		_, err := gridtest.RSAKey(bits, count)
		require.Error(t, err)
	}
}
