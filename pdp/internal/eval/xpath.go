package eval

import (
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml/xpath"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// selector is a compiled AttributeSelector (XACML 3.0 core, 7.3.7).
type selector struct {
	from     *policies.Selector
	category authz.Category
	path     *xpath.Expression
	typ      authz.DataType
	context  int // slot of the attribute that names the context node; -1
}

func (c *compilation) selector(e *policies.Selector) *attribute {
	s := &selector{from: e, category: e.Category, typ: e.Type.Canonical(), context: -1}
	if e.RequestContext {
		s.category = wholeRequest
	}
	if !s.typ.Known() {
		c.fail(e.Position, "unknown data type %q", e.Type)
		return nil
	}
	path, err := xpath.Compile(e.Path, e.Namespaces)
	if err != nil {
		c.fail(e.Position, "%s", err)
		return nil
	}
	s.path = path
	if e.ContextID != "" {
		s.context = c.slot(slot{attributeName: attributeName{e.Category, e.ContextID}, typ: authz.XPathExpression})
	}
	return &attribute{slot: -1, selector: s, typ: s.typ, required: e.MustBePresent, missing: &authz.Status{
		Code:    authz.StatusMissingAttribute,
		Message: fmt.Sprintf("nothing at %s%s", e.Path, at(e.Position)),
	}}
}

// bag returns the values that an extent sees.
func (s *selector) bag(f *frame, extent int) ([]authz.Value, *authz.Status) {
	nodes, status := s.nodes(f, extent)
	if status != nil {
		return nil, status
	}
	values := make([]authz.Value, 0, len(nodes))
	for _, n := range nodes {
		v, err := authz.ParseValue(s.typ, n.Value())
		if err != nil {
			return nil, processingError(s.from.Position, "%s: %s", s.from.Path, err)
		}
		values = append(values, v)
	}
	return values, nil
}

func (s *selector) nodes(f *frame, extent int) ([]xpath.Node, *authz.Status) {
	root, err := f.document(s.category, extent)
	if err != nil {
		return nil, processingError(s.from.Position, "%s", err)
	}
	if root == nil {
		return nil, nil
	}
	from := start(s.category, root)
	if s.context >= 0 {
		bag := f.bag(s.context, extent)
		if len(bag) == 0 {
			return nil, nil
		}
		if from, err = s.contextNode(bag, from); err != nil {
			return nil, &authz.Status{Code: authz.StatusSyntaxError, Message: err.Error() + at(s.from.Position)}
		}
	}
	nodes, err := s.path.Select(from)
	if err != nil {
		return nil, processingError(s.from.Position, "%s", err)
	}
	return nodes, nil
}

// contextNode finds the one node that the context selector names.
func (s *selector) contextNode(bag []authz.Value, from xpath.Node) (node xpath.Node, err error) {
	if len(bag) > 1 {
		return node, fmt.Errorf("%d context selectors %s", len(bag), s.from.ContextID)
	}
	x, ok := bag[0].Data().(authz.XPath)
	if !ok || x.Category != s.category {
		return node, fmt.Errorf("the context selector %s is of another category", s.from.ContextID)
	}
	found, err := evaluateXPath(x, from)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("the context selector %s finds %d nodes where one is needed", s.from.ContextID, len(found))
	}
	if err != nil {
		return node, err
	}
	return found[0], nil
}

func evaluateXPath(x authz.XPath, from xpath.Node) ([]xpath.Node, error) {
	compiled, err := xpath.Compile(x.Expression, x.Namespaces)
	if err != nil {
		return nil, err
	}
	return compiled.Select(from)
}

// nodeFunction is a function over the nodes that expressions find (A.3.15).
type nodeFunction struct {
	arguments int
	result    authz.DataType
	apply     func(sets [][]xpath.Node) authz.Value
}

var (
	countNodes = nodeFunction{1, authz.Integer, func(sets [][]xpath.Node) authz.Value {
		return authz.IntegerValue(int64(len(sets[0])))
	}}
	equalNodes = nodeFunction{2, authz.Boolean, func(sets [][]xpath.Node) authz.Value {
		return authz.BooleanValue(anyPair(sets, func(a, b xpath.Node) bool { return a == b }))
	}}
	// matchNodes also looks at what lies below the nodes of the first set.
	matchNodes = nodeFunction{2, authz.Boolean, func(sets [][]xpath.Node) authz.Value {
		return authz.BooleanValue(anyPair(sets, func(a, b xpath.Node) bool { return b.Within(a) }))
	}}
)

func anyPair(sets [][]xpath.Node, holds func(a, b xpath.Node) bool) bool {
	for _, a := range sets[0] {
		for _, b := range sets[1] {
			if holds(a, b) {
				return true
			}
		}
	}
	return false
}

// xpathForm compiles the application of a node function. Its arguments are
// xpathExpressions, or, as in XACML 2.0, strings over the whole request.
func xpathForm(n nodeFunction) form {
	return func(c *compilation, e *policies.Apply) *expression {
		args, types, ok := c.arguments(e.Arguments)
		if !ok {
			return nil
		}
		if len(args) != n.arguments {
			c.fail(e.Position, "%s: want %d arguments, have %d", shortName(e.Function), n.arguments, len(args))
			return nil
		}
		for i, t := range types {
			if t.bag || t.data != authz.XPathExpression && t.data != authz.String {
				c.fail(e.Position, "%s: argument %d must be xpathExpression or string, not %s", shortName(e.Function), i+1, t)
				return nil
			}
		}
		return &expression{typ: typ{data: n.result}, at: e.Position, eval: func(f *frame, v view) (operand, *authz.Status) {
			sets := make([][]xpath.Node, len(args))
			for i, a := range args {
				o, status := a.eval(f, v)
				if status != nil {
					return operand{}, status
				}
				found, err := f.find(o.value, f.extent(v, false))
				if err != nil {
					return operand{}, failed(e.Position, e.Function, err)
				}
				sets[i] = found
			}
			return one(n.apply(sets)), nil
		}}
	}
}

// find returns the nodes of an expression over the content that it is about;
// none without content.
func (f *frame) find(v authz.Value, extent int) ([]xpath.Node, error) {
	x, ok := v.Data().(authz.XPath)
	if !ok {
		x = authz.XPath{Expression: v.Text(), Category: wholeRequest}
	}
	root, err := f.document(x.Category, extent)
	if err != nil || root == nil {
		return nil, err
	}
	return evaluateXPath(x, start(x.Category, root))
}
