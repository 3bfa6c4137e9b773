package xacml

import (
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// section is one part of a 2.0 target and what it contains.
type section struct{ name, all, match string }

// twoTargets are the sections of a 2.0 target in their order.
var twoTargets = []section{
	{"Subjects", "Subject", "SubjectMatch"},
	{"Resources", "Resource", "ResourceMatch"},
	{"Actions", "Action", "ActionMatch"},
	{"Environments", "Environment", "EnvironmentMatch"},
}

// target reads a Target; one without children matches everything and is nil.
func (p *parser) target(start xml.Token) (*policies.Target, error) {
	t := &policies.Target{Position: p.at(start.Offset)}
	next := 0
	err := p.children(func(child xml.Token) (bool, error) {
		all, match := "AllOf", "Match"
		if p.two {
			at := slices.IndexFunc(twoTargets, func(s section) bool { return s.name == child.Name.Local })
			if at < 0 {
				return false, nil
			}
			if at < next {
				return true, p.r.Errorf(child.Offset, "%s stands twice or too late: a Target holds Subjects, Resources, Actions, Environments in this order", child.Name.Local)
			}
			next, all, match = at+1, twoTargets[at].all, twoTargets[at].match
		} else if child.Name.Local != "AnyOf" {
			return false, nil
		}
		any, err := p.anyOf(child, all, match)
		t.AnyOf = append(t.AnyOf, any)
		return true, err
	})
	if err != nil || len(t.AnyOf) == 0 {
		return nil, err
	}
	return t, nil
}

func (p *parser) anyOf(start xml.Token, all, match string) (any policies.AnyOf, err error) {
	err = p.children(func(child xml.Token) (bool, error) {
		if child.Name.Local != all {
			return false, nil
		}
		var a policies.AllOf
		err := p.children(func(m xml.Token) (bool, error) {
			if m.Name.Local != match {
				return false, nil
			}
			read, err := p.match(m)
			a.Matches = append(a.Matches, read)
			return true, err
		})
		if err == nil && len(a.Matches) == 0 {
			err = p.r.Errorf(child.Offset, "%s is empty: it needs at least one %s", all, match)
		}
		any.AllOf = append(any.AllOf, a)
		return true, err
	})
	if err == nil && len(any.AllOf) == 0 {
		err = p.r.Errorf(start.Offset, "%s is empty: it needs at least one %s", start.Name.Local, all)
	}
	return any, err
}

func (p *parser) match(start xml.Token) (policies.Match, error) {
	m := policies.Match{Position: p.at(start.Offset)}
	var err error
	if m.Function, err = p.uri(start, "MatchId"); err != nil {
		return m, err
	}
	err = p.children(func(child xml.Token) (bool, error) {
		e, err := p.expression(child)
		switch e := e.(type) {
		case *policies.Literal:
			m.Value = e.Value
			return true, err
		case *policies.Designator, *policies.Selector:
			m.Attribute = e
			return true, err
		}
		return err != nil, err
	})
	if err == nil && (m.Attribute == nil || m.Value.IsZero() && len(p.wrong) == 0) {
		err = p.r.Errorf(start.Offset, "%s needs an AttributeValue and an attribute designator or selector", start.Name.Local)
	}
	return m, err
}

// twoDesignators maps the designators of 2.0 to the categories of 3.0.
var twoDesignators = map[string]authz.Category{
	"SubjectAttributeDesignator":     authz.Subject,
	"ResourceAttributeDesignator":    authz.Resource,
	"ActionAttributeDesignator":      authz.Action,
	"EnvironmentAttributeDesignator": authz.Environment,
}
