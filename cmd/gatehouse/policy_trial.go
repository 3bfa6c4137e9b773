package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/sheet"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// newPolicyTest stands in a file not named *_test.go, which Go would not build.
func newPolicyTest() *cobra.Command {
	var output string
	var threshold float64
	cmd := &cobra.Command{
		Use:   "test DIR|FILE…",
		Short: "Run the cases that stand beside policies",
		Long: `Test runs the cases in *.test.yaml files against the policies beside them and
shows which rules no case made true. A file of cases:

  policies: [site.spl]              # beside this file; tried in their order
  now: 2026-11-22T12:00:00Z         # unless a case says otherwise; default: the present
  cases:
    - name: production may run for a week
      subject: {subject: "/C=XX/O=Example/CN=Ann", fqan: [/example/production]}
      resource: https://ce.example.org:8443/services/x
      action: http://glite.org/xacml/action/ce/job/submit
      environment: {requested-cpu-time: 7d}
      expect:
        decision: permit
        obligations: [{cpu-time-limit: {seconds: 7d}}]
        rule: site.spl:24           # or the id of an XACML rule
        because: ""

Attributes have their names in SPL, or are URIs of strings. What stands under
"presented" is asserted by nobody trustworthy: it counts against a caller only.
Obligations, rule and because are compared if they are given. References to
policies of XACML are resolved among policies and references.

A rule is covered if some case made it true. Exit code 0; 1 if a case fails or
less than --threshold per cent of the rules are covered; 2 for unusable input.`,
		Example: `  gatehouse policy test policies/
  gatehouse policy test --threshold 90 site.test.yaml
  gatehouse policy test -o json policies/`,
		Args: atLeast(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			t := &trial{covered: map[string]int{}, rules: map[string]ruleCoverage{}, engines: map[string]*bench{}}
			if err := t.run(cmd.Context(), args); err != nil {
				return unusable(err)
			}
			if err := t.print(cmd.OutOrStdout(), output); err != nil {
				return err
			}
			return t.verdict(threshold)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text or json")
	cmd.Flags().Float64Var(&threshold, "threshold", 0, "least share of rules that must be covered, in per cent")
	return cmd
}

// trial is one run of policy test.
type trial struct {
	results []caseResult
	rules   map[string]ruleCoverage // by position
	covered map[string]int          // cases that made a rule true, by position
	engines map[string]*bench
}

// bench is an engine with the policies of some cases, at the time of one.
type bench struct {
	engine *pdp.Engine
	lines  sources
	now    time.Time
}

type caseResult struct {
	File     string   `json:"file"`
	Name     string   `json:"name"`
	Decision string   `json:"decision"`
	Rule     string   `json:"rule,omitempty"` // where the rule that decided stands
	Passed   bool     `json:"passed"`
	Differs  []string `json:"differs,omitempty"`

	Explanation *authz.Explanation `json:"explanation,omitempty"` // of a case that failed
}

type ruleCoverage struct {
	Position string `json:"position"`
	Effect   string `json:"effect,omitempty"`
	Cases    int    `json:"cases"`
	source   string
	at       policies.Position
}

func (t *trial) run(ctx context.Context, names []string) error {
	files, err := readCases(names)
	if err != nil {
		return err
	}
	for _, f := range files {
		for _, c := range f.Cases {
			if err := t.try(ctx, f, c); err != nil {
				return fmt.Errorf("%s:%d:1: case %q: %w", f.name, c.line, c.Name, err)
			}
		}
	}
	return nil
}

func (t *trial) try(ctx context.Context, f *caseFile, c *policyCase) error {
	b, err := t.bench(f, c)
	if err != nil {
		return err
	}
	if b.now = cmp.Or(c.Now, f.Now); b.now.IsZero() {
		b.now = time.Now()
	}
	r, err := c.request()
	if err != nil {
		return err
	}
	e, err := b.engine.Explain(ctx, r)
	if err != nil {
		return err
	}
	for at := range fired(e.Root) {
		t.covered[at]++
	}
	b.lines.annotate(e.Root)
	result := caseResult{File: f.name, Name: c.Name, Decision: e.Response.Decision.String(), Differs: c.Expect.differs(e.Response)}
	if e.Response.Reason != nil {
		result.Rule = e.Response.Reason.Position
	}
	if result.Passed = len(result.Differs) == 0; !result.Passed {
		result.Explanation = &e
	}
	t.results = append(t.results, result)
	return nil
}

// bench returns the engine for a case's policies; cases with the same ones
// share it.
func (t *trial) bench(f *caseFile, c *policyCase) (*bench, error) {
	names := f.Policies
	if len(c.Policies) > 0 {
		names = c.Policies
	}
	beside := func(names []string) []string {
		paths := make([]string, len(names))
		for i, name := range names {
			paths[i] = name
			if !filepath.IsAbs(name) {
				paths[i] = filepath.Join(filepath.Dir(f.name), name)
			}
		}
		return paths
	}
	paths, references := beside(names), beside(f.References)
	key := strings.Join(paths, "\x00") + "\x00\x00" + strings.Join(references, "\x00")
	if b, ok := t.engines[key]; ok {
		return b, nil
	}
	files, err := readPolicies(paths)
	if err != nil {
		return nil, err
	}
	library, err := readPolicies(references)
	if err != nil {
		return nil, err
	}
	snapshot := snapshotOf(files)
	snapshot.Library = append(snapshot.Library, snapshotOf(library).Library...)
	b := &bench{lines: linesOf(append(files, library...))}
	if b.engine, err = policyEngine(snapshot, func() time.Time { return b.now }); err != nil {
		return nil, err
	}
	t.engines[key] = b
	for _, n := range append([]policies.Node{snapshot.Root}, snapshot.Library...) {
		t.note(n, b.lines)
	}
	return b, nil
}

// note remembers the rules below a node, for coverage.
func (t *trial) note(n policies.Node, lines sources) {
	add := func(at policies.Position, effect string) {
		line, _, _ := cutLast(at.String(), ":")
		t.rules[at.String()] = ruleCoverage{Position: at.String(), Effect: effect, source: strings.TrimSpace(lines[line]), at: at}
	}
	switch n := n.(type) {
	case *policies.PolicySet:
		for child := range n.Children.All() {
			t.note(child, lines)
		}
	case *policies.Policy:
		for r := range n.Rules.All() {
			add(r.Position, strings.ToLower(r.Effect.String()))
		}
	case *policies.Foreign:
		add(n.Position, "")
	}
}

// fired returns the positions of the rules that came out true.
func fired(s *authz.Step) map[string]bool {
	all := map[string]bool{}
	var walk func(*authz.Step)
	walk = func(s *authz.Step) {
		if s == nil {
			return
		}
		if (s.Kind == authz.StepRule || s.Kind == authz.StepForeign) && (s.Result == authz.Permit.String() || s.Result == authz.Deny.String()) {
			all[s.Position] = true
		}
		for _, child := range s.Children {
			walk(child)
		}
	}
	walk(s)
	return all
}

// coverage returns the rules in the order of their places, and the share that
// is covered in per cent.
func (t *trial) coverage() ([]ruleCoverage, float64) {
	rules := slices.SortedFunc(maps.Values(t.rules), func(a, b ruleCoverage) int {
		return cmp.Or(strings.Compare(a.at.File, b.at.File), a.at.Line-b.at.Line, a.at.Column-b.at.Column)
	})
	hit := 0
	for i := range rules {
		if rules[i].Cases = t.covered[rules[i].Position]; rules[i].Cases > 0 {
			hit++
		}
	}
	if len(rules) == 0 {
		return rules, 100
	}
	return rules, 100 * float64(hit) / float64(len(rules))
}

func (t *trial) failed() (n int) {
	for _, r := range t.results {
		if !r.Passed {
			n++
		}
	}
	return n
}

func (t *trial) verdict(threshold float64) error {
	_, share := t.coverage()
	var all []error
	if n := t.failed(); n > 0 {
		all = append(all, fmt.Errorf("%d of %s failed", n, counted(len(t.results), "case")))
	}
	if share < threshold {
		all = append(all, fmt.Errorf("%.0f %% of the rules are covered, less than %.0f %%", share, threshold))
	}
	return errors.Join(all...)
}

func (t *trial) print(w io.Writer, output string) error {
	rules, share := t.coverage()
	if output == "json" {
		return printJSON(w, struct {
			Cases    []caseResult   `json:"cases"`
			Rules    []ruleCoverage `json:"rules"`
			Coverage float64        `json:"coverage"` // per cent
		}{t.results, rules, share})
	}
	rows := sheet.New(w, "", "CASE", "DECISION", "BY")
	for _, r := range t.results {
		mark := "ok"
		if !r.Passed {
			mark = "FAIL"
		}
		by, _, _ := cutLast(r.Rule, ":")
		rows.Row(mark, plain(r.Name), r.Decision, plain(by))
	}
	rows.Render()
	for _, r := range t.results {
		if r.Passed {
			continue
		}
		fmt.Fprintf(w, "\nFAIL %s: %s\n", plain(r.File), plain(r.Name))
		for _, d := range r.Differs {
			fmt.Fprintf(w, "  %s\n", plain(d))
		}
		fmt.Fprintln(w)
		printExplanation(w, *r.Explanation)
	}
	hit := 0
	for _, r := range rules {
		if r.Cases > 0 {
			hit++
		}
	}
	fmt.Fprintf(w, "\n%d of %s passed; %d of %s covered (%.0f %%)\n", len(t.results)-t.failed(), counted(len(t.results), "case"), hit, counted(len(rules), "rule"), share)
	for _, r := range rules {
		if r.Cases == 0 {
			fmt.Fprintf(w, "  not covered: %s: %s\n", plain(r.Position), plain(r.source))
		}
	}
	return nil
}
