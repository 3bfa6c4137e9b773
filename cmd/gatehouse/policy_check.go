package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/policies/lint"
)

func newPolicyCheck() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "check FILE…",
		Short: "Find mistakes in policy files",
		Long: `Check reads policy files together and reports

  - errors, for which no service would accept them: syntax, types, unknown
    attributes and functions, regular expressions that RE2 cannot run or that
    would mean something else, circular references;
  - warnings, for what is allowed and surely a mistake: a rule or policy that
    never applies because an earlier one always decides first, or because it
    excludes what it asks for; one that adds nothing to an earlier one; a
    reference to a policy that is in none of the files; an attribute that nobody
    sends.

A rule is reported only if that is certain: no answer would change without it,
whatever the request ("go doc ./policies/lint" has the criterion). The line of
the other rule is in the message, and as "by" in the JSON.

Exit code 0 without findings, 1 with warnings, 2 with errors.`,
		Example: `  gatehouse policy check site.spl
  gatehouse policy check -o json root.xml shared.xml`,
		Args: atLeast(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			files, found := examinePolicies(args)
			if err := found.print(cmd.OutOrStdout(), output); err != nil {
				return err
			}
			errs, warnings := found.count(severe), found.count(warning)
			switch {
			case errs > 0:
				return unusable(fmt.Errorf("%s, %s", counted(errs, "error"), counted(warnings, "warning")))
			case warnings > 0:
				return errors.New(counted(warnings, "warning"))
			case output == "text":
				fmt.Fprintf(cmd.OutOrStdout(), "%s: nothing found\n", counted(len(files), "file"))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	return cmd
}

// examinePolicies finds everything there is to say about files.
func examinePolicies(names []string) ([]*policyFile, findings) {
	files, err := readPolicies(names)
	found := findings(findingsOf(err))
	lines := sources{}
	for _, name := range names { // also of files that cannot be read as policies
		if data, err := os.ReadFile(name); err == nil {
			lines.add(name, 1, string(data))
		}
	}
	if err == nil {
		snapshot := snapshotOf(files)
		_, err = policyEngine(snapshot, time.Now)
		found = append(found, findingsOf(err)...)
		for _, f := range lint.Missing(snapshot.Library) {
			found = append(found, warn(f.Position, f.Message, f.Hint))
		}
		for _, f := range lint.Idle(snapshot.Root) {
			idle := warn(f.Position, f.Message, f.Hint)
			idle.By = f.By.String()
			found = append(found, idle)
		}
		for _, f := range files {
			for _, n := range f.nodes {
				for _, w := range lint.Names(n) {
					found = append(found, warn(w.Position, w.Message, w.Hint))
				}
			}
		}
	}
	found = found.cite(lines)
	slices.SortStableFunc(found, compareFindings(names))
	return files, slices.Compact(found)
}

// compareFindings orders by the files as given, then by place.
func compareFindings(names []string) func(a, b finding) int {
	return func(a, b finding) int {
		if d := slices.Index(names, a.File) - slices.Index(names, b.File); d != 0 {
			return d
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// atLeast is cobra.MinimumNArgs with our exit code.
func atLeast(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		return unusable(cobra.MinimumNArgs(n)(cmd, args))
	}
}
