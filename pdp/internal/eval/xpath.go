package eval

import (
	"errors"
	"fmt"

	"github.com/antchfx/xpath"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// wholeRequest is the category of the content that is a whole request of XACML
// 2.0; RequestContextPath starts there.
const wholeRequest authz.Category = ""

const twoContext = "urn:oasis:names:tc:xacml:2.0:context:schema:os"

// documentCell is a parsed content, once per request.
type documentCell struct {
	category authz.Category
	root     *xmlNode
	err      error
}

// document returns the content of a category; nil if there is none.
func (f *frame) document(c authz.Category) (*xmlNode, error) {
	for i := range f.documents {
		if f.documents[i].category == c {
			return f.documents[i].root, f.documents[i].err
		}
	}
	cell := documentCell{category: c}
	for _, content := range f.request.Content {
		if content.Category == c {
			cell.root, cell.err = parseDocument(content.XML)
		}
	}
	if c == wholeRequest && cell.root == nil && cell.err == nil {
		cell.root, cell.err = f.asTwo()
	}
	f.documents = append(f.documents, cell)
	return cell.root, cell.err
}

// asTwo puts the content of the resource where a request of XACML 2.0 has it.
func (f *frame) asTwo() (*xmlNode, error) {
	for _, content := range f.request.Content {
		if content.Category != authz.Resource {
			continue
		}
		inner, err := parseDocument(content.XML)
		if err != nil {
			return nil, err
		}
		root := &xmlNode{kind: xpath.RootNode}
		top := root
		for _, name := range []string{"Request", "Resource", "ResourceContent"} {
			top = top.append(&xmlNode{kind: xpath.ElementNode, space: twoContext, local: name})
		}
		top.append(inner.children[0])
		return root, nil
	}
	return nil, nil
}

// compileXPath compiles an expression with the prefixes of its place. The
// library reports some mistakes by panicking.
func compileXPath(expression string, namespaces map[string]string) (compiled *xpath.Expr, err error) {
	if len(expression) > maxPattern {
		return nil, fmt.Errorf("an XPath expression longer than %d bytes", maxPattern)
	}
	defer func() {
		if cause := recover(); cause != nil {
			compiled, err = nil, fmt.Errorf("XPath %q: %v", expression, cause)
		}
	}()
	compiled, err = xpath.CompileWithNS(expression, namespaces)
	if err != nil {
		err = fmt.Errorf("XPath %q: %w", expression, err)
	}
	return compiled, err
}

// selectNodes returns the nodes that an expression finds, without duplicates.
func selectNodes(e *xpath.Expr, from *xmlNode) (found []*xmlNode, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			found, err = nil, fmt.Errorf("XPath %q: %v", e, cause)
		}
	}()
	it, ok := e.Evaluate(navigate(from)).(*xpath.NodeIterator)
	if !ok {
		return nil, fmt.Errorf("XPath %q gives no nodes", e)
	}
	seen := map[*xmlNode]bool{}
	for it.MoveNext() {
		if n := it.Current().(*navigator).node; !seen[n] {
			seen[n] = true
			found = append(found, n)
		}
	}
	return found, nil
}

// selector is a compiled AttributeSelector (XACML 3.0 core, 7.3.7). Content has
// no standing of its own: it is seen in every view.
type selector struct {
	from     *policies.Selector
	category authz.Category
	path     *xpath.Expr
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
	path, err := compileXPath(e.Path, e.Namespaces)
	if err != nil {
		c.fail(e.Position, "%s", err)
		return nil
	}
	s.path = path
	if e.ContextID != "" {
		s.context = c.slot(slot{category: e.Category, id: e.ContextID, typ: authz.XPathExpression})
	}
	return &attribute{slot: -1, selector: s, typ: s.typ, required: e.MustBePresent, missing: &authz.Status{
		Code:    authz.StatusMissingAttribute,
		Message: fmt.Sprintf("nothing at %s%s", e.Path, at(e.Position)),
		Missing: []authz.MissingAttribute{{Category: e.Category, ID: e.ContextID, Type: s.typ}},
	}}
}

func (s *selector) bag(f *frame) ([]authz.Value, *authz.Status) {
	nodes, err := s.nodes(f)
	if err != nil {
		return nil, processingError(s.from.Position, "%s", err)
	}
	values := make([]authz.Value, 0, len(nodes))
	for _, n := range nodes {
		v, err := authz.ParseValue(s.typ, n.value())
		if err != nil {
			return nil, &authz.Status{Code: authz.StatusSyntaxError, Message: fmt.Sprintf("%s: %s%s", s.from.Path, err, at(s.from.Position))}
		}
		values = append(values, v)
	}
	return values, nil
}

func (s *selector) nodes(f *frame) ([]*xmlNode, error) {
	root, err := f.document(s.category)
	if err != nil || root == nil {
		return nil, err
	}
	from := root
	if s.category == wholeRequest {
		from = root.children[0]
	}
	if s.context >= 0 {
		if from, err = s.contextNode(f, root); err != nil || from == nil {
			return nil, err
		}
	}
	return selectNodes(s.path, from)
}

// contextNode finds the one node that the context selector names.
func (s *selector) contextNode(f *frame, root *xmlNode) (*xmlNode, error) {
	bag := f.bag(s.context, f.extent(permitView, false))
	if len(bag) == 0 {
		return nil, nil
	}
	if len(bag) > 1 {
		return nil, fmt.Errorf("%d context selectors %s", len(bag), s.from.ContextID)
	}
	x, ok := bag[0].Data().(authz.XPath)
	if !ok || x.Category != s.category {
		return nil, fmt.Errorf("the context selector %s is of another category", s.from.ContextID)
	}
	found, err := evaluateXPath(x, root)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("the context selector %s finds %d nodes where one is needed", s.from.ContextID, len(found))
	}
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

func evaluateXPath(x authz.XPath, root *xmlNode) ([]*xmlNode, error) {
	compiled, err := compileXPath(x.Expression, x.Namespaces)
	if err != nil {
		return nil, err
	}
	return selectNodes(compiled, root)
}

// nodeFunction is a function over the nodes that expressions find (A.3.15).
type nodeFunction struct {
	arguments int
	result    authz.DataType
	apply     func(sets [][]*xmlNode) authz.Value
}

var (
	countNodes = nodeFunction{1, authz.Integer, func(sets [][]*xmlNode) authz.Value {
		return authz.IntegerValue(int64(len(sets[0])))
	}}
	equalNodes = nodeFunction{2, authz.Boolean, func(sets [][]*xmlNode) authz.Value {
		return authz.BooleanValue(anyPair(sets, func(a, b *xmlNode) bool { return a == b }))
	}}
	// matchNodes also looks at what lies below the nodes of the first set.
	matchNodes = nodeFunction{2, authz.Boolean, func(sets [][]*xmlNode) authz.Value {
		return authz.BooleanValue(anyPair(sets, func(a, b *xmlNode) bool { return b.within(a) }))
	}}
)

func anyPair(sets [][]*xmlNode, holds func(a, b *xmlNode) bool) bool {
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
			sets := make([][]*xmlNode, len(args))
			for i, a := range args {
				o, status := a.eval(f, v)
				if status != nil {
					return operand{}, status
				}
				found, err := f.find(o.value)
				if err != nil {
					return operand{}, failed(e.Position, e.Function, err)
				}
				sets[i] = found
			}
			return one(n.apply(sets)), nil
		}}
	}
}

var errNoContent = errors.New("the request has no content there")

// find returns the nodes of an expression over the content that it is about.
func (f *frame) find(v authz.Value) ([]*xmlNode, error) {
	x, ok := v.Data().(authz.XPath)
	if !ok {
		x = authz.XPath{Expression: v.Text(), Category: wholeRequest}
	}
	root, err := f.document(x.Category)
	switch {
	case err != nil:
		return nil, err
	case root == nil:
		return nil, errNoContent
	}
	return evaluateXPath(x, root)
}
