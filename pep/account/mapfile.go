package account

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Entry is one line of a map file.
type Entry struct {
	Key    string   // as written, escapes resolved
	Values []string // at least one
	Line   int

	name    authz.DN // if the key is a name
	pattern *pattern // if it is an FQAN pattern
}

// IsFQAN reports whether the key is an FQAN pattern, by its form alone.
func (e Entry) IsFQAN() bool { return isFQANKey(e.Key) }

func isFQANKey(key string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(key, "/"), "/")
	return strings.HasPrefix(key, "/") && !strings.Contains(first, "=")
}

// maxLine bounds a line of a map file, in bytes.
const maxLine = 64 << 10

// ParseMapFile reads a map file as Argus does. All errors are returned, each
// with its line.
func ParseMapFile(text []byte) ([]Entry, error) {
	var entries []Entry
	var problems []error
	seen := map[string]int{}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.Trim(line, " \t\r\f\v")
		if line == "" || line[0] == '#' {
			continue
		}
		e, err := parseLine(line)
		if before, twice := seen[e.Key]; err == nil && twice {
			err = fmt.Errorf("%q is already in line %d", e.Key, before)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("line %d: %w", i+1, err))
			continue
		}
		e.Line, seen[e.Key] = i+1, i+1
		entries = append(entries, e)
	}
	return entries, errors.Join(problems...)
}

func parseLine(line string) (Entry, error) {
	last := strings.LastIndexByte(line, '"')
	switch {
	case len(line) > maxLine:
		return Entry{}, fmt.Errorf("longer than %d bytes", maxLine)
	case line[0] != '"' || last == 0:
		return Entry{}, errors.New(`want a key in double quotes, then the value: "/vo" account`)
	}
	key, err := unescape(line[1:last])
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Key: key}
	for value := range strings.SplitSeq(line[last+1:], ",") {
		if value = strings.Trim(value, " \t"); value != "" {
			e.Values = append(e.Values, value)
		}
	}
	switch {
	case key == "":
		return Entry{}, errors.New("an empty key")
	case len(e.Values) == 0:
		return Entry{}, errors.New("no value after the key")
	}
	if e.IsFQAN() {
		e.pattern = parsePattern(key)
	} else if d, err := authz.ParseDN(key); err == nil {
		e.name = d
	}
	return e, nil
}

// usable reports whether the key can match anything at all. Argus takes lines
// that cannot, so they are no error.
func (e *Entry) usable() bool { return e.pattern != nil || !e.name.IsZero() }

// unescape resolves the escapes of Java that Argus knows.
func unescape(s string) (string, error) {
	if !strings.ContainsRune(s, '\\') {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		r, n, err := unescapeOne(s[i+1:])
		if err != nil {
			return "", err
		}
		b.WriteRune(r)
		i += n
	}
	return b.String(), nil
}

// unescapeOne reads what follows a backslash and returns its length.
func unescapeOne(s string) (rune, int, error) {
	if s == "" {
		return 0, 0, errors.New("a backslash at the end of the key")
	}
	if at := strings.IndexByte(`bfnrt'"\`, s[0]); at >= 0 {
		return rune("\b\f\n\r\t'\"\\"[at]), 1, nil
	}
	digits := map[byte]int{'x': 2, 'u': 4}[s[0]]
	if digits == 0 || len(s) <= digits {
		return 0, 0, fmt.Errorf(`escape \%c is not known: want \b \f \n \r \t \' \" \\ \xHH or \uHHHH`, s[0])
	}
	n, err := strconv.ParseUint(s[1:1+digits], 16, 16)
	if err != nil {
		return 0, 0, fmt.Errorf(`escape \%s: want %d hexadecimal digits`, s[:1+digits], digits)
	}
	return rune(n), 1 + digits, nil
}

// pattern is an FQAN with wildcards.
type pattern struct {
	group   string
	below   bool // groups below count, too
	role    string
	anyRole bool
}

// parsePattern returns nil for a pattern that can match nothing.
func parsePattern(key string) *pattern {
	f, err := authz.ParseFQAN(strings.TrimSuffix(key, "/"))
	if err != nil {
		return nil
	}
	p := &pattern{group: f.Group(), role: f.Role()}
	p.group, p.below = strings.CutSuffix(p.group, "/*")
	if p.role == "*" {
		p.role, p.anyRole = "", true
	}
	if p.group == "" || strings.ContainsRune(p.group+p.role, '*') {
		return nil
	}
	return p
}

func (p *pattern) matches(f authz.FQAN) bool {
	inGroup := f.Group() == p.group || p.below && strings.HasPrefix(f.Group(), p.group+"/")
	return inGroup && (p.anyRole || f.Role() == p.role)
}
