package service

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// name is what services, methods and parameters may be called: it stands in
// URLs, in XML element names and in policies.
var name = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// Command is the element beside the methods in which a caller sends one
// string instead of typed parameters, so no method may have this name.
const Command = "command"

// checker finds what the grammar cannot say.
type checker struct {
	file string
	root *yaml.Node
	errs []error
}

// fail notes an error at the line of the node that path leads to.
func (c *checker) fail(path []any, format string, args ...any) {
	line := lineOf(c.root, path)
	c.errs = append(c.errs, fmt.Errorf("%s:%d: %s", c.file, line, fmt.Sprintf(format, args...)))
}

// lineOf follows keys (string) and indexes (int) as far as they lead.
func lineOf(n *yaml.Node, path []any) int {
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		n = n.Content[0]
	}
	if len(path) == 0 {
		return n.Line
	}
	switch step := path[0].(type) {
	case int:
		if n.Kind == yaml.SequenceNode && step < len(n.Content) {
			return lineOf(n.Content[step], path[1:])
		}
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return lineOf(n.Content[i+1], path[1:])
			}
		}
	}
	return n.Line
}

func at(path []any, more ...any) []any { return append(slices.Clone(path), more...) }

func (c *checker) service(s *Service) {
	if !name.MatchString(s.Name) {
		c.fail([]any{"name"}, "name %q: want a letter, then letters, digits, - and _, at most 64", s.Name)
	}
	if s.Executable == "" || strings.ContainsAny(s.Executable, "/\x00") || s.Executable == "." || s.Executable == ".." {
		c.fail([]any{"executable"}, "executable %q: want the name of a file in the service's directory", s.Executable)
	}
	if len(s.Methods) == 0 {
		c.fail(nil, "no methods: a service has at least one")
	}
	seen := map[string]bool{Command: true}
	for i := range s.Methods {
		c.method(&s.Methods[i], seen, []any{"methods", i})
	}
}

func (c *checker) method(m *Method, seen map[string]bool, path []any) {
	if !name.MatchString(m.Name) {
		c.fail(at(path, "name"), "method %q: want a letter, then letters, digits, - and _, at most 64", m.Name)
	}
	if seen[m.Name] {
		c.fail(at(path, "name"), "method %q: the name is taken", m.Name)
	}
	seen[m.Name] = true
	if len(m.Parameters) > MaxParameters {
		c.fail(at(path, "parameters"), "%d parameters: want at most %d", len(m.Parameters), MaxParameters)
	}
	names := map[string]bool{}
	for i := range m.Parameters {
		p := &m.Parameters[i]
		if names[p.Name] {
			c.fail(at(path, "parameters", i), "parameter %q: the name is taken", p.Name)
		}
		names[p.Name] = true
		c.parameter(p, at(path, "parameters", i))
	}
	c.arguments(m, path)
	c.cpuTime(m, at(path, "cpu-time"))
}

func (c *checker) parameter(p *Parameter, path []any) {
	if !name.MatchString(p.Name) {
		c.fail(at(path, "name"), "parameter %q: want a letter, then letters, digits, - and _, at most 64", p.Name)
	}
	if err := p.prepare(); err != nil {
		c.fail(path, "parameter %q: %v", p.Name, err)
		return
	}
	if p.Default == nil {
		return
	}
	text, err := p.Check(*p.Default)
	if err != nil {
		c.fail(at(path, "default"), "default of %v", err)
		return
	}
	p.Default = &text
}

func (c *checker) arguments(m *Method, path []any) {
	used := map[string]bool{m.CPUTime.Of: true}
	inVector := map[string]bool{}
	for i, element := range m.Arguments {
		where := at(path, "arguments", i)
		placeholders := 0
		for _, word := range element {
			parameter, err := m.placeholder(word)
			switch {
			case err != nil:
				c.fail(where, "argument %q: %v", word, err)
			case parameter != nil && inVector[parameter.Name]:
				c.fail(where, "argument %q: parameter %q is already an argument", word, parameter.Name)
			case parameter != nil:
				used[parameter.Name], inVector[parameter.Name] = true, true
				placeholders++
			}
		}
		if len(element) != 1 && placeholders == 0 {
			c.fail(where, "group %q: names no parameter, so nothing decides whether it is there", []string(element))
		}
	}
	for i := range m.Parameters {
		if p := &m.Parameters[i]; !used[p.Name] {
			c.fail(at(path, "parameters", i), "parameter %q: nothing uses it", p.Name)
		}
	}
}

func (c *checker) cpuTime(m *Method, path []any) {
	t := m.CPUTime
	for _, d := range []time.Duration{t.Default, t.Maximum, t.Each} {
		if d < 0 || d%time.Second != 0 {
			c.fail(path, "cpu-time %v: want whole seconds, such as 30s or 2h", d)
		}
	}
	if t.Default <= 0 || t.Maximum < t.Default {
		c.fail(path, "cpu-time of method %q: want default of at least 1s and maximum of at least default", m.Name)
	}
	if (t.Each > 0) != (t.Of != "") {
		c.fail(path, "cpu-time of method %q: each and of go together", m.Name)
	}
	if t.Of == "" {
		return
	}
	p, found := m.Parameter(t.Of)
	if !found || !p.numeric() {
		c.fail(at(path, "of"), "cpu-time of method %q: of names %q, which is no number among its parameters", m.Name, t.Of)
	}
}
