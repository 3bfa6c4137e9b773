package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/internal/sheet"
	leases "github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

func newAccountHistory() *cobra.Command {
	var c control
	var w whose
	var at, since, until string
	var most int
	cmd := &cobra.Command{
		Use:   "history [ACCOUNT]",
		Short: "Tell who had which account when",
		Long: `History lists what happened to an account, or to all that one identity had, the
newest first. With --at it answers who had the account then. Times are UTC:
"2026-11-22 03:00", "2026-11-22T03:00:00Z", or "03:00" for the last time it was
three o'clock.`,
		Example: `  gatehouse account history cms042
  gatehouse account history cms042 --at 03:00
  gatehouse account history --dn "/DC=org/DC=grid/CN=Ann Other" --issuer "/DC=org/DC=grid/CN=CA"`,
		Args: func(cmd *cobra.Command, args []string) error { return unusable(cobra.MaximumNArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{"dn": {w.DN}, "issuer": {w.Issuer}, "token-issuer": {w.TokenIssuer}, "subject": {w.Subject}, "most": {strconv.Itoa(most)}}
			if len(args) > 0 {
				q.Set("account", args[0])
			}
			if at != "" && (len(args) == 0 || since+until != "") {
				return unusable(errors.New("--at goes with an account and without --since and --until"))
			}
			if at != "" {
				q.Set("most", "1")
			}
			for _, m := range []struct{ flag, key, text string }{{"since", "since", since}, {"until", "until", until}, {"at", "until", at}} {
				t, err := parseMoment(m.text, time.Now())
				if err != nil {
					return unusable(fmt.Errorf("--%s: %w", m.flag, err))
				}
				if m.text != "" {
					q.Set(m.key, t.Format(time.RFC3339Nano))
				}
			}
			var all []leases.Event
			printed, err := c.ask(cmd.Context(), http.MethodGet, "/account/history?"+q.Encode(), nil, &all, cmd.OutOrStdout())
			if err != nil || printed {
				return err
			}
			if at != "" {
				return printHolder(cmd, args[0], q.Get("until"), all)
			}
			printHistory(cmd, all)
			return nil
		},
	}
	whoseFlags(cmd, &w)
	cmd.Flags().StringVar(&at, "at", "", "who had the account at this time")
	cmd.Flags().StringVar(&since, "since", "", "from this time on")
	cmd.Flags().StringVar(&until, "until", "", "up to this time")
	cmd.Flags().IntVar(&most, "most", 0, "as many as that (1000)")
	return c.flags(cmd)
}

// parseMoment reads a time in UTC; a time of day is the last one before now.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		return t, fmt.Errorf(`%q: want "2006-01-02 15:04", "2006-01-02T15:04:05Z" or "15:04"`, text)
	}
	now = now.UTC()
	t = time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	if t.After(now) {
		t = t.AddDate(0, 0, -1)
	}
	return t, nil
}

func printHolder(cmd *cobra.Command, account, at string, all []leases.Event) error {
	if len(all) == 0 {
		return fmt.Errorf("the history knows nothing of %s before %s", account, at)
	}
	e := &all[0]
	if !e.Holds() {
		fmt.Fprintf(cmd.OutOrStdout(), "%s was nobody's at %s: %s %s\n", account, at, e.Kind, moment(e.Time))
		return nil
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s was %s at %s: %s %s by %s, %s", account, plain(e.Identity.Name), at, e.Kind, moment(e.Time), plain(e.By), plain(e.Why))
	if e.Decision != "" {
		fmt.Fprintf(cmd.OutOrStdout(), ", decision %s at revision %s", plain(e.Decision), e.Revision)
	}
	fmt.Fprintln(cmd.OutOrStdout())
	return nil
}

func printHistory(cmd *cobra.Command, all []leases.Event) {
	if len(all) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "The history has nothing about that.")
		return
	}
	t := sheet.New(cmd.OutOrStdout(), "TIME", "ACCOUNT", "WHAT", "HOLDER", "GROUPS", "BY", "WHY", "REVISION")
	for i := range all {
		e := &all[i]
		revision := ""
		if e.Revision.Number > 0 {
			revision = e.Revision.String()
		}
		t.Row(moment(e.Time), e.Account, string(e.Kind), plain(e.Identity.Name), plain(groupsOf(e.Key)), plain(e.By), plain(e.Why), revision)
	}
	t.Render()
}
