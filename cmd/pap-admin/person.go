package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

func (a *app) person() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "person",
		Short: "Say which certificates, tokens and accounts are one person's",
		Long: `Say which certificates, tokens and accounts are one person's. A ban of one then
refuses all, and a certificate and a token can be used in one request.

Names: subject, maybe with its subject-issuer behind it; oidc-issuer with its
oidc-subject; account. What belongs to one person can belong to no other.`,
		Example: `  pap-admin person add subject="/C=XX/O=Org/CN=Name" oidc-issuer=https://iam.example.org/ oidc-subject=4f1b account=name
  pap-admin person import people.txt --dry-run`,
	}
	cmd.AddCommand(a.listPersons(), a.showPerson(), a.addPerson(), a.linkPerson(true), a.linkPerson(false), a.removePerson(), a.importPersons(), a.exportPersons())
	return cmd
}

func (a *app) listPersons() *cobra.Command {
	return &cobra.Command{
		Use:     "list [NAME=VALUE…]",
		Short:   "List persons, or those who have one of the names",
		Example: "  pap-admin person list\n  pap-admin person list account=ann -o json",
		Args:    between(0, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := readLinks(args)
			if err != nil {
				return err
			}
			persons, err := a.persons(cmd)
			if err != nil {
				return err
			}
			if len(names) > 0 {
				persons = having(persons, names)
			}
			return a.showPersons(persons)
		},
	}
}

func (a *app) showPerson() *cobra.Command {
	return &cobra.Command{
		Use:     "show {ID | NAME=VALUE…}",
		Short:   "Show who has an id, or one of the names in any spelling",
		Long:    "Show who has an id, or one of the names in any spelling. Exit code 2 if nobody has.",
		Example: "  pap-admin person show subject='CN=Name,O=Org,C=XX'",
		Args:    between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := readLinks(args)
			if len(args) == 1 && !strings.Contains(args[0], "=") {
				names, err = nil, nil
			}
			if err != nil {
				return err
			}
			persons, err := a.persons(cmd)
			if err != nil {
				return err
			}
			found := having(persons, names)
			if names == nil {
				found = slices.DeleteFunc(persons, func(p change.Person) bool { return p.ID != args[0] })
			}
			if len(found) == 0 {
				return failure("nobody known is %s", strings.Join(args, " "))
			}
			return a.showPersons(found)
		},
	}
}

func (a *app) addPerson() *cobra.Command {
	var p change.Person
	cmd := &cobra.Command{
		Use:     "add NAME=VALUE…",
		Short:   "Link names as those of one person",
		Example: `  pap-admin person add subject="/C=XX/O=Org/CN=Name" oidc-issuer=https://iam.example.org/ oidc-subject=4f1b -m "seen her passport"`,
		Args:    between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if p.Links, err = readLinks(args); err != nil {
				return err
			}
			if err := hitsNobody(p.Links); err != nil {
				return unusable(err)
			}
			return a.changePersons(cmd, func(known []change.Person) (personsChange, error) {
				if slices.ContainsFunc(known, func(k change.Person) bool { return p.ID != "" && k.ID == p.ID }) {
					return personsChange{}, failure("there is a person %s: add names with \"pap-admin person link %s …\"", p.ID, p.ID)
				}
				return personsChange{put: []change.Person{p}, words: "person added"}, noClash(known, p)
			})
		},
	}
	cmd.Flags().StringVar(&p.ID, "id", "", "id of the person (default a random one)")
	cmd.Flags().StringVar(&p.Comment, "comment", "", "for administrators")
	return a.changes(cmd)
}

// linkPerson is link, or its opposite.
func (a *app) linkPerson(add bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "link ID NAME=VALUE…",
		Short:   "Add names to a person",
		Long:    "Add names to a person. A ban of one of the others refuses them from now on, and the reverse.",
		Example: "  pap-admin person link 5b1f… oidc-issuer=https://iam.example.org/ oidc-subject=4f1b",
	}
	if !add {
		cmd.Use, cmd.Short = "unlink ID NAME=VALUE…", "Take names, as list shows them, from a person"
		cmd.Long = cmd.Short + ".\nA ban of one of the others refuses them no more. Exit code 2 if one is not there."
		cmd.Example = "  pap-admin person unlink 5b1f… account=ann"
	}
	cmd.Args = between(2, -1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		names, err := readLinks(args[1:])
		if err == nil && add {
			err = unusable(hitsNobody(names))
		}
		if err != nil {
			return err
		}
		return a.changePersons(cmd, func(known []change.Person) (personsChange, error) {
			i := slices.IndexFunc(known, func(p change.Person) bool { return p.ID == args[0] })
			if i < 0 {
				return personsChange{}, failure("there is no person %s", args[0])
			}
			p := known[i]
			if !add {
				p.Links, err = without(p.Links, names)
				return personsChange{put: []change.Person{p}, words: "unlinked"}, err
			}
			p.Links = with(p.Links, names)
			return personsChange{put: []change.Person{p}, words: "linked"}, noClash(known, p)
		})
	}
	return a.changes(cmd)
}

func (a *app) removePerson() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "remove ID…",
		Short:   "Forget persons: their names are linked no more",
		Long:    "Forget persons: their names are linked no more. Bans stay, each for the names that it has itself.",
		Example: "  pap-admin person remove 5b1f…",
		Args:    between(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, said(counted(len(args), "person", "persons")+" removed"), func(ctx context.Context, c *api.Client, r change.Request) (change.Result, error) {
				return c.RemovePersons(ctx, r, args...)
			})
		},
	}
	return a.changes(cmd)
}

func (a *app) persons(cmd *cobra.Command) ([]change.Person, error) {
	ctx, client, stop, err := a.connect(cmd)
	if err != nil {
		return nil, err
	}
	defer stop()
	bar := a.progress("fetching persons", 0)
	defer bar.done()
	return client.Persons(ctx)
}

func (a *app) showPersons(persons []change.Person) error {
	if a.output == "json" {
		if persons == nil {
			persons = []change.Person{}
		}
		return a.json(persons)
	}
	if len(persons) == 0 {
		fmt.Fprintln(a.out, "Nobody is linked.")
		return nil
	}
	t := a.table("ID", "NAMES", "COMMENT", "FROM")
	for _, p := range persons {
		t.row(p.ID, describe(p.Links), p.Comment, p.Imported)
	}
	t.Render()
	return nil
}

// personsChange is one change of persons, and what to say of it.
type personsChange struct {
	put    []change.Person
	remove []string
	words  string
}

// attempts is how often a change is made anew because somebody else was faster.
const attempts = 5

// changePersons makes a change out of the persons there are. It holds for these
// only: if somebody else changes anything meanwhile, it is made anew.
func (a *app) changePersons(cmd *cobra.Command, make func(known []change.Person) (personsChange, error)) error {
	r, err := a.request()
	if err != nil {
		return err
	}
	ctx, client, stop, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer stop()
	for n := 1; ; n++ {
		at, err := client.Revision(ctx)
		if err != nil {
			return err
		}
		known, err := client.Persons(ctx)
		if err != nil {
			return err
		}
		c, err := make(known)
		if err != nil || len(c.put)+len(c.remove) == 0 {
			return err
		}
		if a.ifMatch == "" {
			r.IfMatch = at
		}
		result, err := client.ChangePersons(ctx, r, c.put, c.remove)
		if errors.Is(err, change.ErrConflict) && a.ifMatch == "" && n < attempts {
			continue
		}
		if err != nil {
			return err
		}
		if len(c.put) == 1 && len(c.remove) == 0 {
			c.words += ": " + result.IDs[0]
		}
		return a.done(result, c.words)
	}
}

// readLinks reads NAME=VALUE arguments that name persons.
func readLinks(args []string) ([]change.Name, error) {
	names := make([]change.Name, len(args))
	for i, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, usage("%q: want name=value", arg)
		}
		names[i] = change.Name{Attribute: strings.TrimSpace(name), Value: unquote(value)}
		if names[i].Value == "" {
			return nil, usage("%s is empty", name)
		}
	}
	return names, unusable(source.CheckPerson(change.Person{Links: names}))
}

// having returns the persons who have one of the identities that names are.
func having(persons []change.Person, names []change.Name) (found []change.Person) {
	wanted := change.Person{Links: names}
	for _, p := range persons {
		if _, _, has := source.NewWho(only(p)).Other(wanted); has {
			found = append(found, p)
		}
	}
	return found
}

func only(p change.Person) iter.Seq[change.Person] { return slices.Values([]change.Person{p}) }

// noClash refuses a person one of whose names is another's: a ban of the one
// would refuse the other.
func noClash(known []change.Person, p change.Person) error {
	if p.ID == "" {
		p.ID = "the new person" // the PAP names nobody so
	}
	if other, shared, found := source.NewWho(slices.Values(known)).Other(p); found {
		return failure("%s=%q belongs to the person %s: add names there, or remove it first", shared.Attribute, shared.Value, other)
	}
	return nil
}

// pairs parts names into identities: a name and, if it stands next to it, its
// partner.
func pairs(names []change.Name) (all [][]change.Name) {
	for i := 0; i < len(names); i++ {
		pair := names[i : i+1]
		if i+1 < len(names) && partners[names[i].Attribute] != "" && partners[names[i].Attribute] == names[i+1].Attribute {
			pair = names[i : i+2]
			i++
		}
		all = append(all, pair)
	}
	return all
}

var partners = map[string]string{
	"subject": "subject-issuer", "subject-issuer": "subject", "oidc-issuer": "oidc-subject", "oidc-subject": "oidc-issuer",
}

// with adds those names that are not there yet.
func with(links, names []change.Name) []change.Name {
	links = slices.Clone(links)
	for _, pair := range pairs(names) {
		if !slices.ContainsFunc(pairs(links), func(p []change.Name) bool { return slices.Equal(p, pair) }) {
			links = append(links, pair...)
		}
	}
	return links
}

// without takes names away, all of which must be there.
func without(links, names []change.Name) ([]change.Name, error) {
	left := pairs(links)
	for _, pair := range pairs(names) {
		i := slices.IndexFunc(left, func(p []change.Name) bool { return slices.Equal(p, pair) })
		if i < 0 {
			return nil, failure("%s is not linked there", listed(pair))
		}
		left = slices.Delete(left, i, i+1)
	}
	return slices.Concat(left...), nil
}
