package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

func (a *app) listPolicies() *cobra.Command {
	var aliases []string
	var all, heads, ids, asXACML bool
	var filter api.Listing
	cmd := &cobra.Command{
		Use:     "list-policies",
		Aliases: []string{"lp"},
		Short:   "List policies, bans among them, in Argus's layout",
		Long: `List policies in the layout of Argus, the bans where Argus would have put them. Use
list-bans for who banned whom and why. The listing is no SPL and cannot be
loaded again.`,
		Example: "  pap-admin list-policies --all -sai\n  pap-admin list-policies --resource 'https://ce.example.org/.*'",
		Args:    between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case ids:
				filter.Show = spl.AllIDs
			case heads:
				filter.Show = spl.HeadIDs
			}
			show := func(heading, _ string, l api.Listing) error { return a.listing(heading, l) }
			if asXACML {
				show = a.showXACML
			}
			return a.runListPolicies(cmd, aliases, all, filter, show)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&aliases, "pap", []string{change.DefaultPAP}, "aliases of PAPs")
	f.BoolVar(&all, "all", false, "of every PAP")
	f.BoolVar(&heads, "show-ra-ids", false, "with the ids of resources and actions (-srai)")
	f.BoolVar(&ids, "show-all-ids", false, "with all ids (-sai)")
	f.BoolVar(&asXACML, "show-xacml", false, "as XACML 3.0 documents, bans first, filters not applied")
	f.StringVar(&filter.Resource, "resource", "", "only resources of exactly this value")
	f.StringVar(&filter.Action, "action", "", "only actions of exactly this value")
	return cmd
}

// policiesOf is what list-policies shows of one PAP as JSON.
type policiesOf struct {
	PAP   string        `json:"pap"`
	Units []change.Unit `json:"units"`
	Bans  []change.Ban  `json:"bans"`
}

// shower prints what one PAP holds.
type shower func(heading, alias string, l api.Listing) error

func (a *app) runListPolicies(cmd *cobra.Command, aliases []string, all bool, filter api.Listing, show shower) error {
	ctx, client, stop, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer stop()
	// Whoever may read policies need not be allowed to read the configuration.
	paps, err := client.PAPs(ctx)
	if err != nil && (all || !errors.Is(err, api.ErrRefused)) {
		return err
	}
	if all {
		aliases = nil
		for _, p := range paps {
			aliases = append(aliases, p.Alias)
		}
	}
	if filter.Rows, err = client.Rows(ctx); err != nil && !errors.Is(err, api.ErrRefused) {
		return err
	}
	var listed []policiesOf
	for _, alias := range aliases {
		if filter.Units, filter.Bans, err = records(ctx, client, alias); err != nil {
			return err
		}
		listed = append(listed, policiesOf{alias, filter.Units, filter.Bans})
		if a.output == "text" {
			if err := show(heading(paps, alias), alias, filter); err != nil {
				return err
			}
		}
	}
	if a.output == "json" {
		return a.json(listed)
	}
	return nil
}

func records(ctx context.Context, client *api.Client, alias string) ([]change.Unit, []change.Ban, error) {
	units, err := client.Units(ctx, alias)
	if errors.Is(err, change.ErrNotFound) {
		return nil, nil, fmt.Errorf("Not found: %w", err) //nolint:staticcheck // Argus's word, which scripts look for
	}
	if err != nil || alias == change.AdminPAP {
		return units, nil, err
	}
	bans, err := client.Bans(ctx, alias)
	return units, bans, err
}

func (a *app) listing(heading string, l api.Listing) error {
	out := cleaner{a.out}
	fmt.Fprintf(out, "\n%s:\n", heading)
	some, err := l.Write(out)
	if err == nil && !some {
		fmt.Fprint(out, "\nNo policies has been found.\n") // Argus's words
	}
	return err
}

// heading is "default (local)" or "alias (host:port)".
func heading(paps []change.PAP, alias string) string {
	i := slices.IndexFunc(paps, func(p change.PAP) bool { return p.Alias == alias })
	if i < 0 || paps[i].Origin == "" {
		return alias + " (local)"
	}
	if u, err := url.Parse(paps[i].Origin); err == nil && u.Host != "" {
		return alias + " (" + u.Host + ")"
	}
	return alias + " (" + paps[i].Origin + ")"
}
