package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
)

func newCheck() *cobra.Command {
	var path, format string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate a configuration and everything it names, without starting",
		Long: `Check reads the configuration as serve does and opens what it names: trust
directory, certificate, account files, services, plug-ins, the keys to etcd. It
listens nowhere, asks nobody and changes nothing.

Exit code 0: usable; 2: serve would refuse to start, and everything that is wrong
is named.`,
		Example: "  gatehouse check --config /etc/gatehouse/gatehouse.yaml\n  gatehouse check --config signer.yaml -o json",
		Args:    exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch format {
			case "json":
				return checkJSON(cmd.Context(), path, cmd.OutOrStdout())
			case "text":
				return check(cmd.Context(), path, cmd.OutOrStdout())
			}
			return unusable(fmt.Errorf("--output %q: want text or json", format))
		},
	}
	cmd.Flags().StringVar(&path, "config", defaultConfig, "configuration file")
	cmd.Flags().StringVarP(&format, "output", "o", "text", "text or json")
	return cmd
}

func check(ctx context.Context, path string, out io.Writer) error {
	config, digest, err := loadConfig(path)
	if err != nil {
		return unusable(err)
	}
	if err := examine(ctx, config, out); err != nil {
		return unusable(err)
	}
	fmt.Fprintf(out, "%s is usable (sha256 %s)\n", path, digest)
	return nil
}

// checkJSON is check for programs: what is wrong, and what is worth a note.
func checkJSON(ctx context.Context, path string, out io.Writer) error {
	found := struct {
		File   string   `json:"file"`
		Usable bool     `json:"usable"`
		SHA256 string   `json:"sha256,omitempty"`
		Wrong  []string `json:"wrong"`
		Notes  string   `json:"notes,omitempty"`
	}{File: path, Wrong: []string{}}
	var notes strings.Builder
	config, digest, wrong := loadConfig(path)
	if wrong == nil {
		found.SHA256 = digest
		wrong = examine(ctx, config, &notes)
	}
	found.Usable, found.Notes = wrong == nil, notes.String()
	if several, ok := wrong.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the outermost joins what is wrong
		for _, one := range several.Unwrap() {
			found.Wrong = append(found.Wrong, one.Error())
		}
	} else if wrong != nil {
		found.Wrong = append(found.Wrong, wrong.Error())
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return errors.Join(e.Encode(found), unusable(wrong))
}

// examine opens what a configuration names, one thing after the other, and
// returns everything that serve would stumble over.
func examine(_ context.Context, c Config, out io.Writer) error {
	s := &site{config: c, log: slog.New(slog.DiscardHandler), now: time.Now}
	var all []error
	try := func(what string, err error) {
		if err != nil {
			all = append(all, fmt.Errorf("%s: %w", what, err))
		}
	}
	if c.network() {
		authorities, err := c.Trust.open(nil)
		try("trust", err)
		host, err := gsi.LoadHost(string(c.Host.Certificate), string(c.Host.Key), nil, nil)
		try("host", err)
		if authorities != nil && host != nil {
			s.verifier, s.host = gsi.NewVerifier(authorities, nil), host
		}
		_, err = c.Trust.openVOMS(host, nil)
		try("trust", err)
		_, err = c.Trust.openProfiles(nil)
		try("trust", err)
	}
	_, err := pip.NewStrength(c.Strength)
	try("credential-strength", err)
	if c.Tokens != nil {
		try("tokens", c.checkTokenIssuers())
	}
	for _, p := range c.Plugins {
		pinned := p.pinned()
		try("plugins", pinned.Check())
	}
	if c.Store.Etcd != nil {
		_, err := c.Store.Etcd.options()
		try("store.etcd", err)
	}
	if c.Container != nil || c.Mapping != nil {
		_, err = s.accounts()
		try("accounts", err)
	}
	if c.Container != nil {
		_, err = s.services()
		try("container", err)
		try("container.services", s.unapproved(out))
	}
	if c.Signer != nil {
		_, err = s.signer()
		try("signer", err)
	}
	try("accounts", s.Close())
	return errors.Join(all...)
}

// unapproved tells of services that are installed and that nobody approved,
// with the line that would.
func (s *site) unapproved(out io.Writer) error {
	dir := string(s.config.Container.Services)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, ok := s.config.Container.Approved[e.Name()]; ok || !e.IsDir() {
			continue
		}
		found, err := service.Inspect(filepath.Join(dir, e.Name()), s.serviceOwner())
		if err != nil {
			fmt.Fprintf(out, "service %s is not usable: %v\n", e.Name(), err)
			continue
		}
		fmt.Fprintf(out, "service %s is not approved; to approve it as it is now, add below container.approved:\n  %s: %s\n", e.Name(), e.Name(), found.Digest)
	}
	return nil
}
