package eval_test

import (
	"encoding/xml"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// The naive evaluator's access-permitted: XACML 3.0 core, A.3.16, and the
// bounds that the engine documents.

const mostNaiveCalls = 1000

// naiveCalls counts the evaluations within one decision.
type naiveCalls struct {
	total  int
	beyond bool
}

// accessPermitted evaluates everything anew over the request, without one
// category, and with the attributes that the second argument writes down.
func (n *naive) accessPermitted(e *policies.Apply) (naiveValue, error) {
	if n.calls.beyond {
		return naiveValue{}, errNaive
	}
	category, attributes, err := n.accessArguments(e)
	if err != nil {
		return naiveValue{}, err
	}
	standing := authz.Verified
	if n.denying && !n.onlyWhole { // somebody may merely have presented what they are made of
		c, a, err := n.in(false).accessArguments(e)
		if err != nil || c != category || a != attributes {
			standing = authz.Presented
		}
	}
	inner := &authz.Request{}
	for _, a := range n.request.Attributes {
		if string(a.Category) != category && (a.Standing == authz.Verified || !n.onlyWhole) {
			inner.Attributes = append(inner.Attributes, a)
		}
	}
	more, err := naiveAttributes(attributes, authz.Category(category), standing)
	if err != nil {
		return naiveValue{}, err
	}
	inner.Attributes = append(inner.Attributes, more...)
	n.calls.total++
	permitted := false
	if n.calls.total > mostNaiveCalls || n.depth >= 50 {
		n.calls.beyond = true
	} else {
		permitted = naivelyWithin(n, inner).decision == "Permit"
	}
	if n.calls.beyond {
		if n.depth == 0 {
			n.calls.beyond = false
		}
		return naiveValue{}, errNaive
	}
	return naiveBool(permitted), nil
}

func (n *naive) accessArguments(e *policies.Apply) (category, attributes string, err error) {
	all, err := n.all(e.Arguments)
	if err != nil {
		return "", "", err
	}
	return all[0].one.Text(), all[1].one.Text(), nil
}

// naivelyWithin evaluates the policies as naively does, within a decision.
func naivelyWithin(n *naive, r *authz.Request) result {
	m := &naive{snapshot: n.snapshot, request: r, library: n.library, now: n.now, calls: n.calls, depth: n.depth + 1}
	first := m.set(n.snapshot.Root, true, true)
	if first.decision != "Permit" {
		return first
	}
	m.onlyWhole = true
	return m.set(n.snapshot.Root, true, true)
}

func naiveAttributes(text string, c authz.Category, s authz.Standing) (list []authz.Attribute, err error) {
	var read struct {
		Attribute []struct {
			AttributeID    string `xml:"AttributeId,attr"`
			Issuer         string `xml:",attr"`
			AttributeValue []struct {
				DataType string `xml:",attr"`
				Text     string `xml:",chardata"`
			}
		}
	}
	if err := xml.Unmarshal([]byte("<x>"+text+"</x>"), &read); err != nil {
		return nil, err
	}
	for _, a := range read.Attribute {
		one := authz.Attribute{Category: c, ID: a.AttributeID, Issuer: a.Issuer, Standing: s}
		for _, v := range a.AttributeValue {
			value, err := authz.ParseValue(authz.DataType(v.DataType), v.Text)
			if err != nil {
				return nil, err
			}
			one.Values = append(one.Values, value)
		}
		list = append(list, one)
	}
	return list, nil
}

// access makes an application of access-permitted, about literal attributes or
// about some made of the request's. Most stand behind a guard that is false
// within, or else the policies would ask for themselves for ever.
func (g *generator) access() policies.Expression {
	category, id := authz.Subject, "role"
	switch g.dice(3) {
	case 0:
		category, id = authz.Resource, "res"
	case 1:
		category, id = authz.Action, "act"
	}
	bag := &policies.Designator{Category: category, ID: id, Type: authz.String}
	text := func(s string) policies.Expression { return &policies.Literal{Value: authz.StringValue(s)} }
	const value, end = `<AttributeValue DataType="` + string(authz.String) + `">`, "</AttributeValue></Attribute>"
	begin, inner := `<Attribute AttributeId="`+id+`" IncludeInResult="false">`+value, pick(g, "ab", "1", "b")
	guard := g.apply(old+"not", g.apply(old+"string-is-in", text(inner), bag))
	content := text(begin + inner + end)
	switch g.dice(5) {
	case 0: // as the request has it, if it has one
		content = g.apply(two+"string-concatenate", text(begin+inner+"</AttributeValue>"+value), g.apply(old+"string-one-and-only", bag), text(end))
	case 1:
		content = text("")
		guard = g.apply(old+"integer-greater-than", g.apply(old+"string-bag-size", bag), &policies.Literal{Value: authz.IntegerValue(0)})
	}
	asked := g.apply(three+"access-permitted", &policies.Literal{Value: authz.URIValue(string(category))}, content)
	if g.chance(6) {
		return asked
	}
	if g.chance(2) {
		asked = g.apply(old+"not", asked)
	}
	return g.apply(old+"and", guard, asked)
}
