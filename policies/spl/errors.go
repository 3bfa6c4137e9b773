package spl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/policies"
)

// Error is one thing wrong with a text.
type Error struct {
	Position policies.Position
	Message  string
	Source   string // the line it is in, without its end
	Hint     string // what to write instead; "" when nothing comes to mind
}

// Error renders the place, the message, the line and a caret below it.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Position, e.Message)
	if e.Hint != "" {
		fmt.Fprintf(&b, ": %s", e.Hint)
	}
	if e.Source != "" {
		fmt.Fprintf(&b, "\n\t%s\n\t%s^", printable(e.Source), padding(e.Source, e.Position.Column-1))
	}
	return b.String()
}

// padding is as wide as the first n characters of a line.
func padding(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n--; n < 0 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String() + strings.Repeat(" ", max(n, 0))
}

// printable keeps a hostile line from steering the terminal it is shown on.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069 {
			return '\ufffd'
		}
		return r
	}, line)
}

// Errors is everything wrong with a text, in the order of its places.
type Errors []*Error

// Error renders one error after the other.
func (l Errors) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the single errors.
func (l Errors) Unwrap() []error {
	all := make([]error, len(l))
	for i, e := range l {
		all[i] = e
	}
	return all
}

// mostErrors bounds a report: a file in another language altogether.
const mostErrors = 100

// report collects the errors of one text.
type report struct {
	text   string   // the source
	lines  []string // of it, once there is an error
	origin policies.Position
	errors Errors
}

func newReport(text string, origin policies.Position) *report {
	return &report{text: text, origin: origin}
}

func (r *report) add(at policies.Position, hint, format string, args ...any) {
	if len(r.errors) >= mostErrors {
		return
	}
	if r.lines == nil {
		r.lines = strings.Split(r.text, "\n")
	}
	e := &Error{Position: at, Message: fmt.Sprintf(format, args...), Hint: hint}
	if i := at.Line - r.origin.Line; i >= 0 && i < len(r.lines) {
		e.Source = strings.TrimSuffix(r.lines[i], "\r")
		if i == 0 { // a unit starts in the middle of its line
			e.Source = strings.Repeat(" ", r.origin.Column-1) + e.Source
		}
	}
	r.errors = append(r.errors, e)
}

// err returns the errors in order, or nil.
func (r *report) err() error {
	if len(r.errors) == 0 {
		return nil
	}
	slices.SortStableFunc(r.errors, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Position.Line, b.Position.Line), cmp.Compare(a.Position.Column, b.Position.Column))
	})
	return r.errors
}

// Suggest returns `did you mean "x"?` for the candidate nearest to a word, or "".
func Suggest(word string, candidates []string) string {
	best, least := "", 1+len(word)/3
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c), least); d <= least && c != word {
			if d < least || best == "" {
				best, least = c, d
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours between two words; more than most is told no further.
func distance(a, b string, most int) int {
	if len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
