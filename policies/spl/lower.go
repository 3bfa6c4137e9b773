package spl

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// Lowerer turns what was written into policies. It reads a text of one version
// with one table and reports with the lines of that text.
type Lowerer struct {
	table   *Table
	version Version
	report  *report
}

// NewLowerer returns a Lowerer for a text, given for error messages, and the
// position where the text begins.
func NewLowerer(t *Table, v Version, text string, at policies.Position) *Lowerer {
	if at.Line == 0 {
		at.Line, at.Column = 1, 1
	}
	return &Lowerer{table: t, version: v, report: newReport(text, at)}
}

// Err returns everything found wrong so far, as [Errors], or nil.
func (l *Lowerer) Err() error { return l.report.err() }

// Resource returns the policy set of a resource without its children, id and
// place.
func (l *Lowerer) Resource(r *Resource) *policies.PolicySet {
	s := &policies.PolicySet{Header: l.header("resource", r.Value, r.Description, r.Obligations)}
	s.Position = r.Position
	return s
}

// Action returns the policy of an action without its rules, id and place.
func (l *Lowerer) Action(a *Action) *policies.Policy {
	p := &policies.Policy{Header: l.header("action", a.Value, a.Description, a.Obligations)}
	p.Position, p.Private = a.Position, a.Private
	return p
}

func (l *Lowerer) header(name string, value Word, description *Word, duties []Duty) policies.Header {
	h := policies.Header{Version: "1", Combining: policies.FirstApplicable}
	if description != nil {
		h.Description = strings.Clone(description.Text) // not the whole file with it
	}
	c := Condition{Name: Word{Text: name, Position: value.Position}, Operator: "=", Values: []Word{value}}
	if m, ok := l.match(c, value, authz.Permit); ok {
		h.Target = &policies.Target{Position: value.Position, AnyOf: anyOf([]policies.Match{m})}
	}
	for _, d := range duties {
		h.Obligations = append(h.Obligations, l.duty(d, authz.Permit))
	}
	return h
}

// anyOf returns the alternatives, each of one match.
func anyOf(matches []policies.Match) []policies.AnyOf {
	a := policies.AnyOf{AllOf: make([]policies.AllOf, len(matches))}
	for i := range matches {
		a.AllOf[i] = policies.AllOf{Matches: matches[i : i+1 : i+1]}
	}
	return []policies.AnyOf{a}
}

// Rule returns a rule without its id and place.
func (l *Lowerer) Rule(r *Rule) *policies.Rule {
	rule := &policies.Rule{Effect: r.Effect, Position: r.Position}
	l.conditions(rule, r.Conditions)
	for _, d := range r.Duties {
		if d.Advice {
			rule.Advice = append(rule.Advice, l.duty(d, r.Effect))
		} else {
			rule.Obligations = append(rule.Obligations, l.duty(d, r.Effect))
		}
	}
	if r.Because != nil {
		rule.Because = strings.Clone(r.Because.Text)
	}
	rule.From, rule.Until = l.time(r.From), l.time(r.Until)
	if !rule.From.IsZero() && !rule.Until.IsZero() && !rule.From.Before(rule.Until) {
		l.report.add(r.Until.Position, "", "rule ends before it begins")
	}
	return rule
}

// conditions become the rule's target: the single matches of one category in
// one AllOf, as Argus writes them, the alternatives of "in" by themselves. What
// must not match becomes its condition.
func (l *Lowerer) conditions(rule *policies.Rule, conditions []Condition) {
	var single conjunctions
	var alternatives []policies.AnyOf
	var none []policies.Expression
	for _, c := range conditions {
		switch row, ok := l.lookup(c.Name); {
		case !ok:
		case c.Operator == "!=":
			none = append(none, l.none(c, row, rule.Effect)...)
		case c.Operator == "in":
			alternatives = append(alternatives, anyOf(l.matches(c, rule.Effect))...)
		default:
			single.add(row.Category, l.matches(c, rule.Effect))
		}
	}
	if all := append(single.anyOf(), alternatives...); len(all) > 0 {
		rule.Target = &policies.Target{AnyOf: all, Position: rule.Position}
	}
	switch len(none) {
	case 0:
	case 1:
		rule.Condition = none[0]
	default:
		rule.Condition = &policies.Apply{Function: profile.FunctionAnd, Arguments: none, Position: rule.Position}
	}
}

// conjunctions are matches by their category.
type conjunctions []conjunction

type conjunction struct {
	category authz.Category
	matches  []policies.Match
}

func (c *conjunctions) add(category authz.Category, matches []policies.Match) {
	i := slices.IndexFunc(*c, func(have conjunction) bool { return have.category == category })
	switch {
	case i >= 0:
		(*c)[i].matches = append((*c)[i].matches, matches...)
	case len(matches) > 0:
		*c = append(*c, conjunction{category, matches})
	}
}

// anyOf returns each by itself: the usual categories in Argus's order, then a
// site's own.
func (c conjunctions) anyOf() []policies.AnyOf {
	usual := []authz.Category{authz.Subject, authz.Resource, authz.Action, authz.Environment}
	rank := func(c conjunction) int {
		if i := slices.Index(usual, c.category); i >= 0 {
			return i
		}
		return len(usual)
	}
	slices.SortFunc(c, func(a, b conjunction) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.category, b.category))
	})
	all := make([]policies.AnyOf, len(c))
	for i := range c {
		all[i] = policies.AnyOf{AllOf: []policies.AllOf{{Matches: c[i].matches}}}
	}
	return all
}

func (l *Lowerer) lookup(name Word) (profile.Attribute, bool) {
	row, ok := l.table.Lookup(name.Text)
	if !ok {
		hint := Suggest(name.Text, l.table.names)
		switch name.Text {
		case "dn", "DN", "subject-dn":
			hint = `did you mean "subject"?`
		case "ca", "CA", "issuer":
			hint = `did you mean "subject-issuer"?`
		}
		l.report.add(name.Position, hint, "unknown attribute %q", name.Text)
	}
	return row, ok
}

func (l *Lowerer) matches(c Condition, effect authz.Effect) []policies.Match {
	var all []policies.Match
	for _, v := range c.Values {
		if m, ok := l.match(c, v, effect); ok {
			all = append(all, m)
		}
	}
	return all
}

// match makes the match of a condition and one of its values.
func (l *Lowerer) match(c Condition, value Word, effect authz.Effect) (policies.Match, bool) {
	row, ok := l.lookup(c.Name)
	if !ok {
		return policies.Match{}, false
	}
	r, err := reading(row, c.Operator, effect == authz.Deny)
	if err != nil {
		l.report.add(c.Name.Position, "", "%s", err)
		return policies.Match{}, false
	}
	literal, ok := l.literal(row, r, value)
	return policies.Match{
		Function: r.function,
		Value:    literal,
		Attribute: &policies.Designator{
			Category: row.Category, ID: row.ID, Type: r.bag, Position: c.Name.Position,
			// Without a value to compare, a denial cannot tell (DECISIONS 5).
			MustBePresent: effect == authz.Deny && r.ordered,
		},
		Position: c.Name.Position,
	}, ok
}

// none makes the expression of "!=". Its bag holds what could speak against
// the rule, so it is read as the other effect reads.
func (l *Lowerer) none(c Condition, row profile.Attribute, effect authz.Effect) []policies.Expression {
	r, _ := reading(row, "=", effect != authz.Deny)
	var all []policies.Expression
	for _, v := range c.Values {
		literal, ok := l.literal(row, r, v)
		if !ok {
			continue
		}
		all = append(all, &policies.Apply{Function: profile.FunctionNone, Position: c.Name.Position, Arguments: []policies.Expression{
			&policies.FunctionName{Function: r.function, Position: c.Name.Position},
			&policies.Literal{Value: literal, Position: v.Position},
			&policies.Designator{Category: row.Category, ID: row.ID, Type: r.bag, Position: c.Name.Position},
		}})
	}
	return all
}

func (l *Lowerer) duty(d Duty, on authz.Effect) policies.Duty {
	duty := policies.Duty{ID: strings.Clone(d.ID.Text), On: on, Position: d.Position}
	if l.version == Two {
		for _, known := range profile.Duties() {
			if known.Name == d.ID.Text {
				duty.ID = known.ID
			}
		}
	}
	if strings.TrimSpace(duty.ID) == "" {
		l.report.add(d.ID.Position, "", "obligation has no id")
	}
	if l.version == Two && !strings.Contains(duty.ID, ":") {
		names := []string{}
		for _, known := range profile.Duties() {
			names = append(names, known.Name)
		}
		l.report.add(d.ID.Position, Suggest(d.ID.Text, names), "%q is neither a URI nor one of %s", d.ID.Text, strings.Join(slices.Sorted(slices.Values(names)), ", "))
	}
	for _, pair := range d.Pairs {
		row, ok := l.lookup(pair.Name)
		if !ok {
			continue
		}
		value, ok := l.value(row.Type, row, pair.Value)
		if !ok {
			continue
		}
		duty.Assignments = append(duty.Assignments, policies.AssignmentExpression{
			ID: row.ID, Position: pair.Name.Position,
			Expression: &policies.Literal{Value: value, Position: pair.Value.Position},
		})
	}
	return duty
}
