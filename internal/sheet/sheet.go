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

// widths are those of the columns: as wide as what is in them. Where that is too
// much they begin at their longest words, and the column with the most lines is
// widened until nothing more fits.
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
	if s.wide || total(widths) <= Width {
		return widths
	}
	s.widen(least, widths)
	return least
}

// sample is how many rows are laid out to find the widths.
const sample = 200

// widen gives the columns what is left of the width, none more than most.
func (s *Sheet) widen(widths, most []int) {
	lines := make([]int, len(widths))
	for i := range widths {
		lines[i] = s.lines(i, widths[i])
	}
	for {
		tallest := -1
		for i := range widths {
			if lines[i] > 1 && (tallest < 0 || lines[i] > lines[tallest]) {
				tallest = i
			}
		}
		if tallest < 0 {
			return
		}
		room := min(most[tallest], widths[tallest]+Width-total(widths))
		before := lines[tallest]
		lines[tallest] = 0 // nothing more to be had, unless a wider one helps
		for w := widths[tallest] + 1; w <= room; w++ {
			if n := s.lines(tallest, w); n < before {
				widths[tallest], lines[tallest] = w, n
				break
			}
		}
	}
}

// lines is how many the tallest cell of a column takes at a width.
func (s *Sheet) lines(column, width int) (most int) {
	for _, r := range s.rows[:min(len(s.rows), sample)] {
		most = max(most, 1+strings.Count(wrap(r[column], width), "\n"))
	}
	return most
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
