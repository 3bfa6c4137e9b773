package main

import (
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/internal/conf"
	leases "github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

// give sends an order and prints the account as it is then.
func (c *control) give(cmd *cobra.Command, verb string, o accountOrder) error {
	var a leases.Account
	printed, err := c.ask(cmd.Context(), http.MethodPost, "/account/"+verb, o, &a, cmd.OutOrStdout())
	if err == nil && !printed {
		printAccount(cmd.OutOrStdout(), &a)
	}
	return err
}

func newAccountLease() *cobra.Command {
	var c control
	var o accountOrder
	cmd := &cobra.Command{
		Use:   "lease POOL [ACCOUNT]",
		Short: "Lease an account to somebody, before they come or a certain one",
		Long: `Lease gives somebody an account of a pool as if they had come for it: the one
they have, the next free one, or the ACCOUNT named, which must be free. The
groups are those that the group map gives them; with other groups they get
another account.`,
		Example: `  gatehouse account lease cms --dn "/DC=org/DC=grid/CN=Ann Other" --issuer "/DC=org/DC=grid/CN=CA" --group cms
  gatehouse account lease cms cms042 --token-issuer https://iam.example.org/ --subject 5f1c --why "asked for by RT-4711"`,
		Args: func(cmd *cobra.Command, args []string) error { return unusable(cobra.RangeArgs(1, 2)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Pool = args[0]; len(args) > 1 {
				o.Account = args[1]
			}
			return c.give(cmd, "lease", o)
		},
	}
	whoseFlags(cmd, &o.Whose)
	cmd.Flags().StringVar(&o.Group, "group", "", "primary group")
	cmd.Flags().StringArrayVar(&o.Groups, "secondary-group", nil, "secondary group (several times)")
	cmd.Flags().StringVar(&o.Why, "why", "", "reason, for the history")
	return c.flags(cmd)
}

func newAccountRelease() *cobra.Command {
	var c control
	var o accountOrder
	var quarantine string
	cmd := &cobra.Command{
		Use:   "release ACCOUNT",
		Short: "Take an account back; after its quarantine somebody else can get it",
		Long: `Release ends the lease of an account, or its reservation. Its holder gets
another one at the next request. The account goes to nobody before the
quarantine is over and nothing of its holder is left: jobs and sandboxes here.
Of an account in quarantine, release sets the end anew.`,
		Example: `  gatehouse account release cms042 --why "left the collaboration"
  gatehouse account release cms042 --quarantine 1h --why "home directory was emptied"`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Account = args[0]
			if quarantine != "" {
				var d conf.Duration
				if err := d.UnmarshalText([]byte(quarantine)); err != nil {
					return unusable(err)
				}
				o.Quarantine = max(time.Duration(d), 1) // zero would be that of the configuration
			}
			return c.give(cmd, "release", o)
		},
	}
	cmd.Flags().StringVar(&quarantine, "quarantine", "", "instead of accounts.leases.quarantine; at least 1m, for which answers are relied on")
	cmd.Flags().StringVar(&o.Why, "why", "", "reason, for the history")
	return c.flags(cmd)
}

func newAccountReserve() *cobra.Command {
	var c control
	var o accountOrder
	cmd := &cobra.Command{
		Use:   "reserve ACCOUNT",
		Short: "Keep a free account out of its pool until it is released",
		Example: `  gatehouse account reserve cms007 --why "being looked into, RT-4711"
  gatehouse account release cms007`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Account = args[0]
			return c.give(cmd, "reserve", o)
		},
	}
	cmd.Flags().StringVar(&o.Why, "why", "", "reason, for the history")
	return c.flags(cmd)
}
