package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pdp/rego"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

// newPolicy is the parent of the verbs that work on policy files, without any
// service running.
func newPolicy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Check, format, convert, test and evaluate policy files",
		Long: `Policy works on files, without a service: SPL (*.spl), XACML 2.0 and 3.0 (*.xml)
and Rego (*.rego). Exit code 0 says that all is well, 1 that something was found
(a rule that never applies, a layout that differs, a failing case), 2 that the
input cannot be used, with file:line:column.`,
		Example: `  gatehouse policy check site.spl
  gatehouse policy test policies/
  gatehouse policy eval --policy site.spl --request alice.json --explain`,
	}
	cmd.AddCommand(newPolicyEval(), newPolicyCheck(), newPolicyFmt(), newPolicyConvert(), newPolicyTest())
	return cmd
}

// policyFile is one policy file as read.
type policyFile struct {
	name   string
	format string // "spl", "xacml" or "rego"
	text   string
	nodes  []policies.Node
}

// readPolicy reads a file by its content: a document of XML is XACML, a file
// named *.rego is Rego, anything else is SPL.
func readPolicy(name string, table *spl.Table) (*policyFile, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f := &policyFile{name: name, text: string(data)}
	switch start := strings.TrimSpace(strings.TrimPrefix(f.text, "\ufeff")); {
	case strings.EqualFold(filepath.Ext(name), ".rego"):
		f.format = "rego"
		id := strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))
		f.nodes = []policies.Node{&policies.Foreign{ID: id, Format: string(change.Rego), Text: f.text, Position: policies.Position{File: name, Line: 1, Column: 1}}}
	case strings.HasPrefix(start, "<"):
		f.format = "xacml"
		n, err := xacml.Parse(name, data)
		if err != nil {
			return nil, err
		}
		f.nodes = []policies.Node{n}
	default:
		f.format = "spl"
		if err := f.readSPL(table); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *policyFile) readSPL(table *spl.Table) error {
	sets, err := spl.Read(f.name, f.text, table)
	for _, s := range sets {
		f.nodes = append(f.nodes, s)
	}
	return err
}

// readPolicies reads files and returns everything that is wrong with them.
func readPolicies(names []string) ([]*policyFile, error) {
	table, err := spl.NewTable()
	if err != nil {
		return nil, err
	}
	var files []*policyFile
	var all []error
	for _, name := range names {
		f, err := readPolicy(name, table)
		if err != nil {
			all = append(all, err)
			continue
		}
		files = append(files, f)
	}
	return files, errors.Join(all...)
}

// snapshotOf makes the policies of files, tried in their order; each is also
// there for references to it.
func snapshotOf(files []*policyFile) *policies.Snapshot {
	var all []policies.Node
	for _, f := range files {
		all = append(all, f.nodes...)
	}
	s := &policies.Snapshot{}
	for _, n := range all {
		if _, foreign := n.(*policies.Foreign); !foreign {
			s.Library = append(s.Library, n)
		}
	}
	placed := make([]policies.Node, len(all))
	for i, place := range policies.Places(len(all)) {
		placed[i] = inPlace(all[i], place)
	}
	s.Root = policies.NewRoot(policies.List[*policies.Rule]{}, placed...)
	return s
}

// inPlace returns a copy of a node at a place among its siblings.
func inPlace(n policies.Node, place string) policies.Node {
	switch n := n.(type) {
	case *policies.PolicySet:
		next := *n
		next.Place = place
		return &next
	case *policies.Policy:
		next := *n
		next.Place = place
		return &next
	case *policies.Foreign:
		next := *n
		next.Place = place
		return &next
	}
	return n
}

// policyEngine returns an engine with the policies in force, or everything
// that keeps them from being so.
func policyEngine(s *policies.Snapshot, clock func() time.Time) (*pdp.Engine, error) {
	engine := pdp.New(pdp.Options{Clock: clock, MaxStale: -1, Languages: map[string]pdp.Language{string(change.Rego): rego.New()}})
	err := engine.Apply(policies.Update{Base: s, To: s.Revision})
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // files have no revision to speak of
	}
	return engine, err
}
