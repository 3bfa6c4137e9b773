package eval

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/antchfx/xpath"
)

// xmlNode is a node of a parsed content document.
type xmlNode struct {
	kind     xpath.NodeType
	space    string // namespace
	local    string
	text     string // of a text or attribute
	parent   *xmlNode
	children []*xmlNode
	attrs    []*xmlNode
	at       int // among its siblings
}

// Limits on a content document; the readers of requests have their own.
const (
	maxContent = 4 << 20
	maxNodes   = 1 << 17
	maxLevels  = 128
)

var errContent = errors.New("the content is no single XML element")

// parseDocument reads the XML of a request's content. Requests from a wire have
// been read strictly before; here only what cannot be a plain element is
// refused.
func parseDocument(data []byte) (*xmlNode, error) {
	if len(data) > maxContent {
		return nil, fmt.Errorf("content longer than %d bytes", maxContent)
	}
	root := &xmlNode{kind: xpath.RootNode}
	d := xml.NewDecoder(bytes.NewReader(data))
	top, nodes, level := root, 0, 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("content: %w", err)
		}
		if nodes++; nodes > maxNodes {
			return nil, fmt.Errorf("content of more than %d nodes", maxNodes)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if level++; level > maxLevels {
				return nil, fmt.Errorf("content nested more than %d deep", maxLevels)
			}
			top = top.element(token)
			nodes += len(token.Attr)
		case xml.EndElement:
			top, level = top.parent, level-1
		case xml.CharData:
			if top != root {
				top.characters(string(token))
			}
		case xml.Directive, xml.ProcInst:
			return nil, errContent
		}
	}
	if len(root.children) != 1 {
		return nil, errContent
	}
	return root, nil
}

func (n *xmlNode) element(start xml.StartElement) *xmlNode {
	e := &xmlNode{kind: xpath.ElementNode, space: start.Name.Space, local: start.Name.Local}
	for _, a := range start.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		e.attrs = append(e.attrs, &xmlNode{kind: xpath.AttributeNode, space: a.Name.Space, local: a.Name.Local, text: a.Value, parent: e, at: len(e.attrs)})
	}
	return n.append(e)
}

func (n *xmlNode) append(child *xmlNode) *xmlNode {
	child.parent, child.at = n, len(n.children)
	n.children = append(n.children, child)
	return child
}

// characters adds text; what a comment parts stays one text.
func (n *xmlNode) characters(text string) {
	if last := len(n.children) - 1; last >= 0 && n.children[last].kind == xpath.TextNode {
		n.children[last].text += text
		return
	}
	n.append(&xmlNode{kind: xpath.TextNode, text: text})
}

// value is the string value of a node (XPath 1.0, section 5).
func (n *xmlNode) value() string {
	if n.kind == xpath.TextNode || n.kind == xpath.AttributeNode {
		return n.text
	}
	var b strings.Builder
	n.write(&b)
	return b.String()
}

func (n *xmlNode) write(b *strings.Builder) {
	b.WriteString(n.text)
	for _, c := range n.children {
		c.write(b)
	}
}

// within reports whether n is m or below it.
func (n *xmlNode) within(m *xmlNode) bool {
	for ; n != nil; n = n.parent {
		if n == m {
			return true
		}
	}
	return false
}

// navigator walks a document for the XPath library, for so many steps: an
// expression may come with a request and ask for every node of every node.
type navigator struct {
	node  *xmlNode
	steps *int
}

// maxSteps bounds the evaluation of one expression: about a second.
const maxSteps = 10_000_000

var errSteps = fmt.Errorf("more than %d steps", maxSteps)

func navigate(from *xmlNode) *navigator { return &navigator{node: from, steps: new(int)} }

// step counts; the panic is caught where the expression is evaluated.
func (v *navigator) step() {
	if *v.steps++; *v.steps > maxSteps {
		panic(errSteps)
	}
}

var _ xpath.NodeNavigator = (*navigator)(nil)

func (v *navigator) NodeType() xpath.NodeType  { return v.node.kind }
func (v *navigator) LocalName() string         { return v.node.local }
func (v *navigator) Value() string             { return v.node.value() }
func (v *navigator) NamespaceURL() string      { return v.node.space }
func (v *navigator) Copy() xpath.NodeNavigator { v.step(); c := *v; return &c }
func (v *navigator) MoveToChild() bool         { return v.child(0) }
func (v *navigator) MoveToFirst() bool         { return v.sibling(0) }
func (v *navigator) MoveToNext() bool          { return v.sibling(v.node.at + 1) }
func (v *navigator) MoveToPrevious() bool      { return v.sibling(v.node.at - 1) }

// Prefix tells names in a namespace from names in none: an unprefixed name in
// an expression means the latter (XPath 1.0, 2.3). Namespaces themselves are
// compared by NamespaceURL.
func (v *navigator) Prefix() string {
	if v.node.space == "" {
		return ""
	}
	return "ns"
}

func (v *navigator) MoveToRoot() {
	for v.node.parent != nil {
		v.node = v.node.parent
	}
}

func (v *navigator) MoveToParent() bool {
	v.step()
	if v.node.parent == nil {
		return false
	}
	v.node = v.node.parent
	return true
}

func (v *navigator) MoveToNextAttribute() bool {
	v.step()
	of, next := v.node, 0
	if v.node.kind == xpath.AttributeNode {
		of, next = v.node.parent, v.node.at+1
	}
	if next >= len(of.attrs) {
		return false
	}
	v.node = of.attrs[next]
	return true
}

func (v *navigator) child(n int) bool {
	v.step()
	if n >= len(v.node.children) {
		return false
	}
	v.node = v.node.children[n]
	return true
}

func (v *navigator) sibling(n int) bool {
	v.step()
	if v.node.kind == xpath.AttributeNode || v.node.parent == nil || n < 0 || n >= len(v.node.parent.children) {
		return false
	}
	v.node = v.node.parent.children[n]
	return true
}

func (v *navigator) MoveTo(to xpath.NodeNavigator) bool {
	other, ok := to.(*navigator)
	if ok {
		v.node = other.node
	}
	return ok
}
