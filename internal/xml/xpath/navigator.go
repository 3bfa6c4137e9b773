package xpath

import (
	"errors"

	library "github.com/antchfx/xpath"

	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// ErrBudget is the cause of the error of an evaluation that takes too long. (The
// library can be stopped only by a panic of its navigator.)
var ErrBudget = errors.New("the evaluation takes too many steps")

// navigator is a cursor over a tree: the document node above the root element
// (at nil), an element or a text (at), or an attribute of an element (attr).
type navigator struct {
	root *xml.Node
	at   *xml.Node
	attr int // index in at.Attrs, -1 for none
	left *int
}

var _ library.NodeNavigator = (*navigator)(nil)

func (n *navigator) step() {
	if *n.left--; *n.left < 0 {
		panic(ErrBudget)
	}
}

// NodeType says what the cursor is on.
func (n *navigator) NodeType() library.NodeType {
	switch {
	case n.at == nil:
		return library.RootNode
	case n.attr >= 0:
		return library.AttributeNode
	case n.at.Kind == xml.Text:
		return library.TextNode
	}
	return library.ElementNode
}

// LocalName is the name without its prefix.
func (n *navigator) LocalName() string {
	switch {
	case n.at == nil:
		return ""
	case n.attr >= 0:
		return n.at.Attrs[n.attr].Name.Local
	}
	return n.at.Name.Local
}

// Prefix is not empty for a name in a namespace, also in a default one: the
// library takes a name test without a prefix for one of an element without a
// prefix, where it means one in no namespace.
func (n *navigator) Prefix() string {
	if n.NamespaceURL() == "" {
		return ""
	}
	return "in-a-namespace"
}

// NamespaceURL is what the library compares prefixes of the expression by.
func (n *navigator) NamespaceURL() string {
	switch {
	case n.at == nil:
		return ""
	case n.attr >= 0:
		return n.at.Attrs[n.attr].Name.Space
	}
	return n.at.Name.Space
}

// Value is the string value (XPath 1.0, section 5).
func (n *navigator) Value() string {
	n.step()
	switch {
	case n.attr >= 0:
		return n.at.Attrs[n.attr].Value
	case n.at == nil:
		return n.charge(n.root.StringValue())
	}
	return n.charge(n.at.StringValue())
}

// charge makes the copying of long texts count, which an expression can ask
// for at every node of a tree.
func (n *navigator) charge(s string) string {
	*n.left -= len(s) / 64
	return s
}

// Copy returns a cursor at the same place.
func (n *navigator) Copy() library.NodeNavigator {
	n.step()
	c := *n
	return &c
}

// MoveToRoot goes to the document node.
func (n *navigator) MoveToRoot() { n.at, n.attr = nil, -1 }

// MoveToParent goes up.
func (n *navigator) MoveToParent() bool {
	n.step()
	switch {
	case n.at == nil:
		return false
	case n.attr >= 0:
		n.attr = -1
	case n.at == n.root:
		n.at = nil
	default:
		n.at = n.at.Parent
	}
	return true
}

// MoveToNextAttribute goes to the first or the next attribute.
func (n *navigator) MoveToNextAttribute() bool {
	n.step()
	if n.at == nil || n.attr+1 >= len(n.at.Attrs) {
		return false
	}
	n.attr++
	return true
}

// MoveToChild goes to the first child.
func (n *navigator) MoveToChild() bool {
	n.step()
	switch {
	case n.attr >= 0:
		return false
	case n.at == nil:
		n.at = n.root
	case n.at.First == nil:
		return false
	default:
		n.at = n.at.First
	}
	return true
}

// MoveToFirst goes to the first sibling.
func (n *navigator) MoveToFirst() bool {
	n.step()
	if n.attr >= 0 || n.at == nil || n.at == n.root || n.at.Prev == nil {
		return false
	}
	n.at = n.at.Parent.First
	return true
}

// MoveToNext goes to the next sibling.
func (n *navigator) MoveToNext() bool {
	n.step()
	if n.attr >= 0 || n.at == nil || n.at == n.root || n.at.Next == nil {
		return false
	}
	n.at = n.at.Next
	return true
}

// MoveToPrevious goes to the previous sibling.
func (n *navigator) MoveToPrevious() bool {
	n.step()
	if n.attr >= 0 || n.at == nil || n.at == n.root || n.at.Prev == nil {
		return false
	}
	n.at = n.at.Prev
	return true
}

// MoveTo goes where another cursor of the same tree is.
func (n *navigator) MoveTo(other library.NodeNavigator) bool {
	o, ok := other.(*navigator)
	if !ok || o.root != n.root {
		return false
	}
	n.at, n.attr = o.at, o.attr
	return true
}
