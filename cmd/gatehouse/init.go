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
	dir, admin, cert, key, trust, user string
	container                          bool
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
      --host-cert /etc/grid-security/hostcert.pem --host-key /etc/grid-security/hostkey.pem`,
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
	f.StringVar(&s.user, "user", "", "with --container: the unprivileged user that will run serve (default: whoever runs init)")
	f.BoolVar(&s.container, "container", false, "also run the SOAP service container, with gatehouse-launch starting the jobs")
	return cmd
}

func initialise(s *setup, in io.Reader, out io.Writer) error {
	if err := s.ask(in, out); err != nil {
		return err
	}
	if _, err := authz.ParseDN(s.admin); err != nil {
		return unusable(fmt.Errorf("administrator %q: %w", s.admin, err))
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
	fmt.Fprintf(out, "wrote %s\nnext:  gatehouse check --config %s\n       gatehouse serve --config %s\n", path, path, path)
	if s.container {
		uid, gid, _ := s.owner()
		fmt.Fprintf(out, "jobs:  gatehouse-launch -config %s      (as root)\n", filepath.Join(s.dir, "launch.yaml"))
		return os.Chown(path, uid, gid)
	}
	return nil
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
	for _, path := range []*string{&s.dir, &s.cert, &s.key, &s.trust} {
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
	if s.container {
		if c["container"], err = s.containerSection(dir); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// launchSocket is where gatehouse-launch listens by default.
const launchSocket = "/run/gatehouse/launch.sock"

// containerSection installs the sample service, makes the keys for grants and
// writes the configuration of gatehouse-launch beside ours.
func (s *setup) containerSection(dir string) (map[string]any, error) {
	uid, gid, err := s.owner()
	if err != nil {
		return nil, unusable(err)
	}
	services, sandboxes := filepath.Join(dir, "services"), filepath.Join(dir, "sandboxes")
	if err := os.MkdirAll(services, 0o755); err != nil {
		return nil, err
	}
	_, digest, err := sleepyadd.Install(services)
	if err != nil {
		return nil, err
	}
	private, public := filepath.Join(dir, "grant.key"), filepath.Join(dir, "grant.pub")
	if err := launch.WriteKeys(private, public); err != nil {
		return nil, err
	}
	for _, path := range []string{private, filepath.Join(dir, "data"), filepath.Join(dir, "data", storeName)} {
		if err := os.Chown(path, uid, gid); err != nil {
			return nil, fmt.Errorf("%w: only root can give files to another user", err)
		}
	}
	launcher := map[string]any{
		"name": "local", "socket": launchSocket, "peers": []int{uid}, "public-key": public,
		"services": services, "sandboxes": sandboxes, "state": filepath.Join(dir, "launch"),
	}
	if err := writeYAML(filepath.Join(dir, "launch.yaml"), launcher); err != nil {
		return nil, err
	}
	return map[string]any{
		"services":  services,
		"sandboxes": sandboxes,
		"approved":  map[string]string{sleepyadd.Name: digest.String()},
		"launcher":  map[string]any{"name": "local", "socket": launchSocket, "key": private},
	}, nil
}

// owner is the user who will run serve.
func (s *setup) owner() (uid, gid int, err error) {
	if s.user == "" {
		return os.Geteuid(), os.Getegid(), nil
	}
	u, err := user.Lookup(s.user)
	if err != nil {
		return 0, 0, err
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

func writeYAML(path string, v any) error {
	text, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte("# Written by gatehouse init.\n"), text...), 0o600)
}
