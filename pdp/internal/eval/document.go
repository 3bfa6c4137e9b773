package eval

import (
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/internal/xml/xpath"
)

// wholeRequest is the category of paths over the request context of XACML 2.0.
const wholeRequest authz.Category = ""

const twoContext = "urn:oasis:names:tc:xacml:2.0:context:schema:os"

// maxNodes bounds a content document; readers of requests have their own
// limits on its size and depth, and so has the reader here.
const maxNodes = 1 << 17

// documentCell is a parsed content, once per request and extent.
type documentCell struct {
	category authz.Category
	extent   int
	root     *xml.Node
	err      error
}

// document returns the content of a category as an extent sees it, with the
// node at which paths start; nil if there is none.
func (f *frame) document(c authz.Category, extent int) (*xml.Node, error) {
	for i := range f.documents {
		if d := &f.documents[i]; d.category == c && d.extent == extent {
			return d.root, d.err
		}
	}
	cell := documentCell{category: c, extent: extent}
	if c == wholeRequest {
		cell.root, cell.err = f.asTwo(extent)
	} else {
		cell.root, cell.err = f.content(c, extent)
	}
	f.documents = append(f.documents, cell)
	return cell.root, cell.err
}

// content parses the content of a category. Content that is merely presented is
// not there for whom only verified things count.
func (f *frame) content(c authz.Category, extent int) (*xml.Node, error) {
	for i := range f.request.Content {
		one := &f.request.Content[i]
		if one.Category == c && (extent == presented || f.isVerified || one.Standing == authz.Verified) {
			return xml.Parse("content", one.XML, xml.Limits{Nodes: maxNodes})
		}
	}
	return nil, nil
}

// start is where paths over a document start: at the document itself, in 2.0 at
// the Request element (XACML 2.0 core, 5.45).
func start(c authz.Category, root *xml.Node) xpath.Node {
	if c == wholeRequest {
		return xpath.Element(root)
	}
	return xpath.Document(root)
}

// asTwo writes the request as the context of XACML 2.0 that its policies look
// into (XACML 2.0 core, 6.1), with as much as an extent sees.
func (f *frame) asTwo(extent int) (*xml.Node, error) {
	request := element(nil, "Request")
	for _, c := range f.subjects() {
		subject := element(request, "Subject")
		set(subject, "SubjectCategory", string(c))
		f.attributes(subject, c, extent)
	}
	resource := element(request, "Resource")
	inner, err := f.content(authz.Resource, extent)
	if err != nil {
		return nil, err
	}
	if inner != nil {
		hang(element(resource, "ResourceContent"), inner)
	}
	f.attributes(resource, authz.Resource, extent)
	f.attributes(element(request, "Action"), authz.Action, extent)
	f.attributes(element(request, "Environment"), authz.Environment, extent)
	return request, nil
}

// subjects lists the categories that have no element of their own in 2.0.
func (f *frame) subjects() []authz.Category {
	all := []authz.Category{authz.Subject}
	for i := range f.request.Attributes {
		switch c := f.request.Attributes[i].Category; c {
		case authz.Resource, authz.Action, authz.Environment:
		default:
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

// attributes hangs the attributes of a category below its element, each once
// for every data type of its values.
func (f *frame) attributes(below *xml.Node, c authz.Category, extent int) {
	for i := range f.request.Attributes {
		a := &f.request.Attributes[i]
		if a.Category != c || a.Standing != authz.Verified && extent == verified && !f.isVerified {
			continue
		}
		var open *xml.Node
		var t authz.DataType
		for _, v := range a.Values {
			if open == nil || v.Type() != t {
				open, t = element(below, "Attribute"), v.Type()
				set(open, "AttributeId", a.ID)
				set(open, "DataType", string(t))
				if a.Issuer != "" {
					set(open, "Issuer", a.Issuer)
				}
			}
			hang(element(open, "AttributeValue"), &xml.Node{Kind: xml.Text, Text: v.Text()})
		}
	}
}

func element(below *xml.Node, name string) *xml.Node {
	return hang(below, &xml.Node{Kind: xml.Start, Name: xml.Name{Space: twoContext, Local: name}})
}

func hang(below, n *xml.Node) *xml.Node {
	if below == nil {
		return n
	}
	n.Parent = below
	if n.Prev = below.Last; n.Prev == nil {
		below.First = n
	} else {
		n.Prev.Next = n
	}
	below.Last = n
	return n
}

func set(n *xml.Node, name, value string) {
	n.Attrs = append(n.Attrs, xml.Attr{Name: xml.Name{Local: name}, Value: value})
}
