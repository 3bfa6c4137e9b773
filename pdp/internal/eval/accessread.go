package eval

import (
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// attributes is what an Attributes element of XACML 3.0 holds (core, 5.43).
type attributes struct {
	text    string // as it was read
	all     []authz.Attribute
	content []byte
	merely  bool // presented
}

const threeContext = "urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"

// maxAttributes bounds the text that is read anew by each evaluation.
const maxAttributes = 1 << 16

// readAttributes reads the content of an Attributes element: a Content, if
// any, and Attribute elements. Names without a prefix are those of XACML.
func readAttributes(text string) (attributes, error) {
	out := attributes{text: text}
	if len(text) > maxAttributes {
		return out, fmt.Errorf("the content has %d bytes, more than %d", len(text), maxAttributes)
	}
	r := xml.NewReader("content", []byte(`<Attributes xmlns="`+threeContext+`">`+text+"</Attributes>"), xml.Limits{Nodes: maxNodes})
	if _, err := r.Root(); err != nil {
		return out, err
	}
	for child, err := range r.Children() {
		if err != nil {
			return out, err
		}
		if err := out.read(r, child); err != nil {
			return out, err
		}
	}
	return out, r.Finish()
}

func (a *attributes) read(r *xml.Reader, child xml.Token) error {
	switch child.Name {
	case xml.Name{Space: threeContext, Local: "Content"}:
		if a.content != nil {
			return r.Errorf(child.Offset, "a second Content")
		}
		var err error
		a.content, err = readContent(r, child)
		return err
	case xml.Name{Space: threeContext, Local: "Attribute"}:
		one, err := readAttribute(r, child)
		a.all = append(a.all, one)
		return err
	}
	return r.Unexpected(child)
}

func readContent(r *xml.Reader, start xml.Token) (content []byte, err error) {
	for child, err := range r.Children() {
		if err != nil {
			return nil, err
		}
		if content != nil {
			return nil, r.Errorf(child.Offset, "Content holds more than one element")
		}
		fragment, err := r.Raw()
		if err != nil {
			return nil, err
		}
		content = []byte(fragment.Standalone())
	}
	if content == nil {
		return nil, r.Errorf(start.Offset, "Content holds no element")
	}
	return content, nil
}

func readAttribute(r *xml.Reader, start xml.Token) (authz.Attribute, error) {
	a := authz.Attribute{Issuer: strings.Clone(start.Value("Issuer")), Standing: authz.Verified}
	id, err := r.Required(start, "AttributeId")
	if err != nil {
		return a, err
	}
	a.ID = strings.Clone(strings.Trim(id, xmlBlanks))
	for child, err := range r.Children() {
		if err != nil {
			return a, err
		}
		if child.Name != (xml.Name{Space: threeContext, Local: "AttributeValue"}) {
			return a, r.Unexpected(child)
		}
		v, err := readValue(r, child)
		if err != nil {
			return a, err
		}
		a.Values = append(a.Values, v)
	}
	if len(a.Values) == 0 {
		return a, r.Errorf(start.Offset, "attribute %q has no value", a.ID)
	}
	return a, nil
}

func readValue(r *xml.Reader, start xml.Token) (authz.Value, error) {
	name, err := r.Required(start, "DataType")
	if err != nil {
		return authz.Value{}, err
	}
	t := authz.DataType(strings.Clone(strings.Trim(name, xmlBlanks))).Canonical()
	if t == authz.XPathExpression {
		category := authz.Category(strings.Clone(start.Value("XPathCategory")))
		node, err := r.Node()
		if err != nil {
			return authz.Value{}, err
		}
		prefixes := map[string]string{}
		for _, b := range node.Bindings() {
			if b.Prefix != "" {
				prefixes[strings.Clone(b.Prefix)] = strings.Clone(b.Space)
			}
		}
		return authz.XPathValue(strings.Clone(strings.TrimSpace(node.StringValue())), category, prefixes), nil
	}
	text, err := r.Content()
	if err != nil {
		return authz.Value{}, err
	}
	v, err := authz.ParseValue(t, strings.Clone(text))
	if err != nil {
		return v, r.Wrap(start.Offset, err)
	}
	return v, nil
}

// presented returns the same as nobody vouches for it.
func (a attributes) presented() attributes {
	a.merely = true
	return a
}

// addTo puts the attributes into a category of a request.
func (a attributes) addTo(r *authz.Request, c authz.Category) {
	standing := authz.Verified
	if a.merely {
		standing = authz.Presented
	}
	for _, one := range a.all {
		one.Category, one.Standing = c, standing
		r.Attributes = append(r.Attributes, one)
	}
	if a.content != nil {
		r.Content = append(r.Content, authz.Content{Category: c, XML: a.content, Standing: standing})
	}
}
