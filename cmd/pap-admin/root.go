package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/internal/command"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

// app is one run of the command: where it reads and writes, and what the
// options that every verb has were set to.
type app struct {
	in   io.Reader
	out  io.Writer
	errs io.Writer
	env  func(string) string

	url, host, socket string
	port              int
	cert, key, proxy  string
	token             string
	trust             string
	verbose           bool
	output            string
	timeout           time.Duration

	message, ifMatch string
	force            bool
	wait             time.Duration

	asked bool   // a connection was wanted: arguments and options are in order
	close func() // of the connection
}

// argusSpelling turns Argus's long options with one dash into ours.
func argusSpelling(args []string) []string {
	spelled := map[string]string{"-srai": "--show-ra-ids", "-sai": "--show-all-ids"}
	ours := make([]string, len(args))
	for i, arg := range args {
		ours[i] = arg
		if long, ok := spelled[arg]; ok {
			ours[i] = long
		}
	}
	return ours
}

// exitCodes is what the help of each verb says about exit codes.
const exitCodes = `Exit codes: 0 done; 1 done in part, or not yet in force everywhere; 2 nothing
done, no such ban or person; 3 no usable credential or address; 4 wrong arguments;
5 the PAP refused or does not answer.`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "pap-admin",
		Short: "Administer the bans and policies of a Gatehouse PAP",
		Long: `pap-admin bans people, lifts bans, and adds, lists, moves and removes policies at
a policy administration point (PAP).

It identifies you by your certificate: --cert and --key, or --proxy, or what
X509_USER_CERT and X509_USER_KEY or X509_USER_PROXY name, or the usual places; or
by a token that was made for the PAP, with --token.
Servers are checked against the CAs in X509_CERT_DIR, by default
/etc/grid-security/certificates. Root can use the PAP's socket with --socket.

Times are UTC. Tables are for people: -o json has the same for programs.

` + exitCodes,
		Example: `  pap-admin ban subject "/C=XX/O=Org/CN=Name" --reason "stolen key" --wait
  pap-admin list-bans
  pap-admin un-ban subject "/C=XX/O=Org/CN=Name"
  pap-admin list-policies --show-all-ids
  pap-admin history`,
		SilenceUsage: true, SilenceErrors: true,
		Version: version(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if a.output != "text" && a.output != "json" {
				return usage("--output %q: want text or json", a.output)
			}
			return nil
		},
	}
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVar(&a.url, "url", "", "address of the PAP, https://host:8150; several are separated by commas")
	f.StringVar(&a.host, "host", "", "host of the PAP (default localhost)")
	f.IntVarP(&a.port, "port", "p", 8150, "port of the PAP")
	f.StringVar(&a.socket, "socket", "", "the PAP's local socket, for root; no certificate is used")
	f.StringVar(&a.proxy, "proxy", "", "file of a proxy credential")
	f.StringVar(&a.cert, "cert", "", "file of a certificate chain")
	f.StringVar(&a.key, "key", "", "file of its private key, unencrypted")
	f.StringVar(&a.token, "token", "", "file of a bearer token, in place of a certificate")
	f.StringVar(&a.trust, "trust", "", "directory of trusted CAs")
	f.DurationVar(&a.timeout, "timeout", 5*time.Minute, "most time the whole command may take")
	f.StringVarP(&a.output, "output", "o", "text", "text or json")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "say what was done")
	root.AddCommand(
		a.ban(), a.unban(), a.listBans(),
		a.addPolicy(), a.addFile(), a.updateFile(), a.removePolicy(), a.removeAll(), a.move(), a.listPolicies(),
		a.history(), a.rollback(),
		a.person(), a.attribute(), a.follower(),
		a.ping(), a.listPAPs(), a.addPAP(), a.removePAP(), a.enablePAP(true), a.enablePAP(false), a.order(), a.setOrder(),
		newMan(),
	)
	command.Style{Usage: unusable, Suggest: spl.Suggest, Exits: exitCodes, Values: map[string][]string{
		"output": {"text", "json"}, "category": {"action", "environment", "resource", "subject"}, "obligation-scope": {"action", "resource"},
	}}.Apply(root)
	return root
}

// changes adds the options of a command that changes something.
func (a *app) changes(cmd *cobra.Command) *cobra.Command {
	f := cmd.Flags()
	f.StringVarP(&a.message, "message", "m", "", "why, for the history")
	f.StringVar(&a.ifMatch, "if-match", "", "change nothing unless this revision holds, as 42 or 42@lineage")
	f.BoolVar(&a.force, "force", false, "also if the change is large: it lifts every ban, or changes the answer for many people")
	f.DurationVar(&a.wait, "wait", -1, "wait until every follower has the change in force, for at most so long (--wait=30s)")
	f.Lookup("wait").NoOptDefVal = api.DefaultWait.String()
	f.Lookup("wait").DefValue = "0s" // for the help: none
	return cmd
}

// request is the change.Request of those options.
func (a *app) request() (change.Request, error) {
	at, err := api.ParseRevision(a.ifMatch)
	if err != nil {
		return change.Request{}, unusable(err)
	}
	return change.Request{Message: a.message, IfMatch: at, Force: a.force}, nil
}

// papFlag adds --pap with its default.
func papFlag(cmd *cobra.Command, alias *string) {
	cmd.Flags().StringVar(alias, "pap", change.DefaultPAP, "alias of the PAP")
}

// between is cobra.RangeArgs with our exit code; most -1 is any number.
func between(least, most int) cobra.PositionalArgs {
	check := cobra.RangeArgs(least, most)
	if most < 0 {
		check = cobra.MinimumNArgs(least)
	}
	return func(cmd *cobra.Command, args []string) error { return unusable(check(cmd, args)) }
}
