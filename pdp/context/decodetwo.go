package context

import (
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// twoElement is an element of a 2.0 request and its category in 3.0.
type twoElement struct {
	name     string
	category authz.Category
	many     bool // may stand more than once
	optional bool
}

// twoElements are in the order in which 2.0 has them.
var twoElements = [...]twoElement{
	{"Subject", authz.Subject, true, false}, {"Resource", authz.Resource, true, false},
	{"Action", authz.Action, false, false}, {"Environment", authz.Environment, false, true},
}

// two reads a Request of 2.0 (XACML 2.0 core, 6.1). Subjects of one category
// are one; several resources are several questions.
func (d *decoder) two(start *xml.Token) (*Request, error) {
	r := &Request{Form: TwoXML, options: d.options, groups: make([]group, 0, usualGroups)}
	if err := d.only(start); err != nil {
		return nil, err
	}
	var seen [len(twoElements)]bool
	byCategory := map[authz.Category]int{}
	var child xml.Token
	for depth := d.r.Depth(); ; {
		more, err := d.child(depth, &child)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		n := slices.IndexFunc(twoElements[:], func(e twoElement) bool { return e.name == child.Name.Local })
		if n < 0 {
			return nil, d.r.Unexpected(child)
		}
		if seen[n] && !twoElements[n].many {
			return nil, d.r.Errorf(child.Offset, "a second %s", child.Name.Local)
		}
		seen[n] = true
		g, err := d.twoGroup(&child, twoElements[n].category)
		if err != nil {
			return nil, err
		}
		r.add(g, byCategory)
	}
	for n, e := range twoElements {
		if !seen[n] && !e.optional {
			return nil, d.r.Errorf(start.Offset, "the request has no %s", e.name)
		}
	}
	return r, nil
}

// add appends a group; a subject joins one of its category.
func (r *Request) add(g group, byCategory map[authz.Category]int) {
	i, ok := byCategory[g.category]
	if !ok || g.category == authz.Resource {
		byCategory[g.category] = len(r.groups)
		r.groups = append(r.groups, g)
		return
	}
	r.groups[i].attrs = append(r.groups[i].attrs, g.attrs...)
}

func (d *decoder) twoGroup(start *xml.Token, c authz.Category) (group, error) {
	allowed, content := "", ""
	switch c {
	case authz.Subject:
		allowed = "SubjectCategory"
		if s := uri(start.Value(allowed)); s != "" {
			c = authz.Category(s)
		}
	case authz.Resource:
		content = "ResourceContent"
	}
	g := group{category: c, place: d.place(start)}
	if err := d.only(start, allowed); err != nil {
		return g, err
	}
	return g, d.fill(&g, content)
}

// resourceContent reads a ResourceContent, which may hold anything. Its only
// element is the content, as in 3.0; failing that, it is so itself.
func (d *decoder) resourceContent(c authz.Category) (*authz.Content, error) {
	fragment, err := d.r.Raw()
	if err != nil {
		return nil, err
	}
	content := &authz.Content{Category: c, XML: []byte(fragment.Standalone()), Standing: d.options.standing(c, "")}
	inner := fragment.Reader(d.options.limits())
	if _, err := inner.Next(); err != nil {
		return nil, err
	}
	var only xml.Fragment
	count := 0
	for _, err := range inner.Children() {
		if err != nil {
			return content, nil // text beside elements
		}
		if count++; count > 1 {
			return content, nil
		}
		if only, err = inner.Raw(); err != nil {
			return nil, err
		}
	}
	if count == 1 {
		content.XML = []byte(only.Standalone())
	}
	return content, nil
}
