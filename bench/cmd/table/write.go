package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// cell is where a result stands in a matrix.
type cell struct{ title, subject, n string }

// place tells a result that belongs in a matrix: Name/N=…/subject[/pool].
func place(name string) (cell, bool) {
	parts := strings.Split(name, "/")
	if len(parts) < 3 || !strings.HasPrefix(parts[1], "N=") {
		return cell{}, false
	}
	title := strings.Join(append([]string{parts[0]}, parts[3:]...), ", ")
	return cell{title, parts[2], strings.TrimPrefix(parts[1], "N=")}, true
}

func (r *results) write(out io.Writer, base, unit string) error {
	var text strings.Builder
	var titles, rest []string
	for _, name := range r.names {
		c, ok := place(name)
		switch {
		case !ok:
			rest = append(rest, name)
		case !slices.Contains(titles, c.title):
			titles = append(titles, c.title)
		}
	}
	for _, title := range titles {
		r.matrix(&text, title, base, unit)
	}
	if len(rest) > 0 {
		r.list(&text, rest)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// matrix writes medians of a unit (least..most) and the ratio to the base.
func (r *results) matrix(out *strings.Builder, title, base, unit string) {
	names := map[cell]string{}
	var subjects, sizes []string
	for _, name := range r.names {
		c, ok := place(name)
		if !ok || c.title != title {
			continue
		}
		names[c] = name
		if !slices.Contains(subjects, c.subject) {
			subjects = append(subjects, c.subject)
		}
		if !slices.Contains(sizes, c.n) {
			sizes = append(sizes, c.n)
		}
	}
	slices.SortFunc(sizes, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	fmt.Fprintf(out, "**%s** (%s: median, least..most, ratio to %s)\n\n| |", title, unit, base)
	for _, n := range sizes {
		fmt.Fprintf(out, " N=%s |", grouped(n))
	}
	out.WriteString("\n|---|" + strings.Repeat("---|", len(sizes)) + "\n")
	for _, s := range subjects {
		fmt.Fprintf(out, "| %s |", s)
		for _, n := range sizes {
			r.cell(out, names[cell{title, s, n}], names[cell{title, base, n}], unit)
		}
		out.WriteString("\n")
	}
	out.WriteString("\n")
}

func (r *results) cell(out *strings.Builder, name, base, unit string) {
	m, ok := r.median(name, unit)
	if !ok {
		out.WriteString(" not run |")
		return
	}
	least, most := r.span(name, unit)
	fmt.Fprintf(out, " %s (%s..%s)", short(m), short(least), short(most))
	if b, ok := r.median(base, unit); ok && name != base {
		fmt.Fprintf(out, " ×%s", short(m/b))
	}
	out.WriteString(" |")
}

// list writes a row for each result, with what it reports in its own units.
func (r *results) list(out *strings.Builder, names []string) {
	out.WriteString("| | k | median (least..most) |\n|---|---|---|\n")
	for _, name := range names {
		var cells []string
		for _, unit := range r.units[name] {
			m, _ := r.median(name, unit)
			least, most := r.span(name, unit)
			text := short(m) + " " + unit
			if least != most {
				text = fmt.Sprintf("%s (%s..%s) %s", short(m), short(least), short(most), unit)
			}
			cells = append(cells, text)
		}
		fmt.Fprintf(out, "| %s | %d | %s |\n", name, len(r.by[name][r.units[name][0]]), strings.Join(cells, ", "))
	}
}

// short writes three significant digits, thousands as k and so on.
func short(v float64) string {
	switch {
	case v >= 1e9:
		return digits(v/1e9) + "G"
	case v >= 1e6:
		return digits(v/1e6) + "M"
	case v >= 1e4:
		return digits(v/1e3) + "k"
	}
	return digits(v)
}

func digits(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// grouped writes 1000000 as 1,000,000.
func grouped(n string) string {
	for i := len(n) - 3; i > 0; i -= 3 {
		n = n[:i] + "," + n[i:]
	}
	return n
}
