package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pep/account"
)

func newAccountExplain() *cobra.Command {
	var c control
	var o explainOrder
	var cert, token string
	cmd := &cobra.Command{
		Use:   "explain {--cert FILE | --token FILE | --dn DN}",
		Short: "Say which line gives somebody their account and groups, and lease nothing",
		Long: `Explain asks the running service what account somebody would get: for the
certificates and the token in files, verified as if they had come with them, or
for names that are taken as if they had been verified. With --resource and
--action the policies are asked first, since a rule may name the account: as
for a job of one second.
Exit code 1 says that there would be no account.`,
		Example: `  gatehouse account explain --cert /tmp/x509up_u1000
  gatehouse account explain --dn "/DC=org/DC=grid/CN=Ann Other" --issuer "/DC=org/DC=grid/CN=CA" --fqan /cms --fqan /cms/prod
  gatehouse account explain --token token --action http://glite.org/xacml/action/ce/job/submit --resource https://ce.example.org:8443/services/sleepyAdd`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if cert == "" && token == "" && o.Whose == (whose{}) && o.Strength == "" {
				return unusable(errors.New("want --cert, --token or --dn"))
			}
			if cert+token != "" && (o.Whose != (whose{}) || len(o.FQANs) > 0 || o.Strength != "") {
				return unusable(errors.New("--cert and --token are verified, so no other names go with them"))
			}
			if err := o.read(cert, token, cmd.InOrStdin()); err != nil {
				return unusable(err)
			}
			var x account.Explained
			printed, err := c.ask(cmd.Context(), http.MethodPost, "/account/explain", o, &x, cmd.OutOrStdout())
			if err != nil || printed {
				return err
			}
			return printExplained(cmd.OutOrStdout(), &x)
		},
	}
	cmd.Flags().StringVar(&cert, "cert", "", "certificates in PEM, a proxy or not; a key in the file is not sent")
	cmd.Flags().StringVar(&token, "token", "", "file with a bearer token; - is standard input")
	whoseFlags(cmd, &o.Whose)
	cmd.Flags().StringArrayVar(&o.FQANs, "fqan", nil, "FQAN; the first is the primary one (several times)")
	cmd.Flags().StringVar(&o.Strength, "strength", "", "credential strength: strong, weak or anonymous")
	cmd.Flags().StringVar(&o.Resource, "resource", "", "resource-id to ask the policies about")
	cmd.Flags().StringVar(&o.Action, "action", "", "action-id to ask the policies about")
	return c.flags(cmd)
}

// read takes certificates and a token from files. A key beside a certificate
// stays where it is.
func (o *explainOrder) read(cert, token string, in io.Reader) error {
	if cert != "" {
		certs, err := readChain(cert, in)
		if err != nil {
			return err
		}
		var chain strings.Builder
		for _, c := range certs {
			chain.Write(encodePEM("CERTIFICATE", c.Raw))
		}
		o.Chain = chain.String()
	}
	if token == "" {
		return nil
	}
	text, err := readToken(token, in)
	o.Token = text
	return err
}

func printExplained(out io.Writer, x *account.Explained) error {
	line := func(name, format string, args ...any) {
		if text := plain(fmt.Sprintf(format, args...)); text != "" {
			fmt.Fprintf(out, "%-9s %s\n", name, text)
		}
	}
	line("caller", "%s", x.Caller)
	if x.Login != "" {
		what := "account " + x.Login
		if pool, ok := strings.CutPrefix(x.Login, "."); ok {
			what = "an account of pool " + pool
		}
		line("login", "%s, by %s", what, x.Source)
	}
	for i, g := range x.Groups {
		line([]string{"groups", ""}[min(i, 1)], "%s, by %s", g.Name, g.Source)
	}
	switch {
	case x.Refused != "":
		return fmt.Errorf("no account: %s", plain(x.Refused))
	case x.NewLease:
		line("account", "the next that is free; %s has no lease yet", x.Holder)
	default:
		line("account", "%s", accountText(x.Account))
	}
	if x.Lease != nil {
		line("lease", "%s, since %s, last used %s", x.Lease.ID(), moment(x.Lease.Granted), moment(x.Lease.Used))
	}
	return nil
}

func accountText(a *authz.Account) string {
	groups := []string{fmt.Sprintf("%s(%d)", a.Group.Name, a.Group.GID)}
	for _, g := range a.Groups {
		groups = append(groups, fmt.Sprintf("%s(%d)", g.Name, g.GID))
	}
	shared := ""
	if a.Shared {
		shared = ", shared by several people"
	}
	return fmt.Sprintf("%s(%d), groups %s%s", a.Name, a.UID, strings.Join(groups, " "), shared)
}
