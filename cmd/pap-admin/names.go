package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

// identityNames are the names that a ban may use.
func identityNames() []string {
	var names []string
	for _, i := range profile.Identities() {
		names = append(names, i.Name)
	}
	return names
}

// readNames reads the arguments of ban: name=value pairs that must all hold, or
// Argus's two arguments, name and value.
func readNames(args []string) ([]change.Name, error) {
	if len(args) == 2 && !strings.Contains(args[0], "=") {
		names := []change.Name{{Attribute: args[0], Value: args[1]}}
		return names, checkNames(names)
	}
	names := make([]change.Name, len(args))
	for i, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, fmt.Errorf("%q: want name=value, or a name and a value", arg)
		}
		names[i] = change.Name{Attribute: strings.TrimSpace(name), Value: value}
	}
	return names, checkNames(names)
}

func isIdentity(name string) bool {
	_, ok := profile.LookupIdentity(name)
	return ok
}

// checkNames refuses what the PAP would, with words for who types.
func checkNames(names []change.Name) error {
	have := map[string]bool{}
	for _, n := range names {
		if !isIdentity(n.Attribute) {
			if near := spl.Suggest(n.Attribute, identityNames()); near != "" {
				return fmt.Errorf("%q is no name to ban by: %s", n.Attribute, near)
			}
			return fmt.Errorf("%q is no name to ban by: want one of %s", n.Attribute, strings.Join(identityNames(), ", "))
		}
		if strings.TrimSpace(n.Value) == "" {
			return fmt.Errorf("%s is empty", n.Attribute)
		}
		have[n.Attribute] = true
	}
	for name := range have {
		if i, _ := profile.LookupIdentity(name); i.Needs != "" && !have[i.Needs] {
			return fmt.Errorf("%s names nobody without %s: give both", name, i.Needs)
		}
	}
	return nil
}

// hitsNobody refuses names that are none, such as a person's name where the
// distinguished name is wanted: a ban of that would be taken and refuse nobody.
// It is asked about what somebody types, and lets through whatever could be read.
func hitsNobody(names []change.Name) error {
	for _, n := range names {
		switch n.Attribute {
		case "subject", "subject-issuer":
			if !strings.ContainsAny(n.Value, `=\`) {
				return fmt.Errorf("%s %q is no distinguished name and would refuse nobody: write it as in \"/C=XX/O=Org/CN=%s\"", n.Attribute, n.Value, strings.Trim(n.Value, "/"))
			}
		case "fqan":
			if !strings.Contains(n.Value, "/") {
				return fmt.Errorf("fqan %q is no FQAN and would refuse nobody: write /%s, or ban vo %s", n.Value, n.Value, n.Value)
			}
		}
	}
	return nil
}

// maxLine bounds a line of a list, in bytes.
const maxLine = 64 << 10

// readList reads one ban per line: a DN in slash form, quoted or not, or
// name=value pairs. Blank lines and lines that begin with "#" are passed. All
// errors are reported, each with its line.
func readList(name string, r io.Reader) ([]change.Ban, error) {
	var bans []change.Ban
	var wrong []string
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		names, err := readLine(line)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %v", name, n, err))
			continue
		}
		bans = append(bans, change.Ban{Names: names})
	}
	if err := lines.Err(); err != nil {
		wrong = append(wrong, fmt.Sprintf("%s: %v", name, err))
	}
	if len(wrong) > 0 {
		const most = 20
		if len(wrong) > most {
			wrong = append(wrong[:most], fmt.Sprintf("and %d more", len(wrong)-most))
		}
		return nil, fmt.Errorf("nothing was changed:\n%s", strings.Join(wrong, "\n"))
	}
	return bans, nil
}

// pairStart finds where a name=value pair begins. Attribute types of DNs are
// not among the names, so a value need not be quoted.
var pairStart = regexp.MustCompile(`(?:^|\s+)(` + strings.Join(identityNames(), "|") + `)\s*=\s*`)

func readLine(line string) ([]change.Name, error) {
	if value := unquote(line); strings.HasPrefix(value, "/") {
		return []change.Name{{Attribute: "subject", Value: value}}, nil
	}
	starts := pairStart.FindAllStringSubmatchIndex(line, -1)
	if len(starts) == 0 || starts[0][0] != 0 {
		return nil, fmt.Errorf("%q: want a DN such as \"/C=XX/O=Org/CN=Name\", or name=value pairs", line)
	}
	var names []change.Name
	for i, s := range starts {
		end := len(line)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		names = append(names, change.Name{Attribute: line[s[2]:s[3]], Value: unquote(line[s[1]:end])})
	}
	return names, checkNames(names)
}

func unquote(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 1 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// open opens a file, or standard input for "-".
func (a *app) open(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(a.in), nil
	}
	f, err := os.Open(path)
	return f, unusable(err)
}

// readUntil reads a time, or a duration from now.
func readUntil(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := moment(s, now)
	if err == nil && !t.After(now) {
		err = fmt.Errorf("--until %s is past", s)
	}
	return t.UTC(), err
}

func moment(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	for suffix, days := range map[string]int{"d": 1, "w": 7} {
		if n, err := strconv.Atoi(strings.TrimSuffix(s, suffix)); err == nil && strings.HasSuffix(s, suffix) {
			return now.AddDate(0, 0, n*days), nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("--until %q: want a time such as 2026-12-31 or 2026-12-31T18:00:00Z (UTC), or a duration such as 12h, 30d, 2w", s)
	}
	return now.Add(d), nil
}
