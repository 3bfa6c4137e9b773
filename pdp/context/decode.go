package context

import (
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// decoder reads the XML of requests and responses.
type decoder struct {
	r       *xml.Reader
	space   string
	options Options
	lenient bool // responses of others: attributes that are not known are ignored
	room    room
}

func (d *decoder) place(t *xml.Token) place { return place{d.r, t.Offset} }

// child reads the start tag of the next child element, which must be of the
// namespace, as xml.Reader.Child does.
func (d *decoder) child(depth int, t *xml.Token) (more bool, err error) {
	more, err = d.r.Child(depth, t)
	if more && t.Name.Space != d.space && t.Name.Space != twoPolicy {
		return false, d.r.Unexpected(*t)
	}
	return more, err
}

// children calls read for each child element of the namespace; one that read
// does not know is an error.
func (d *decoder) children(read func(child *xml.Token) (known bool, err error)) error {
	depth := d.r.Depth()
	for t := (xml.Token{}); ; {
		more, err := d.child(depth, &t)
		if err != nil || !more {
			return err
		}
		known, err := read(&t)
		if err != nil {
			return err
		}
		if !known {
			return d.r.Unexpected(t)
		}
	}
}

// only refuses attributes of no namespace other than those named: one that is
// misspelt must not silently be absent.
func (d *decoder) only(start *xml.Token, names ...string) error {
	if d.lenient {
		return nil
	}
	for _, a := range start.Attrs {
		if a.Name.Space == "" && !slices.Contains(names, a.Name.Local) {
			return d.r.Errorf(a.Offset, "<%s> has no attribute %q in XACML", start.Name.Local, a.Name.Local)
		}
	}
	return nil
}

func (d *decoder) flag(start *xml.Token, name string) (bool, error) {
	a, ok := start.Attr(xml.Name{Local: name})
	switch text := strings.TrimSpace(a.Value); {
	case !ok, text == "false", text == "0":
		return false, nil
	case text == "true", text == "1":
		return true, nil
	}
	return false, d.r.Errorf(a.Offset, "%s is %q; want true or false", name, a.Value)
}

// value reads an element with text of a data type: an AttributeValue, or an
// AttributeAssignment.
func (d *decoder) value(start *xml.Token, t authz.DataType) (authz.Value, error) {
	if t == authz.XPathExpression {
		c := start.Value("XPathCategory")
		node, err := d.r.Node()
		if err != nil {
			return authz.Value{}, err
		}
		prefixes := map[string]string{}
		for _, b := range node.Bindings() {
			if b.Prefix != "" {
				prefixes[strings.Clone(b.Prefix)] = strings.Clone(b.Space)
			}
		}
		return authz.XPathValue(strings.Clone(strings.TrimSpace(node.StringValue())), authz.Category(uri(c)), prefixes), nil
	}
	text, err := d.r.Content()
	if err != nil {
		return authz.Value{}, err
	}
	v, err := authz.ParseValue(t, strings.Clone(text))
	if err != nil {
		return v, d.r.Wrap(start.Offset, err)
	}
	return v, nil
}

func (d *decoder) dataType(start *xml.Token) (authz.DataType, error) {
	t, err := d.r.Required(*start, "DataType")
	return authz.DataType(uri(t)).Canonical(), err
}

// required is an identifier that must be there.
func (d *decoder) required(start *xml.Token, name string) (string, error) {
	s, err := d.r.Required(*start, name)
	return uri(s), err
}

// uri collapses the blanks of an anyURI (XML Schema 1.0, part 2, 3.2.17) and
// keeps it apart from the document.
func uri(s string) string { return identifier(strings.Trim(s, " \t\r\n")) }

// attribute reads an Attribute of 3.0, whose values have types, or of 2.0,
// which has one itself.
func (d *decoder) attribute(start *xml.Token, c authz.Category) (authz.Attribute, error) {
	two := d.space == TwoNamespace
	names := []string{"AttributeId", "Issuer", "IncludeInResult"}
	if two {
		names[2] = "DataType"
	}
	a := authz.Attribute{Category: c, Issuer: strings.Clone(start.Value("Issuer"))}
	if err := d.only(start, names...); err != nil {
		return a, err
	}
	var err error
	if a.ID, err = d.required(start, "AttributeId"); err != nil {
		return a, err
	}
	if a.IncludeInResult, err = d.flag(start, "IncludeInResult"); err != nil {
		return a, err
	}
	var one authz.DataType
	if two {
		if one, err = d.dataType(start); err != nil {
			return a, err
		}
	}
	if a.Values, err = d.values(one); err == nil && len(a.Values) == 0 {
		err = d.r.Errorf(start.Offset, "attribute %q has no value", a.ID)
	}
	a.Standing = d.options.standing(c, a.ID)
	return a, err
}

// values reads the AttributeValue children; one is their type in 2.0, "" in
// 3.0.
func (d *decoder) values(one authz.DataType) ([]authz.Value, error) {
	first := len(d.room.values)
	var child xml.Token
	for depth := d.r.Depth(); ; {
		more, err := d.child(depth, &child)
		if err != nil {
			return nil, err
		}
		if !more {
			return d.room.takeValues(first), nil
		}
		if child.Name.Local != "AttributeValue" {
			return nil, d.r.Unexpected(child)
		}
		t := one
		if t == "" {
			if t, err = d.valueType(&child); err != nil {
				return nil, err
			}
		}
		v, err := d.value(&child, t)
		if err != nil {
			return nil, err
		}
		d.room.values = append(d.room.values, v)
	}
}

func (d *decoder) valueType(start *xml.Token) (authz.DataType, error) {
	if err := d.only(start, "DataType", "XPathCategory"); err != nil {
		return "", err
	}
	return d.dataType(start)
}

// three reads a Request of 3.0 (XACML 3.0 core, 5.42).
func (d *decoder) three(start *xml.Token) (*Request, error) {
	r := &Request{Form: ThreeXML, options: d.options, groups: make([]group, 0, usualGroups)}
	if err := d.only(start, "ReturnPolicyIdList", "CombinedDecision"); err != nil {
		return nil, err
	}
	var err error
	if r.ReturnPolicyIDs, err = d.flag(start, "ReturnPolicyIdList"); err != nil {
		return nil, err
	}
	if r.Combined, err = d.flag(start, "CombinedDecision"); err != nil {
		return nil, err
	}
	var references []reference
	var child xml.Token
	for depth := d.r.Depth(); ; {
		more, err := d.child(depth, &child)
		if err != nil {
			return nil, err
		}
		if !more {
			return r, r.resolve(references)
		}
		switch child.Name.Local {
		case "RequestDefaults":
			err = d.r.Skip() // holds XPathVersion alone
		case "Attributes":
			var g group
			g, err = d.attributes(&child)
			r.groups = append(r.groups, g)
		case "MultiRequests":
			if references != nil {
				return nil, d.r.Errorf(child.Offset, "a second MultiRequests")
			}
			references, err = d.multiRequests()
		default:
			err = d.r.Unexpected(child)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (d *decoder) attributes(start *xml.Token) (group, error) {
	c, err := d.required(start, "Category")
	if err != nil {
		return group{}, err
	}
	if err := d.only(start, "Category"); err != nil {
		return group{}, err
	}
	g := group{category: authz.Category(c), place: d.place(start)}
	if id, ok := start.Attr(xml.Name{Space: xmlSpace, Local: "id"}); ok {
		g.id = strings.Clone(id.Value)
	}
	return g, d.fill(&g, "Content")
}

// fill reads the children of a group: attributes, and content in an element of
// the name given, or none for "".
func (d *decoder) fill(g *group, contentName string) error {
	first := len(d.room.attrs)
	var child xml.Token
	for depth := d.r.Depth(); ; {
		more, err := d.child(depth, &child)
		if err != nil {
			return err
		}
		if !more {
			g.attrs = d.room.takeAttributes(first)
			return nil
		}
		switch {
		case child.Name.Local == "Attribute":
			var a authz.Attribute
			a, err = d.attribute(&child, g.category)
			d.room.attrs = append(d.room.attrs, a)
		case child.Name.Local != contentName:
			err = d.r.Unexpected(child)
		case g.content != nil:
			err = d.r.Errorf(child.Offset, "a second %s of one category", contentName)
		case contentName == "Content":
			g.content, err = d.content(&child, g.category)
		default:
			g.content, err = d.resourceContent(g.category)
		}
		if err != nil {
			return err
		}
	}
}

const xmlSpace = "http://www.w3.org/XML/1998/namespace"

// content reads the one element within a Content (XACML 3.0 core, 5.45).
func (d *decoder) content(start *xml.Token, c authz.Category) (*authz.Content, error) {
	var content *authz.Content
	for child, err := range d.r.Children() {
		if err != nil {
			return nil, err
		}
		if content != nil {
			return nil, d.r.Errorf(child.Offset, "Content holds more than one element")
		}
		fragment, err := d.r.Raw()
		if err != nil {
			return nil, err
		}
		content = &authz.Content{Category: c, XML: []byte(fragment.Standalone()), Standing: d.options.standing(c, "")}
	}
	if content == nil {
		return nil, d.r.Errorf(start.Offset, "Content holds no element")
	}
	return content, nil
}

// reference is a RequestReference: the ids of the groups of one question.
type reference struct {
	ids   []string
	place place
}

func (d *decoder) multiRequests() (all []reference, err error) {
	err = d.children(func(child *xml.Token) (bool, error) {
		if child.Name.Local != "RequestReference" {
			return false, nil
		}
		one := reference{place: d.place(child)}
		err := d.children(func(t *xml.Token) (bool, error) {
			if t.Name.Local != "AttributesReference" {
				return false, nil
			}
			id, err := d.required(t, "ReferenceId")
			if err == nil {
				err = d.r.Empty()
			}
			one.ids = append(one.ids, id)
			return true, err
		})
		all = append(all, one)
		return true, err
	})
	if err == nil && len(all) == 0 {
		all = []reference{}
	}
	return all, err
}

// resolve finds the groups that references name.
func (r *Request) resolve(references []reference) error {
	byID := map[string]int{}
	for i, g := range r.groups {
		if g.id == "" {
			continue
		}
		if _, twice := byID[g.id]; twice {
			return &Error{g.place.position(), "the id " + quote(g.id) + " stands twice"}
		}
		byID[g.id] = i
	}
	if references == nil {
		return nil
	}
	if len(references) == 0 {
		return &Error{Message: "MultiRequests holds no RequestReference"}
	}
	r.references = make([][]int, 0, len(references))
	for _, ref := range references {
		var groups []int
		seen := map[int]bool{}
		for _, id := range ref.ids {
			i, ok := byID[id]
			switch {
			case !ok:
				return &Error{ref.place.position(), "no Attributes have the id " + quote(id)}
			case seen[i]:
				return &Error{ref.place.position(), "the id " + quote(id) + " is referred to twice"}
			}
			seen[i] = true
			groups = append(groups, i)
		}
		if len(groups) == 0 {
			return &Error{ref.place.position(), "a RequestReference names no Attributes"}
		}
		r.references = append(r.references, groups)
	}
	return nil
}

func quote(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "…"
	}
	return `"` + s + `"`
}
