package xacml

import (
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// The namespaces of policy documents.
const (
	TwoNamespace   = "urn:oasis:names:tc:xacml:2.0:policy:schema:os"
	ThreeNamespace = "urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"
)

// MaxDepth bounds the nesting of a document; policies nested deeper are refused
// rather than risked on a stack.
const MaxDepth = 512

var limits = xml.Limits{Size: 64 << 20, Depth: MaxDepth, Nodes: 4 << 20}

// roots are the elements that a document may consist of.
var roots = []xml.Name{
	{Space: ThreeNamespace, Local: "Policy"}, {Space: ThreeNamespace, Local: "PolicySet"},
	{Space: TwoNamespace, Local: "Policy"}, {Space: TwoNamespace, Local: "PolicySet"},
}

// Parse reads one policy document, a Policy or a PolicySet of either version.
// name stands in positions and errors. The error joins everything that is
// wrong with literals and identifiers, each with its place; a document that is
// not well-formed or not of the schema's shape yields the first such error.
func Parse(name string, data []byte) (policies.Node, error) {
	p := &parser{r: xml.NewReader(name, data, limits)}
	start, err := p.r.Root(roots...)
	if err != nil {
		return nil, err
	}
	p.two, p.space = start.Name.Space == TwoNamespace, start.Name.Space
	var node policies.Node
	if start.Name.Local == "Policy" {
		node, err = p.policy(start, "")
	} else {
		node, err = p.policySet(start, "")
	}
	if err == nil {
		err = p.r.Finish()
	}
	if err != nil {
		return nil, errors.Join(append(p.wrong, err)...)
	}
	if len(p.wrong) > 0 {
		return nil, errors.Join(p.wrong...)
	}
	return node, nil
}

// VersionOf returns the version of a document, by its root element.
func VersionOf(name string, data []byte) (Version, error) {
	start, err := xml.NewReader(name, data, limits).Root(roots...)
	if err == nil && start.Name.Space == TwoNamespace {
		return Two, nil
	}
	return Three, err
}

type parser struct {
	r     *xml.Reader
	two   bool   // the document is XACML 2.0
	space string // its namespace
	paths bool   // strings are paths over the request: arguments of the xpath functions of 2.0
	wrong []error
}

func (p *parser) at(offset int) policies.Position {
	return policies.Position(p.r.Position(offset))
}

func attribute(t xml.Token, local string) (string, bool) {
	a, ok := t.Attr(xml.Name{Local: local})
	return a.Value, ok
}

// uri returns a required attribute of type xs:anyURI, whose white space XML
// Schema collapses: with a blank left in its name, a deny rule would look for
// an attribute that no request has.
func (p *parser) uri(start xml.Token, local string) (string, error) {
	text, err := p.r.Required(start, local)
	return trim(text), err
}

func trim(s string) string { return strings.Trim(s, " \t\r\n") }

// complain keeps an error that does not hinder reading on.
func (p *parser) complain(offset int, format string, args ...any) {
	p.wrong = append(p.wrong, p.r.Errorf(offset, format, args...))
}

// children calls read for each child element; one of another namespace, or one
// that read does not know, is an error.
func (p *parser) children(read func(child xml.Token) (known bool, err error)) error {
	for child, err := range p.r.Children() {
		if err != nil {
			return err
		}
		if child.Name.Space != p.space {
			return p.r.Unexpected(child)
		}
		known, err := read(child)
		if err != nil {
			return err
		}
		if !known {
			return p.r.Unexpected(child)
		}
	}
	return nil
}

// header reads what a Policy and a PolicySet have in common from the start tag.
func (p *parser) header(start xml.Token, kind, place string) (policies.Header, error) {
	id, err := p.uri(start, kind+"Id")
	if err != nil {
		return policies.Header{}, err
	}
	algorithm := "RuleCombiningAlgId"
	if kind == "PolicySet" {
		algorithm = "PolicyCombiningAlgId"
	}
	combining, err := p.uri(start, algorithm)
	if err != nil {
		return policies.Header{}, err
	}
	h := policies.Header{ID: id, Place: place, Combining: policies.Algorithm(combining), Version: "1.0", Position: p.at(start.Offset)}
	if v, ok := attribute(start, "Version"); ok {
		h.Version = v
	} else if !p.two {
		p.complain(start.Offset, "%s %q has no Version", kind, id)
	}
	if !isVersion(h.Version) {
		p.complain(start.Offset, "version %q of %q is not numbers joined by dots", h.Version, id)
	}
	return h, nil
}

// common reads the children that a Policy and a PolicySet share.
func (p *parser) common(h *policies.Header, child xml.Token) (known bool, err error) {
	switch child.Name.Local {
	case "Description":
		h.Description, err = p.r.Content()
		return true, err
	case "PolicyIssuer":
		return true, p.r.Errorf(child.Offset, "%q has a PolicyIssuer: delegated policies are not supported, and must not be taken for trusted ones", h.ID)
	case "PolicyDefaults", "PolicySetDefaults":
		h.XPathVersion, err = p.xpathVersion()
		return true, err
	case "Target":
		h.Target, err = p.target(child)
		return true, err
	case "Obligations", "ObligationExpressions":
		if (child.Name.Local == "Obligations") != p.two {
			return false, nil
		}
		h.Obligations, err = p.duties()
		return true, err
	case "AdviceExpressions":
		if p.two {
			return false, nil
		}
		h.Advice, err = p.duties()
		return true, err
	case "CombinerParameters", "RuleCombinerParameters", "PolicyCombinerParameters", "PolicySetCombinerParameters":
		return true, p.r.Skip()
	}
	return false, nil
}

func (p *parser) xpathVersion() (version string, err error) {
	err = p.children(func(child xml.Token) (bool, error) {
		if child.Name.Local != "XPathVersion" {
			return false, nil
		}
		version, err = p.r.Content()
		return true, err
	})
	return version, err
}

func (p *parser) policySet(start xml.Token, place string) (*policies.PolicySet, error) {
	h, err := p.header(start, "PolicySet", place)
	if err != nil {
		return nil, err
	}
	var items []func(place string) policies.Node
	add := func(n policies.Node, err error) (bool, error) {
		items = append(items, func(place string) policies.Node { return placed(n, place) })
		return true, err
	}
	err = p.children(func(child xml.Token) (bool, error) {
		switch child.Name.Local {
		case "PolicySet":
			n, err := p.policySet(child, "")
			return add(n, err)
		case "Policy":
			n, err := p.policy(child, "")
			return add(n, err)
		case "PolicySetIdReference", "PolicyIdReference":
			n, err := p.reference(child)
			return add(n, err)
		}
		return p.common(&h, child)
	})
	if err != nil {
		return nil, err
	}
	nodes := make([]policies.Node, len(items))
	for i, place := range policies.Places(len(items)) {
		nodes[i] = items[i](place)
	}
	return &policies.PolicySet{Header: h, Children: policies.NewList(nodes...)}, nil
}

// placed sets the place of a node that nobody else has seen yet.
func placed(n policies.Node, place string) policies.Node {
	switch n := n.(type) {
	case *policies.PolicySet:
		n.Place = place
	case *policies.Policy:
		n.Place = place
	case *policies.Reference:
		n.Place = place
	}
	return n
}

func (p *parser) policy(start xml.Token, place string) (*policies.Policy, error) {
	h, err := p.header(start, "Policy", place)
	if err != nil {
		return nil, err
	}
	policy := &policies.Policy{}
	var rules []*policies.Rule
	err = p.children(func(child xml.Token) (bool, error) {
		switch child.Name.Local {
		case "VariableDefinition":
			v, err := p.variable(child)
			if slices.ContainsFunc(policy.Variables, func(o policies.Variable) bool { return o.ID == v.ID }) {
				p.complain(child.Offset, "variable %q is defined twice in policy %q", v.ID, h.ID)
			}
			policy.Variables = append(policy.Variables, v)
			return true, err
		case "Rule":
			r, err := p.rule(child)
			rules = append(rules, r)
			return true, err
		}
		return p.common(&h, child)
	})
	if err != nil {
		return nil, err
	}
	p.uniqueRules(h, rules)
	for i, place := range policies.Places(len(rules)) {
		rules[i].Place = place
	}
	policy.Header, policy.Rules = h, policies.NewList(rules...)
	return policy, nil
}

func (p *parser) uniqueRules(h policies.Header, rules []*policies.Rule) {
	seen := make(map[string]bool, len(rules))
	for _, r := range rules {
		if seen[r.ID] {
			p.wrong = append(p.wrong, &xml.Error{
				Position: xml.Position(r.Position),
				Message:  "rule " + quoted(r.ID) + " stands twice in policy " + quoted(h.ID), Cause: xml.ErrContent,
			})
		}
		seen[r.ID] = true
	}
}

func quoted(s string) string { return `"` + s + `"` }

func (p *parser) rule(start xml.Token) (*policies.Rule, error) {
	id, err := p.r.Required(start, "RuleId")
	if err != nil {
		return nil, err
	}
	rule := &policies.Rule{ID: id, Position: p.at(start.Offset)}
	if rule.Effect, err = p.effect(start, "Effect"); err != nil {
		return nil, err
	}
	err = p.children(func(child xml.Token) (known bool, err error) {
		switch child.Name.Local {
		case "Description":
			rule.Description, err = p.r.Content()
		case "Target":
			rule.Target, err = p.target(child)
		case "Condition":
			rule.Condition, err = p.single(child)
		case "ObligationExpressions":
			rule.Obligations, err = p.duties()
			known = p.two
		case "AdviceExpressions":
			rule.Advice, err = p.duties()
			known = p.two
		default:
			known = true
		}
		return !known, err
	})
	return rule, err
}

func (p *parser) effect(start xml.Token, name string) (authz.Effect, error) {
	text, err := p.r.Required(start, name)
	switch {
	case err != nil:
		return 0, err
	case text == "Permit":
		return authz.Permit, nil
	case text == "Deny":
		return authz.Deny, nil
	}
	return 0, p.r.Errorf(start.Offset, "%s is %q; want Permit or Deny", name, text)
}

func (p *parser) reference(start xml.Token) (*policies.Reference, error) {
	ref := &policies.Reference{Set: start.Name.Local == "PolicySetIdReference", Position: p.at(start.Offset)}
	for name, field := range map[string]*string{"Version": &ref.Version, "EarliestVersion": &ref.Earliest, "LatestVersion": &ref.Latest} {
		if v, ok := attribute(start, name); ok {
			*field = v
			if !isVersionPattern(v) {
				p.complain(start.Offset, "%s %q is not a version pattern: numbers, * or + joined by dots", name, v)
			}
		}
	}
	id, err := p.r.Content()
	ref.ID = trim(id)
	return ref, err
}

func (p *parser) variable(start xml.Token) (policies.Variable, error) {
	id, err := p.r.Required(start, "VariableId")
	if err != nil {
		return policies.Variable{}, err
	}
	v := policies.Variable{ID: id, Position: p.at(start.Offset)}
	v.Expression, err = p.single(start)
	return v, err
}

func isVersion(v string) bool { return validVersion(v, "") }

func isVersionPattern(v string) bool { return validVersion(v, "*+") }

// validVersion checks a version number (XACML 3.0 core, 5.13) whose parts may
// also be one of the given wildcards.
func validVersion(v, wildcards string) bool {
	for part := range strings.SplitSeq(v, ".") {
		wild := len(part) == 1 && strings.Contains(wildcards, part)
		if part == "" || !wild && strings.Trim(part, "0123456789") != "" {
			return false
		}
	}
	return true
}
