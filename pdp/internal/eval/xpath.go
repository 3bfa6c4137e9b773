package eval

import (
	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

type selector struct{}

type documentCell struct{}

func (s *selector) bag(*frame) ([]authz.Value, *authz.Status) { return nil, nil }

func (c *compilation) selector(e *policies.Selector) *attribute {
	c.fail(e.Position, "attribute selectors are not supported")
	return nil
}

type nodeFunction int

const (
	countNodes nodeFunction = iota
	equalNodes
	matchNodes
)

func xpathForm(nodeFunction) form {
	return func(c *compilation, e *policies.Apply) *expression {
		c.fail(e.Position, "%s is not supported", shortName(e.Function))
		return nil
	}
}
