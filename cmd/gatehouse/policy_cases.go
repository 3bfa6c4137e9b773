package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

// caseSuffix ends the names of files with cases.
const caseSuffix = ".test.yaml"

// caseFile is a file of cases as written.
type caseFile struct {
	Policies   []string      `yaml:"policies"` // beside this file
	References []string      `yaml:"references"`
	Now        time.Time     `yaml:"now"`
	Cases      []*policyCase `yaml:"cases"`
	name       string
}

// values are the attributes of one part of a request: by name in SPL or by
// URI, one value or several.
type values map[string]any

// policyCase is one request and what is expected of it.
type policyCase struct {
	Name        string    `yaml:"name"`
	Policies    []string  `yaml:"policies"` // instead of the file's
	Now         time.Time `yaml:"now"`
	Subject     values    `yaml:"subject"`
	Resource    values    `yaml:"resource"`
	Action      values    `yaml:"action"`
	Environment values    `yaml:"environment"`
	Presented   values    `yaml:"presented"` // what nobody vouches for
	Expect      expected  `yaml:"expect"`
	line        int
}

type expected struct {
	Decision    string              `yaml:"decision"`
	Obligations []map[string]values `yaml:"obligations"` // nil is not compared
	Rule        string              `yaml:"rule"`        // file:line, or an id
	Because     *string             `yaml:"because"`
}

// UnmarshalYAML also takes a single value for a resource or an action.
func (v *values) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*v = values{"": n.Value}
		return nil
	}
	m := map[string]any{}
	if err := n.Decode(&m); err != nil {
		return err
	}
	*v = m
	return nil
}

// UnmarshalYAML notes the line, for messages.
func (c *policyCase) UnmarshalYAML(n *yaml.Node) error {
	type plainCase policyCase
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !slices.Contains(caseKeys, n.Content[i].Value) {
			return fmt.Errorf("line %d: unknown key %q: want one of %s", n.Content[i].Line, n.Content[i].Value, strings.Join(caseKeys, ", "))
		}
	}
	err := n.Decode((*plainCase)(c))
	c.line = n.Line
	return err
}

var caseKeys = []string{"name", "policies", "now", "subject", "resource", "action", "environment", "presented", "expect"}

// readCases reads the files of cases that are named or lie below a directory.
func readCases(names []string) ([]*caseFile, error) {
	var files []*caseFile
	var all []error
	for _, name := range names {
		paths, err := casePaths(name)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			f, err := readCaseFile(path)
			if err != nil {
				all = append(all, err)
			}
			files = append(files, f)
		}
	}
	return files, errors.Join(all...)
}

func casePaths(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		return []string{name}, err
	}
	var paths []string
	err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, caseSuffix) {
			paths = append(paths, path)
		}
		return err
	})
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("%s: no file of cases (*%s)", name, caseSuffix)
	}
	return paths, err
}

func readCaseFile(name string) (*caseFile, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseCases(name, data)
}

func parseCases(name string, data []byte) (*caseFile, error) {
	f := &caseFile{name: name}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(f); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(f.Cases) == 0 {
		return nil, fmt.Errorf("%s:1:1: no cases", name)
	}
	for i, c := range f.Cases {
		switch {
		case c == nil || c.Name == "":
			return nil, fmt.Errorf("%s: case %d has no name", name, i+1)
		case decisionNamed(c.Expect.Decision) == "":
			return nil, fmt.Errorf("%s:%d:1: case %q expects %q: want permit, deny, not-applicable or indeterminate", name, c.line, c.Name, c.Expect.Decision)
		case len(c.Policies)+len(f.Policies) == 0:
			return nil, fmt.Errorf("%s:%d:1: case %q has no policies", name, c.line, c.Name)
		}
	}
	return f, nil
}

// decisionNamed returns XACML's spelling of a decision, or "".
func decisionNamed(s string) string {
	for _, d := range []authz.Decision{authz.Permit, authz.Deny, authz.NotApplicable, authz.Indeterminate} {
		if strings.EqualFold(d.String(), strings.NewReplacer("-", "", "_", "", " ", "").Replace(s)) {
			return d.String()
		}
	}
	return ""
}

// request makes the request of a case.
func (c *policyCase) request() (*authz.Request, error) {
	r := &authz.Request{}
	for _, part := range []struct {
		in       authz.Category
		values   values
		bare     string
		standing authz.Standing
	}{
		{authz.Subject, c.Subject, "subject", authz.Verified}, {authz.Resource, c.Resource, "resource", authz.Verified},
		{authz.Action, c.Action, "action", authz.Verified}, {authz.Environment, c.Environment, "", authz.Verified},
		{authz.Subject, c.Presented, "", authz.Presented},
	} {
		for _, name := range slices.Sorted(maps.Keys(part.values)) {
			row, err := rowNamed(name, part.bare, part.in)
			if err != nil {
				return nil, err
			}
			if part.standing == authz.Verified && row.Category != part.in {
				return nil, fmt.Errorf("%s is no attribute of the %s", name, sectionNamed(part.in))
			}
			a := authz.Attribute{Category: row.Category, ID: row.ID, Standing: part.standing}
			if a.Values, err = valuesOf(row, part.values[name]); err != nil {
				return nil, err
			}
			r.Attributes = append(r.Attributes, a)
		}
	}
	return r, nil
}

func sectionNamed(c authz.Category) string {
	return string(c[strings.LastIndexAny(string(c), ":-")+1:])
}

// rowNamed finds an attribute by its name in SPL; a URI is a string of a site's
// own.
func rowNamed(name, bare string, in authz.Category) (profile.Attribute, error) {
	if name == "" {
		name = bare
	}
	if row, ok := profile.Lookup(name); ok {
		return row, nil
	}
	if strings.Contains(name, ":") {
		return profile.Attribute{Name: name, ID: name, Category: in, Type: authz.String}, nil
	}
	var names []string
	for _, row := range profile.Attributes() {
		names = append(names, row.Name)
	}
	return profile.Attribute{}, fmt.Errorf("unknown attribute %q %s", name, spl.Suggest(name, names))
}

// valuesOf reads one value or several; an integer may be a duration.
func valuesOf(row profile.Attribute, v any) ([]authz.Value, error) {
	list, many := v.([]any)
	if !many {
		list = []any{v}
	}
	var all []authz.Value
	for _, one := range list {
		text := fmt.Sprint(one)
		if t, ok := one.(time.Time); ok {
			text = t.Format(time.RFC3339Nano)
		}
		if row.Type == authz.Integer {
			if n, err := spl.Seconds(text); err == nil {
				text = fmt.Sprint(n)
			}
		}
		value, err := authz.ParseValue(row.Type, text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row.Name, err)
		}
		all = append(all, value)
	}
	return all, nil
}

// differs says in which way an answer is not what was expected; nothing if it
// is.
func (e *expected) differs(r authz.Response) []string {
	var all []string
	if want := decisionNamed(e.Decision); want != r.Decision.String() {
		all = append(all, fmt.Sprintf("the decision is %s; want %s", r.Decision, want))
	}
	if e.Rule != "" && !decidedBy(r.Reason, e.Rule) {
		all = append(all, fmt.Sprintf("decided by %s; want %s", r.Reason, e.Rule))
	}
	if because := becauseOf(r); e.Because != nil && *e.Because != because {
		all = append(all, fmt.Sprintf("because %q; want %q", because, *e.Because))
	}
	if e.Obligations != nil {
		want, err := e.obligations()
		have := obligationsOf(r)
		switch {
		case err != nil:
			all = append(all, err.Error())
		case !slices.Equal(want, have):
			all = append(all, fmt.Sprintf("the obligations are %s; want %s", listed(have), listed(want)))
		}
	}
	return all
}

func listed(texts []string) string {
	if len(texts) == 0 {
		return "none"
	}
	return strings.Join(texts, ", ")
}

func becauseOf(r authz.Response) string {
	if r.Reason == nil {
		return ""
	}
	return r.Reason.Because
}

// decidedBy tells whether a reason is the rule that was named: by its id, or by
// file and line.
func decidedBy(r *authz.Reason, want string) bool {
	if r == nil {
		return false
	}
	if r.Rule == want || r.Rule == "" && r.Policy == want {
		return true
	}
	line, _, _ := cutLast(r.Position, ":")
	return line != "" && (line == want || strings.HasSuffix(line, string(filepath.Separator)+want))
}

// obligations renders what is expected as obligationsOf does.
func (e *expected) obligations() ([]string, error) {
	all := []string{}
	for _, one := range e.Obligations {
		for id, assigned := range one {
			for _, d := range profile.Duties() {
				if d.Name == id {
					id = d.ID
				}
			}
			var texts []string
			for name, v := range assigned {
				row, err := rowNamed(name, "", "")
				if err != nil {
					return nil, err
				}
				list, err := valuesOf(row, v)
				if err != nil {
					return nil, err
				}
				for _, value := range list {
					texts = append(texts, row.ID+"="+value.Key())
				}
			}
			all = append(all, rendered(id, texts))
		}
	}
	slices.Sort(all)
	return all, nil
}

func obligationsOf(r authz.Response) []string {
	all := []string{}
	for _, o := range r.Obligations {
		var texts []string
		for _, a := range o.Assignments {
			texts = append(texts, a.ID+"="+a.Value.Key())
		}
		all = append(all, rendered(o.ID, texts))
	}
	slices.Sort(all)
	return all
}

func rendered(id string, texts []string) string {
	slices.Sort(texts)
	for _, d := range profile.Duties() {
		if d.ID == id {
			id = d.Name
		}
	}
	for i, t := range texts {
		id, v, _ := strings.Cut(t, "=")
		for _, row := range profile.Attributes() {
			if row.ID == id {
				texts[i] = row.Name + "=" + v
			}
		}
	}
	if len(texts) == 0 {
		return id
	}
	return id + " { " + strings.Join(texts, " ") + " }"
}
