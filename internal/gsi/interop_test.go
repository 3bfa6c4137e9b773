package gsi_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gsi"
)

// Proxies that OpenSSL makes of a generated user are taken or refused as
// OpenSSL itself does, so that our proxies and our verifier cannot err alike.
func TestProxiesMadeByOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl command: no second opinion on proxies")
	}
	s := newSite(t, true)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	dir := t.TempDir()
	cert, key, err := ann.WritePEM(dir, "ann")
	require.NoError(t, err)
	run := func(args ...string) error {
		cmd := exec.Command(openssl, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		t.Logf("openssl %v: %v %s", args, err, out)
		return err
	}
	const subject = "/DC=test/DC=strong/OU=people/CN=Ann Other"
	for _, c := range []struct {
		name, subject, extensions string
		good, limited             bool
	}{
		{"all", subject + "/CN=1", "proxyCertInfo=critical,language:id-ppl-inheritAll,pathlen:3", true, false},
		{"limited", subject + "/CN=1", "proxyCertInfo=critical,language:1.3.6.1.4.1.3536.1.1.1.9\nkeyUsage=critical,digitalSignature", true, true},
		{"another's name", "/DC=test/DC=strong/OU=people/CN=Bob/CN=1", "proxyCertInfo=critical,language:id-ppl-inheritAll", false, false},
		{"two CNs", subject + "/CN=1/CN=2", "proxyCertInfo=critical,language:id-ppl-inheritAll", false, false},
		{"alternative name", subject + "/CN=1", "proxyCertInfo=critical,language:id-ppl-inheritAll\nsubjectAltName=email:root@test", false, false},
		{"no proxy at all", subject + "/CN=1", "keyUsage=critical,digitalSignature", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "x.cnf"), []byte(c.extensions+"\n"), 0o600))
			require.NoError(t, run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "proxy.key", "-out", "proxy.csr", "-utf8", "-subj", c.subject))
			require.NoError(t, run("x509", "-req", "-in", "proxy.csr", "-CA", cert, "-CAkey", key, "-set_serial", "77", "-days", "1", "-sha256", "-extfile", "x.cnf", "-out", "proxy.pem"))
			theirs := run("verify", "-CApath", s.dir, "-crl_check", "-allow_proxy_certs", "-untrusted", cert, "proxy.pem")
			require.Equal(t, c.good, theirs == nil, "OpenSSL's opinion")
			ours := s.verifier.Verify(append(readPEM(t, filepath.Join(dir, "proxy.pem")), ann.Cert()))
			require.Equal(t, c.good, ours.Verdict() == nil, "%v", ours.Verdict())
			if c.good {
				chain, _ := gsi.ChainOf(ours)
				require.Equal(t, subject, chain.Subject.Slash())
				require.Equal(t, c.limited, chain.Limited)
			}
		})
	}
}

func readPEM(t *testing.T, path string) []*x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return all
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		all = append(all, c)
	}
}
