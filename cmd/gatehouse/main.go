// Command gatehouse is the service and its tooling: it runs any subset of the
// roles (PAP, PDP with PEP, SOAP service container) and holds the verbs that
// set it up, check it and show it off. One file per verb; the roles are
// introduced to each other in site.go and the role_*.go files and nowhere else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
	"github.com/gatehouse-authz/gatehouse/internal/command"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

// The exit codes, the same for every verb.
const (
	exitOK      = 0
	exitFailure = 1 // it did not work
	exitUsage   = 2 // what was asked for cannot be: arguments, configuration, input
)

func main() {
	// Jobs are started by re-executions of this file; those never return here.
	warden.Stage()
	ctx, stop := daemon.UntilSignal(context.Background())
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program, apart from the process around it.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(errs, "gatehouse: %v\n", err)
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}

// usageError marks what no second try can mend: exit code 2.
type usageError struct{ cause error }

func (e *usageError) Error() string { return e.cause.Error() }
func (e *usageError) Unwrap() error { return e.cause }

func unusable(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "gatehouse",
		Short: "Authorization for grid and HPC sites: PAP, PDP, PEP and a SOAP service container",
		Long: `Gatehouse decides who may do what on a grid or HPC site, as which local account
and within which limits, and guards a container of SOAP services with that.

Start with:   gatehouse demo
Then:         gatehouse init --help
Administer:   pap-admin --help`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.AddCommand(newServe(), newInit(), newCheck(), newDemo(), newPolicy(), newWhy(), newCert(), newAccount(), newMan())
	command.Style{Usage: unusable, Suggest: suggest, Exits: `Exit code 0: done; 1: it did not work; 2: what was asked for cannot be: arguments,
configuration, input.`, Values: map[string][]string{
		"output": {"text", "json"}, "format": {"xml", "json"}, "to": {"spl", "xacml-2.0", "xacml-3.0"},
		"functions": {"exact", "own", "nearest"}, "drop": {"because", "private"}, "crl": {"require", "if-present", "ignore"},
		"accept": weak.All().Names(), "state": {"free", "leased", "quarantined", "reserved"}, "strength": {"strong", "weak", "anonymous"},
	}}.Apply(root)
	return root
}

// elsewhere are verbs that people look for here.
var elsewhere = []string{"ban", "un-ban", "list-bans", "history", "person", "ping", "list-policies"}

func suggest(word string, candidates []string) string {
	if slices.Contains(elsewhere, word) {
		return fmt.Sprintf("try pap-admin %s", word)
	}
	return spl.Suggest(word, candidates)
}

// version is the module version, or the commit that the program was built of.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Version == "(devel)" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return info.Main.Version
}
