package service

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Limits on a description.
const (
	MaxDescription = 1 << 20 // bytes of service.yaml
	MaxParameters  = 64      // of one method
)

// Service is one service as its description says.
type Service struct {
	Name          string   `yaml:"name"`
	Documentation string   `yaml:"documentation"`
	Executable    string   `yaml:"executable"` // a file name in the service's directory
	Methods       []Method `yaml:"methods"`
}

// Method is one thing that a service can do.
type Method struct {
	Name          string      `yaml:"name"`
	Documentation string      `yaml:"documentation"`
	Parameters    []Parameter `yaml:"parameters"`
	Arguments     []Element   `yaml:"arguments"`
	CPUTime       CPUTime     `yaml:"cpu-time"`
}

// CPUTime is how much CPU time a job of a method asks for. Whole seconds.
type CPUTime struct {
	Default time.Duration `yaml:"default"` // asked for when the caller names none
	Maximum time.Duration `yaml:"maximum"` // what anybody may ask for
	Each    time.Duration `yaml:"each"`    // added to Default per unit of the parameter Of
	Of      string        `yaml:"of"`
}

// Element is one argument of a vector's template, or a group of them that
// stands or falls together.
type Element []string

// UnmarshalYAML reads a scalar as one argument and a sequence as a group.
func (e *Element) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*e = Element{n.Value}
		return nil
	}
	var group []string
	if err := n.Decode(&group); err != nil {
		return fmt.Errorf("line %d: want an argument or a list of arguments", n.Line)
	}
	*e = group
	return nil
}

// Method returns the method of that name.
func (s *Service) Method(name string) (*Method, bool) {
	for i := range s.Methods {
		if s.Methods[i].Name == name {
			return &s.Methods[i], true
		}
	}
	return nil, false
}

// Parameter returns the parameter of that name.
func (m *Method) Parameter(name string) (*Parameter, bool) {
	for i := range m.Parameters {
		if m.Parameters[i].Name == name {
			return &m.Parameters[i], true
		}
	}
	return nil, false
}

// Parse reads a description. The file name stands in the errors, all of which
// are returned at once, each with its line.
func Parse(file string, data []byte) (*Service, error) {
	if len(data) > MaxDescription {
		return nil, fmt.Errorf("%s: longer than %d bytes", file, MaxDescription)
	}
	s := new(Service)
	if err := decodeStrict(data, s); err != nil {
		return nil, inFile(file, err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, inFile(file, err)
	}
	c := checker{file: file, root: &root}
	c.service(s)
	return s, errors.Join(c.errs...)
}

func decodeStrict(data []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("the description is empty")
		}
		return err
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("more than one document: want exactly one description")
	}
	return nil
}

var goType = regexp.MustCompile(` not found in type service\.(\w+)`)

// inFile turns the errors of the YAML library into lines of "file:line: text".
func inFile(file string, err error) error {
	var many *yaml.TypeError
	texts := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	if errors.As(err, &many) {
		texts = many.Errors
	}
	var errs []error
	for _, text := range texts {
		text = goType.ReplaceAllStringFunc(text, func(m string) string {
			return " is no key of a " + strings.ToLower(goType.FindStringSubmatch(m)[1])
		})
		text = strings.Replace(text, "into time.Duration", "as a duration: want 30s, 5m or 2h", 1)
		if rest, found := strings.CutPrefix(text, "line "); found {
			errs = append(errs, fmt.Errorf("%s:%s", file, rest))
			continue
		}
		errs = append(errs, fmt.Errorf("%s: %s", file, text))
	}
	return errors.Join(errs...)
}
