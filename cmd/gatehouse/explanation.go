package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// printExplanation writes the tree behind a decision for people: one line for
// each step, indented by depth, with why it came out so and the line of source
// below it. Control characters in names are escaped.
func printExplanation(w io.Writer, e authz.Explanation) {
	r := e.Response
	fmt.Fprintf(w, "%s", r.Decision)
	if r.Extent != authz.ExtentNone {
		fmt.Fprintf(w, "{%s}", r.Extent)
	}
	fmt.Fprintf(w, " at revision %s: %s\n", r.Revision, plain(r.Reason.String()))
	if r.Reason != nil && r.Reason.Because != "" {
		fmt.Fprintf(w, "the user may read: %s\n", plain(r.Reason.Because))
	}
	if r.Status != nil && r.Status.Message != "" {
		fmt.Fprintf(w, "status: %s\n", plain(r.Status.Message))
	}
	for _, bounds := range r.Enough {
		var all []string
		for _, b := range bounds {
			all = append(all, b.String())
		}
		fmt.Fprintf(w, "enough would be: %s\n", plain(strings.Join(all, " and ")))
	}
	for _, o := range r.Obligations {
		fmt.Fprintf(w, "obligation %s%s\n", plain(o.ID), assignments(o))
	}
	for _, a := range r.Advice {
		fmt.Fprintf(w, "advice %s%s\n", plain(a.ID), assignments(a))
	}
	if e.Root != nil {
		fmt.Fprintln(w)
		printStep(w, e.Root, 0)
	}
}

func assignments(o authz.Obligation) string {
	var b strings.Builder
	for _, a := range o.Assignments {
		fmt.Fprintf(&b, " %s=%s", plain(a.ID[strings.LastIndexAny(a.ID, "/:")+1:]), plain(a.Value.Text()))
	}
	return b.String()
}

func printStep(w io.Writer, s *authz.Step, depth int) {
	indent := strings.Repeat("  ", depth)
	fmt.Fprintf(w, "%s%s", indent, s.Kind)
	if s.ID != "" {
		fmt.Fprintf(w, " %s", plain(s.ID))
	}
	if s.Position != "" {
		fmt.Fprintf(w, " (%s)", plain(s.Position))
	}
	fmt.Fprintf(w, ": %s", s.Result)
	if s.Why != "" {
		fmt.Fprintf(w, ", %s", plain(s.Why))
	}
	fmt.Fprintln(w)
	if s.Source != "" {
		fmt.Fprintf(w, "%s  | %s\n", indent, plain(strings.TrimSpace(s.Source)))
	}
	for _, child := range s.Children {
		printStep(w, child, depth+1)
	}
}

// sources knows lines of source by "file:line".
type sources map[string]string

// add notes a text that begins at a line of a file.
func (s sources) add(file string, line int, text string) {
	for i, l := range strings.Split(text, "\n") {
		s[file+":"+strconv.Itoa(line+i)] = l
	}
}

// annotate puts the line of source to each step that says where it stands.
// Steps of one line get it once.
func (s sources) annotate(step *authz.Step) {
	s.below(step, "")
}

func (s sources) below(step *authz.Step, shown string) {
	if step == nil {
		return
	}
	if at, _, ok := cutLast(step.Position, ":"); ok && at != shown {
		step.Source = s[at]
		shown = at
	}
	for _, child := range step.Children {
		s.below(child, shown)
	}
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// plain escapes what a terminal would act on: control characters and those
// that turn the direction of writing round.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
