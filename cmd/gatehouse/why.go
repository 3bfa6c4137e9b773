package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// controlSocket is where the management verbs find a running service.
func (c *Config) controlSocket() string { return filepath.Join(string(c.Data), "control.sock") }

func newWhy() *cobra.Command {
	var path, socket, format string
	cmd := &cobra.Command{
		Use:   "why DECISION-ID|DN",
		Short: "Explain the last decisions for an id or a person on the running service",
		Long: `Why asks the running service about a decision id, as a refused user reads it, or
about a person in any spelling of the name, and shows what was evaluated: which
policies and rules, which applied, and why the others did not. Run it as root
or as the user of the service. The service remembers its last 1024 decisions.`,
		Example: `  gatehouse why 38d67f7fbaaedd1d967839a16e99fb40
  gatehouse why "/DC=org/DC=grid/CN=Ann Other" -o json`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if socket == "" {
				config, _, err := loadConfig(path)
				if err != nil {
					return unusable(err)
				}
				socket = config.controlSocket()
			}
			return why(cmd.Context(), socket, args[0], format, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&path, "config", defaultConfig, "configuration file of the service")
	cmd.Flags().StringVar(&socket, "socket", "", "control socket of the service, instead of --config")
	cmd.Flags().StringVarP(&format, "output", "o", "text", "text or json")
	return cmd
}

func why(ctx context.Context, socket, query, format string, out io.Writer) error {
	body, err := askControl(ctx, socket, "/why?q="+url.QueryEscape(query))
	if err != nil {
		return err
	}
	var replies []reply
	if err := json.Unmarshal(body, &replies); err != nil {
		return fmt.Errorf("answer of the service: %w", err)
	}
	if len(replies) == 0 {
		return fmt.Errorf("the service remembers no decision for %q: it keeps its last %d; older ones are in the audit trail", query, witnessed)
	}
	if format == "json" {
		return writeIndented(out, body)
	}
	for i, r := range replies {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "%s  %s at revision %s\n", r.Time.Format(time.RFC3339), r.Decision, r.Revision)
		fmt.Fprintf(out, "decision %s: %s\nwanted %s\non %s\n\n", plain(r.ID), plain(r.Subject), plain(r.Action), plain(r.Resource))
		if r.Explanation == nil {
			continue
		}
		if now := r.Explanation.Response.Revision; now != r.Revision {
			fmt.Fprintf(out, "The policies have changed since; this is how they would decide now:\n")
		}
		printExplanation(out, *r.Explanation)
	}
	return nil
}

// askControl gets a path from the control socket of a running service.
func askControl(ctx context.Context, socket, path string) ([]byte, error) {
	return callControl(ctx, socket, http.MethodGet, path, nil)
}

// callControl asks a running service at its control socket. What it takes for a
// mistake of the caller is a usage error.
func callControl(ctx context.Context, socket, method, path string, body []byte) ([]byte, error) {
	client := &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}},
	}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://control"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no service answers at %s: is it running, and are you root or its user? %w", socket, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusOK:
		return answer, nil
	case res.StatusCode == http.StatusBadRequest:
		return nil, unusable(errors.New(strings.TrimSpace(string(answer))))
	}
	return nil, errors.New(strings.TrimSpace(string(answer)))
}
