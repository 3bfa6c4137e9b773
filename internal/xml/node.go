package xml

import (
	"iter"
	"strings"
)

// Node is an element or a text of a read-only tree. Neighbouring texts are one node; comments are gone. A tree
// that is not changed may be read by many goroutines at once.
type Node struct {
	Kind   Kind // Start for an element, Text for a text
	Name   Name // of an element
	Prefix string
	Attrs  []Attr
	Text   string // of a text

	Parent, Prev, Next *Node
	First, Last        *Node // children

	bindings []Binding // in scope, shared with the parent where nothing is declared
	src      *source
	offset   int
}

// Parse reads a whole document into a tree and gives its root element.
func Parse(name string, data []byte, limits Limits) (*Node, error) {
	r := NewReader(name, data, limits)
	if _, err := r.Root(); err != nil {
		return nil, err
	}
	root, err := r.Node()
	if err != nil {
		return nil, err
	}
	return root, r.Finish()
}

// Node reads the element whose start tag was read last to its end and gives it as a tree of its own.
func (r *Reader) Node() (*Node, error) {
	if err := r.atStart("Node"); err != nil {
		return nil, err
	}
	b := builder{r: r, left: r.limits.Nodes}
	top := &r.frames[len(r.frames)-1]
	if err := b.start(Token{Name: top.name, Prefix: top.prefix, Attrs: r.opened, Offset: top.offset}); err != nil {
		return nil, err
	}
	root := b.at
	for b.at != nil {
		t, err := r.Next()
		if err != nil {
			return nil, err
		}
		switch t.Kind {
		case Start:
			err = b.start(t)
		case End:
			b.at = b.at.Parent
		case Text:
			err = b.add(&Node{Kind: Text, Text: t.Text, offset: t.Offset})
		}
		if err != nil {
			return nil, err
		}
	}
	return root, nil
}

// builder grows a tree; at is the open element.
type builder struct {
	r    *Reader
	at   *Node
	left int
}

func (b *builder) start(t Token) error {
	n := &Node{Kind: Start, Name: t.Name, Prefix: t.Prefix, Attrs: t.Attrs, offset: t.Offset}
	if b.left -= len(t.Attrs); b.at == nil || len(b.r.bindings) > b.r.frames[len(b.r.frames)-1].scope {
		n.bindings = append(n.bindings, b.r.bindings...)
		b.left -= len(n.bindings)
	} else {
		n.bindings = b.at.bindings
	}
	err := b.add(n)
	b.at = n
	return err
}

// add hangs n under the open element.
func (b *builder) add(n *Node) error {
	if b.left--; b.left < 0 {
		return b.r.fail(n.offset, ErrLimit, "document has more nodes than the limit of %d", b.r.limits.Nodes)
	}
	n.src = b.r.src
	if n.Parent = b.at; b.at == nil {
		return nil
	}
	if n.Prev = b.at.Last; n.Prev == nil {
		b.at.First = n
	} else {
		n.Prev.Next = n
	}
	b.at.Last = n
	return nil
}

// Attr finds the attribute of that expanded name.
func (n *Node) Attr(name Name) (Attr, bool) { return findAttr(n.Attrs, name) }

// Value is the value of the attribute of that name in no namespace, or "" when it is absent.
func (n *Node) Value(local string) string {
	a, _ := n.Attr(Name{Local: local})
	return a.Value
}

// Elements goes over the child elements.
func (n *Node) Elements() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		for child := n.First; child != nil; child = child.Next {
			if child.Kind == Start && !yield(child) {
				return
			}
		}
	}
}

// Child is the first child element of that name, or nil.
func (n *Node) Child(name Name) *Node {
	for child := range n.Elements() {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// StringValue is all text in the node, in document order (XPath 1.0, section 5).
func (n *Node) StringValue() string {
	if n.Kind == Text {
		return n.Text
	}
	if n.First == n.Last {
		if n.First == nil {
			return ""
		}
		return n.First.StringValue()
	}
	var b strings.Builder
	n.appendText(&b)
	return b.String()
}

func (n *Node) appendText(b *strings.Builder) {
	b.WriteString(n.Text)
	for child := n.First; child != nil; child = child.Next {
		child.appendText(b)
	}
}

// Namespace is the namespace bound to prefix at the node; the empty prefix is always bound, if only to "".
func (n *Node) Namespace(prefix string) (space string, ok bool) {
	if n.Kind == Text && n.Parent != nil {
		n = n.Parent
	}
	return lookup(n.bindings, prefix)
}

// Bindings are the namespace declarations in scope at the node, each prefix once, without that of xml.
func (n *Node) Bindings() []Binding {
	if n.Kind == Text && n.Parent != nil {
		n = n.Parent
	}
	return inScope(n.bindings)
}

// QName resolves a qualified name in content; one without a prefix is in the default namespace.
func (n *Node) QName(value string) (Name, error) {
	name, err := resolve(value, n.Namespace)
	if err != nil {
		return Name{}, &Error{Position: n.Position(), Message: err.Error(), Cause: ErrContent}
	}
	return name, nil
}

// Position tells where the node begins.
func (n *Node) Position() Position {
	if n.src == nil {
		return Position{}
	}
	return n.src.position(n.offset)
}
