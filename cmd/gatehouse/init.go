package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"golang.org/x/term"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/service/sleepyadd"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
)

// setup is what init needs to know.
type setup struct {
	dir, admin, cert, key, trust, gridmap string
	hosting                               bool // a container of SOAP services
	container, signer                     person
}

func newInit() *cobra.Command {
	var s setup
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a configuration that starts",
		Long: `Init asks for the first administrator, the host certificate and the directory,
or takes them as flags, and writes gatehouse.yaml with what it needs. It
overwrites nothing. Check the result with "gatehouse check", start it with
"gatehouse serve".`,
		Example: `  gatehouse init
  gatehouse init --dir /etc/gatehouse --admin "/DC=org/DC=grid/CN=Ann Other" \
      --host-cert /etc/grid-security/hostcert.pem --host-key /etc/grid-security/hostkey.pem
  gatehouse init --admin "/DC=org/DC=grid/CN=Ann Other" --container --user gatehouse --signer-user gatehouse-sign \
      --grid-mapfile /etc/grid-security/grid-mapfile`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return initialise(&s, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.dir, "dir", "", "directory for configuration and data (default /etc/gatehouse)")
	f.StringVar(&s.admin, "admin", "", "DN of the first administrator")
	f.StringVar(&s.cert, "host-cert", "", "host certificate, PEM (default /etc/grid-security/hostcert.pem)")
	f.StringVar(&s.key, "host-key", "", "its key, PEM, not readable by others (default /etc/grid-security/hostkey.pem)")
	f.StringVar(&s.trust, "trust", "/etc/grid-security/certificates", "IGTF trust directory")
	f.BoolVar(&s.hosting, "container", false, "also run the SOAP service container, with a signer of grants and gatehouse-launch starting the jobs")
	f.StringVar(&s.container.name, "user", "", "with --container: the unprivileged user that will run the container")
	f.StringVar(&s.signer.name, "signer-user", "", "with --container: the unprivileged user that will run the signer, another one")
	f.StringVar(&s.gridmap, "grid-mapfile", "", "with --container: who is mapped to which account")
	return cmd
}

func initialise(s *setup, in io.Reader, out io.Writer) error {
	if err := s.ask(in, out); err != nil {
		return err
	}
	if _, err := authz.ParseDN(s.admin); err != nil {
		return unusable(fmt.Errorf("administrator %q: %w", s.admin, err))
	}
	if s.hosting {
		if err := s.users(); err != nil {
			return unusable(err)
		}
	}
	path := filepath.Join(s.dir, "gatehouse.yaml")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return unusable(fmt.Errorf("%s is there already and stays as it is: remove it, or choose another --dir", path))
	}
	c, err := s.configuration()
	if err != nil {
		return err
	}
	if err := writeYAML(path, c); err != nil {
		return err
	}
	fmt.Fprintf(out, "note:  whoever shows a certificate counts as weak until credential-strength in %s says which CAs are strong\n", path)
	if !s.hosting {
		fmt.Fprintf(out, "wrote %s\nnext:  gatehouse check --config %s\n       gatehouse serve --config %s\n", path, path, path)
		return nil
	}
	signer, launcher := filepath.Join(s.dir, "signer.yaml"), filepath.Join(s.dir, "launch.yaml")
	fmt.Fprintf(out, "wrote %s, %s and %s\nstart three processes:\n", path, signer, launcher)
	fmt.Fprintf(out, "  as root              gatehouse-launch -config %s\n", launcher)
	fmt.Fprintf(out, "  as %-17s gatehouse serve --config %s\n", s.signer.name, signer)
	fmt.Fprintf(out, "  as %-17s gatehouse serve --config %s\n", s.container.name, path)
	return s.container.show(path)
}

// ask fills what no flag gave: from a person at a terminal, or by the default
// where there is one.
func (s *setup) ask(in io.Reader, out io.Writer) error {
	questions := []struct {
		field              *string
		question, fallback string
	}{
		{&s.dir, "directory for configuration and data", "/etc/gatehouse"},
		{&s.admin, "DN of the first administrator", ""},
		{&s.cert, "host certificate", "/etc/grid-security/hostcert.pem"},
		{&s.key, "host key", "/etc/grid-security/hostkey.pem"},
	}
	file, ok := in.(*os.File)
	terminal := ok && term.IsTerminal(int(file.Fd()))
	lines := bufio.NewScanner(in)
	for _, q := range questions {
		if *q.field != "" {
			continue
		}
		if terminal {
			fmt.Fprintf(out, "%s [%s]: ", q.question, q.fallback)
			if lines.Scan() {
				*q.field = strings.TrimSpace(lines.Text())
			}
		}
		if *q.field == "" {
			*q.field = q.fallback
		}
		if *q.field == "" {
			return unusable(fmt.Errorf("who is the first administrator? give --admin \"/DC=…/CN=…\""))
		}
	}
	return errors.Join(lines.Err(), s.absolute())
}

// absolute makes the paths mean the same wherever serve is started.
func (s *setup) absolute() (err error) {
	for _, path := range []*string{&s.dir, &s.cert, &s.key, &s.trust, &s.gridmap} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	return nil
}

// configuration makes the directories and keys, and returns the configuration
// that names them.
func (s *setup) configuration() (map[string]any, error) {
	dir := s.dir
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return nil, err
	}
	empty, err := bolt.Open(filepath.Join(dir, "data", storeName), bolt.Options{})
	if err != nil {
		return nil, err
	}
	if err := empty.Close(); err != nil {
		return nil, err
	}
	c := map[string]any{
		"data":           filepath.Join(dir, "data"),
		"host":           map[string]any{"certificate": s.cert, "key": s.key},
		"trust":          map[string]any{"directory": s.trust},
		"administrators": []string{s.admin},
		"pap":            map[string]any{},
		"pdp":            map[string]any{},
	}
	if s.hosting {
		c["accounts"] = s.accounts()
		if c["container"], err = s.containerSection(dir); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Names and places that the three configurations of a container agree on.
const (
	launchSocket = "/run/gatehouse/launch.sock"
	signSocket   = "/run/gatehouse/sign.sock"
	launcherName = "local"
	signerStatus = "127.0.0.1:8148"
)

// containerSection installs the sample service, makes the keys for grants and
// writes the configurations of the signer and of gatehouse-launch beside ours.
func (s *setup) containerSection(dir string) (map[string]any, error) {
	services, sandboxes := filepath.Join(dir, "services"), filepath.Join(dir, "sandboxes")
	if err := os.MkdirAll(services, 0o755); err != nil {
		return nil, err
	}
	_, digest, err := sleepyadd.Install(services)
	if err != nil {
		return nil, err
	}
	// Three users: each reaches what is its own, and nobody lists the rest.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	if err := s.container.give(filepath.Join(dir, "data"), filepath.Join(dir, "data", storeName)); err != nil {
		return nil, err
	}
	public, socket := filepath.Join(dir, "grant.pub"), filepath.Join(dir, "signer", "sign.sock")
	approved := map[string]string{sleepyadd.Name: digest.String()}
	if err := s.writeSigner(dir, public, socket, map[string]any{"services": services, "approved": approved}); err != nil {
		return nil, err
	}
	launcher := map[string]any{
		"name": launcherName, "socket": launchSocket, "peers": []int{s.container.uid}, "public-key": public,
		"services": services, "sandboxes": sandboxes, "state": filepath.Join(dir, "launch"),
	}
	if err := writeYAML(filepath.Join(dir, "launch.yaml"), launcher); err != nil {
		return nil, err
	}
	return map[string]any{
		"services":  services,
		"sandboxes": sandboxes,
		"approved":  approved,
		"launcher":  map[string]any{"socket": launchSocket, "signer": socket},
	}, nil
}

// writeSigner makes the directory of the signer, the key in it and its
// configuration, whose section also holds what is given.
func (s *setup) writeSigner(dir, public, socket string, section map[string]any) error {
	home, file := filepath.Join(dir, "signer"), filepath.Join(dir, "signer.yaml")
	if err := os.MkdirAll(home, 0o711); err != nil {
		return err
	}
	private := filepath.Join(home, "grant.key")
	if err := launch.WriteKeys(private, public); err != nil {
		return err
	}
	section["socket"], section["key"], section["launcher"], section["peers"] = socket, private, launcherName, []int{s.container.uid}
	c := map[string]any{
		"data":     home,
		"status":   signerStatus,
		"signer":   section,
		"accounts": s.accounts(),
	}
	if err := writeYAML(file, c); err != nil {
		return err
	}
	return errors.Join(s.signer.give(home, private), s.signer.show(file))
}

// accounts is the mapping, the same for the container and the signer.
func (s *setup) accounts() map[string]any {
	// The shipped policy names two accounts that several people share.
	section := map[string]any{"shared": []string{"community", "anonymous"}}
	if s.gridmap != "" {
		section["grid-mapfile"] = s.gridmap
	}
	return section
}

// person is a user of this machine.
type person struct {
	name     string
	uid, gid int
}

func (p *person) lookUp() error {
	u, err := user.Lookup(p.name)
	if err != nil {
		return err
	}
	if p.uid, err = strconv.Atoi(u.Uid); err != nil {
		return err
	}
	p.gid, err = strconv.Atoi(u.Gid)
	return err
}

func (p *person) give(paths ...string) error {
	for _, path := range paths {
		if err := os.Chown(path, p.uid, p.gid); err != nil {
			return fmt.Errorf("%w: only root can give files to another user", err)
		}
	}
	return nil
}

// show lets the person read a configuration that stays root's: a process that
// was taken over must not be able to write who administers it.
func (p *person) show(path string) error {
	return errors.Join(os.Chown(path, 0, p.gid), os.Chmod(path, 0o640))
}

// users finds the two users of a container. They differ, or the container
// could read the key that it must not hold.
func (s *setup) users() error {
	if s.container.name == "" || s.signer.name == "" {
		return errors.New("a container needs two unprivileged users: give --user for the container and --signer-user for the signer of its grants")
	}
	if err := errors.Join(s.container.lookUp(), s.signer.lookUp()); err != nil {
		return err
	}
	switch {
	case s.container.uid == s.signer.uid:
		return fmt.Errorf("--user and --signer-user are both uid %d: the container could read the key of its signer", s.signer.uid)
	case s.container.uid == 0 || s.signer.uid == 0:
		return errors.New("neither --user nor --signer-user may be root: what reads the network runs without privilege")
	case os.Geteuid() != 0:
		return errors.New("--container gives files to two users, which takes root")
	}
	return nil
}

func writeYAML(path string, v any) error {
	text, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte("# Written by gatehouse init.\n"), text...), 0o600)
}
