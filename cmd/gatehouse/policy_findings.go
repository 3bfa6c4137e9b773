package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

// finding is one thing to say about a place in a policy file.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Severity string `json:"severity"` // "error" or "warning"
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
	Source   string `json:"source,omitempty"` // the line it is about
	By       string `json:"by,omitempty"`     // where the other item stands: file:line:column
}

const (
	severe  = "error"
	warning = "warning"
)

// placed is how every parser and the compiler begin an error.
var placed = regexp.MustCompile(`(?s)^(.+?):([0-9]+):([0-9]+): (.*)$`)

// findingsOf takes an error apart into the places that it names.
func findingsOf(err error) []finding {
	if err == nil {
		return nil
	}
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		var all []finding
		for _, one := range many.Unwrap() {
			all = append(all, findingsOf(one)...)
		}
		return all
	}
	if e := (*spl.Error)(nil); errors.As(err, &e) {
		return []finding{{File: e.Position.File, Line: e.Position.Line, Column: e.Position.Column, Severity: severe, Message: e.Message, Hint: e.Hint, Source: e.Source}}
	}
	if m := placed.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[2])
		column, _ := strconv.Atoi(m[3])
		return []finding{{File: m[1], Line: line, Column: column, Severity: severe, Message: m[4]}}
	}
	return []finding{{Severity: severe, Message: err.Error()}}
}

func warn(at policies.Position, message, hint string) finding {
	return finding{File: at.File, Line: at.Line, Column: at.Column, Severity: warning, Message: message, Hint: hint}
}

// findings prints each once, with its line of source and a caret.
type findings []finding

// cite puts the line of source to each finding that lacks it.
func (l findings) cite(lines sources) findings {
	for i := range l {
		if l[i].Source == "" {
			l[i].Source = strings.TrimSuffix(lines[l[i].File+":"+strconv.Itoa(l[i].Line)], "\r")
		}
	}
	return l
}

func (l findings) count(severity string) (n int) {
	for _, f := range l {
		if f.Severity == severity {
			n++
		}
	}
	return n
}

func (l findings) print(w io.Writer, format string) error {
	if format == "json" {
		return printJSON(w, append(findings{}, l...))
	}
	for _, f := range l {
		if f.File != "" {
			fmt.Fprintf(w, "%s:%d:%d: ", plain(f.File), f.Line, f.Column)
		}
		fmt.Fprintf(w, "%s: %s", f.Severity, plain(f.Message))
		if f.Hint != "" {
			fmt.Fprintf(w, ": %s", plain(f.Hint))
		}
		fmt.Fprintln(w)
		if f.Source != "" {
			source, column := clipLine(f.Source, f.Column)
			fmt.Fprintf(w, "    %s\n    %s^\n", plain(source), strings.Repeat(" ", column-1))
		}
	}
	return nil
}

const mostSource = 160

// clipLine returns the part of a line around a column, tabs as blanks.
func clipLine(line string, column int) (string, int) {
	runes := []rune(strings.ReplaceAll(line, "\t", " "))
	column = max(1, min(column, len(runes)+1))
	start := max(0, column-mostSource/2)
	return string(runes[start:min(len(runes), start+mostSource)]), column - start
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// checkOutput refuses an unknown form of output.
func checkOutput(format string) error {
	if format != "text" && format != "json" {
		return unusable(fmt.Errorf("--output %q: want text or json", format))
	}
	return nil
}

// linesOf returns the lines of policy files for findings and explanations.
func linesOf(files []*policyFile) sources {
	lines := sources{}
	for _, f := range files {
		lines.add(f.name, 1, f.text)
	}
	return lines
}
