package conf

import (
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// Error is one thing wrong with a configuration, and where.
type Error struct {
	File         string
	Line, Column int    // from 1; Column counts characters, 0 is unknown
	Source       string // the line as written, without its end
	Message      string // lower case, says what to do
}

// Error returns "file:line:column: message" and, below it, the line with a
// caret under the column.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Column > 0 {
		fmt.Fprintf(&b, ":%d", e.Column)
	}
	b.WriteString(": " + e.Message)
	if e.Source == "" {
		return b.String()
	}
	b.WriteString("\n    " + e.Source)
	if e.Column > 0 {
		b.WriteString("\n    " + indent(e.Source, e.Column-1) + "^")
	}
	return b.String()
}

// indent returns blanks as wide as the first n characters of the line.
func indent(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n == 0 {
			break
		}
		n--
		if r == '\t' {
			b.WriteByte('\t')
			continue
		}
		b.WriteByte(' ')
	}
	return b.String()
}

// Errors is everything wrong with one file, in the order of its lines.
type Errors []*Error

// Error returns all of them, one below the other.
func (e Errors) Error() string {
	all := make([]string, len(e))
	for i, one := range e {
		all[i] = one.Error()
	}
	return strings.Join(all, "\n")
}

// Unwrap gives errors.As access to each.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

func (e Errors) sorted() Errors {
	sort.SliceStable(e, func(i, j int) bool {
		if e[i].Line != e[j].Line {
			return e[i].Line < e[j].Line
		}
		return e[i].Column < e[j].Column
	})
	return e
}

// nearest returns the known name that the given one was probably meant to be,
// or "" when none is near.
func nearest(name string, known []string) string {
	best, least := "", 1+utf8.RuneCountInString(name)/3
	for _, k := range known {
		if d := distance(strings.ToLower(name), k); d <= least && (best == "" || d < least) {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of characters to insert, delete, replace or swap with
// their neighbour to get from a to b.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	before, last, now := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := range s {
		now[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			now[j+1] = min(last[j+1]+1, now[j]+1, last[j]+cost)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				now[j+1] = min(now[j+1], before[j-1]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(t)]
}
