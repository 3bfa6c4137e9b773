package context

import (
	"encoding/base64"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// shortCategories are the members of a request that stand for a category (JSON
// profile 1.1, 4.2.2.1).
var shortCategories = map[string]authz.Category{
	"AccessSubject":       authz.Subject,
	"Resource":            authz.Resource,
	"Action":              authz.Action,
	"Environment":         authz.Environment,
	"RecipientSubject":    authz.RecipientSubject,
	"IntermediarySubject": authz.Intermediary,
	"Codebase":            "urn:oasis:names:tc:xacml:1.0:subject-category:codebase",
	"RequestingMachine":   "urn:oasis:names:tc:xacml:1.0:subject-category:requesting-machine",
}

func readJSON(name string, data []byte, o Options) (*Request, error) {
	j, err := newJSONReader(name, data, o.Size)
	if err != nil {
		return nil, err
	}
	d := &jsonDecoder{jsonReader: j, options: o, room: newRoom(), items: make([]jsonItem, 0, 4)}
	var request *Request
	err = j.object("the document", func(member []byte) (bool, error) {
		if string(member) != "Request" {
			return false, nil
		}
		var err error
		request, err = d.request()
		return true, err
	})
	if err == nil {
		err = j.finish()
	}
	if err == nil && request == nil {
		err = &Error{j.Position(0), "the document has no Request"}
	}
	return request, err
}

// jsonDecoder reads the JSON profile.
type jsonDecoder struct {
	*jsonReader
	options Options
	room    room
	items   []jsonItem // of the Value being read
}

func (d *jsonDecoder) request() (*Request, error) {
	r := &Request{Form: JSON, options: d.options, groups: make([]group, 0, usualGroups)}
	var references []reference
	err := d.object("Request", func(member []byte) (known bool, err error) {
		switch string(member) {
		case "ReturnPolicyIdList":
			r.ReturnPolicyIDs, err = d.flag("ReturnPolicyIdList")
		case "CombinedDecision":
			r.Combined, err = d.flag("CombinedDecision")
		case "XPathVersion":
			_, err = d.text("XPathVersion")
		case "MultiRequests":
			references, err = d.multiRequests()
		default:
			category, short := shortCategories[string(member)]
			if !short && string(member) != "Category" {
				return false, nil
			}
			err = d.list(func() error {
				g, err := d.group(identifiers[string(member)], category)
				r.groups = append(r.groups, g)
				return err
			})
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	return r, r.resolve(references)
}

func (d *jsonDecoder) group(what string, c authz.Category) (group, error) {
	g := group{category: c, place: d.here()}
	first := len(d.room.attrs)
	var contents string
	named, hasContent := c != "", false
	err := d.object(what, func(member []byte) (known bool, err error) {
		switch string(member) {
		case "CategoryId":
			var id string
			id, err = d.text("CategoryId")
			category := longCategory(id)
			if c != "" && category != c {
				return true, &Error{g.place.position(), what + " is not of the category " + quote(id)}
			}
			g.category, named = category, true
		case "Id":
			g.id, err = d.text("Id")
		case "Content":
			contents, err = d.text("Content")
			hasContent = true
		case "Attribute":
			err = d.list(func() error {
				a, err := d.attribute()
				d.room.attrs = append(d.room.attrs, a)
				return err
			})
		default:
			return false, nil
		}
		return true, err
	})
	switch {
	case err != nil:
		return g, err
	case !named:
		return g, &Error{g.place.position(), what + " has no CategoryId"}
	}
	g.attrs = d.room.takeAttributes(first)
	for i := range g.attrs {
		a := &g.attrs[i]
		a.Category, a.Standing = g.category, d.options.standing(g.category, a.ID)
	}
	if hasContent {
		g.content, err = d.content(contents, g)
	}
	return g, err
}

// longCategory is the URI of a category that may be written by its short name.
func longCategory(id string) authz.Category {
	if c, ok := shortCategories[id]; ok {
		return c
	}
	return authz.Category(id)
}

// content reads the XML of a Content, which may be in base 64 (JSON profile
// 1.1, 4.2.3).
func (d *jsonDecoder) content(text string, g group) (*authz.Content, error) {
	document := []byte(text)
	if !strings.Contains(text, "<") {
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, &Error{g.place.position(), "Content is neither XML nor base 64"}
		}
		document = decoded
	}
	r := xml.NewReader("Content", document, d.options.limits())
	if _, err := r.Root(); err != nil {
		return nil, &Error{g.place.position(), err.Error()}
	}
	fragment, err := r.Raw()
	if err == nil {
		err = r.Finish()
	}
	if err != nil {
		return nil, &Error{g.place.position(), err.Error()}
	}
	return &authz.Content{Category: g.category, XML: []byte(fragment.Standalone()), Standing: d.options.standing(g.category, "")}, nil
}

func (d *jsonDecoder) attribute() (authz.Attribute, error) {
	place := d.here()
	var a authz.Attribute
	var raw jsonValue
	var t authz.DataType
	named := false // the empty name is one too, as in XML
	err := d.object("Attribute", func(member []byte) (known bool, err error) {
		switch string(member) {
		case "AttributeId":
			a.ID, err = d.text("AttributeId")
			named = true
		case "Issuer":
			a.Issuer, err = d.text("Issuer")
		case "DataType":
			t, err = d.dataType()
		case "IncludeInResult":
			a.IncludeInResult, err = d.flag("IncludeInResult")
		case "Value":
			raw, err = d.rawValue()
		default:
			return false, nil
		}
		return true, err
	})
	switch {
	case err != nil:
		return a, err
	case !named:
		return a, &Error{place.position(), "an Attribute has no AttributeId"}
	case !raw.given():
		return a, &Error{place.position(), "attribute " + quote(a.ID) + " has no Value"}
	}
	a.Values, err = d.values(raw, t)
	return a, err
}

func (d *jsonDecoder) multiRequests() (all []reference, err error) {
	all = []reference{}
	err = d.object("MultiRequests", func(member []byte) (bool, error) {
		if string(member) != "RequestReference" {
			return false, nil
		}
		return true, d.list(func() error {
			one := reference{place: d.here()}
			err := d.object("RequestReference", func(member []byte) (bool, error) {
				if string(member) != "ReferenceId" {
					return false, nil
				}
				return true, d.list(func() error {
					id, err := d.text("ReferenceId")
					one.ids = append(one.ids, id)
					return err
				})
			})
			all = append(all, one)
			return err
		})
	})
	return all, err
}
