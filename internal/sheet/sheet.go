// Package sheet lays out tables for people: columns without lines between them,
// no more than 100 characters wide. What is wider is broken where a reader can
// follow it: at a blank, before the next part of a name, behind a comma. Programs
// that read tables have -o json instead.
package sheet

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Width is the most that a line may take, unless a single word is wider.
const Width = 100

// gap is what go-pretty puts around each cell.
const gap = 2

// Sheet is a table that is filled row by row. It is for one goroutine.
type Sheet struct {
	out     io.Writer
	columns []string
	rows    [][]string
	wide    bool
}

// New returns an empty table with the given headings that Render writes to out.
func New(out io.Writer, columns ...string) *Sheet { return &Sheet{out: out, columns: columns} }

// Row adds a line, one cell for each column. A cell keeps its line ends; what
// else could steer a terminal is the caller's to take out.
func (s *Sheet) Row(cells ...string) { s.rows = append(s.rows, cells) }

// Wide lets lines be as wide as what is in them, for readers who ask for all.
func (s *Sheet) Wide() { s.wide = true }

// Render writes the table, without the columns that are empty.
func (s *Sheet) Render() {
	widths := s.widths()
	t := table.NewWriter()
	t.SetOutputMirror(s.out)
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.AppendHeader(wrapped(s.columns, widths))
	for _, r := range s.rows {
		t.AppendRow(wrapped(r, widths))
	}
	t.SuppressEmptyColumns()
	t.SuppressTrailingSpaces()
	t.Render()
}

// widths are those of the columns: as wide as what is in them, or where that is
// too much the widest are narrowed first, none below its longest word.
func (s *Sheet) widths() []int {
	widths, least := make([]int, len(s.columns)), make([]int, len(s.columns))
	for i, heading := range s.columns {
		for _, r := range s.rows {
			for line := range strings.SplitSeq(r[i], "\n") {
				widths[i] = max(widths[i], utf8.RuneCountInString(line))
				for _, word := range words(line) {
					least[i] = max(least[i], utf8.RuneCountInString(strings.TrimRight(word, " ")))
				}
			}
		}
		if widths[i] > 0 {
			widths[i], least[i] = max(widths[i], len(heading)), max(least[i], len(heading))
		}
	}
	for !s.wide && total(widths) > Width {
		widest := -1
		for i := range widths {
			if widths[i] > least[i] && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

func total(widths []int) (sum int) {
	for _, w := range widths {
		if w > 0 {
			sum += w + gap
		}
	}
	return sum
}

func wrapped(cells []string, widths []int) table.Row {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		row[i] = wrap(c, widths[i])
	}
	return row
}

// wrap breaks lines that are wider than width.
func wrap(cell string, width int) string {
	var lines []string
	for line := range strings.SplitSeq(cell, "\n") {
		at := ""
		for _, word := range words(line) {
			if at != "" && utf8.RuneCountInString(at)+utf8.RuneCountInString(strings.TrimRight(word, " ")) > width {
				lines = append(lines, strings.TrimRight(at, " "))
				at = ""
			}
			at += word
		}
		lines = append(lines, strings.TrimRight(at, " "))
	}
	return strings.Join(lines, "\n")
}

// words cuts a line where it may be broken: behind a blank or a comma, and
// before a slash.
func words(line string) (all []string) {
	begin := 0
	for i := 1; i < len(line); i++ {
		behind := line[i-1] == ' ' && line[i] != ' ' || line[i-1] == ',' && line[i] != ' '
		if behind || line[i] == '/' && line[i-1] != '/' && line[i-1] != ':' {
			all = append(all, line[begin:i])
			begin = i
		}
	}
	return append(all, line[begin:])
}
