package gsi_test

import (
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// limboEverything makes the second opinion be asked about every case and not
// only about one of each kind.
const limboEverything = "GATEHOUSE_LIMBO"

// disputes explains where OpenSSL accepts what we refuse, or the reverse, by
// the end entity, the shape or the fault that makes the difference. But for one
// we are the stricter.
var disputes = map[string]string{
	"clock ahead":                "OpenSSL forgives no clock; a user's own machine signs proxies, so we give it five minutes, at the beginning only",
	"host":                       "RFC 3820 lets hosts have proxies; nobody needs one, and whoever breaks into a host could sign them by the dozen",
	"outside the signing policy": "OpenSSL does not read signing_policy files",
	"P-224":                      "OpenSSL's security level 1 asks for 80 bits of security; we ask for 112 and known curves",
	"RSA 1024":                   "as for P-224",
	"info not critical":          "RFC 3820 section 3.8 says that it must be critical; OpenSSL does not look",
	"independent":                "OpenSSL leaves to the application what a language means: independent proxies inherit no rights",
	"unknown language":           "OpenSSL leaves to the application what a language means: one that nobody understands restricts in ways nobody knows",
	"restricted":                 "RFC 3820 section 3.8.2 allows no policy text in the language inheritAll; OpenSSL does not look",
	"signs certificates":         "OpenSSL only asks whether the proxy is a CA by its basic constraints",
	"too many":                   "OpenSSL bounds the path, not what is sent along with it",
	"limited, full":              "limited is a language of Globus, which OpenSSL does not know",
}

// secondOpinions gives every case without attribute certificates to OpenSSL. Each
// difference is explained, and each explanation is needed.
func (l *limbo) secondOpinions(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl command: no second opinion on the limbo")
	}
	asked, used := 0, map[string]bool{}
	for _, c := range l.cases {
		if c.member || os.Getenv(limboEverything) == "" && !limboSample(c) {
			continue
		}
		asked++
		theirs := secondOpinion(t, openssl, l.trustDir, c)
		if (theirs == "") == (len(c.refused) == 0) {
			continue
		}
		row := c.kind
		if c.fault != "" {
			row = c.fault
		} else if disputes[row] == "" {
			row = c.shape
		}
		used[row] = true
		if disputes[row] == "" {
			t.Errorf("%s: we want refused %q, OpenSSL says %q, and nobody explained why", c.name, c.refused, theirs)
		}
	}
	for row := range disputes {
		require.True(t, used[row], "%q is explained and not disputed", row)
	}
	t.Logf("asked about %d of %d cases; rows disputed: %d", asked, len(l.cases), len(used))
}

// limboSample keeps each kind and each fault, in small chains.
func limboSample(c limboCase) bool {
	small := slices.Contains([]string{"no proxy", "a proxy"}, c.shape)
	return c.fault == "" && small || c.kind == "person" && (c.fault == "" || small || c.shape == "two" && strings.HasSuffix(c.name, " 0"))
}

func secondOpinion(t *testing.T, openssl, trustDir string, c limboCase) string {
	t.Helper()
	dir := t.TempDir()
	leaf, rest := filepath.Join(dir, "leaf.pem"), filepath.Join(dir, "rest.pem")
	var others []byte
	for i, cert := range c.chain {
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		if i == 0 {
			require.NoError(t, os.WriteFile(leaf, text, 0o600))
			continue
		}
		others = append(others, text...)
	}
	args := []string{"verify", "-CApath", trustDir, "-no-CAfile", "-no-CAstore", "-crl_check_all", "-allow_proxy_certs", "-purpose", "sslclient"}
	if len(others) > 0 {
		require.NoError(t, os.WriteFile(rest, others, 0o600))
		args = append(args, "-untrusted", rest)
	}
	out, err := exec.Command(openssl, append(args, leaf)...).CombinedOutput()
	if err == nil {
		return ""
	}
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit), "%v", err)
	_, reason, _ := strings.Cut(string(out), "\nerror ")
	reason, _, _ = strings.Cut(reason, "\n")
	return "error " + reason
}
