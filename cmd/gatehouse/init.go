package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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
	dir, admin, cert, key, trust string
	container                    bool
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
	text, err := s.configuration()
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(out, "wrote %s\nnext:  gatehouse check --config %s\n       gatehouse serve --config %s\n", path, path, path)
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
	return lines.Err()
}

// configuration makes the directories and keys, and returns the text of the
// configuration that names them.
func (s *setup) configuration() ([]byte, error) {
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return nil, err
	}
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
	text, err := yaml.Marshal(c)
	return append([]byte("# Written by gatehouse init. What a key means: gatehouse help serve, docs/operations.md.\n"), text...), err
}

func (s *setup) containerSection(dir string) (map[string]any, error) {
	services := filepath.Join(dir, "services")
	if err := os.MkdirAll(services, 0o755); err != nil {
		return nil, err
	}
	_, digest, err := sleepyadd.Install(services)
	if err != nil {
		return nil, err
	}
	key := filepath.Join(dir, "grant.key")
	if err := launch.WriteKeys(key, filepath.Join(dir, "grant.pub")); err != nil {
		return nil, err
	}
	return map[string]any{
		"services":  services,
		"sandboxes": filepath.Join(dir, "sandboxes"),
		"approved":  map[string]string{sleepyadd.Name: digest.String()},
		"launcher":  map[string]any{"key": key},
	}, nil
}
