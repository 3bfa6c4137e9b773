package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/policies/change"
)

func (a *app) follower() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "follower",
		Short:   "List who follows the policies and how far they are, or forget one",
		Example: "  pap-admin follower list\n  pap-admin follower remove pdp@ce2",
	}
	cmd.AddCommand(a.listFollowers(), a.removeFollower())
	return cmd
}

func (a *app) listFollowers() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List who follows the policies and how far they are",
		Example: "  pap-admin follower list -o json",
		Args:    between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, client, stop, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer stop()
			all, err := client.Followers(ctx)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(append([]change.Follower{}, all...))
			}
			if len(all) == 0 {
				fmt.Fprintln(a.out, "Nobody follows.")
				return nil
			}
			t := a.table("NAME", "APPLIED", "SETTLED", "LAST HEARD OF", "IDENTITY")
			for _, f := range all {
				seen := stamp(f.Seen)
				if f.Legacy {
					seen = "polls, last fetched " + seen
				}
				t.row(f.Name, f.Applied.String(), f.Settled.String(), seen, f.Identity)
			}
			t.Render()
			return nil
		},
	}
}

func (a *app) removeFollower() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME…",
		Short: "Forget followers that are gone for good",
		Long: `Forget followers that are gone for good, so that --wait waits for them no more. One
that is still there registers again by itself, and its name is free for another
certificate until then. To keep one out, take it from pap.followers.`,
		Example: "  pap-admin follower remove pdp@ce2",
		Args:    between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.forget(cmd, args)
		},
	}
}

func (a *app) forget(cmd *cobra.Command, names []string) error {
	ctx, client, stop, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer stop()
	for i, name := range names {
		if err := client.Forget(ctx, name); err != nil {
			if i > 0 {
				return fmt.Errorf("%w (those before it are forgotten)", err)
			}
			return err
		}
	}
	if a.verbose {
		fmt.Fprintln(a.out, counted(len(names), "follower", "followers")+" forgotten")
	}
	return nil
}
