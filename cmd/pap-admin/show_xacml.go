package main

import (
	"errors"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
	"github.com/gatehouse-authz/gatehouse/policies/xacml"
)

// showXACML writes the policies of one PAP as XACML 3.0 documents, the bans
// first: what a decision point makes of them, with our own functions by their
// URIs. A document in another language is named and left out.
func (a *app) showXACML(heading, alias string, l api.Listing) error {
	nodes, err := made(alias, l)
	if err != nil {
		return err
	}
	out := cleaner{a.out}
	fmt.Fprintf(out, "\n%s:\n", heading)
	var unsaid []error
	for _, n := range nodes {
		text, err := xacml.Write(n, xacml.Options{Functions: xacml.Own, Drop: xacml.Losses{Because: true, Private: true, Bans: true}})
		if err != nil {
			unsaid = append(unsaid, err)
			continue
		}
		fmt.Fprintf(out, "\n%s\n", text)
	}
	if len(nodes) == 0 {
		fmt.Fprint(out, "\nNo policies has been found.\n") // Argus's words
	}
	return errors.Join(unsaid...)
}

// made returns what the records of a PAP come to: the policy of its bans, if
// there are any, and its resources and documents.
func made(alias string, l api.Listing) ([]policies.Node, error) {
	set := change.Set{Whole: true, To: authz.Revision{Lineage: "shown", Number: 1}}
	add := func(e change.Edit) { set.Edits = append(set.Edits, e) }
	add(change.Edit{PAP: &change.PAP{Alias: alias, Place: "m", Enabled: true}})
	for i := range l.Rows {
		add(change.Edit{Row: &l.Rows[i]})
	}
	for i := range l.Units {
		add(change.Edit{Unit: &l.Units[i]})
	}
	for i := range l.Bans {
		add(change.Edit{Ban: &l.Bans[i]})
	}
	var records source.Copy
	update, err := records.Apply(set)
	if err != nil {
		return nil, err
	}
	var nodes []policies.Node
	for child := range update.Base.Root.Children.All() {
		switch child := child.(type) {
		case *policies.Policy:
			if child.Rules.Len() > 0 {
				nodes = append(nodes, child)
			}
		case *policies.PolicySet:
			for n := range child.Children.All() {
				nodes = append(nodes, n)
			}
		}
	}
	return nodes, nil
}
