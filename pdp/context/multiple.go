package context

import (
	"fmt"
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/internal/xml/xpath"
)

// The attributes of the Multiple Decision and Hierarchical Resource profiles.
const (
	contentSelector  = "urn:oasis:names:tc:xacml:3.0:content-selector"
	multipleSelector = "urn:oasis:names:tc:xacml:3.0:profile:multiple:content-selector"
	shortSelector    = "urn:oasis:names:tc:xacml:3.0:multiple:content-selector" // as the conformance kit has it
)

// Questions lists what the request asks, each question by itself, in the order
// in which the answers stand in the response (Multiple Decision profile 1.0,
// section 2). The attributes by which the questions of a scope or a
// content-selector differ are marked to be included in the result. The
// questions of a scope of EntireHierarchy get one answer together.
func (r *Request) Questions() ([]*authz.Request, error) {
	asked, err := r.asked()
	if err != nil {
		return nil, err
	}
	questions := make([]*authz.Request, len(asked))
	for i := range asked {
		questions[i] = asked[i].Request
	}
	return questions, nil
}

// asked is one question, and the hierarchy that it is about a node of.
type asked struct {
	*authz.Request
	whole *hierarchy
}

func (r *Request) asked() ([]asked, error) {
	if r.single() {
		return []asked{r.question(r.groups)}, nil
	}
	sets := r.references
	if sets == nil {
		all := make([]int, len(r.groups))
		for i := range all {
			all[i] = i
		}
		sets = [][]int{all}
	}
	var questions []asked
	attributes := 0
	for _, set := range sets {
		err := r.product(set, func(groups []group) error {
			expanded, err := r.expand(groups)
			for _, e := range expanded {
				q := r.question(e)
				attributes += len(q.Attributes)
				questions = append(questions, q)
				if len(questions) > r.options.MostQuestions || len(questions) > 1 && attributes > attributesPerQuestion*r.options.MostQuestions {
					return r.tooMany()
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(questions) > 1 {
		r.stopClock(questions)
	}
	return questions, nil
}

// single reports whether the groups are one question as they stand: one of each
// category, and none that stands for several. A request of more groups than
// any such has goes the long way.
func (r *Request) single() bool {
	if r.references != nil || len(r.groups) > 8 {
		return false
	}
	for i := range r.groups {
		if many(r.groups[i]) {
			return false
		}
		for k := range i {
			if r.groups[k].category == r.groups[i].category {
				return false
			}
		}
	}
	return true
}

// attributesPerQuestion bounds, on average, what the questions of one request
// repeat.
const attributesPerQuestion = 200

func (r *Request) tooMany() error {
	return &Error{Message: fmt.Sprintf("the request asks more than %d questions, or repeats too much in each", r.options.MostQuestions)}
}

// question makes one request of groups whose categories differ.
func (r *Request) question(groups []group) asked {
	n := 0
	for i := range groups {
		n += len(groups[i].attrs)
	}
	q := asked{Request: &authz.Request{ReturnPolicyIDs: r.ReturnPolicyIDs, Attributes: make([]authz.Attribute, 0, n)}}
	for i := range groups {
		g := &groups[i]
		if g.whole != nil {
			q.whole = g.whole
		}
		q.Attributes = append(q.Attributes, g.attrs...)
		if g.content != nil {
			q.Content = append(q.Content, *g.content)
		}
	}
	return q
}

// product calls each for every choice of one group per category.
func (r *Request) product(set []int, each func([]group) error) error {
	var choices [][]group // by category, in order
	byCategory := map[authz.Category]int{}
	for _, i := range set {
		g := r.groups[i]
		k, ok := byCategory[g.category]
		if !ok {
			byCategory[g.category] = len(choices)
			choices = append(choices, []group{g})
			continue
		}
		choices[k] = append(choices[k], g)
	}
	total := 1
	for _, c := range choices {
		if total *= len(c); total > r.options.MostQuestions {
			return r.tooMany()
		}
	}
	for n := range total {
		chosen := make([]group, len(choices))
		for k := len(choices) - 1; k >= 0; k-- {
			chosen[k], n = choices[k][n%len(choices[k])], n/len(choices[k])
		}
		if err := each(chosen); err != nil {
			return err
		}
	}
	return nil
}

// expand turns scopes and content-selectors into questions of their own: scopes
// last, so that the nodes of one hierarchy differ in nothing else.
func (r *Request) expand(groups []group) ([][]group, error) {
	var order []int
	for i := range groups {
		if many(groups[i]) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return scopesLast(groups[i]) - scopesLast(groups[j]) })
	all := [][]group{groups}
	for _, i := range order {
		var next [][]group
		for _, set := range all {
			alternatives, err := r.alternatives(set[i])
			if err != nil {
				return nil, err
			}
			for _, g := range alternatives {
				one := slices.Clone(set)
				one[i] = g
				next = append(next, one)
			}
			if len(next) > r.options.MostQuestions {
				return nil, r.tooMany()
			}
		}
		all = next
	}
	return all, nil
}

func scopesLast(g group) int {
	if hasScope(g) {
		return 1
	}
	return 0
}

// many reports whether a group stands for several.
func many(g group) bool {
	return slices.ContainsFunc(g.attrs, func(a authz.Attribute) bool {
		return a.ID == multipleSelector || a.ID == shortSelector || a.ID == twoScope || a.ID == oneScope
	})
}

func (r *Request) alternatives(g group) ([]group, error) {
	expand, at := (*Request).selected, -1
	for i := range g.attrs {
		switch g.attrs[i].ID {
		case twoScope, oneScope:
			if g.category != authz.Resource {
				continue
			}
		case multipleSelector, shortSelector:
		default:
			continue
		}
		if at >= 0 {
			return nil, &Error{g.place.position(), "a category has one content-selector or one scope, not both or several"}
		}
		if at = i; hasScope(g) {
			expand = (*Request).scoped
		}
	}
	if at < 0 {
		return []group{g}, nil
	}
	return expand(r, g, at)
}

// selected makes a group of each node that a content-selector selects
// (Multiple Decision profile 1.0, 2.2).
func (r *Request) selected(g group, i int) ([]group, error) {
	attr := g.attrs[i]
	if len(attr.Values) != 1 || attr.Values[0].Type() != authz.XPathExpression {
		return nil, &Error{g.place.position(), "a content-selector must have one value of type xpathExpression"}
	}
	expression := attr.Values[0].Data().(authz.XPath)
	if g.content == nil || expression.Category != g.category {
		return nil, &Error{g.place.position(), "a content-selector needs Content in its own category"}
	}
	compiled, err := xpath.Compile(expression.Expression, expression.Namespaces)
	if err != nil {
		return nil, &Error{g.place.position(), err.Error()}
	}
	root, err := xml.Parse("content", g.content.XML, r.options.limits())
	if err != nil {
		return nil, err
	}
	nodes, err := compiled.Select(xpath.Document(root))
	switch {
	case err != nil:
		return nil, &Error{g.place.position(), err.Error()}
	case len(nodes) == 0:
		return nil, &Error{g.place.position(), "the content-selector " + quote(expression.Expression) + " selects nothing"}
	case len(nodes) > r.options.MostQuestions:
		return nil, r.tooMany()
	}
	groups := make([]group, len(nodes))
	for k, node := range nodes {
		one := attr
		one.ID, one.IncludeInResult = contentSelector, true
		one.Values = []authz.Value{authz.XPathValue(node.Path(), g.category, nil)}
		groups[k] = g
		groups[k].attrs = slices.Clone(g.attrs)
		groups[k].attrs[i] = one
	}
	return groups, nil
}

const environmentID = "urn:oasis:names:tc:xacml:1.0:environment:"

// stopClock gives all questions the time of one moment (XACML 3.0 core,
// 10.2.5), where no verified attribute gives it.
func (r *Request) stopClock(questions []asked) {
	now := authz.MomentOf(r.options.Clock())
	times := []authz.Attribute{
		{ID: "current-time", Values: []authz.Value{authz.TimeValue(now)}},
		{ID: "current-date", Values: []authz.Value{authz.DateValue(now)}},
		{ID: "current-dateTime", Values: []authz.Value{authz.DateTimeValue(now)}},
	}
	for _, q := range questions {
		for _, a := range times {
			if _, ok := q.Verified(authz.Environment, environmentID+a.ID); !ok {
				q.Add(authz.Environment, environmentID+a.ID, a.Values...)
			}
		}
	}
}
