package xacml

import (
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// target writes a target. Both versions want one in policies, be it empty.
func (p *printer) target(t *policies.Target, always bool) {
	empty := t == nil || len(t.AnyOf) == 0
	if empty && !always {
		return
	}
	p.w.Start("Target")
	switch {
	case empty:
	case p.two:
		p.sections(t)
	default:
		for _, a := range t.AnyOf {
			p.anyOf(t.Position, a, "AnyOf", "AllOf", "Match")
		}
	}
	p.w.End()
}

func (p *printer) anyOf(at policies.Position, a policies.AnyOf, any, all, match string) {
	if len(a.AllOf) == 0 {
		p.refuse(at, "a choice without alternatives, which XACML cannot write")
		return
	}
	p.w.Start(any)
	for _, conjunction := range a.AllOf {
		if len(conjunction.Matches) == 0 {
			p.refuse(at, "an alternative without a match, which XACML cannot write")
		}
		p.w.Start(all)
		for _, m := range conjunction.Matches {
			p.match(m, match)
		}
		p.w.End()
	}
	p.w.End()
}

func (p *printer) match(m policies.Match, tag string) {
	p.w.Start(tag)
	p.attr(m.Position, "MatchId", p.function(m.Position, m.Function))
	p.expression(&policies.Literal{Value: m.Value, Position: m.Position})
	p.expression(m.Attribute)
	p.w.End()
}

// sections are the parts of a 2.0 target in their order, with the name of one
// alternative.
var sections = []struct{ all, one string }{
	{"Subjects", "Subject"}, {"Resources", "Resource"}, {"Actions", "Action"}, {"Environments", "Environment"},
}

const anySection = -1 // a selector belongs to no section

// section returns the part of a 2.0 target that holds a category. A category of
// 2.0 that is none of four is one of a subject.
func (p *printer) section(at policies.Position, c authz.Category) int {
	switch c {
	case authz.Resource:
		return 1
	case authz.Action:
		return 2
	case authz.Environment:
		return 3
	}
	if strings.HasPrefix(string(c), "urn:oasis:names:tc:xacml:3.0:attribute-category:") {
		p.refuse(at, "XACML 2.0 has no category %q", c)
	}
	return 0
}

// sections regroups a target: what concerns one kind of category is one
// disjunction, multiplied out if there are several.
func (p *printer) sections(t *policies.Target) {
	var parts [4][]policies.AnyOf
	type loose struct { // of selectors alone
		anyOf policies.AnyOf
		after int // the section of its neighbour
	}
	var others []loose
	last := anySection
	for _, whole := range t.AnyOf {
		for _, a := range apart(whole) {
			switch s, ok := p.common(t.Position, a); {
			case !ok:
			case s == anySection:
				others = append(others, loose{a, last})
			default:
				parts[s] = append(parts[s], a)
				last = s
			}
		}
	}
	for _, a := range others { // where there is room, in their order if possible
		s := max(a.after, 0)
		for i := range 2 * len(parts) {
			if free := (a.after + 1 + i) % len(parts); len(parts[free]) == 0 {
				s = free
				break
			}
		}
		parts[s] = append(parts[s], a.anyOf)
	}
	for s, list := range parts {
		if len(list) > 0 {
			p.anyOf(t.Position, p.product(t.Position, list), sections[s].all, sections[s].one, sections[s].one+"Match")
		}
	}
}

// apart splits a choice of one alternative into its matches by kind of
// category: there, and is and.
func apart(a policies.AnyOf) []policies.AnyOf {
	if len(a.AllOf) != 1 {
		return []policies.AnyOf{a}
	}
	var groups []policies.AnyOf
	var keys []int
	silent := &printer{}
	for _, m := range a.AllOf[0].Matches {
		s := silent.sectionOf(m)
		at := -1
		for i, k := range keys {
			if k == s || s == anySection || k == anySection {
				at = i
			}
		}
		if at < 0 {
			keys, groups = append(keys, s), append(groups, policies.AnyOf{AllOf: []policies.AllOf{{}}})
			at = len(keys) - 1
		}
		keys[at] = max(keys[at], s)
		groups[at].AllOf[0].Matches = append(groups[at].AllOf[0].Matches, m)
	}
	if len(groups) == 0 {
		return []policies.AnyOf{a}
	}
	return groups
}

func (p *printer) sectionOf(m policies.Match) int {
	if d, ok := m.Attribute.(*policies.Designator); ok {
		return p.section(d.Position, d.Category)
	}
	return anySection
}

// common returns the section of all matches of a choice.
func (p *printer) common(at policies.Position, a policies.AnyOf) (int, bool) {
	section := anySection
	for _, all := range a.AllOf {
		for _, m := range all.Matches {
			s := p.sectionOf(m)
			if s != anySection && section != anySection && s != section {
				p.refuse(m.Position, "a choice between matches of %s and %s, which a target of XACML 2.0 cannot say: write two rules",
					strings.ToLower(sections[section].all), strings.ToLower(sections[s].all))
				return 0, false
			}
			section = max(section, s)
		}
	}
	return section, true
}

// mostAlternatives bounds what a product of choices may grow to.
const mostAlternatives = 1024

// product multiplies choices that must all hold into one: exact, for the three
// values of a match obey the law of distribution (XACML 3.0 core, tables 1 to 3).
func (p *printer) product(at policies.Position, list []policies.AnyOf) policies.AnyOf {
	product := list[0]
	for _, a := range list[1:] {
		if len(product.AllOf)*len(a.AllOf) > mostAlternatives {
			p.refuse(at, "more than %d alternatives in a target of XACML 2.0: write several rules", mostAlternatives)
			return product
		}
		var next policies.AnyOf
		for _, x := range product.AllOf {
			for _, y := range a.AllOf {
				next.AllOf = append(next.AllOf, policies.AllOf{Matches: append(x.Matches[:len(x.Matches):len(x.Matches)], y.Matches...)})
			}
		}
		product = next
	}
	return product
}
