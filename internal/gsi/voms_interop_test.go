package gsi_test

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/proxy"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
)

// fake is a throw-away PKI with proxies made by voms-proxy-fake, so that our
// servers and our verifier cannot err alike.
type fake struct {
	dir, tool string
	verifier  *gsi.Verifier
}

func newFake(t *testing.T) *fake {
	t.Helper()
	shared := os.Getenv("GATEHOUSE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	tools := filepath.Join(shared, "tools", "gsi")
	if _, err := os.Stat(tools); err != nil {
		t.Skipf("no %s: set GATEHOUSE_SHARED to where the test material is", tools)
	}
	for _, command := range []string{"voms-proxy-fake", "openssl", "bash"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skipf("no %s command: no proxies but our own", command)
		}
	}
	f := &fake{dir: t.TempDir(), tool: filepath.Join(tools, "mkproxy.sh")}
	f.run(t, nil, filepath.Join(tools, "mkca.sh"), f.dir)
	authorities, err := trust.Open(trust.Options{Dir: filepath.Join(f.dir, "certificates")})
	require.NoError(t, err)
	directory, err := voms.Open(voms.Options{Dir: filepath.Join(f.dir, "vomsdir")})
	require.NoError(t, err)
	f.verifier = gsi.NewVerifier(authorities, nil, gsi.WithVOMS(directory, nil))
	return f
}

func (f *fake) run(t *testing.T, environment []string, args ...string) {
	t.Helper()
	cmd := exec.Command("bash", args...)
	cmd.Env = append(append(os.Environ(), "HOME="+f.dir), environment...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%v: %s", args, out)
}

// proxy runs voms-proxy-fake and returns the chain that it wrote.
func (f *fake) proxy(t *testing.T, user, fqan string, environment []string, args ...string) *gsi.Chain {
	t.Helper()
	return f.verify(t, f.make(t, user, fqan, environment, args...))
}

func (f *fake) make(t *testing.T, user, fqan string, environment []string, args ...string) *gridtest.Entity {
	t.Helper()
	out := filepath.Join(t.TempDir(), "proxy")
	f.run(t, environment, append([]string{f.tool, f.dir, user, out, fqan}, args...)...)
	return &gridtest.Entity{Chain: readPEM(t, out)}
}

func (f *fake) verify(t *testing.T, e *gridtest.Entity) *gsi.Chain {
	t.Helper()
	c := f.verifier.Verify(e.Chain)
	require.NoError(t, c.Verdict())
	chain, _ := gsi.ChainOf(c)
	return chain
}

func TestProxiesMadeByVOMS(t *testing.T) {
	f := newFake(t)
	newForm := []string{"NEWFORMAT=1"}
	const alice = "/DC=org/DC=testgrid/OU=people/CN=alice Test"
	for name, c := range map[string]struct {
		fqan        string
		environment []string
		args        []string
		want        []string
		ignored     string
	}{
		"old form of holder": {"/testvo/Role=pilot", nil, []string{"-fqan", "/testvo"}, []string{"/testvo/Role=pilot", "/testvo"}, ""},
		"new form of holder": {"/testvo/Role=pilot", newForm, []string{"-fqan", "/testvo"}, []string{"/testvo/Role=pilot", "/testvo"}, ""},
		"null role":          {"/testvo/Role=NULL/Capability=NULL", nil, nil, []string{"/testvo"}, ""},
		"generic attributes": {"/testvo", nil, []string{"-ga", "color=red"}, []string{"/testvo"}, ""},
		"other VO's FQAN":    {"/othervo/Role=boss", nil, []string{"-fqan", "/testvo"}, []string{"/testvo"}, "own virtual organization"},
		"other VO's only":    {"/othervo/Role=boss", nil, nil, nil, "none of its FQANs"},
		"expired":            {"/testvo", nil, []string{"-pastac", "4:00", "-vomslife", "1"}, nil, "it ended"},
		"other VO's server":  {"/othervo", nil, []string{"-voms", "othervo"}, nil, "not known here"},
		"unknown server":     {"/testvo", nil, []string{"-uri", "voms.evil.org:15000"}, nil, "not known here"},
		"aimed at nobody":    {"/testvo", nil, []string{"-target", "ce.test"}, nil, "meant for other hosts"}, // the tool loses the name
		"signed by a user":   {"/testvo", nil, []string{"-hostcert", filepath.Join(f.dir, "bob.cert.pem"), "-hostkey", filepath.Join(f.dir, "bob.key.pem")}, nil, "not listed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chain := f.proxy(t, "alice", c.fqan, c.environment, c.args...)
			require.Equal(t, alice, chain.Subject.Slash())
			require.Equal(t, c.want, fqans(chain), "%v", chain.Ignored)
			if c.ignored == "" {
				require.Empty(t, chain.Ignored)
				return
			}
			require.Len(t, chain.Ignored, 1)
			require.ErrorContains(t, chain.Ignored[0].Err, c.ignored)
		})
	}
	t.Run("of old kinds", func(t *testing.T) { t.Parallel(); f.oldKinds(t) })
	// ⚿ Threats 31 and 33.
	t.Run("spliced, old form", func(t *testing.T) { t.Parallel(); f.splice(t) })
	t.Run("spliced, new form", func(t *testing.T) { t.Parallel(); f.splice(t, newForm...) })
}

// splice takes Alice's attribute certificate, in either form, and puts it into
// a proxy that Bob makes, and offers it to a site that trusts other CAs.
func (f *fake) splice(t *testing.T, environment ...string) {
	alice := f.make(t, "alice", "/testvo/Role=pilot", environment)
	require.Equal(t, []string{"/testvo/Role=pilot"}, fqans(f.verify(t, alice)))
	at := slices.IndexFunc(alice.Cert().Extensions, func(x pkix.Extension) bool { return x.Id.Equal(voms.OID) })
	stolen := alice.Cert().Extensions[at]

	pair, err := tls.LoadX509KeyPair(filepath.Join(f.dir, "bob.cert.pem"), filepath.Join(f.dir, "bob.key.pem"))
	require.NoError(t, err)
	bob := &gridtest.Entity{Chain: []*x509.Certificate{pair.Leaf}, Key: pair.PrivateKey.(crypto.Signer), Now: time.Now}
	proxy, err := bob.Proxy(gridtest.ProxySpec{Change: func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, stolen) }})
	require.NoError(t, err)
	chain := f.verify(t, proxy)
	require.Equal(t, "/DC=org/DC=testgrid/OU=people/CN=bob Test", chain.Subject.Slash())
	require.Nil(t, chain.VOMS)
	require.ErrorContains(t, chain.Ignored[0].Err, "holder of another certificate")

	elsewhere := newSite(t, true)
	directory, err := voms.Open(voms.Options{Dir: filepath.Join(f.dir, "vomsdir")})
	require.NoError(t, err)
	_, err = directory.Current().Verify(voms.Read(stolen.Value)[0], alice.EndEntity(), elsewhere.verifier.Trust().Current(), time.Now())
	require.ErrorContains(t, err, "not trusted")
}

// oldKinds has the proxies of Globus 2 and 3 made, and offers them to a site
// that lets them in and to one that does not.
func (f *fake) oldKinds(t *testing.T) {
	directory, err := voms.Open(voms.Options{Dir: filepath.Join(f.dir, "vomsdir")})
	require.NoError(t, err)
	for _, c := range []struct {
		version string
		needs   weak.Switches
		kind    proxy.Kind
	}{{"2", weak.LegacyProxies, proxy.Legacy}, {"3", weak.DraftProxies, proxy.Draft}} {
		for _, limited := range []bool{false, true} {
			out := filepath.Join(t.TempDir(), "proxy")
			at := func(name string) string { return filepath.Join(f.dir, name) }
			args := []string{"-proxyver", c.version, "-cert", at("alice.cert.pem"), "-key", at("alice.key.pem"), "-certdir", at("certificates"),
				"-hostcert", at("voms.cert.pem"), "-hostkey", at("voms.key.pem"), "-voms", "testvo", "-uri", "voms.testgrid.org:15000", "-fqan", "/testvo", "-out", out}
			if limited {
				args = append(args, "-limited")
			}
			cmd := exec.Command("voms-proxy-fake", args...)
			cmd.Env = append(os.Environ(), "HOME="+f.dir, "X509_CERT_DIR="+at("certificates"), "X509_VOMS_DIR="+at("vomsdir"))
			text, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", text)
			certs := readPEM(t, out)
			require.Error(t, f.verifier.Verify(certs).Verdict(), "no switch")
			authorities, err := trust.Open(trust.Options{Dir: at("certificates"), Accept: c.needs})
			require.NoError(t, err)
			credential := gsi.NewVerifier(authorities, nil, gsi.WithVOMS(directory, nil)).Verify(certs)
			require.NoError(t, credential.Verdict())
			chain, _ := gsi.ChainOf(credential)
			require.Equal(t, "/DC=org/DC=testgrid/OU=people/CN=alice Test", chain.Subject.Slash())
			require.Equal(t, c.kind, chain.Path.Kind)
			require.Equal(t, limited, chain.Limited)
			require.Equal(t, []string{"/testvo"}, fqans(chain))
		}
	}
}
