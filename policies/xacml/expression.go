package xacml

import (
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// single reads an element that holds exactly one expression.
func (p *parser) single(start xml.Token) (only policies.Expression, err error) {
	err = p.children(func(child xml.Token) (bool, error) {
		if only != nil {
			return true, p.r.Errorf(child.Offset, "%s holds more than one expression", start.Name.Local)
		}
		only, err = p.expression(child)
		return only != nil, err
	})
	if err == nil && only == nil {
		err = p.r.Errorf(start.Offset, "%s holds no expression", start.Name.Local)
	}
	return only, err
}

// expression reads one expression element; nil without an error is none.
func (p *parser) expression(start xml.Token) (policies.Expression, error) {
	at := p.at(start.Offset)
	switch start.Name.Local {
	case "AttributeValue":
		v, err := p.value(start)
		return &policies.Literal{Value: v, Position: at}, err
	case "Apply":
		return p.apply(start)
	case "Function":
		id, err := p.uri(start, "FunctionId")
		if err != nil {
			return nil, err
		}
		return &policies.FunctionName{Function: id, Position: at}, p.r.Empty()
	case "VariableReference":
		id, err := p.r.Required(start, "VariableId")
		if err != nil {
			return nil, err
		}
		return &policies.VariableName{Variable: id, Position: at}, p.r.Empty()
	case "AttributeSelector":
		return p.selector(start)
	}
	return p.designator(start)
}

func (p *parser) apply(start xml.Token) (policies.Expression, error) {
	id, err := p.uri(start, "FunctionId")
	if err != nil {
		return nil, err
	}
	a := &policies.Apply{Function: id, Position: p.at(start.Offset)}
	defer func(outer bool) { p.paths = outer }(p.paths)
	p.paths = p.two && strings.HasPrefix(id, one0+"xpath-node-")
	err = p.children(func(child xml.Token) (bool, error) {
		if child.Name.Local == "Description" && !p.two {
			return true, p.r.Skip()
		}
		e, err := p.expression(child)
		if e != nil {
			a.Arguments = append(a.Arguments, e)
		}
		return e != nil, err
	})
	return a, err
}

func (p *parser) designator(start xml.Token) (policies.Expression, error) {
	d := &policies.Designator{Position: p.at(start.Offset)}
	switch category, ok := twoDesignators[start.Name.Local]; {
	case p.two && ok:
		d.Category = category
		if c, has := attribute(start, "SubjectCategory"); has && category == authz.Subject {
			d.Category = authz.Category(trim(c))
		}
	case !p.two && start.Name.Local == "AttributeDesignator":
		c, err := p.uri(start, "Category")
		if err != nil {
			return nil, err
		}
		d.Category = authz.Category(c)
	default:
		return nil, nil
	}
	var err error
	if d.ID, err = p.uri(start, "AttributeId"); err != nil {
		return nil, err
	}
	if d.Type, err = p.dataType(start); err != nil {
		return nil, err
	}
	if d.Type == AnyType {
		d.Type = ""
	}
	d.Issuer = start.Value("Issuer")
	if d.MustBePresent, err = p.mustBePresent(start); err != nil {
		return nil, err
	}
	return d, p.r.Empty()
}

func (p *parser) selector(start xml.Token) (policies.Expression, error) {
	s := &policies.Selector{RequestContext: p.two, Position: p.at(start.Offset)}
	path := "Path"
	if p.two {
		path = "RequestContextPath"
	} else {
		c, err := p.uri(start, "Category")
		if err != nil {
			return nil, err
		}
		s.Category = authz.Category(c)
		s.ContextID = trim(start.Value("ContextSelectorId"))
	}
	var err error
	if s.Path, err = p.r.Required(start, path); err != nil {
		return nil, err
	}
	if s.Type, err = p.dataType(start); err != nil {
		return nil, err
	}
	if s.MustBePresent, err = p.mustBePresent(start); err != nil {
		return nil, err
	}
	node, err := p.r.Node()
	if err != nil {
		return nil, err
	}
	s.Namespaces = namespaces(node)
	return s, nil
}

func namespaces(node *xml.Node) map[string]string {
	scope := map[string]string{}
	for _, b := range node.Bindings() {
		if b.Prefix != "" {
			scope[b.Prefix] = b.Space
		}
	}
	return scope
}

// mustBePresent reads the attribute, which 3.0 requires and 2.0 lets default
// to false.
func (p *parser) mustBePresent(start xml.Token) (bool, error) {
	text, ok := attribute(start, "MustBePresent")
	switch {
	case !ok && p.two:
		return false, nil
	case text == "true" || text == "1":
		return true, nil
	case text == "false" || text == "0":
		return false, nil
	case !ok:
		return false, p.r.Errorf(start.Offset, "%s has no MustBePresent", start.Name.Local)
	}
	return false, p.r.Errorf(start.Offset, "MustBePresent is %q; want true or false", text)
}

func (p *parser) dataType(start xml.Token) (authz.DataType, error) {
	t, err := p.uri(start, "DataType")
	if err != nil {
		return "", err
	}
	return canonicalType(t), nil
}

// canonicalType gives the durations their one name; XACML 1.x and 2.0 used
// others (reference: XACML 3.0 core, 10.2.7).
func canonicalType(t string) authz.DataType {
	for _, old := range []string{
		"http://www.w3.org/TR/2002/WD-xquery-operators-20020816#",
		"urn:oasis:names:tc:xacml:2.0:data-type:",
	} {
		switch name, _ := strings.CutPrefix(t, old); name {
		case "dayTimeDuration":
			return authz.DayTimeDuration
		case "yearMonthDuration":
			return authz.YearMonthDuration
		}
	}
	return authz.DataType(t)
}

// value reads an AttributeValue, or an AttributeAssignment of 2.0. A literal
// that its type does not allow is kept as a complaint. A string that stands for
// a path over a whole request of 2.0 becomes an xpathExpression without a
// category, so that the prefixes around it are kept.
func (p *parser) value(start xml.Token) (authz.Value, error) {
	t, err := p.dataType(start)
	if err != nil {
		return authz.Value{}, err
	}
	node, err := p.r.Node()
	if err != nil {
		return authz.Value{}, err
	}
	if t == authz.XPathExpression || p.paths && t == authz.String {
		c := trim(start.Value("XPathCategory"))
		return authz.XPathValue(strings.TrimSpace(node.StringValue()), authz.Category(c), namespaces(node)), nil
	}
	for range node.Elements() {
		return authz.Value{}, p.r.Errorf(start.Offset, "%s holds elements; a %s is text", start.Name.Local, t.Name())
	}
	if !t.Known() {
		p.complain(start.Offset, "data type %q is not known here", t)
		return authz.Value{}, nil
	}
	v, err := authz.ParseValue(t, strings.Clone(node.StringValue()))
	if err != nil {
		p.complain(start.Offset, "%v", err)
	}
	return v, nil
}

// duties reads the obligations or the advice of one element, in either
// version.
func (p *parser) duties() (duties []policies.Duty, err error) {
	err = p.children(func(child xml.Token) (bool, error) {
		var id, on string
		switch {
		case p.two && child.Name.Local == "Obligation":
			id, on = "ObligationId", "FulfillOn"
		case !p.two && child.Name.Local == "ObligationExpression":
			id, on = "ObligationId", "FulfillOn"
		case !p.two && child.Name.Local == "AdviceExpression":
			id, on = "AdviceId", "AppliesTo"
		default:
			return false, nil
		}
		d, err := p.duty(child, id, on)
		duties = append(duties, d)
		return true, err
	})
	return duties, err
}

func (p *parser) duty(start xml.Token, id, on string) (policies.Duty, error) {
	d := policies.Duty{Position: p.at(start.Offset)}
	var err error
	if d.ID, err = p.uri(start, id); err != nil {
		return d, err
	}
	if d.On, err = p.effect(start, on); err != nil {
		return d, err
	}
	name := "AttributeAssignmentExpression"
	if p.two {
		name = "AttributeAssignment"
	}
	err = p.children(func(child xml.Token) (bool, error) {
		if child.Name.Local != name {
			return false, nil
		}
		a, err := p.assignment(child)
		d.Assignments = append(d.Assignments, a)
		return true, err
	})
	return d, err
}

func (p *parser) assignment(start xml.Token) (policies.AssignmentExpression, error) {
	a := policies.AssignmentExpression{Position: p.at(start.Offset)}
	var err error
	if a.ID, err = p.uri(start, "AttributeId"); err != nil {
		return a, err
	}
	c := trim(start.Value("Category"))
	a.Category = authz.Category(c)
	a.Issuer = start.Value("Issuer")
	if !p.two {
		a.Expression, err = p.single(start)
		return a, err
	}
	v, err := p.value(start)
	a.Expression = &policies.Literal{Value: v, Position: a.Position}
	return a, err
}
