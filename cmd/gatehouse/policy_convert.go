package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

// conversion is what policy convert is asked to do.
type conversion struct {
	to, functions, now, dir string
	drop                    []string
	options                 xacml.Options
}

func newPolicyConvert() *cobra.Command {
	var c conversion
	cmd := &cobra.Command{
		Use:   "convert --to LANGUAGE FILE…",
		Short: "Write policies in another language",
		Long: `Convert writes policies in SPL, XACML 2.0 or XACML 3.0. What is written means the
same: whatever the other language cannot say is refused, with its place. Rego
cannot be converted.

A denial in SPL finds a name in every spelling and under every data type, which
no standard function does. So a file with such denials becomes XACML only if
you choose:
  --functions exact    refuse (the default)
  --functions own      keep our functions, by their own identifiers: exact, and
                       for another Gatehouse only
  --functions nearest  compare as Argus did: denials then find one spelling

What XACML has no place for is lost only if you say so:
  --drop because       the words for the user become descriptions
  --drop private       "private" actions become like others
  --as-of TIME         rules that do not hold then are left out, the others lose
                       their "from" and "until" (otherwise these are compared
                       with current-dateTime, and read back from there)

Exit code 0, or 2 if anything was refused; then nothing is written.`,
		Example: `  gatehouse policy convert --to xacml-3.0 site.spl > site.xml
  gatehouse policy convert --to xacml-2.0 --functions nearest --drop because site.spl
  gatehouse policy convert --to spl --dir converted *.xml`,
		Args: atLeast(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.to, "to", "", "spl, xacml-2.0 or xacml-3.0")
	flags.StringVar(&c.functions, "functions", "exact", "exact, own or nearest: what becomes of functions that XACML lacks")
	flags.StringSliceVar(&c.drop, "drop", nil, "because, private: what may be lost")
	flags.StringVar(&c.now, "as-of", "", "write the rules that hold at this time, without their time: 2026-11-22T12:00:00Z or now")
	flags.StringVar(&c.dir, "dir", "", "write each file into this directory, made if it is not there, under its name with .spl or .xml")
	return cmd
}

// check reads the flags.
func (c *conversion) check(files int) error {
	switch c.to {
	case "spl", "xacml-3.0":
	case "xacml-2.0":
		c.options.Version = xacml.Two
	default:
		return fmt.Errorf("--to %q: want spl, xacml-2.0 or xacml-3.0", c.to)
	}
	functions, ok := map[string]xacml.Functions{"exact": xacml.Exact, "own": xacml.Own, "nearest": xacml.Nearest}[c.functions]
	if !ok {
		return fmt.Errorf("--functions %q: want exact, own or nearest", c.functions)
	}
	c.options.Functions = functions
	for _, what := range c.drop {
		switch what {
		case "because":
			c.options.Drop.Because = true
		case "private":
			c.options.Drop.Private = true
		default:
			return fmt.Errorf("--drop %q: want because or private", what)
		}
	}
	if files > 1 && c.dir == "" {
		return errors.New("several files need --dir, where each is written under its own name")
	}
	var err error
	switch c.now {
	case "":
	case "now":
		c.options.Now = time.Now()
	default:
		if c.options.Now, err = time.Parse(time.RFC3339, c.now); err != nil {
			return fmt.Errorf("--as-of %q: want 2026-11-22T12:00:00Z or now", c.now)
		}
	}
	return nil
}

func (c *conversion) run(names []string, out, errs io.Writer) error {
	if err := c.check(len(names)); err != nil {
		return unusable(err)
	}
	files, err := readPolicies(names)
	if err != nil {
		return unusable(err)
	}
	texts := make([]string, len(files))
	var found findings
	for i, f := range files {
		texts[i], err = c.convert(f)
		found = append(found, findingsOf(err)...)
	}
	if len(found) > 0 {
		if err := found.cite(linesOf(files)).print(errs, "text"); err != nil {
			return err
		}
		return unusable(fmt.Errorf("%s cannot say this exactly; nothing was written", c.to))
	}
	if c.dir != "" {
		if err := os.MkdirAll(c.dir, 0o755); err != nil {
			return err
		}
	}
	for i, f := range files {
		if c.dir == "" {
			_, err = io.WriteString(out, texts[i])
		} else {
			err = renameio.WriteFile(filepath.Join(c.dir, c.name(f.name)), []byte(texts[i]), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *conversion) name(file string) string {
	suffix := ".xml"
	if c.to == "spl" {
		suffix = ".spl"
	}
	base := filepath.Base(file)
	return strings.TrimSuffix(base, filepath.Ext(base)) + suffix
}

func (c *conversion) convert(f *policyFile) (string, error) {
	n := f.whole()
	if c.to != "spl" {
		text, err := xacml.Write(n, c.options)
		return string(text), err
	}
	switch f.format {
	case "spl":
		return spl.Format(f.name, f.text)
	case "rego":
		return "", fmt.Errorf("%s:1:1: a policy in Rego cannot be converted", f.name)
	}
	table, err := spl.NewTable()
	if err != nil {
		return "", err
	}
	return spl.Write(xacml.Adopt(n), table)
}

// whole returns a file as one policy: several resources stand in a set that
// is named as the file.
func (f *policyFile) whole() policies.Node {
	if len(f.nodes) == 1 {
		return f.nodes[0]
	}
	return &policies.PolicySet{
		Header: policies.Header{
			ID: filepath.Base(f.name), Version: "1", Combining: policies.FirstApplicable,
			Position: policies.Position{File: f.name, Line: 1, Column: 1},
		},
		Children: policies.NewList(f.nodes...),
	}
}
