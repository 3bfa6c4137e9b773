package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	leases "github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

// newAccount is the parent of the verbs about local accounts.
func newAccount() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "See and manage who has which account of the pools",
		Long: `Account asks the running service that maps: run it as root or as the user of the
service. Every change is written to the audit trail and to the history of the
account. Exit code 0: done; 1: it could not be; 2: what was asked for cannot be.`,
		Example: `  gatehouse account list --pool cms --state leased
  gatehouse account history cms042 --at "2026-11-22 03:00"
  gatehouse account release cms042 --why "left the collaboration"
  gatehouse account explain --cert /tmp/x509up_u1000`,
	}
	cmd.AddCommand(newAccountList(), newAccountShow(), newAccountLease(), newAccountRelease(), newAccountReserve(), newAccountExplain(), newAccountHistory())
	return cmd
}

// control is how a management verb finds the service, and how it prints.
type control struct {
	config, socket, format string
}

func (c *control) flags(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&c.config, "config", defaultConfig, "configuration file of the service")
	cmd.Flags().StringVar(&c.socket, "socket", "", "control socket of the service, instead of --config")
	cmd.Flags().StringVarP(&c.format, "output", "o", "text", "text or json")
	return cmd
}

// ask calls the service and reads its answer; with -o json it prints that and
// returns true.
func (c *control) ask(ctx context.Context, method, path string, order, into any, out io.Writer) (printed bool, err error) {
	if c.format != "text" && c.format != "json" {
		return false, unusable(fmt.Errorf("--output %q: want text or json", c.format))
	}
	socket := c.socket
	if socket == "" {
		config, _, err := loadConfig(c.config)
		if err != nil {
			return false, unusable(err)
		}
		socket = config.controlSocket()
	}
	var body []byte
	if method == http.MethodPost {
		if body, err = json.Marshal(order); err != nil {
			return false, err
		}
	}
	answer, err := callControl(ctx, socket, method, path, body)
	if err != nil {
		return false, err
	}
	if c.format == "json" {
		return true, writeIndented(out, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return false, fmt.Errorf("answer of the service: %w", err)
	}
	return false, nil
}

// writeIndented writes what a service answered in JSON so that people can read
// it too.
func writeIndented(out io.Writer, answer []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(answer), "", "  "); err != nil {
		return fmt.Errorf("answer of the service: %w", err)
	}
	b.WriteByte('\n')
	_, err := b.WriteTo(out)
	return err
}

// whoseFlags let a verb name an identity.
func whoseFlags(cmd *cobra.Command, w *whose) {
	cmd.Flags().StringVar(&w.DN, "dn", "", "name of the holder's certificate")
	cmd.Flags().StringVar(&w.Issuer, "issuer", "", "name of its CA")
	cmd.Flags().StringVar(&w.TokenIssuer, "token-issuer", "", "instead of a certificate: issuer of the holder's tokens")
	cmd.Flags().StringVar(&w.Subject, "subject", "", "and their subject")
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// groupsOf is how the groups of a lease key are printed.
func groupsOf(k leases.Key) string {
	if k.Group == "" && len(k.Groups) == 0 {
		return ""
	}
	return strings.Join(append([]string{k.Group}, k.Groups...), ":")
}
