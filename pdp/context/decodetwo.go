package context

import (
	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// twoCategories maps the elements of a 2.0 request to the categories of 3.0.
var twoCategories = map[string]authz.Category{
	"Subject": authz.Subject, "Resource": authz.Resource, "Action": authz.Action, "Environment": authz.Environment,
}

// two reads a Request of 2.0 (XACML 2.0 core, 6.1). Subjects of one category
// are one; several resources are several questions.
func (d *decoder) two(start xml.Token) (*Request, error) {
	r := &Request{Form: TwoXML, options: d.options}
	if err := d.only(start); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	byCategory := map[authz.Category]int{}
	err := d.children(func(child xml.Token) (bool, error) {
		category, ok := twoCategories[child.Name.Local]
		if !ok {
			return false, nil
		}
		if seen[child.Name.Local] && (category == authz.Action || category == authz.Environment) {
			return true, d.r.Errorf(child.Offset, "a second %s", child.Name.Local)
		}
		seen[child.Name.Local] = true
		g, err := d.twoGroup(child, category)
		r.add(g, byCategory)
		return true, err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"Subject", "Resource", "Action"} {
		if !seen[name] {
			return nil, d.r.Errorf(start.Offset, "the request has no %s", name)
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

func (d *decoder) twoGroup(start xml.Token, c authz.Category) (group, error) {
	names := []string{}
	if c == authz.Subject {
		names = append(names, "SubjectCategory")
		if s := uri(start.Value("SubjectCategory")); s != "" {
			c = authz.Category(s)
		}
	}
	g := group{category: c, place: d.place(start)}
	if err := d.only(start, names...); err != nil {
		return g, err
	}
	err := d.children(func(child xml.Token) (bool, error) {
		switch {
		case child.Name.Local == "ResourceContent" && c == authz.Resource && g.content == nil:
			var err error
			g.content, err = d.resourceContent(c)
			return true, err
		case child.Name.Local == "Attribute":
			a, err := d.attribute(child, c)
			g.attrs = append(g.attrs, a)
			return true, err
		}
		return false, nil
	})
	return g, err
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
