package context

import "github.com/gatehouse-authz/gatehouse/authz"

func readResponseJSON(name string, data []byte, o Options) (Response, error) {
	j, err := newJSONReader(name, data, o.Size)
	if err != nil {
		return Response{}, err
	}
	d := &jsonDecoder{j, o}
	var response Response
	results := func() error {
		return d.list(func() error {
			r, err := d.result()
			response.Results = append(response.Results, r)
			return err
		})
	}
	if d.d.PeekKind() == '[' { // as some engines answer
		err = results()
	} else {
		err = j.object("the document", func(member string) (bool, error) {
			return member == "Response", onlyIf(member == "Response", results)
		})
	}
	if err == nil {
		err = j.finish()
	}
	if err == nil && len(response.Results) == 0 {
		err = &Error{j.at(0), "the document has no Response with a result"}
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
	err := d.object("Result", func(member string) (known bool, err error) {
		switch member {
		case "Decision":
			decided = true
			r.Decision, err = d.decision()
		case "Status":
			r.Status, err = d.status()
		case "Obligations":
			r.Obligations, err = d.duties(member)
		case "AssociatedAdvice":
			r.Advice, err = d.duties(member)
		case "Category":
			err = d.list(func() error {
				g, err := d.group(member, "")
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
		err = &Error{place(), "a result has no Decision"}
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
		return authz.Indeterminate, &Error{place(), "decision " + quote(text) + " is none of XACML's"}
	}
	return decision, nil
}

func (d *jsonDecoder) status() (*authz.Status, error) {
	s := &authz.Status{}
	err := d.object("Status", func(member string) (known bool, err error) {
		switch member {
		case "StatusMessage":
			s.Message, err = d.text(member)
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
	err = d.object("StatusCode", func(member string) (known bool, err error) {
		switch member {
		case "Value":
			code, err = d.text(member)
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
	if d.d.PeekKind() != '{' {
		return nil, d.skip()
	}
	err = d.object("StatusDetail", func(member string) (bool, error) {
		if member != "MissingAttributeDetail" {
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
	var raw *jsonValue
	err = d.object("MissingAttributeDetail", func(member string) (known bool, err error) {
		var text string
		switch member {
		case "Category":
			text, err = d.text(member)
			m.Category = longCategory(text)
		case "AttributeId":
			m.ID, err = d.text(member)
		case "Issuer":
			m.Issuer, err = d.text(member)
		case "DataType":
			text, err = d.text(member)
			m.Type = longType(text)
		case "Value":
			raw, err = d.rawValue()
		default:
			return false, nil
		}
		return true, err
	})
	if err == nil && raw != nil {
		m.Values, err = raw.values(m.Type)
	}
	return m, err
}

func (d *jsonDecoder) duties(what string) (all []authz.Obligation, err error) {
	err = d.list(func() error {
		var o authz.Obligation
		err := d.object(what, func(member string) (known bool, err error) {
			switch member {
			case "Id":
				o.ID, err = d.text(member)
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
	var raw *jsonValue
	var t string
	place := d.here()
	err = d.object("AttributeAssignment", func(member string) (known bool, err error) {
		var text string
		switch member {
		case "AttributeId":
			a.ID, err = d.text(member)
		case "Category":
			text, err = d.text(member)
			a.Category = longCategory(text)
		case "Issuer":
			a.Issuer, err = d.text(member)
		case "DataType":
			t, err = d.text(member)
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
	case raw == nil || a.ID == "":
		return nil, &Error{place(), "an AttributeAssignment needs AttributeId and Value"}
	}
	values, err := raw.values(longType(t))
	for _, v := range values {
		one := a
		one.Value = v
		all = append(all, one)
	}
	return all, err
}

func (d *jsonDecoder) policies() (all []authz.PolicyID, err error) {
	err = d.object("PolicyIdentifierList", func(member string) (bool, error) {
		if member != "PolicyIdReference" && member != "PolicySetIdReference" {
			return false, nil
		}
		return true, d.list(func() error {
			id := authz.PolicyID{Set: member == "PolicySetIdReference"}
			err := d.object(member, func(member string) (known bool, err error) {
				switch member {
				case "Id":
					id.ID, err = d.text(member)
				case "Version":
					id.Version, err = d.text(member)
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
