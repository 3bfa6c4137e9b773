package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/policies/spl"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

func newPolicyFmt() *cobra.Command {
	var write, check bool
	cmd := &cobra.Command{
		Use:   "fmt FILE…",
		Short: "Put policy files into the one layout",
		Long: `Fmt prints files in the layout of their language. What they mean does not change;
comments in SPL and Rego stay. A file of XACML that has comments, or descriptions
of single expressions, is refused, for they would be lost.

Exit code 0; 1 if --check finds a file whose layout differs; 2 for a file that
cannot be read as a policy.`,
		Example: `  gatehouse policy fmt site.spl
  gatehouse policy fmt -w *.spl
  gatehouse policy fmt --check *.spl *.xml`,
		Args: atLeast(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if write && check {
				return unusable(errors.New("--check and -w exclude each other"))
			}
			differ := 0
			var all []error
			for _, name := range args {
				changed, err := formatFile(cmd.OutOrStdout(), name, write, check)
				all = append(all, err)
				if changed {
					differ++
				}
			}
			if err := errors.Join(all...); err != nil {
				return unusable(err)
			}
			if check && differ > 0 {
				return fmt.Errorf("%s with another layout: see gatehouse policy fmt -w", counted(differ, "file"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&write, "write", "w", false, "write the files instead of printing them")
	cmd.Flags().BoolVar(&check, "check", false, "only name the files whose layout differs")
	return cmd
}

// formatFile formats one file and says whether that changes it.
func formatFile(out io.Writer, name string, write, check bool) (bool, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return false, err
	}
	table, err := spl.NewTable()
	if err != nil {
		return false, err
	}
	f, err := readPolicy(name, table)
	if err != nil {
		return false, err
	}
	text, err := formatted(f)
	if err != nil {
		return false, err
	}
	changed := text != string(data)
	switch {
	case check && changed:
		fmt.Fprintln(out, name)
	case write && changed:
		info, err := os.Stat(name)
		if err != nil {
			return false, err
		}
		return true, renameio.WriteFile(name, []byte(text), info.Mode().Perm())
	case !check && !write:
		_, err = io.WriteString(out, text)
	}
	return changed, err
}

func formatted(f *policyFile) (string, error) {
	switch f.format {
	case "spl":
		return spl.Format(f.name, f.text)
	case "rego":
		text, err := format.Source(f.name, []byte(f.text))
		return string(text), err
	}
	version, err := xacml.VersionOf(f.name, []byte(f.text))
	if err != nil {
		return "", err
	}
	text, err := xacml.Write(f.nodes[0], xacml.Options{Version: version, Functions: xacml.Own})
	if err != nil {
		return "", err
	}
	return string(text), losses(f, string(text))
}

var (
	descriptions = regexp.MustCompile(`<([\w.-]+:)?Description[\s>]`)
	parameters   = regexp.MustCompile(`<([\w.-]+:)?[A-Z]\w*Parameters[\s/>]`)
)

// losses refuses a document of which the writer would keep only what decides.
func losses(f *policyFile, written string) error {
	place := func(offset int) string {
		before := f.text[:offset]
		return fmt.Sprintf("%s:%d:%d", f.name, 1+strings.Count(before, "\n"), 1+len([]rune(before[strings.LastIndex(before, "\n")+1:])))
	}
	if i := strings.Index(f.text, "<!--"); i >= 0 {
		return fmt.Errorf("%s: this comment would be lost: put it into a Description", place(i))
	}
	if at := parameters.FindStringIndex(f.text); at != nil {
		return fmt.Errorf("%s: combiner parameters, which mean nothing here, would be lost", place(at[0]))
	}
	if have := descriptions.FindAllStringIndex(f.text, -1); len(have) > len(descriptions.FindAllString(written, -1)) {
		return fmt.Errorf("%s: some of the descriptions, those of single expressions or empty ones, would be lost", place(have[0][0]))
	}
	return nil
}
