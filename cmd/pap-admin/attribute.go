package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func (a *app) attribute() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "attribute",
		Short:   "List, add or remove attribute names of the site's own",
		Example: "  pap-admin attribute add queue --id https://example.org/attribute/queue --category resource",
	}
	cmd.AddCommand(a.listAttributes(), a.addAttribute(), a.removeAttribute())
	return cmd
}

func (a *app) listAttributes() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the attribute names of the site's own",
		Example: "  pap-admin attribute list -o json",
		Args:    between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, client, stop, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer stop()
			rows, err := client.Rows(ctx)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(append([]change.Row{}, rows...))
			}
			if len(rows) == 0 {
				fmt.Fprintln(a.out, "The site has no attribute names of its own.")
				return nil
			}
			t := a.table("NAME", "CATEGORY", "TYPE", "MATCH", "ID")
			for _, r := range rows {
				t.row(r.Name, categoryName(r.Category), r.Type.Name(), matchName(r), r.ID)
			}
			t.Render()
			return nil
		},
	}
}

func (a *app) removeAttribute() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove NAME…",
		Short:   "Remove attribute names that no policy uses",
		Example: "  pap-admin attribute remove queue",
		Args:    between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, said(counted(len(args), "attribute", "attributes")+" removed"), func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				return c.RemoveRows(ctx, r, args...)
			})
		},
	}
	return a.changes(cmd)
}

// categories and kinds are the short names that attribute takes. A kind is a
// data type with the function that compares it.
var (
	categories = map[string]authz.Category{
		"subject": authz.Subject, "resource": authz.Resource, "action": authz.Action, "environment": authz.Environment,
	}
	kinds = map[string]struct {
		dataType authz.DataType
		match    string
	}{
		"string": {authz.String, profile.FunctionStringEqual}, "boolean": {authz.Boolean, profile.FunctionBooleanEqual},
		"integer": {authz.Integer, profile.FunctionIntegerEqual}, "double": {authz.Double, profile.FunctionDoubleEqual},
		"date": {authz.Date, profile.FunctionDateEqual}, "dateTime": {authz.DateTime, profile.FunctionDateTimeEqual},
		"anyURI": {authz.AnyURI, profile.FunctionAnyURIEqual}, "x500Name": {authz.X500Name, profile.FunctionX500NameEqual},
		"fqan": {authz.FQANType, profile.FunctionFQAN}, "regexp": {authz.String, profile.FunctionAnchoredRegexp},
	}
)

func (a *app) addAttribute() *cobra.Command {
	var row change.Row
	var category, kind string
	cmd := &cobra.Command{
		Use:   "add NAME --id URI",
		Short: "Add a name that policies may use for an attribute",
		Long: `Add a name that policies may use for an attribute, or change one. The type is one of
` + choices(kinds) + `;
of a regexp, what a policy says is an expression that the whole value must match.`,
		Example: "  pap-admin attribute add queue --id https://example.org/attribute/queue --category resource\n  pap-admin attribute add room --id urn:example:room --type integer",
		Args:    between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, ok := kinds[kind]
			if !ok {
				return usage("--type %q: want one of %s", kind, choices(kinds))
			}
			row.Name, row.Type, row.Match = args[0], k.dataType, k.match
			if row.Category, ok = categories[category]; !ok {
				return usage("--category %q: want one of %s", category, choices(categories))
			}
			if row.ID == "" {
				return usage("which attribute? give its --id")
			}
			return a.change(cmd, said("attribute "+row.Name+" added"), func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				return c.PutRows(ctx, r, row)
			})
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&row.ID, "id", "", "URI of the attribute, as requests carry it")
	f.StringVar(&category, "category", "subject", "whose attribute it is: "+choices(categories))
	f.StringVar(&kind, "type", "string", "how its values are read and compared")
	return a.changes(cmd)
}

func choices[T any](names map[string]T) string {
	return strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}

// categoryName is the short name of a category, or the category.
func categoryName(c authz.Category) string {
	for name, is := range categories {
		if is == c {
			return name
		}
	}
	return string(c)
}

// matchName is the last word of the function's URI.
func matchName(r change.Row) string { return r.Match[strings.LastIndexAny(r.Match, ":/")+1:] }
