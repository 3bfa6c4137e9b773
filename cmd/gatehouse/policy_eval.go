package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	wire "github.com/gatehouse-authz/gatehouse/pdp/context"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// evaluation is what policy eval is asked to do.
type evaluation struct {
	policies   []string
	references []string
	request    string
	attributes string
	combining  string
	hierarchy  string
	now        string
	format     string
	explain    bool
}

func newPolicyEval() *cobra.Command {
	var e evaluation
	cmd := &cobra.Command{
		Use:   "eval --policy FILE… --request FILE",
		Short: "Decide a request by policies from disk, and say why",
		Long: `Eval reads policies (SPL, XACML 2.0 or 3.0, Rego) and a request context (XACML
2.0 or 3.0 in XML, or the JSON profile), decides, and prints the response
context in the form of the request. Several policies are tried in their order
until one applies, unless --root-combining names another algorithm of XACML: by
its identifier, or by its name alone, which is that of XACML 3.0:
  first-applicable  only-one-applicable  on-permit-apply-second
  deny-overrides  permit-overrides  ordered-deny-overrides
  ordered-permit-overrides  deny-unless-permit  permit-unless-deny
Every attribute of the request counts as verified.

A policy that others refer to is given with --policy-ref. The attributes of the
context in --attributes are added where the request has none of their id, as a
site's own source of attributes would. A request with a scope (Children,
Descendants, EntireHierarchy) needs the tree of resources: --hierarchy is a file
in YAML that lists below each resource those right below it.
With --explain the tree behind the decision is printed instead of the response.

Exit code 0 for any decision, 2 for input that cannot be used.`,
		Example: `  gatehouse policy eval --policy site.spl --request alice.json
  gatehouse policy eval --policy root.xml --policy-ref shared.xml --request r.xml --explain
  gatehouse policy eval --policy a.xml --policy b.xml --root-combining only-one-applicable --request r.xml
  gatehouse policy eval --policy site.xml --request subtree.xml --hierarchy folders.yaml
  gatehouse policy eval --policy site.rego --request r.xml --now 2026-11-22T12:00:00Z --format json`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&e.policies, "policy", nil, "file with policies; may be given several times")
	flags.StringArrayVar(&e.references, "policy-ref", nil, "file with a policy that others refer to; may be given several times")
	flags.StringVar(&e.request, "request", "", "file with the request context")
	flags.StringVar(&e.attributes, "attributes", "", "file with a request context of attributes to add where they are missing")
	flags.StringVar(&e.combining, "root-combining", "", "how several policies are combined: a name or identifier (default: first-applicable)")
	flags.StringVar(&e.hierarchy, "hierarchy", "", "file with the tree of resources, for requests with a scope")
	flags.StringVar(&e.now, "now", "", "time of the decision, as in 2026-11-22T12:00:00Z (default: now)")
	flags.StringVar(&e.format, "format", "", "xml or json (default: the form of the request)")
	flags.BoolVar(&e.explain, "explain", false, "print the tree behind the decision")
	return cmd
}

func (e *evaluation) run(ctx context.Context, out io.Writer) error {
	now, err := e.check()
	if err != nil {
		return unusable(err)
	}
	engine, lines, err := e.engine(func() time.Time { return now })
	if err != nil {
		return unusable(err)
	}
	var tree resources
	if e.hierarchy != "" {
		if tree, err = readResources(e.hierarchy); err != nil {
			return unusable(err)
		}
	}
	request, err := readContext(e.request, now, tree)
	if err != nil {
		return unusable(err)
	}
	var extra []*authz.Request
	if e.attributes != "" {
		file, err := readContext(e.attributes, now, nil)
		if err == nil {
			extra, err = file.Questions()
		}
		if err != nil {
			return unusable(err)
		}
	}
	if e.explain {
		return e.explained(ctx, engine, request, extra, lines, out)
	}
	return e.answer(ctx, engine, request, extra, out)
}

// check looks at the flags and returns the time of the decision.
func (e *evaluation) check() (time.Time, error) {
	switch {
	case len(e.policies) == 0:
		return time.Time{}, fmt.Errorf("no policies: give --policy FILE")
	case e.request == "":
		return time.Time{}, fmt.Errorf("no request: give --request FILE")
	case !slices.Contains([]string{"", "xml", "json"}, e.format):
		return time.Time{}, fmt.Errorf("--format is %q; want xml or json", e.format)
	case e.combining != "" && !e.rootCombining():
		return time.Time{}, fmt.Errorf("--root-combining is %q; want an algorithm for policies, such as only-one-applicable (see --help)", e.combining)
	case e.now == "":
		return time.Now(), nil
	}
	now, err := time.Parse(time.RFC3339, e.now)
	if err != nil {
		return now, fmt.Errorf("--now is %q; want a time as in 2026-11-22T12:00:00Z", e.now)
	}
	return now, nil
}

// rootCombining makes an identifier of the name of an algorithm; false if there
// is none for policies.
func (e *evaluation) rootCombining() bool {
	if !strings.Contains(e.combining, ":") {
		version := "3.0"
		switch e.combining {
		case "first-applicable", "only-one-applicable":
			version = "1.0"
		}
		e.combining = "urn:oasis:names:tc:xacml:" + version + ":policy-combining-algorithm:" + e.combining
	}
	return pdp.CombinesPolicies(policies.Algorithm(e.combining))
}

// engine puts the policies in force, and returns their lines for explanations.
func (e *evaluation) engine(clock func() time.Time) (*pdp.Engine, sources, error) {
	files, err := readPolicies(e.policies)
	if err != nil {
		return nil, nil, err
	}
	shared, err := readPolicies(e.references)
	if err != nil {
		return nil, nil, err
	}
	lines := sources{}
	snapshot := &policies.Snapshot{Revision: authz.Revision{Lineage: "files", Number: 1}}
	var roots []policies.Node
	for _, f := range files {
		lines.add(f.name, 1, f.text)
		roots = append(roots, f.nodes...)
	}
	for _, f := range shared {
		lines.add(f.name, 1, f.text)
		snapshot.Library = append(snapshot.Library, f.nodes...)
	}
	if len(roots) == 0 {
		return nil, nil, fmt.Errorf("%s: no policy in it", files[0].name)
	}
	snapshot.Root = soleRoot(roots, policies.Algorithm(e.combining))
	engine, err := policyEngine(snapshot, clock)
	return engine, lines, err
}

// soleRoot is the one policy set, or a set around what was given. Under
// first-applicable, which is also meant by "", it passes on the answer of a
// single policy as it is.
func soleRoot(nodes []policies.Node, combining policies.Algorithm) *policies.PolicySet {
	if set, ok := nodes[0].(*policies.PolicySet); ok && len(nodes) == 1 && combining == "" {
		return set
	}
	placed := make([]policies.Node, len(nodes))
	for i, place := range policies.Places(len(nodes)) {
		placed[i] = inPlace(nodes[i], place)
	}
	return &policies.PolicySet{
		Header:   policies.Header{ID: policies.RootID, Combining: cmp.Or(combining, policies.FirstApplicable)},
		Children: policies.NewList(placed...),
	}
}

func readContext(name string, now time.Time, tree resources) (*wire.Request, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return wire.Read(name, data, wire.Options{
		Verified: func(authz.Category, string) bool { return true },
		Children: tree.children,
		Clock:    func() time.Time { return now },
	})
}

// source adds attributes where a question has none of their category and id.
type source struct {
	next  authz.Decider
	extra []*authz.Request
}

var _ authz.Decider = source{}

func (s source) Decide(ctx context.Context, q *authz.Request) (authz.Response, error) {
	s.complete(q)
	return s.next.Decide(ctx, q)
}

func (s source) complete(q *authz.Request) {
	given := len(q.Attributes)
	for _, more := range s.extra {
		for _, a := range more.Attributes {
			if !slices.ContainsFunc(q.Attributes[:given], func(b authz.Attribute) bool { return a.ID == b.ID && a.Category == b.Category }) {
				q.Attributes = append(q.Attributes, a)
			}
		}
	}
}

func (e *evaluation) answer(ctx context.Context, engine *pdp.Engine, request *wire.Request, extra []*authz.Request, out io.Writer) error {
	response, err := request.Decide(ctx, source{engine, extra})
	if err != nil {
		return unusable(fmt.Errorf("%s: %w", e.request, err))
	}
	for i := range response.Results {
		r := &response.Results[i]
		r.Policies = slices.DeleteFunc(slices.Clone(r.Policies), func(p authz.PolicyID) bool { return p.ID == policies.RootID && p.Version == "" })
	}
	form := request.Form
	switch {
	case e.format == "json":
		form = wire.JSON
	case e.format == "xml" && form == wire.JSON:
		form = wire.ThreeXML
	}
	document, err := response.Write(form)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", document)
	return err
}

// explained prints the tree behind the decision of each question.
func (e *evaluation) explained(ctx context.Context, engine *pdp.Engine, request *wire.Request, extra []*authz.Request, lines sources, out io.Writer) error {
	questions, err := request.Questions()
	if err != nil {
		return unusable(fmt.Errorf("%s: %w", e.request, err))
	}
	var all []authz.Explanation
	for _, q := range questions {
		source{engine, extra}.complete(q)
		explanation, err := engine.Explain(ctx, q)
		if err != nil {
			return err
		}
		lines.annotate(explanation.Root)
		all = append(all, explanation)
	}
	if e.format == "json" {
		return e.trees(all, out)
	}
	for i, explanation := range all {
		if i > 0 {
			fmt.Fprintln(out)
		}
		printExplanation(out, explanation)
	}
	return nil
}

// trees prints explanations as JSON: one object for each question.
func (e *evaluation) trees(all []authz.Explanation, out io.Writer) error {
	type tree struct {
		Decision string          `json:"decision"`
		Reason   *authz.Reason   `json:"reason,omitempty"`
		Status   string          `json:"status,omitempty"`
		Message  string          `json:"message,omitempty"`
		Enough   [][]authz.Bound `json:"enough,omitempty"`
		Root     *authz.Step     `json:"root"`
	}
	trees := make([]tree, len(all))
	for i, x := range all {
		trees[i] = tree{Decision: x.Response.Decision.String(), Reason: x.Response.Reason, Enough: x.Response.Enough, Root: x.Root}
		if status := x.Response.Status; status != nil {
			trees[i].Status, trees[i].Message = status.Code, status.Message
		}
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(trees)
}
