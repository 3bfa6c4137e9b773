package xpath

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	library "github.com/antchfx/xpath"

	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// maxLength bounds an expression, in bytes.
const maxLength = 4 << 10

// budget is how many steps one evaluation may take: some 100 ms, or a second if
// the expression makes each step as dear as it can.
const budget = 2_000_000

// Expression is a compiled expression that selects nodes. It is immutable and
// safe for concurrent use.
type Expression struct {
	text     string
	compiled *library.Expr
}

// Compile reads an expression. namespaces binds its prefixes; one that is not
// there is an error, and a name without a prefix is in no namespace (XPath 1.0,
// section 2.3). An expression whose value is no set of nodes is an error.
func Compile(text string, namespaces map[string]string) (e *Expression, err error) {
	if len(text) > maxLength {
		return nil, fmt.Errorf("xpath expression has %d bytes; %d are the most", len(text), maxLength)
	}
	for unlike, instead := range inexact {
		if found := unlike.FindString(text); found != "" {
			return nil, fmt.Errorf("xpath %s: %s is not supported; write %s", clip(text), found, instead)
		}
	}
	defer recovered(text, &err)
	if namespaces == nil {
		namespaces = map[string]string{} // nil would let any prefix pass
	}
	compiled, err := library.CompileWithNS(text, namespaces)
	if err != nil {
		return nil, fmt.Errorf("xpath %s: %w", clip(text), err)
	}
	left := budget
	nothing := &navigator{root: &xml.Node{Kind: xml.Start, Name: xml.Name{Local: "nothing"}}, attr: -1, left: &left}
	if _, ok := compiled.Evaluate(nothing).(*library.NodeIterator); !ok {
		return nil, fmt.Errorf("xpath %s: its value is no set of nodes", clip(text))
	}
	return &Expression{text, compiled}, nil
}

// inexact is what the library would answer wrongly, or what is no XPath 1.0 and
// could cost without bound (replace doubles a text as often as it is nested).
// It is refused instead, and now and then a text within quotes with it.
var inexact = map[*regexp.Regexp]string{
	regexp.MustCompile(`(^|[^-\w.])name\s*\(`):                                                                  "local-name() and namespace-uri()",
	regexp.MustCompile(`[\pL_][-\pL\pN_.]*\s*:\s*\*`):                                                           "*[namespace-uri()='…']",
	regexp.MustCompile(`@\s*[^\[\]/|]*\[\s*(\d|position|last)`):                                                 "a condition on the name or the value of the attribute",
	regexp.MustCompile(`(^|[^-\w.])(replace|matches|lower-case|upper-case|ends-with|string-join|reverse)\s*\(`): "functions of XPath 1.0",
}

// String returns the expression as written.
func (e *Expression) String() string { return e.text }

// Node is a node that was selected: the document node above a root element, an
// element, a text or an attribute. Two of one tree are the same if and only if
// they are ==.
type Node struct {
	root *xml.Node
	at   *xml.Node // nil for the document node
	attr int       // index of the attribute, -1 for none
}

// Document returns the document node above a root element.
func Document(root *xml.Node) Node { return Node{root: root, attr: -1} }

// Element returns the root element itself.
func Element(root *xml.Node) Node { return Node{root: root, at: root, attr: -1} }

// Select evaluates the expression with a node as its context and returns what
// it selects, each node once, in the order in which they are found.
func (e *Expression) Select(from Node) (found []Node, err error) {
	defer recovered(e.text, &err)
	left := budget
	i := e.compiled.Select(&navigator{from.root, from.at, from.attr, &left})
	seen := map[Node]bool{}
	for i.MoveNext() {
		c := i.Current().(*navigator)
		n := Node{c.root, c.at, c.attr}
		if !seen[n] {
			seen[n] = true
			found = append(found, n)
		}
	}
	return found, nil
}

// recovered turns the library's panics, and ours, into an error.
func recovered(text string, err *error) {
	switch cause := recover().(type) {
	case nil:
	case error:
		*err = fmt.Errorf("xpath %s: %w", clip(text), cause)
	default:
		*err = fmt.Errorf("xpath %s: %v", clip(text), cause)
	}
}

// Value is the string value of the node (XPath 1.0, section 5).
func (n Node) Value() string {
	switch {
	case n.at == nil:
		return n.root.StringValue()
	case n.attr >= 0:
		return n.at.Attrs[n.attr].Value
	}
	return n.at.StringValue()
}

// IsText reports whether the node is a text or an attribute rather than an
// element or the document.
func (n Node) IsText() bool { return n.at != nil && (n.attr >= 0 || n.at.Kind == xml.Text) }

// Within reports whether n is other, or an attribute of it, or stands below it.
func (n Node) Within(other Node) bool {
	if n.root != other.root {
		return false
	}
	if n == other || other.at == nil {
		return true
	}
	if other.attr >= 0 || n.at == nil {
		return false
	}
	for at := n.at; at != nil; at = at.Parent {
		if at == other.at {
			return true
		}
		if at == n.root {
			break
		}
	}
	return false
}

// Elements returns the elements right below the node, in document order.
func (n Node) Elements() (below []Node) {
	switch {
	case n.at == nil:
		return []Node{Element(n.root)}
	case n.attr >= 0:
		return nil
	}
	for child := range n.at.Elements() {
		below = append(below, Node{root: n.root, at: child, attr: -1})
	}
	return below
}

// In returns the node as one of the tree below root, an element of its own
// tree; false if it is not at or below it.
func (n Node) In(root *xml.Node) (Node, bool) {
	in := Node{root: root, at: n.at, attr: n.attr}
	for at := n.at; at != nil; at = at.Parent {
		if at == root {
			return in, true
		}
	}
	return Node{}, false
}

// Path returns an expression that selects exactly this node, whatever prefixes
// are bound: "/*[1]/*[2]/text()[1]".
func (n Node) Path() string {
	if n.at == nil {
		return "/"
	}
	var steps []string
	if n.attr >= 0 {
		name := n.at.Attrs[n.attr].Name
		steps = append(steps, "@*[local-name()="+literal(name.Local)+" and namespace-uri()="+literal(name.Space)+"]")
	}
	for at := n.at; at != nil; at = at.Parent {
		if at == n.root {
			steps = append(steps, "*[1]")
			break
		}
		test := "*"
		if at.Kind == xml.Text {
			test = "text()"
		}
		steps = append(steps, test+"["+strconv.Itoa(place(at))+"]")
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		b.WriteString("/" + steps[i])
	}
	return b.String()
}

// literal writes a string of XPath 1.0, which has no escapes.
func literal(s string) string {
	if !strings.Contains(s, "'") {
		return "'" + s + "'"
	}
	return "concat('" + strings.ReplaceAll(s, "'", `',"'",'`) + "')"
}

// place counts the siblings of the same kind up to n.
func place(n *xml.Node) int {
	k := 1
	for p := n.Prev; p != nil; p = p.Prev {
		if p.Kind == n.Kind {
			k++
		}
	}
	return k
}

func clip(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}
