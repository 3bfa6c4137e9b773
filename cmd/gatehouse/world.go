package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/service/sleepyadd"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
)

// world is a throw-away site in a directory: a PKI of a strong and a weak CA,
// people with certificates, an account file, the sample service, and the
// configuration of a gatehouse over all that. The demo and serve --dev live in
// one.
type world struct {
	dir    string
	config Config
}

// people of the world, by the name of their credential files.
var people = []struct{ file, name, ca string }{
	{"admin", "Site Admin", "strong"},
	{"ann", "Ann Other", "strong"},
	{"bob", "Bob Bystander", "strong"},
	{"wendy", "Wendy Weak", "weak"},
}

const accountsText = `# account   uid    primary group  further groups
ann         10001  users=10000    physics=10010
bob         10002  users=10000
community   10100  community=10100
anonymous   10200  anonymous=10200
`

// openWorld opens the world in dir, and makes it if it is not there or its
// certificates have run out. Policies, bans and jobs survive that.
func openWorld(dir string) (*world, error) {
	w := &world{dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if !w.fresh() {
		if err := w.makePKI(); err != nil {
			return nil, fmt.Errorf("throw-away PKI: %w", err)
		}
	}
	if err := w.makeSite(); err != nil {
		return nil, err
	}
	digest, err := w.installSample()
	if err != nil {
		return nil, err
	}
	w.configure(digest)
	return w, nil
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

// fresh reports whether the PKI was made less than half its life ago.
func (w *world) fresh() bool {
	info, err := os.Stat(w.path("pki", "host-cert.pem"))
	return err == nil && time.Since(info.ModTime()) < gridtest.Life/2
}

func (w *world) makePKI() error {
	grid, err := gridtest.New()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(w.path("pki")); err != nil {
		return err
	}
	if err := os.MkdirAll(w.path("pki", "trust"), 0o755); err != nil {
		return err
	}
	if err := grid.WriteTrust(w.path("pki", "trust")); err != nil {
		return err
	}
	if err := w.writeRoots(grid); err != nil {
		return err
	}
	host, err := grid.Strong.Host("localhost", "127.0.0.1")
	if err != nil {
		return err
	}
	if _, _, err := host.WritePEM(w.path("pki"), "host"); err != nil {
		return err
	}
	for _, p := range people {
		ca := grid.Strong
		if p.ca == "weak" {
			ca = grid.Weak
		}
		person, err := ca.User(p.name)
		if err != nil {
			return err
		}
		if _, _, err := person.WritePEM(w.path("pki"), p.file); err != nil {
			return err
		}
	}
	return nil
}

// writeRoots writes the CA certificates in one file, for curl.
func (w *world) writeRoots(grid *gridtest.Grid) error {
	var all []byte
	for _, ca := range grid.CAs() {
		all = append(all, encodePEM("CERTIFICATE", ca.Cert.Raw)...)
	}
	return os.WriteFile(w.path("pki", "ca.pem"), all, 0o644)
}

func (w *world) makeSite() error {
	gridmap := strings.Join([]string{
		"# who is whom: the grid-mapfile of the throw-away site",
		`"` + w.dn("ann") + `" ann`, `"` + w.dn("bob") + `" bob`, "",
	}, "\n")
	for name, text := range map[string]string{"accounts": accountsText, "grid-mapfile": gridmap} {
		if err := os.WriteFile(w.path(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return os.MkdirAll(w.path("services"), 0o755)
}

// installSample installs sleepyAdd, anew each time, and approves what was just
// installed.
func (w *world) installSample() (digest string, err error) {
	err = os.RemoveAll(w.path("services", sleepyadd.Name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	_, sum, err := sleepyadd.Install(w.path("services"))
	return sum.String(), err
}

func (w *world) configure(digest string) {
	c := defaults()
	c.Data = conf.Path(w.path("data"))
	c.Host = HostConfig{Certificate: conf.Path(w.path("pki", "host-cert.pem")), Key: conf.Secret(w.path("pki", "host-key.pem"))}
	c.Trust.Directory = conf.Path(w.path("pki", "trust"))
	c.Status = "127.0.0.1:0"
	c.Administrators = []string{w.dn("admin")}
	c.Strength = []pip.StrengthRule{{Strength: "strong", CA: "/DC=test/DC=strong/CN=CA"}, {Strength: "weak", CA: "/DC=test/DC=weak/CN=CA"}}
	c.PAP = &PAPConfig{Listen: "127.0.0.1:0", Socket: conf.Path(w.path("pap.sock"))}
	c.PDP = &PDPConfig{Name: "pdp"}
	c.Container = &ContainerConfig{
		Listen: "127.0.0.1:0", Services: conf.Path(w.path("services")), Sandboxes: conf.Path(w.path("sandboxes")),
		Approved: map[string]string{sleepyadd.Name: digest}, Anonymous: true,
		Launcher: LauncherConfig{RunAsInvokingUser: true},
	}
	c.Accounts.File, c.Accounts.GridMapfile = conf.Path(w.path("accounts")), conf.Path(w.path("grid-mapfile"))
	c.Accounts.Shared = []string{"community", "anonymous"}
	c.createStore = true
	c.complete()
	w.config = c
}

// dn returns the name of a person of this world.
func (w *world) dn(file string) string {
	for _, p := range people {
		if p.file == file {
			return "/DC=test/DC=" + p.ca + "/OU=people/CN=" + p.name
		}
	}
	return ""
}

// clientTLS returns what a person of this world connects with; "" is nobody.
func (w *world) clientTLS(file string) (*tls.Config, error) {
	roots, err := os.ReadFile(w.path("pki", "ca.pem"))
	if err != nil {
		return nil, err
	}
	c := &tls.Config{RootCAs: pool(roots), MinVersion: tls.VersionTLS12, ServerName: "localhost"}
	if file == "" {
		return c, nil
	}
	pair, err := tls.LoadX509KeyPair(w.path("pki", file+"-cert.pem"), w.path("pki", file+"-key.pem"))
	if err != nil {
		return nil, err
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// hints are lines to paste into a shell.
func (w *world) hints(pap, container string) string {
	pki := w.path("pki")
	host, port, _ := strings.Cut(pap, ":")
	return fmt.Sprintf(`
  export X509_CERT_DIR=%s/trust X509_USER_CERT=%s/admin-cert.pem X509_USER_KEY=%s/admin-key.pem
  pap-admin --host %s --port %s list-policies
  pap-admin --host %s --port %s ban subject "%s" --reason "trying it out" --wait
  pap-admin --host %s --port %s un-ban subject "%s"
  curl --cacert %s/ca.pem --cert %s/ann-cert.pem --key %s/ann-key.pem '%s/services/sleepyAdd?wsdl'
`, pki, pki, pki, host, port, host, port, w.dn("ann"), host, port, w.dn("ann"), pki, pki, pki, container)
}

// questions are more of them, about what the story was.
func (w *world) questions() string {
	socket := w.config.controlSocket()
	return fmt.Sprintf(`  gatehouse why "%s" --socket %s
  gatehouse account explain --cert %s --socket %s
`, w.dn("ann"), socket, w.path("pki/ann-cert.pem"), socket)
}
