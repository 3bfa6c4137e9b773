package xacml

import (
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

const (
	one0   = "urn:oasis:names:tc:xacml:1.0:function:"
	two0   = "urn:oasis:names:tc:xacml:2.0:function:"
	three0 = "urn:oasis:names:tc:xacml:3.0:function:"
)

// expression writes an expression (XACML 3.0 core, 5.25).
func (p *printer) expression(e policies.Expression) {
	switch e := e.(type) {
	case *policies.Literal:
		p.w.Start("AttributeValue")
		p.value(e)
		p.w.End()
	case *policies.Designator:
		p.designator(e)
	case *policies.Selector:
		p.selector(e)
	case *policies.FunctionName:
		p.w.Start("Function")
		p.attr(e.Position, "FunctionId", p.function(e.Position, e.Function))
		p.w.End()
	case *policies.VariableName:
		p.w.Start("VariableReference")
		p.attr(e.Position, "VariableId", e.Variable)
		p.w.End()
	case *policies.Apply:
		p.apply(e)
	}
}

func (p *printer) apply(e *policies.Apply) {
	id := e.Function
	if p.two && (id == three0+"any-of" || id == three0+"all-of") && valueThenBag(e.Arguments) {
		id = one0 + id[len(three0):] // the one shape in which both mean the same
	}
	p.w.Start("Apply")
	p.attr(e.Position, "FunctionId", p.function(e.Position, id))
	for _, a := range e.Arguments {
		p.expression(a)
	}
	p.w.End()
}

// valueThenBag tells whether the arguments are those of the 1.0 any-of.
func valueThenBag(args []policies.Expression) bool {
	if len(args) != 3 {
		return false
	}
	_, literal := args[1].(*policies.Literal)
	_, designator := args[2].(*policies.Designator)
	_, selector := args[2].(*policies.Selector)
	return literal && (designator || selector)
}

// function returns the identifier of a function in the version written; those
// of durations have one in each.
func (p *printer) function(at policies.Position, id string) string {
	name, newer := strings.CutPrefix(id, three0)
	switch {
	case !p.two || !newer:
		return id
	case strings.Contains(name, "Duration") && !strings.HasSuffix(name, "-from-string") && !strings.HasPrefix(name, "string-from-"):
		return one0 + name
	}
	p.refuse(at, "XACML 2.0 has no function %q", id)
	return id
}

// value writes the data type and the text of a literal into an open element.
func (p *printer) value(e *policies.Literal) {
	path, ok := e.Value.Data().(authz.XPath)
	switch {
	case ok && path.Category == "" && p.two: // see parser.value
		p.attr(e.Position, "DataType", string(authz.String))
	case ok && path.Category == "":
		p.refuse(e.Position, "XACML 3.0 cannot say the path, which is over a whole request")
	default:
		p.attr(e.Position, "DataType", p.dataType(e.Position, e.Value.Type()))
	}
	if ok {
		p.optional(e.Position, "XPathCategory", string(path.Category))
		p.namespaces(path.Namespaces)
	}
	if s := e.Value.Text(); s != "" {
		p.w.Text(p.legal(e.Position, s))
	}
}

// namespaces declares the prefixes of a path, in order.
func (p *printer) namespaces(scope map[string]string) {
	for _, prefix := range slices.Sorted(maps.Keys(scope)) {
		if prefix != "" && prefix != "xml" {
			p.w.Namespace(prefix, scope[prefix])
		}
	}
}

// dataType returns the identifier of a type in the version written.
func (p *printer) dataType(at policies.Position, t authz.DataType) string {
	switch {
	case t == "":
		return AnyType
	case !p.two:
		return string(t)
	case t == authz.DayTimeDuration || t == authz.YearMonthDuration:
		return "http://www.w3.org/TR/2002/WD-xquery-operators-20020816#" + t.Name() // 2.0 core, A.2
	case t == authz.XPathExpression:
		p.refuse(at, "XACML 2.0 has no values that are paths")
	}
	return string(t)
}

func (p *printer) designator(d *policies.Designator) {
	tag := "AttributeDesignator"
	if p.two {
		tag = sections[p.section(d.Position, d.Category)].one + "AttributeDesignator"
	}
	p.w.Start(tag)
	switch {
	case !p.two:
		p.attr(d.Position, "Category", string(d.Category))
	case tag == "SubjectAttributeDesignator" && d.Category != authz.Subject:
		p.attr(d.Position, "SubjectCategory", string(d.Category))
	}
	p.attr(d.Position, "AttributeId", d.ID)
	p.attr(d.Position, "DataType", p.dataType(d.Position, d.Type))
	p.optional(d.Position, "Issuer", d.Issuer)
	p.attr(d.Position, "MustBePresent", boolean(d.MustBePresent))
	p.w.End()
}

func boolean(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func (p *printer) selector(s *policies.Selector) {
	if p.two != s.RequestContext {
		p.refuse(s.Position, "the path %q starts where XACML %s has no such document", s.Path, map[bool]Version{true: Two}[p.two])
	}
	p.w.Start("AttributeSelector")
	p.namespaces(s.Namespaces)
	if p.two {
		p.attr(s.Position, "RequestContextPath", s.Path)
	} else {
		p.attr(s.Position, "Category", string(s.Category))
		p.optional(s.Position, "ContextSelectorId", s.ContextID)
		p.attr(s.Position, "Path", s.Path)
	}
	p.attr(s.Position, "DataType", p.dataType(s.Position, s.Type))
	p.attr(s.Position, "MustBePresent", boolean(s.MustBePresent))
	p.w.End()
}
