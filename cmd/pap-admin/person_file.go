package main

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// filed is a person in a file.
type filed struct {
	change.Person
	line, column int
}

// fault is an error with its place in a file.
type fault struct {
	line, column int
	text         string
}

// readPersons reads one person per line: at most four fields between commas,
//
//	DN, issuer, subject, account
//
// where "-" or nothing leaves one out, or name=value pairs as persons have them,
// also person=ID and comment=…. What holds a comma, or begins with a quote, is
// put in double quotes, with a quote in it written twice. Blank lines and lines
// that begin with "#" are passed. All faults are reported.
func readPersons(name string, r io.Reader) ([]filed, error) {
	var all []filed
	var faults []fault
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	who := source.NewWho(func(func(change.Person) bool) {})
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if text := strings.TrimSpace(line); text == "" || text[0] == '#' {
			continue
		}
		p, err := readPerson(line)
		if err == nil {
			err = alone(who, &p, n)
		}
		if err != nil {
			err.line = n
			faults = append(faults, *err)
			continue
		}
		all = append(all, p)
	}
	if err := lines.Err(); err != nil {
		faults = append(faults, fault{0, 0, err.Error()})
	}
	return all, joinFaults(name, faults)
}

// alone refuses a person one of whose names stands in a line before.
func alone(who *source.Who, p *filed, line int) *fault {
	known := p.Person
	known.ID = fmt.Sprintf("line %d", line)
	if other, shared, found := who.Other(known); found {
		return &fault{0, p.column, fmt.Sprintf("%s=%q stands in %s too: all names of a person go on one line", shared.Attribute, shared.Value, other)}
	}
	who.Add(known)
	p.line = line
	return nil
}

// joinFaults makes one error of faults, or none.
func joinFaults(name string, faults []fault) error {
	const most = 20
	var lines []string
	for i, f := range faults {
		if i == most {
			lines = append(lines, fmt.Sprintf("and %d more", len(faults)-most))
			break
		}
		at := name
		if f.line > 0 {
			at = fmt.Sprintf("%s:%d:%d", name, f.line, f.column)
		}
		lines = append(lines, at+": "+f.text)
	}
	if lines == nil {
		return nil
	}
	return usage("nothing was changed:\n%s", strings.Join(lines, "\n"))
}

// linkStart finds where a name=value pair begins.
var linkStart = regexp.MustCompile(`(?:^|\s)\s*(subject-issuer|subject|oidc-issuer|oidc-subject|account|person|comment)=`)

func readPerson(line string) (filed, *fault) {
	start := len(line) - len(strings.TrimLeft(line, " \t"))
	p := filed{column: utf8.RuneCountInString(line[:start]) + 1}
	if !utf8.ValidString(line) {
		return p, &fault{0, p.column, "not UTF-8"}
	}
	read := readFields
	if at := linkStart.FindStringIndex(line); at != nil && at[0] <= start {
		read = readPairs
	}
	if err := read(line, &p); err != nil {
		return p, err
	}
	if len(p.Links) == 0 {
		return p, &fault{0, p.column, "nobody is named"}
	}
	if err := source.CheckPerson(p.Person); err != nil {
		return p, &fault{0, p.column, err.Error()}
	}
	return p, nil
}

// fields are the names of a line without names.
var fields = []string{"subject", "oidc-issuer", "oidc-subject", "account"}

func readFields(line string, p *filed) *fault {
	for n, at := 0, 0; at <= len(line); n++ {
		value, column, next, err := readValue(line, at, func(rest string) int { return strings.IndexByte(rest, ',') })
		if err != nil {
			return err
		}
		if n == len(fields) {
			return &fault{0, column, "more than DN, issuer, subject, account: put a name that holds a comma in double quotes"}
		}
		if value != "" && value != "-" {
			if err := p.add(fields[n], value, column); err != nil {
				return err
			}
		}
		at = next + 1
	}
	return nil
}

func readPairs(line string, p *filed) *fault {
	for at := 0; strings.TrimSpace(line[at:]) != ""; {
		found := linkStart.FindStringSubmatchIndex(line[at:])
		if found == nil || strings.TrimSpace(line[at:at+found[2]]) != "" {
			return &fault{0, utf8.RuneCountInString(line[:at]) + 1, "want name=value"}
		}
		name := line[at+found[2] : at+found[3]]
		value, column, next, err := readValue(line, at+found[1], func(rest string) int {
			if end := linkStart.FindStringIndex(rest); end != nil {
				return end[0]
			}
			return -1
		})
		if err != nil {
			return err
		}
		if err := p.add(name, value, column); err != nil {
			return err
		}
		at = min(next, len(line))
	}
	return nil
}

// readValue reads a value from a place in a line up to where end finds its end,
// or in quotes. It returns the column of the value and where it ends.
func readValue(line string, at int, end func(rest string) int) (value string, column, next int, err *fault) {
	at += len(line[at:]) - len(strings.TrimLeft(line[at:], " \t"))
	column = utf8.RuneCountInString(line[:at]) + 1
	if !strings.HasPrefix(line[at:], `"`) {
		next = len(line)
		if n := end(line[at:]); n >= 0 {
			next = at + n
		}
		return strings.TrimSpace(line[at:next]), column, next, nil
	}
	var b strings.Builder
	for next = at + 1; ; {
		n := strings.IndexByte(line[next:], '"')
		if n < 0 {
			return "", column, 0, &fault{0, column, "a quote that does not end"}
		}
		b.WriteString(line[next : next+n])
		if next += n + 1; !strings.HasPrefix(line[next:], `"`) {
			break
		}
		b.WriteByte('"')
		next++
	}
	rest := line[next:]
	stop := end(rest)
	if stop < 0 {
		stop = len(rest)
	}
	if strings.TrimSpace(rest[:stop]) != "" {
		return "", column, 0, &fault{0, utf8.RuneCountInString(line[:next]) + 1, "text behind the quotes"}
	}
	return b.String(), column, next + stop, nil
}

// add takes one name of a person, if it can be one.
func (p *filed) add(name, value string, column int) *fault {
	if value == "" {
		return &fault{0, column, name + " is empty"}
	}
	switch name {
	case "person":
		p.ID = value
		return nil
	case "comment":
		p.Comment = value
		return nil
	case "subject", "subject-issuer":
		if _, err := authz.ParseDN(value); err != nil {
			return &fault{0, column, fmt.Sprintf("%q: %v", value, err)}
		}
	case "oidc-issuer":
		if u, err := url.Parse(value); err != nil || u.Scheme != "https" || u.Host == "" {
			return &fault{0, column, fmt.Sprintf("the issuer %q is no https URL", value)}
		}
	}
	p.Links = append(p.Links, change.Name{Attribute: name, Value: value})
	return nil
}

// writePersons writes what readPersons reads.
func writePersons(w io.Writer, persons []change.Person) error {
	for _, p := range persons {
		parts := []string{"person=" + quote(p.ID)}
		for _, n := range p.Links {
			parts = append(parts, n.Attribute+"="+quote(n.Value))
		}
		if p.Comment != "" {
			parts = append(parts, "comment="+quote(strings.Join(strings.Fields(p.Comment), " ")))
		}
		if _, err := fmt.Fprintln(w, strings.Join(parts, " ")); err != nil {
			return err
		}
	}
	return nil
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// merge makes the change that brings the persons of a file, as name, into those
// known. With prune, whoever came from this file and stands in it no more goes.
func merge(known []change.Person, file []filed, name string, prune bool) (put []change.Person, remove []string, faults []fault) {
	byID, who := map[string]change.Person{}, source.NewWho(slices.Values(known))
	for _, p := range known {
		byID[p.ID] = p
	}
	kept := map[string]bool{}
	for _, f := range file {
		p := f.Person
		p.Imported = name
		if other, shared, found := who.Other(p); found && (p.ID != "" || byID[other].Imported != name) {
			faults = append(faults, fault{f.line, f.column, fmt.Sprintf("%s=%q belongs to the person %s, who is not from this file: write person=%s here, or remove that person first",
				shared.Attribute, shared.Value, other, other)})
			continue
		} else if found {
			p.ID = other
		}
		if kept[p.ID] && p.ID != "" {
			faults = append(faults, fault{f.line, f.column, "the person " + p.ID + " stands in a line before: all names of a person go on one line"})
			continue
		}
		kept[p.ID] = true
		if was, ok := byID[p.ID]; !ok || !samePerson(was, p) {
			put = append(put, p)
		}
	}
	for _, p := range known {
		if prune && p.Imported == name && !kept[p.ID] {
			remove = append(remove, p.ID)
		}
	}
	return put, remove, faults
}

func samePerson(a, b change.Person) bool {
	return slices.Equal(a.Links, b.Links) && a.Comment == b.Comment && a.Imported == b.Imported
}
