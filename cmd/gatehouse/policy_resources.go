package main

import (
	"errors"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// resources is a tree, or any graph, of resources: those right below each.
type resources map[string][]string

// readResources reads one from a file in YAML:
//
//	"urn:home": ["urn:home:alice", "urn:home:bob"]
//	"urn:home:alice": ["urn:home:alice:mail"]
func readResources(name string) (resources, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:1:1: want a list of resources below each, as in \"urn:home\": [\"urn:home:alice\"]", name)
	}
	tree := resources{}
	lines := document.Content[0].Content
	for i := 0; i < len(lines); i += 2 {
		above, below := lines[i], lines[i+1]
		if _, twice := tree[above.Value]; twice {
			return nil, fmt.Errorf("%s:%d:%d: resource %q stands here twice", name, above.Line, above.Column, above.Value)
		}
		tree[above.Value] = nil
		if below.Kind != yaml.SequenceNode {
			return nil, fmt.Errorf("%s:%d:%d: want a list of the resources right below %q", name, below.Line, below.Column, above.Value)
		}
		for _, one := range below.Content {
			if one.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("%s:%d:%d: want the name of a resource", name, one.Line, one.Column)
			}
			tree[above.Value] = append(tree[above.Value], one.Value)
		}
	}
	return tree, nil
}

// children returns the resources right below one, in its type. Without a tree
// nobody knows.
func (t resources) children(resource authz.Value) (below []authz.Value, err error) {
	if t == nil {
		return nil, errors.New("no tree of resources is known here: give --hierarchy FILE")
	}
	for _, text := range t[resource.Text()] {
		v, err := authz.ParseValue(resource.Type(), text)
		if err != nil {
			return nil, err
		}
		below = append(below, v)
	}
	return below, nil
}
