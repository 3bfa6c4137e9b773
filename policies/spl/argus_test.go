package spl_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

func shared(t *testing.T) string {
	dir := cmp.Or(os.Getenv("GATEHOUSE_SHARED"), "../../../shared")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test material at %s: set GATEHOUSE_SHARED", dir)
	}
	return dir
}

// dump writes a file as the recording of the original parser does.
func dump(f *spl.File) string {
	type element struct {
		line, column int
		text         string
	}
	var all []element
	for _, r := range f.Resources {
		var items []string
		for _, d := range r.Obligations {
			items = append(items, dumpDuty(d))
		}
		for _, a := range r.Actions {
			items = append(items, dumpAction(a))
		}
		all = append(all, element{r.Position.Line, r.Position.Column, fmt.Sprintf("SET{resource=[%s] desc=%s [%s]}", r.Value.Text, description(r.Description), strings.Join(items, ", "))})
	}
	for _, a := range f.Actions {
		all = append(all, element{a.Position.Line, a.Position.Column, dumpAction(a)})
	}
	slices.SortFunc(all, func(a, b element) int { return cmp.Or(a.line-b.line, a.column-b.column) })
	var texts []string
	for _, e := range all {
		texts = append(texts, e.text)
	}
	return "OK [" + strings.Join(texts, ", ") + "]"
}

func dumpAction(a *spl.Action) string {
	var items []string
	for _, d := range a.Obligations {
		items = append(items, dumpDuty(d))
	}
	for _, r := range a.Rules {
		var pairs []string
		for _, c := range r.Conditions {
			pairs = append(pairs, fmt.Sprintf("%s=[%s]", c.Name.Text, c.Values[0].Text))
		}
		items = append(items, fmt.Sprintf("rule %s [%s]", r.Effect, strings.Join(pairs, ", ")))
	}
	private := ""
	if a.Private {
		private = "private "
	}
	return fmt.Sprintf("%s{action=[%s] desc=%s [%s]}", private, a.Value.Text, description(a.Description), strings.Join(items, ", "))
}

func dumpDuty(d spl.Duty) string {
	var pairs []string
	for _, p := range d.Pairs {
		pairs = append(pairs, fmt.Sprintf("%s=[%s]", p.Name.Text, p.Value.Text))
	}
	return fmt.Sprintf("obligation [%s] [%s]", d.ID.Text, strings.Join(pairs, ", "))
}

func description(w *spl.Word) string {
	if w == nil {
		return "null"
	}
	return w.Text
}

var place = regexp.MustCompile(`line (\d+), column (\d+)`)

// The verdicts of the original parser on the 40 recorded cases. One differs on
// purpose: what follows the last complete element is an error here, for Argus
// ignores whatever stands there, a misplaced deny rule included.
func TestArgusCases(t *testing.T) {
	dir := filepath.Join(shared(t), "captures", "spl")
	verdicts, err := os.ReadFile(filepath.Join(dir, "results.tsv"))
	require.NoError(t, err)
	cases := strings.Split(strings.TrimSpace(string(verdicts)), "\n")
	require.Len(t, cases, 40)
	for _, line := range cases {
		name, verdict, _ := strings.Cut(line, "\t")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			f, err := spl.Parse(name, string(text))
			if name == "07-trailing-junk.spl" {
				require.True(t, strings.HasPrefix(verdict, "OK "), "Argus accepts it")
				require.ErrorContains(t, err, `07-trailing-junk.spl:1:56: unexpected "garbage" after the end of a resource`)
				return
			}
			if strings.HasPrefix(verdict, "OK ") {
				require.NoError(t, err)
				require.Equal(t, verdict, dump(f))
				return
			}
			require.Error(t, err, verdict)
			at := place.FindStringSubmatch(verdict)
			var all spl.Errors
			require.ErrorAs(t, err, &all)
			require.Equal(t, fmt.Sprintf("%s:%s:%s", name, at[1], at[2]), all[0].Position.String(), "%s\n%s", verdict, err)
		})
	}
}
