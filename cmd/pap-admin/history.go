package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

func (a *app) history() *cobra.Command {
	var q change.Query
	cmd := &cobra.Command{
		Use:     "history",
		Short:   "Show who changed what, when and why; the newest first",
		Long:    "Show who changed what, when and why; the newest first. With -v also each record\nthat was changed, and whole names of authors.",
		Example: "  pap-admin history --limit 10\n  pap-admin history --pap default -v",
		Args:    between(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.runHistory(cmd, q) },
	}
	cmd.Flags().StringVar(&q.PAP, "pap", "", "only what changed this PAP")
	cmd.Flags().IntVar(&q.Limit, "limit", 20, "at most so many")
	cmd.Flags().Uint64Var(&q.Before, "before", 0, "only revisions before this one")
	return cmd
}

func (a *app) runHistory(cmd *cobra.Command, q change.Query) error {
	ctx, client, stop, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer stop()
	entries, err := client.History(ctx, q)
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.json(entries)
	}
	t := a.table("REVISION", "WHEN", "WHO", "WHAT", "WHY")
	for _, e := range entries {
		what := e.Summary
		if a.verbose {
			for _, edit := range e.Edits {
				what += "\n" + describeEdit(edit)
			}
		}
		t.row(strconv.FormatUint(e.Revision.Number, 10), stamp(e.Time), a.author(e.Author.Name), what, e.Message)
	}
	t.Render()
	return nil
}

// describeEdit is one line about one record.
func describeEdit(e change.Edit) string {
	sign := "+ "
	if e.Remove {
		sign = "- "
	}
	switch {
	case e.Ban != nil:
		return sign + "ban " + e.Ban.PAP + " " + e.Ban.ID + " " + oneLine(describe(e.Ban.Names))
	case e.Unit != nil:
		return sign + string(e.Unit.Kind) + " " + e.Unit.PAP + " " + e.Unit.ID + " " + oneLine(e.Unit.Text)
	case e.PAP != nil:
		return fmt.Sprintf("%sPAP %s, enabled %t, public %t", sign, e.PAP.Alias, e.PAP.Enabled, e.PAP.Public)
	case e.Row != nil:
		return sign + "attribute " + e.Row.Name
	case e.Person != nil:
		return sign + "person " + e.Person.ID
	}
	return sign + "nothing"
}

func (a *app) rollback() *cobra.Command {
	var to change.Restore
	cmd := &cobra.Command{
		Use:   "rollback REVISION",
		Short: "Bring back the policies of an earlier revision, as a new one",
		Long: `Bring back the policies of an earlier revision, as a new revision. Bans stay as they
are unless --bans is given: whoever was banned since then would be let in again.`,
		Example: "  pap-admin history\n  pap-admin rollback 41 -m 'the change of this morning locked out atlas'",
		Args:    between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return usage("%q is no revision: want a number as history shows it", args[0])
			}
			to.To = n
			return a.change(cmd, said("back to revision "+args[0]), func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				return c.Rollback(ctx, r, to)
			})
		},
	}
	cmd.Flags().BoolVar(&to.Bans, "bans", false, "the bans of that revision as well")
	cmd.Flags().BoolVar(&to.Admin, "admin", false, "the policies about administrators, and nothing else")
	return a.changes(cmd)
}
