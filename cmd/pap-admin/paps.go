package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

func (a *app) ping() *cobra.Command {
	return &cobra.Command{
		Use:     "ping",
		Short:   "Ask whether the PAP is there, and its version",
		Example: "  pap-admin ping --host pap.example.org",
		Args:    between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, client, stop, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer stop()
			name, version, err := client.Ping(ctx)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(map[string]string{"service": name, "version": version})
			}
			at := strings.Join(a.addresses(), ", ")
			if a.socket != "" {
				at = a.socket
			}
			fmt.Fprintf(cleaner{a.out}, "Contacting PAP at %q... ok (PAP version: %s)\n", at, version)
			return nil
		},
	}
}

func (a *app) listPAPs() *cobra.Command {
	return &cobra.Command{
		Use:     "list-paps",
		Aliases: []string{"lpaps"},
		Short:   "List the PAPs in their order",
		Example: "  pap-admin list-paps",
		Args:    between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			paps, err := a.paps(cmd)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(paps)
			}
			for _, p := range paps {
				words := []string{"local", "disabled", "private"}
				if p.Origin != "" {
					words[0] = "remote"
					words = append(words, p.Origin)
				}
				if p.Enabled {
					words[1] = "enabled"
				}
				if p.Public {
					words[2] = "public"
				}
				fmt.Fprintf(cleaner{a.out}, "alias = %s (%s)\n", oneLine(p.Alias), oneLine(strings.Join(words, ", ")))
			}
			return nil
		},
	}
}

func (a *app) paps(cmd *cobra.Command) ([]change.PAP, error) {
	ctx, client, stop, err := a.connect(cmd)
	if err != nil {
		return nil, err
	}
	defer stop()
	return client.PAPs(ctx)
}

func (a *app) addPAP() *cobra.Command {
	var p change.PAP
	var local, private bool
	cmd := &cobra.Command{
		Use:     "add-pap ALIAS [ENDPOINT DN]",
		Aliases: []string{"apap"},
		Short:   "Add a PAP, disabled and private",
		Example: "  pap-admin add-pap ngi --local",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 3 {
				return usage("want an alias, or an alias, an endpoint and a DN")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Alias = args[0]
			if len(args) == 3 {
				p.Origin, p.DN = args[1], args[2]
			}
			return a.change(cmd, said("PAP "+p.Alias+" added"), func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				return c.AddPAP(ctx, r, p)
			})
		},
	}
	cmd.Flags().BoolVarP(&local, "local", "l", false, "a PAP of this machine (without an endpoint, the default)")
	cmd.Flags().BoolVar(&p.Public, "public", false, "its policies may be handed to other PAPs")
	cmd.Flags().BoolVar(&private, "private", false, "they may not (the default)")
	cmd.MarkFlagsMutuallyExclusive("public", "private")
	return a.changes(cmd)
}

func (a *app) removePAP() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove-pap ALIAS",
		Aliases: []string{"rpap"},
		Short:   "Remove a PAP with its policies and bans",
		Example: "  pap-admin remove-pap ngi",
		Args:    between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, said("PAP "+args[0]+" removed"), func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				return c.RemovePAP(ctx, r, args[0])
			})
		},
	}
	return a.changes(cmd)
}

func (a *app) enablePAP(enable bool) *cobra.Command {
	verb, alias := "enable", "epap"
	if !enable {
		verb, alias = "disable", "dpap"
	}
	cmd := &cobra.Command{
		Use:     verb + "-pap ALIAS",
		Aliases: []string{alias},
		Short:   strings.ToUpper(verb[:1]) + verb[1:] + " the policies and bans of a PAP",
		Example: "  pap-admin " + verb + "-pap ngi",
		Args:    between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, said("PAP "+args[0]+" "+verb+"d"), func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				paps, err := c.PAPs(ctx)
				if err != nil {
					return change.Result{}, err
				}
				for _, p := range paps {
					if p.Alias == args[0] {
						p.Enabled = enable
						return c.UpdatePAP(ctx, r, p)
					}
				}
				return change.Result{}, fmt.Errorf("PAP %w: there is no PAP %q", change.ErrNotFound, args[0])
			})
		},
	}
	return a.changes(cmd)
}

func (a *app) order() *cobra.Command {
	return &cobra.Command{
		Use:     "get-paps-order",
		Aliases: []string{"gpo"},
		Short:   "Print the PAPs in their order, the first first",
		Example: "  pap-admin get-paps-order",
		Args:    between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			paps, err := a.paps(cmd)
			if err != nil {
				return err
			}
			aliases := make([]string, len(paps))
			for i, p := range paps {
				aliases[i] = p.Alias
			}
			if a.output == "json" {
				return a.json(aliases)
			}
			fmt.Fprintln(a.out, oneLine(strings.Join(aliases, ", ")))
			return nil
		},
	}
}

func (a *app) setOrder() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "set-paps-order ALIAS…",
		Aliases: []string{"spo"},
		Short:   "Order the PAPs: the first that applies decides",
		Example: "  pap-admin set-paps-order ngi default",
		Args:    between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, said("order: "+strings.Join(args, ", ")), func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				return c.Order(ctx, r, args...)
			})
		},
	}
	return a.changes(cmd)
}
