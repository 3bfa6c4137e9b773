package context

import (
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// ReadResponse reads a response context in whatever form it is, as a client
// does. What other engines add (a ResourceId in 3.0, FulfillOn) is ignored.
func ReadResponse(name string, data []byte) (Response, error) {
	o := Options{}.orDefault()
	if isJSON(data) {
		return readResponseJSON(name, data, o)
	}
	r := xml.NewReader(name, data, o.limits())
	start, err := r.Root(responseName(ThreeNamespace), responseName(TwoNamespace))
	if err != nil {
		return Response{}, err
	}
	response, err := DecodeResponse(r, start)
	if err != nil {
		return Response{}, err
	}
	return response, r.Finish()
}

func responseName(space string) xml.Name { return xml.Name{Space: space, Local: "Response"} }

// DecodeResponse reads a Response element whose start tag was read last.
func DecodeResponse(r *xml.Reader, start xml.Token) (Response, error) {
	if start.Name != responseName(ThreeNamespace) && start.Name != responseName(TwoNamespace) {
		return Response{}, r.Unexpected(start)
	}
	d := &decoder{r: r, space: start.Name.Space, options: Options{}.orDefault(), lenient: true}
	var response Response
	err := d.children(func(child *xml.Token) (bool, error) {
		if child.Name.Local != "Result" {
			return false, nil
		}
		one, err := d.result(child)
		response.Results = append(response.Results, one)
		return true, err
	})
	if err == nil && len(response.Results) == 0 {
		err = r.Errorf(start.Offset, "the response has no Result")
	}
	return response, err
}

func (d *decoder) result(start *xml.Token) (Result, error) {
	result := Result{Resource: strings.Clone(start.Value("ResourceId"))}
	var seen []string
	err := d.children(func(child *xml.Token) (known bool, err error) {
		known = true
		// ⚿ The last of two must not take the place of the first: obligations
		// would be lost.
		if name := child.Name.Local; name != "Attributes" {
			if slices.Contains(seen, name) {
				return true, d.r.Errorf(child.Offset, "a second %s", name)
			}
			seen = append(seen, name)
		}
		switch child.Name.Local {
		case "Decision":
			result.Decision, err = d.decision(child)
		case "Status":
			result.Status, err = d.status()
		case "Obligations":
			result.Obligations, err = d.duties("Obligation")
		case "AssociatedAdvice":
			result.Advice, err = d.duties("Advice")
		case "Attributes":
			var g group
			g, err = d.attributes(child)
			result.Attributes = append(result.Attributes, g.attrs...)
		case "PolicyIdentifierList":
			result.Policies, err = d.policies()
		default:
			known = false
		}
		return known, err
	})
	if err == nil && !slices.Contains(seen, "Decision") {
		err = d.r.Errorf(start.Offset, "a Result has no Decision")
	}
	return result, err
}

func (d *decoder) decision(start *xml.Token) (authz.Decision, error) {
	text, err := d.r.Content()
	if err != nil {
		return authz.Indeterminate, err
	}
	decision, ok := decisions[strings.TrimSpace(text)]
	if !ok {
		return authz.Indeterminate, d.r.Errorf(start.Offset, "decision %s is none of XACML's", quote(text))
	}
	return decision, nil
}

var decisions = map[string]authz.Decision{
	"Permit": authz.Permit, "Deny": authz.Deny, "NotApplicable": authz.NotApplicable, "Indeterminate": authz.Indeterminate,
}

func (d *decoder) status() (*authz.Status, error) {
	s := &authz.Status{}
	err := d.children(func(child *xml.Token) (bool, error) {
		var err error
		switch child.Name.Local {
		case "StatusCode":
			if s.Code, err = d.required(child, "Value"); err == nil {
				err = d.r.Skip() // minor codes
			}
		case "StatusMessage":
			s.Message, err = d.r.Content()
			s.Message = strings.Clone(s.Message)
		case "StatusDetail":
			s.Missing, err = d.details()
		default:
			return false, nil
		}
		return true, err
	})
	if err == nil && s.Code == authz.StatusOK && s.Message == "" {
		return nil, nil
	}
	return s, err
}

// details reads the missing attributes; a detail may hold anything else too.
func (d *decoder) details() (all []authz.MissingAttribute, err error) {
	for child, err := range d.r.Children() {
		if err != nil {
			return nil, err
		}
		if child.Name != (xml.Name{Space: d.space, Local: "MissingAttributeDetail"}) {
			continue
		}
		m := authz.MissingAttribute{Category: authz.Category(uri(child.Value("Category"))), Issuer: strings.Clone(child.Value("Issuer"))}
		if m.ID, err = d.required(&child, "AttributeId"); err != nil {
			return nil, err
		}
		if m.Type, err = d.dataType(&child); err != nil {
			return nil, err
		}
		one := m.Type
		if d.space == ThreeNamespace {
			one = ""
		}
		if m.Values, err = d.values(one); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func (d *decoder) duties(name string) (all []authz.Obligation, err error) {
	err = d.children(func(child *xml.Token) (bool, error) {
		if child.Name.Local != name {
			return false, nil
		}
		id, err := d.required(child, name+"Id")
		if err != nil {
			return true, err
		}
		o := authz.Obligation{ID: id}
		err = d.children(func(t *xml.Token) (bool, error) {
			if t.Name.Local != "AttributeAssignment" {
				return false, nil
			}
			a, err := d.assignment(t)
			o.Assignments = append(o.Assignments, a)
			return true, err
		})
		all = append(all, o)
		return true, err
	})
	return all, err
}

func (d *decoder) assignment(start *xml.Token) (a authz.Assignment, err error) {
	if a.ID, err = d.required(start, "AttributeId"); err != nil {
		return a, err
	}
	a.Category = authz.Category(uri(start.Value("Category")))
	a.Issuer = strings.Clone(start.Value("Issuer"))
	t, err := d.dataType(start)
	if err != nil {
		return a, err
	}
	a.Value, err = d.value(start, t)
	return a, err
}

func (d *decoder) policies() (all []authz.PolicyID, err error) {
	err = d.children(func(child *xml.Token) (bool, error) {
		if !slices.Contains([]string{"PolicyIdReference", "PolicySetIdReference"}, child.Name.Local) {
			return false, nil
		}
		version := strings.Clone(child.Value("Version"))
		id, err := d.r.Content()
		all = append(all, authz.PolicyID{ID: strings.Clone(strings.TrimSpace(id)), Version: version, Set: child.Name.Local == "PolicySetIdReference"})
		return true, err
	})
	return all, err
}
