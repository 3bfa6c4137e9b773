package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// banOptions are the options of ban and un-ban.
type banOptions struct {
	pap, resource, action string
	file, cert            string
	until, reason, ticket string
	public, private       bool
	alone                 bool
}

func (o *banOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	papFlag(cmd, &o.pap)
	f.StringVarP(&o.resource, "resource", "r", "", "only on resources that match this regular expression")
	f.StringVarP(&o.action, "action", "a", "", "only for actions that match this regular expression")
	f.StringVarP(&o.file, "file", "f", "", `file with one ban per line, "-" for standard input`)
	f.StringVar(&o.cert, "cert", "", "with subject-issuer: the certificate of the CA (PEM); its key is banned, whatever its name")
}

const namesHelp = `
Names: subject and subject-issuer (distinguished names, in any spelling), ca-key
(sha256:…, the key of a CA: "subject-issuer --cert FILE" takes it from the
certificate; it survives a new name, and spares a new key of the same name), vo,
fqan (also a pattern, "/vo/*"), oidc-issuer, oidc-subject with its oidc-issuer,
oidc-client-id, token-id, network (an address, or 192.0.2.0/24), account, person.

A list (--file) has one ban per line: a DN beginning with "/", or name=value
pairs. Empty lines and lines beginning with "#" are passed.`

func (a *app) ban() *cobra.Command {
	var o banOptions
	cmd := &cobra.Command{
		Use:   "ban {NAME VALUE | NAME=VALUE… | --file FILE}",
		Short: "Refuse somebody, whatever any policy permits",
		Long: `Refuse somebody, whatever any policy permits. Of several name=value pairs all
must hold. A ban that is there already stays as it is, unless the new one refuses
more. All that is linked as the same person (see person) is refused too, unless
told otherwise with --only-this.
` + namesHelp,
		Example: `  pap-admin ban subject "/C=XX/O=Org/CN=Name" --reason "stolen key" --ticket GGUS-4711 --wait
  pap-admin ban oidc-issuer=https://iam.example.org oidc-subject=4f1b --until 30d
  pap-admin ban vo badvo -a ".*/job/submit"
  pap-admin ban subject-issuer --cert /etc/grid-security/certificates/BadCA.pem
  pap-admin ban --file ban_users.db --reason "site list"
  fetch-bans | pap-admin ban --file -`,
		Args: between(0, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runBan(cmd, args, &o) },
	}
	o.flags(cmd)
	cmd.ValidArgsFunction = completeName
	f := cmd.Flags()
	f.StringVar(&o.until, "until", "", "lift it then: 2026-12-31, 2026-12-31T18:00:00Z, 12h, 30d")
	f.StringVar(&o.reason, "reason", "", "for administrators; the banned never read it")
	f.StringVar(&o.ticket, "ticket", "", "ticket that the banned may refer to")
	f.BoolVar(&o.public, "public", false, "hand it to other PAPs (the default)")
	f.BoolVar(&o.private, "private", false, "do not hand it to other PAPs")
	f.BoolVar(&o.alone, "only-this", false, "and no other certificate, token or account of the same person")
	cmd.MarkFlagsMutuallyExclusive("public", "private")
	return a.changes(cmd)
}

func (a *app) unban() *cobra.Command {
	var o banOptions
	cmd := &cobra.Command{
		Use:     "un-ban {NAME VALUE | NAME=VALUE… | --id ID… | --file FILE}",
		Aliases: []string{"uban", "unban"},
		Short:   "Lift a ban",
		Long: `Lift a ban, found by its names in any spelling, with the same resource and action,
or by its id as list-bans -v shows it. Exit code 2 if there is no such ban.
` + namesHelp,
		Example: `  pap-admin un-ban subject "CN=Name,O=Org,C=XX"
  pap-admin un-ban --id 3f2a9c0d11e24b57`,
		Args: between(0, -1),
	}
	var ids []string
	o.flags(cmd)
	cmd.ValidArgsFunction = completeName
	cmd.Flags().StringSliceVar(&ids, "id", nil, "ids of bans")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.runUnban(cmd, args, ids, &o) }
	return a.changes(cmd)
}

// completeName completes the first argument, what kind of name somebody has.
func completeName(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return identityNames(), cobra.ShellCompDirectiveNoFileComp
}

// bans makes the bans that arguments, file and options stand for.
func (a *app) bans(args []string, o *banOptions) ([]change.Ban, error) {
	var bans []change.Ban
	switch {
	case o.file != "" && (len(args) > 0 || o.cert != ""):
		return nil, usage("give names or --file, not both")
	case o.file != "":
		file, err := a.open(o.file)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if bans, err = readList(o.file, file); err != nil {
			return nil, unusable(err)
		}
	case o.cert != "":
		names, err := readCA(args, o.cert)
		if err != nil {
			return nil, err
		}
		bans = []change.Ban{{Names: names}}
	case len(args) > 0:
		names, err := readNames(args)
		if err != nil {
			return nil, unusable(err)
		}
		bans = []change.Ban{{Names: names}}
	}
	until, err := readUntil(o.until, time.Now())
	if err != nil {
		return nil, unusable(err)
	}
	if a.message == "" {
		a.message = o.reason // for the history, too
	}
	for i := range bans {
		b := &bans[i]
		b.Resource, b.Action, b.Until = everywhere(o.resource), everywhere(o.action), until
		b.Reason, b.Ticket, b.Private, b.Alone = o.reason, o.ticket, o.private, o.alone
	}
	return bans, nil
}

// everywhere turns Argus's way to say no restriction into ours.
func everywhere(pattern string) string {
	if pattern == ".*" {
		return ""
	}
	return pattern
}

func (a *app) runBan(cmd *cobra.Command, args []string, o *banOptions) error {
	bans, err := a.bans(args, o)
	if err != nil {
		return err
	}
	if o.file == "" && len(bans) > 0 {
		if err := hitsNobody(bans[0].Names); err != nil {
			return unusable(err)
		}
	}
	if len(bans) == 0 && o.file == "" {
		return usage("whom? give a name and a value, such as subject \"/C=XX/O=Org/CN=Name\"")
	}
	result, err := a.batches(cmd, "banning", bans, func(ctx context.Context, c *api.Client, r change.Request, some []change.Ban) (change.Result, error) {
		return c.Ban(ctx, r, o.pap, some...)
	})
	if err != nil {
		return err
	}
	if len(bans) == 1 && len(result.Already) == 1 && a.output == "text" {
		fmt.Fprintln(a.out, "error (ban rule already exists).") // Argus's words, and its exit code 0
		return a.done(result, "")
	}
	return a.done(result, fmt.Sprintf("%s; %d already there", counted(len(result.IDs)-len(result.Already), "ban added", "bans added"), len(result.Already)))
}

func (a *app) runUnban(cmd *cobra.Command, args, ids []string, o *banOptions) error {
	bans, err := a.bans(args, o)
	if err != nil {
		return err
	}
	for _, id := range ids {
		bans = append(bans, change.Ban{ID: id})
	}
	if len(bans) == 0 && o.file == "" {
		return usage("which ban? give its names, or --id as list-bans -v shows it")
	}
	result, err := a.batches(cmd, "lifting bans", bans, func(ctx context.Context, c *api.Client, r change.Request, some []change.Ban) (change.Result, error) {
		return c.Unban(ctx, r, o.pap, some...)
	})
	if err != nil {
		return err
	}
	lifted := len(bans) - len(result.Missing)
	if err := a.done(result, counted(lifted, "ban lifted", "bans lifted")); err != nil {
		return err
	}
	switch {
	case len(result.Missing) == 0:
		return nil
	case lifted == 0:
		return &coded{exitFailure, fmt.Errorf("ban policy not found.")} //nolint:staticcheck // Argus's words
	}
	return &coded{exitPartial, fmt.Errorf("%s not found: %s", counted(len(result.Missing), "ban", "bans"), strings.Join(result.Missing, ", "))}
}

// batch is how many bans go into one change. The changes of a long list are
// not one transaction; repeating the command completes an interrupted one.
const batch = 1000

// batches sends bans and joins the results. With --if-match there is one batch
// only: the second would find another revision.
func (a *app) batches(cmd *cobra.Command, what string, bans []change.Ban, send func(context.Context, *api.Client, change.Request, []change.Ban) (change.Result, error)) (change.Result, error) {
	r, err := a.request()
	if err != nil {
		return change.Result{}, err
	}
	if a.ifMatch != "" && len(bans) > batch {
		return change.Result{}, usage("--if-match holds for one change, and a list of more than %d bans is several", batch)
	}
	ctx, client, stop, err := a.connect(cmd)
	if err != nil {
		return change.Result{}, err
	}
	defer stop()
	bar := a.progress(what, len(bans))
	defer bar.done()
	var all change.Result
	for start := 0; start < len(bans); start += batch {
		some := bans[start:min(start+batch, len(bans))]
		result, err := send(ctx, client, r, some)
		if err != nil && start > 0 {
			return all, fmt.Errorf("%w (the first %d of %d are done; the command can be repeated)", err, start, len(bans))
		}
		if err != nil {
			return all, err
		}
		all = join(all, result)
		bar.add(len(some))
	}
	return all, nil
}

// join is what two changes came to, one after the other.
func join(a, b change.Result) change.Result {
	return change.Result{
		Revision: b.Revision, IDs: append(a.IDs, b.IDs...), Already: append(a.Already, b.Already...),
		Missing: append(a.Missing, b.Missing...), Changed: a.Changed || b.Changed, Repeated: b.Repeated, Pending: b.Pending,
	}
}

func (a *app) listBans() *cobra.Command {
	var alias string
	var all bool
	cmd := &cobra.Command{
		Use:     "list-bans",
		Aliases: []string{"lb"},
		Short:   "List who is banned: by whom, since when, why, until when",
		Long: `List who is banned: by whom, since when, why, until when. Without a place they
are banned everywhere. With -v also the ids of the bans, and the whole names of who banned.`,
		Example: "  pap-admin list-bans\n  pap-admin list-bans --all -o json",
		Args:    between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all {
				alias = ""
			}
			return a.runListBans(cmd, alias)
		},
	}
	papFlag(cmd, &alias)
	cmd.Flags().BoolVar(&all, "all", false, "of every PAP")
	return cmd
}

func (a *app) runListBans(cmd *cobra.Command, alias string) error {
	ctx, client, stop, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer stop()
	bar := a.progress("fetching bans", 0)
	bans, err := client.Bans(ctx, alias)
	bar.done()
	if err != nil {
		return err
	}
	if a.output == "json" {
		return a.json(bans)
	}
	if len(bans) == 0 {
		fmt.Fprintln(a.out, "Nobody is banned.")
		return nil
	}
	t := a.table("WHO", "WHERE", "SINCE", "BY", "UNTIL", "WHY", "TICKET", "PAP", "ID")
	for _, b := range bans {
		pap, id := "", ""
		if alias == "" {
			pap = b.PAP
		}
		if a.verbose {
			id = b.ID
		}
		t.row(describe(b.Names), where(b), minute(b.Time), a.author(b.Author), minute(b.Until), b.Reason, b.Ticket, pap, id)
	}
	t.Render()
	return nil
}

func describe(names []change.Name) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = n.Attribute + "=" + n.Value
	}
	return strings.Join(parts, "\n")
}

func where(b change.Ban) string {
	var parts []string
	if b.Resource != "" {
		parts = append(parts, "resource "+b.Resource)
	}
	if b.Action != "" {
		parts = append(parts, "action "+b.Action)
	}
	if b.Alone {
		parts = append(parts, "this name only")
	}
	return strings.Join(parts, "\n")
}
