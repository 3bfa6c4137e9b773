package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-authz/gatehouse/policies/change"
)

func (a *app) importPersons() *cobra.Command {
	var dry, prune bool
	var name string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take persons from a file, all in one change or none",
		Long: `Take persons from a file, or with "-" from standard input, all in one change or
none. One person per line, either

  "/DC=org/CN=Ann Other", https://iam.example.org/, 4f1b, ann

which is DN, issuer, subject, account, with "-" or nothing for what there is not,
or name=value pairs, of one kind several:

  subject="/DC=org/CN=Ann" subject="/DC=net/CN=Ann" account=ann comment="both hers"

Also person=ID, as export writes it. Blank lines and lines beginning with "#" are
passed. Who was taken from a file of this name before is changed to what the file
says now; with --prune, whoever is in it no more goes. If that is everybody, or most
of many, it takes --force: the list may have broken off.`,
		Example: `  pap-admin person import people.txt --dry-run
  pap-admin person import people.txt --prune -m "list of November"
  fetch-people | pap-admin person import - --name vo-registry`,
		Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := a.open(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			file, err := readPersons(args[0], in)
			if err != nil {
				return err
			}
			if name == "" {
				name = filepath.Base(args[0])
			}
			return a.changePersons(cmd, func(known []change.Person) (personsChange, error) {
				put, remove, faults := merge(known, file, name, prune)
				if err := joinFaults(args[0], faults); err != nil {
					return personsChange{}, err
				}
				if !dry && !a.force {
					if err := pruned(known, name, len(file), len(remove)); err != nil {
						return personsChange{}, err
					}
				}
				return a.planned(known, put, remove, dry)
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would change, and change nothing")
	cmd.Flags().BoolVar(&prune, "prune", false, "remove who came from this file before and is in it no more")
	cmd.Flags().StringVar(&name, "name", "", "name of the file in what is kept (default its own)")
	return a.changes(cmd)
}

// fewPruned are never many.
const fewPruned = 4

// pruned refuses to remove everybody for a file that names nobody, or most of many:
// ⚿ a list that broke off must not take the links away that bans follow.
func pruned(known []change.Person, name string, filed, removed int) error {
	before := 0
	for _, p := range known {
		if p.Imported == name {
			before++
		}
	}
	switch {
	case removed == 0:
		return nil
	case filed == 0:
		return fmt.Errorf("%w: the file names nobody, and all %d persons from %s would go, with the links that bans follow", change.ErrLarge, removed, name)
	case removed > fewPruned && 2*removed > before:
		return fmt.Errorf("%w: %d of the %d persons from %s are not in the file and would go, with the links that bans follow", change.ErrLarge, removed, before, name)
	}
	return nil
}

// plan is what an import would do, as JSON.
type plan struct {
	Put    []change.Person `json:"put"`
	Remove []string        `json:"remove"`
}

// planned shows a change if asked to, and leaves nothing of it in a dry run.
func (a *app) planned(known, put []change.Person, remove []string, dry bool) (personsChange, error) {
	added, lines := 0, []string{}
	for _, p := range put {
		i := slices.IndexFunc(known, func(k change.Person) bool { return k.ID == p.ID && p.ID != "" })
		if i < 0 {
			added++
			lines = append(lines, "+ "+listed(p.Links))
			continue
		}
		lines = append(lines, "~ "+p.ID+differing(known[i], p))
	}
	for _, id := range remove {
		i := slices.IndexFunc(known, func(k change.Person) bool { return k.ID == id })
		lines = append(lines, "- "+id+" "+listed(known[i].Links))
	}
	words := fmt.Sprintf("%d added, %d changed, %d removed", added, len(put)-added, len(remove))
	if len(lines) == 0 {
		words = "nothing differs"
	}
	if dry && a.output == "json" {
		return personsChange{}, a.json(plan{append([]change.Person{}, put...), append([]string{}, remove...)})
	}
	if (dry || a.verbose) && a.output == "text" {
		for _, line := range lines {
			fmt.Fprintln(a.out, oneLine(line))
		}
	}
	if dry || len(lines) == 0 {
		if a.output == "text" && (dry || a.verbose) {
			fmt.Fprintln(a.out, words)
		}
		return personsChange{}, nil
	}
	return personsChange{put: put, remove: remove, words: words}, nil
}

func listed(names []change.Name) string { return strings.ReplaceAll(describe(names), "\n", " ") }

// differing tells what two states of a person do not share.
func differing(was, is change.Person) (text string) {
	for _, pair := range pairs(is.Links) {
		if !slices.ContainsFunc(pairs(was.Links), func(p []change.Name) bool { return slices.Equal(p, pair) }) {
			text += " +" + listed(pair)
		}
	}
	for _, pair := range pairs(was.Links) {
		if !slices.ContainsFunc(pairs(is.Links), func(p []change.Name) bool { return slices.Equal(p, pair) }) {
			text += " -" + listed(pair)
		}
	}
	if was.Comment != is.Comment {
		text += fmt.Sprintf(" comment %q", is.Comment)
	}
	if was.Imported != is.Imported {
		text += fmt.Sprintf(" from %q", is.Imported)
	}
	return text
}

func (a *app) exportPersons() *cobra.Command {
	return &cobra.Command{
		Use:     "export",
		Short:   "Write all persons in the form that import reads",
		Example: "  pap-admin person export > people.txt",
		Args:    between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			persons, err := a.persons(cmd)
			if err != nil {
				return err
			}
			if a.output == "json" {
				return a.json(persons)
			}
			return writePersons(cleaner{a.out}, persons)
		},
	}
}
