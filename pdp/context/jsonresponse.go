package context

import "github.com/gatehouse-authz/gatehouse/authz"

func readResponseJSON(name string, data []byte, o Options) (Response, error) {
	j, err := newJSONReader(name, data, o.Size)
	if err != nil {
		return Response{}, err
	}
	d := &jsonDecoder{jsonReader: j, options: o}
	var response Response
	results := func() error {
		return d.list(func() error {
			r, err := d.result()
			response.Results = append(response.Results, r)
			return err
		})
	}
	if d.kind() == '[' { // as some engines answer
		err = results()
	} else {
		err = j.object("the document", func(member []byte) (bool, error) {
			return string(member) == "Response", onlyIf(string(member) == "Response", results)
		})
	}
	if err == nil {
		err = j.finish()
	}
	if err == nil && len(response.Results) == 0 {
		err = &Error{j.Position(0), "the document has no Response with a result"}
	}
	return response, err
}

func onlyIf(condition bool, do func() error) error {
	if !condition {
		return nil
	}
	return do()
}

func (d *jsonDecoder) result() (Result, error) {
	var r Result
	place, decided := d.here(), false
	err := d.object("Result", func(member []byte) (known bool, err error) {
		switch string(member) {
		case "Decision":
			decided = true
			r.Decision, err = d.decision()
		case "Status":
			r.Status, err = d.status()
		case "Obligations":
			r.Obligations, err = d.duties("Obligations")
		case "AssociatedAdvice":
			r.Advice, err = d.duties("AssociatedAdvice")
		case "Category":
			err = d.list(func() error {
				g, err := d.group("Category", "")
				r.Attributes = append(r.Attributes, g.attrs...)
				return err
			})
		case "PolicyIdentifierList":
			r.Policies, err = d.policies()
		default:
			return false, nil
		}
		return true, err
	})
	if err == nil && !decided {
		err = &Error{place.position(), "a result has no Decision"}
	}
	return r, err
}

func (d *jsonDecoder) decision() (authz.Decision, error) {
	place := d.here()
	text, err := d.text("Decision")
	if err != nil {
		return authz.Indeterminate, err
	}
	decision, ok := decisions[text]
	if !ok {
		return authz.Indeterminate, &Error{place.position(), "decision " + quote(text) + " is none of XACML's"}
	}
	return decision, nil
}

func (d *jsonDecoder) status() (*authz.Status, error) {
	s := &authz.Status{}
	err := d.object("Status", func(member []byte) (known bool, err error) {
		switch string(member) {
		case "StatusMessage":
			s.Message, err = d.text("StatusMessage")
		case "StatusCode":
			s.Code, err = d.statusCode()
		case "StatusDetail":
			s.Missing, err = d.details()
		default:
			return false, nil
		}
		return true, err
	})
	if err == nil && (s.Code == authz.StatusOK || s.Code == "") && s.Message == "" {
		return nil, nil
	}
	return s, err
}

// statusCode reads the major code; minor codes, nested, are dropped.
func (d *jsonDecoder) statusCode() (code string, err error) {
	err = d.object("StatusCode", func(member []byte) (known bool, err error) {
		switch string(member) {
		case "Value":
			code, err = d.text("Value")
		case "StatusCode":
			err = d.skip()
		default:
			return false, nil
		}
		return true, err
	})
	return code, err
}

// details reads the missing attributes; a detail may be anything else too.
func (d *jsonDecoder) details() (all []authz.MissingAttribute, err error) {
	if d.kind() != '{' {
		return nil, d.skip()
	}
	err = d.object("StatusDetail", func(member []byte) (bool, error) {
		if string(member) != "MissingAttributeDetail" {
			return true, d.skip()
		}
		return true, d.list(func() error {
			m, err := d.missing()
			all = append(all, m)
			return err
		})
	})
	return all, err
}

func (d *jsonDecoder) missing() (m authz.MissingAttribute, err error) {
	var raw jsonValue
	err = d.object("MissingAttributeDetail", func(member []byte) (known bool, err error) {
		var text string
		switch string(member) {
		case "Category":
			text, err = d.text("Category")
			m.Category = longCategory(text)
		case "AttributeId":
			m.ID, err = d.text("AttributeId")
		case "Issuer":
			m.Issuer, err = d.text("Issuer")
		case "DataType":
			m.Type, err = d.dataType()
		case "Value":
			raw, err = d.rawValue()
		default:
			return false, nil
		}
		return true, err
	})
	if err == nil && raw.given() {
		m.Values, err = d.values(raw, m.Type)
	}
	return m, err
}

func (d *jsonDecoder) duties(what string) (all []authz.Obligation, err error) {
	err = d.list(func() error {
		var o authz.Obligation
		err := d.object(what, func(member []byte) (known bool, err error) {
			switch string(member) {
			case "Id":
				o.ID, err = d.text("Id")
			case "AttributeAssignment":
				err = d.list(func() error {
					given, err := d.assignments()
					o.Assignments = append(o.Assignments, given...)
					return err
				})
			default:
				return false, nil
			}
			return true, err
		})
		all = append(all, o)
		return err
	})
	return all, err
}

// assignments reads an AttributeAssignment; an array of values is as many
// assignments.
func (d *jsonDecoder) assignments() (all []authz.Assignment, err error) {
	var a authz.Assignment
	var raw jsonValue
	var t authz.DataType
	place, named := d.here(), false
	err = d.object("AttributeAssignment", func(member []byte) (known bool, err error) {
		var text string
		switch string(member) {
		case "AttributeId":
			a.ID, err = d.text("AttributeId")
			named = true
		case "Category":
			text, err = d.text("Category")
			a.Category = longCategory(text)
		case "Issuer":
			a.Issuer, err = d.text("Issuer")
		case "DataType":
			t, err = d.dataType()
		case "Value":
			raw, err = d.rawValue()
		default:
			return false, nil
		}
		return true, err
	})
	switch {
	case err != nil:
		return nil, err
	case !raw.given() || !named:
		return nil, &Error{place.position(), "an AttributeAssignment needs AttributeId and Value"}
	}
	values, err := d.values(raw, t)
	if err == nil && len(values) == 0 { // it would be lost
		err = &Error{place.position(), "an AttributeAssignment has no Value"}
	}
	for _, v := range values {
		one := a
		one.Value = v
		all = append(all, one)
	}
	return all, err
}

func (d *jsonDecoder) policies() (all []authz.PolicyID, err error) {
	err = d.object("PolicyIdentifierList", func(member []byte) (bool, error) {
		if string(member) != "PolicyIdReference" && string(member) != "PolicySetIdReference" {
			return false, nil
		}
		return true, d.list(func() error {
			id := authz.PolicyID{Set: string(member) == "PolicySetIdReference"}
			err := d.object(string(member), func(member []byte) (known bool, err error) {
				switch string(member) {
				case "Id":
					id.ID, err = d.text("Id")
				case "Version":
					id.Version, err = d.text("Version")
				default:
					return false, nil
				}
				return true, err
			})
			all = append(all, id)
			return err
		})
	})
	return all, err
}
