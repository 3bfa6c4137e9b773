package rego

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// shortNames are the categories that have a member of their own in a request
// (JSON Profile of XACML 3.0, version 1.1, section 4.2.1).
var shortNames = map[authz.Category]string{
	authz.Subject: "AccessSubject", authz.Resource: "Resource", authz.Action: "Action", authz.Environment: "Environment",
	authz.RecipientSubject: "RecipientSubject", authz.Intermediary: "IntermediarySubject",
}

// input is the request in the JSON profile, as data: nothing in it is ever
// parsed as Rego.
func input(r *authz.Request) ast.Value {
	attributes := map[authz.Category][]*ast.Term{}
	var order []authz.Category
	for c := range shortNames {
		attributes[c] = nil
	}
	for i := range r.Attributes {
		a := &r.Attributes[i]
		if _, seen := attributes[a.Category]; !seen {
			order = append(order, a.Category)
		}
		attributes[a.Category] = append(attributes[a.Category], attribute(a)...)
	}
	request := ast.NewObject()
	for c, name := range shortNames {
		request.Insert(text(name), category(r, c, attributes[c]))
	}
	others := make([]*ast.Term, 0, len(order))
	for _, c := range order {
		other := category(r, c, attributes[c])
		other.Value.(ast.Object).Insert(text("CategoryId"), text(string(c)))
		others = append(others, other)
	}
	request.Insert(text("Category"), ast.ArrayTerm(others...))
	return ast.NewObject(ast.Item(text("Request"), ast.NewTerm(request)))
}

func category(r *authz.Request, c authz.Category, attributes []*ast.Term) *ast.Term {
	o := ast.NewObject(ast.Item(text("Attribute"), ast.ArrayTerm(attributes...)))
	for _, content := range r.Content {
		if content.Category == c {
			o.Insert(text("Content"), text(string(content.XML)))
		}
	}
	return ast.NewTerm(o)
}

// attribute writes an attribute, once for each of its values' data types: the
// profile gives an attribute one.
func attribute(a *authz.Attribute) []*ast.Term {
	var terms []*ast.Term
	for rest := a.Values; ; {
		n := 0
		values := []*ast.Term{}
		for n < len(rest) && rest[n].Type() == rest[0].Type() {
			values = append(values, value(rest[n]))
			n++
		}
		o := ast.NewObject(ast.Item(text("AttributeId"), text(a.ID)), ast.Item(text("Value"), ast.ArrayTerm(values...)))
		if a.Issuer != "" {
			o.Insert(text("Issuer"), text(a.Issuer))
		}
		if n > 0 {
			o.Insert(text("DataType"), text(string(rest[0].Type())))
		}
		terms = append(terms, ast.NewTerm(o))
		if rest = rest[n:]; len(rest) == 0 {
			return terms
		}
	}
}

func value(v authz.Value) *ast.Term {
	switch data := v.Data().(type) {
	case bool:
		return ast.BooleanTerm(data)
	case float64:
		if !math.IsInf(data, 0) && !math.IsNaN(data) { // JSON has no word for these
			return ast.NumberTerm(json.Number(strconv.FormatFloat(data, 'g', -1, 64)))
		}
	}
	if v.Type() == authz.Integer {
		return ast.NumberTerm(json.Number(v.Key()))
	}
	return text(v.Text())
}

func text(s string) *ast.Term { return ast.StringTerm(s) }
