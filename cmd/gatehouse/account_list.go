package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/internal/sheet"
	leases "github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

func newAccountList() *cobra.Command {
	var c control
	var pool, state, after string
	var most int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the accounts of the pools and who has them",
		Example: `  gatehouse account list
  gatehouse account list --pool cms --state quarantined
  gatehouse account list --most 1000 --after cms999 -o json`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"pool": {pool}, "state": {state}, "after": {after}, "most": {strconv.Itoa(most)}}
			switch leases.State(state) {
			case "", leases.Free, leases.Leased, leases.Quarantined, leases.Reserved:
			default:
				return unusable(fmt.Errorf("--state %q: want free, leased, quarantined or reserved", state))
			}
			var all []leases.Account
			printed, err := c.ask(cmd.Context(), http.MethodGet, "/account/list?"+q.Encode(), nil, &all, cmd.OutOrStdout())
			if err != nil || printed {
				return err
			}
			t := sheet.New(cmd.OutOrStdout(), "ACCOUNT", "POOL", "STATE", "SINCE", "HOLDER", "GROUPS", "LAST USED")
			for i := range all {
				t.Row(accountRow(&all[i])...)
			}
			t.Render()
			if len(all) == leases.DefaultPage || most > 0 && len(all) == most {
				fmt.Fprintf(cmd.ErrOrStderr(), "there may be more: --after %s\n", all[len(all)-1].Name)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&pool, "pool", "", "only of this pool")
	cmd.Flags().StringVar(&state, "state", "", "only free, leased, quarantined or reserved")
	cmd.Flags().StringVar(&after, "after", "", "begin behind this account")
	cmd.Flags().IntVar(&most, "most", 0, "as many as that (1000)")
	return c.flags(cmd)
}

func accountRow(a *leases.Account) []string {
	row := []string{a.Name, a.Pool, string(a.State), moment(a.Since), "", "", ""}
	if a.Lease != nil {
		row[4], row[5], row[6] = plain(a.Lease.Identity.Name), plain(groupsOf(a.Lease.Key)), moment(a.Lease.Used)
	}
	return row
}

func newAccountShow() *cobra.Command {
	var c control
	cmd := &cobra.Command{
		Use:     "show ACCOUNT",
		Short:   "Show one account of a pool and its lease",
		Example: "  gatehouse account show cms042",
		Args:    exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var a leases.Account
			printed, err := c.ask(cmd.Context(), http.MethodGet, "/account/show?account="+url.QueryEscape(args[0]), nil, &a, cmd.OutOrStdout())
			if err != nil || printed {
				return err
			}
			printAccount(cmd.OutOrStdout(), &a)
			return nil
		},
	}
	return c.flags(cmd)
}

// since is empty for an account of which nothing is kept.
func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + moment(t)
}

func printAccount(out io.Writer, a *leases.Account) {
	fmt.Fprintf(out, "%s of pool %s is %s%s\n", a.Name, a.Pool, a.State, since(a.Since))
	if !a.Until.IsZero() {
		fmt.Fprintf(out, "  quarantine   until %s, and until nothing of its last holder is left\n", moment(a.Until))
	}
	if a.Lease == nil {
		return
	}
	l := a.Lease
	fmt.Fprintf(out, "  holder       %s\n", plain(l.Identity.Name))
	if groups := groupsOf(l.Key); groups != "" {
		fmt.Fprintf(out, "  groups       %s\n", plain(groups))
	}
	fmt.Fprintf(out, "  uid          %d\n  leased       %s\n  last used    %s\n  lease        %s\n", l.UID, moment(l.Granted), moment(l.Used), l.ID())
	if !l.Ended.IsZero() {
		fmt.Fprintf(out, "  ended        %s as idle; its holder gets it again until the quarantine is over\n", moment(l.Ended))
	}
}
