// Package groupfile is an enricher that knows the groups of people from a local
// file, the sample among the plug-ins that Gatehouse ships. The program is
// cmd/gatehouse-plugin-groupfile.
//
// The file has one person a line, written as in a grid-mapfile: the
// distinguished name in double quotes, then the groups, separated by commas. In
// quotes, \" and \\ stand for " and \. A person may stand on several lines.
//
//	# who may use the big machines
//	"/DC=org/DC=Grid/CN=Alice Baker" physics,shift-leaders
//
// It is read again when it changes. While it cannot be read, or a line is
// wrong, requests are refused.
package groupfile

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// DefaultAttribute is the group attribute of the EMI common profile, "emi-group"
// in SPL.
const DefaultAttribute = "http://dci-sec.org/xacml/attribute/group"

const (
	subjectID = "urn:oasis:names:tc:xacml:1.0:subject:subject-id"
	maxFile   = 16 << 20
)

// File is an enricher that adds, for each subject-id that is a distinguished
// name, the groups that the file gives it, as strings. The groups of a verified
// name are verified. Those of a name that was only presented are presented, and
// found in any spelling, as a ban would. Use Open.
type File struct {
	path, attribute string

	mu       sync.Mutex
	size     int64
	modified time.Time
	people   people
}

var _ authz.Enricher = (*File)(nil)

// people are the groups by both readings of a name.
type people struct{ exact, loose map[string][]string }

// Open reads the file. Groups are added under that attribute id.
func Open(path, attribute string) (*File, error) {
	f := &File{path: path, attribute: attribute}
	_, err := f.current()
	return f, err
}

// Enrich adds the groups of the subject.
func (f *File) Enrich(_ context.Context, r *authz.Request) error {
	p, err := f.current()
	if err != nil {
		return err
	}
	verified, presented := p.groups(r)
	f.add(r, verified, authz.Verified)
	f.add(r, presented, authz.Presented)
	return nil
}

func (p people) groups(r *authz.Request) (verified, presented []string) {
	for a, v := range r.Values(authz.Subject, subjectID) {
		name, ok := v.Data().(authz.DN)
		switch {
		case !ok:
			presented = append(presented, p.loose[authz.BanKey(v.Text())]...)
		case a.Standing == authz.Verified:
			verified = append(verified, p.exact[name.Key()]...)
		default:
			presented = append(presented, p.loose[name.BanKey()]...)
		}
	}
	return verified, presented
}

func (f *File) add(r *authz.Request, groups []string, standing authz.Standing) {
	if len(groups) == 0 {
		return
	}
	values := make([]authz.Value, 0, len(groups))
	for _, g := range groups {
		values = append(values, authz.StringValue(g))
	}
	r.Attributes = append(r.Attributes, authz.Attribute{
		Category: authz.Subject, ID: f.attribute, Values: values, Standing: standing,
	})
}

// current returns what the file says now.
func (f *File) current() (people, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return people{}, err
	}
	if f.people.exact != nil && info.Size() == f.size && info.ModTime().Equal(f.modified) {
		return f.people, nil
	}
	content, err := read(f.path)
	if err != nil {
		return people{}, err
	}
	p, err := parse(f.path, content)
	if err != nil {
		return people{}, err
	}
	f.people, f.size, f.modified = p, info.Size(), info.ModTime()
	return p, nil
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return content, err
}

func parse(path string, content []byte) (people, error) {
	p := people{exact: map[string][]string{}, loose: map[string][]string{}}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, groups, err := parseLine(line)
		if err != nil {
			return people{}, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		p.exact[name.Key()] = append(p.exact[name.Key()], groups...)
		p.loose[name.BanKey()] = append(p.loose[name.BanKey()], groups...)
	}
	if err := lines.Err(); err != nil {
		return people{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

var (
	entry     = regexp.MustCompile(`^("(?:[^"\\]|\\["\\])*")[ \t]+([^"]*)$`)
	groupName = regexp.MustCompile(`^[A-Za-z0-9/][A-Za-z0-9._/=-]*$`)
)

func parseLine(line string) (authz.DN, []string, error) {
	m := entry.FindStringSubmatch(line)
	if m == nil {
		return authz.DN{}, nil, fmt.Errorf(`want "distinguished name" group,group`)
	}
	text, err := strconv.Unquote(m[1])
	if err != nil {
		return authz.DN{}, nil, fmt.Errorf("%s: %w", m[1], err)
	}
	name, err := authz.ParseDN(text)
	if err != nil {
		return authz.DN{}, nil, err
	}
	groups := strings.Split(m[2], ",")
	for i, g := range groups {
		groups[i] = strings.TrimSpace(g)
		if !groupName.MatchString(groups[i]) {
			return authz.DN{}, nil, fmt.Errorf("%q is no group name: want letters, digits and . _ / = -", g)
		}
	}
	return name, groups, nil
}
