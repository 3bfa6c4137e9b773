package source

import (
	"fmt"
	"regexp"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// Ban makes the rule that a ban stands for: deny if every name holds under any
// of its readings, whatever the type and standing of the request's value. Its
// place is the alias of its PAP: two PAPs may ban the same person under the same
// id, and lifting the one must not lift the other. Made from records it follows
// the links of persons: it refuses all identities of whom it names, unless the
// ban is to stand alone.
func Ban(b change.Ban) (*policies.Rule, error) { return newMaker(nil).ban(b) }

// banned is what most bans need, in one piece of memory: there may be a million.
type banned struct {
	rule   policies.Rule
	target policies.Target
	anyOf  [1]policies.AnyOf
	allOf  [1]policies.AllOf
	match  [1]policies.Match
}

func (m *maker) ban(b change.Ban) (*policies.Rule, error) { return m.banIn(&banned{}, b) }

// banIn makes the rule in the memory given.
func (m *maker) banIn(whole *banned, b change.Ban) (*policies.Rule, error) {
	*whole = banned{}
	rule := &whole.rule
	*rule = policies.Rule{
		ID: b.ID, Place: b.PAP, Effect: authz.Deny, Description: b.Reason, Until: b.Until, Ban: true, PAP: b.PAP,
		Because: because(b), Target: &whole.target,
	}
	whole.target.AnyOf = whole.anyOf[:0]
	if len(b.Names) == 0 {
		return rule, fmt.Errorf("ban %s names nobody: it would refuse everybody", b.ID)
	}
	names := b.Names
	if !b.Alone && !m.none {
		who, rest := whom(b.Names)
		if others := m.others(who); len(others) > 0 {
			anyOf, err := m.anyIdentity(append([]identity{who}, others...))
			if err != nil {
				return rule, fmt.Errorf("ban %s: %w", b.ID, err)
			}
			rule.Target.AnyOf = append(rule.Target.AnyOf, anyOf)
			names = rest
		}
	}
	for _, name := range names {
		anyOf, err := m.name(name, whole)
		if err != nil {
			return rule, fmt.Errorf("ban %s: %w", b.ID, err)
		}
		rule.Target.AnyOf = append(rule.Target.AnyOf, anyOf)
	}
	for _, on := range []struct {
		category    authz.Category
		id, pattern string
	}{{authz.Resource, profile.ResourceID, b.Resource}, {authz.Action, profile.ActionID, b.Action}} {
		if on.pattern == "" {
			continue
		}
		if _, err := regexp.Compile("^(?:" + on.pattern + ")$"); err != nil {
			return rule, fmt.Errorf("ban %s: pattern %q: %w", b.ID, on.pattern, err)
		}
		reading := profile.Reading{Category: on.category, ID: on.id, Function: profile.FunctionAnchoredRegexp}
		rule.Target.AnyOf = append(rule.Target.AnyOf, policies.AnyOf{AllOf: []policies.AllOf{m.reading(reading, on.pattern)}})
	}
	return rule, nil
}

// because is what the person may read: that it is a ban, whom to ask, and not
// the reason, which is for administrators.
func because(b change.Ban) string {
	if b.Ticket == "" {
		return "you are banned"
	}
	return "you are banned (ticket " + b.Ticket + ")"
}

// name makes the disjunction of a name's readings. The first with one reading
// goes into the memory of the whole.
func (m *maker) name(name change.Name, whole *banned) (policies.AnyOf, error) {
	identity, ok := m.identities[name.Attribute]
	if !ok {
		return policies.AnyOf{}, fmt.Errorf("%q is no name that a ban can use", name.Attribute)
	}
	if name.Value == "" {
		return policies.AnyOf{}, fmt.Errorf("%s is empty", name.Attribute)
	}
	if whole.allOf[0].Matches == nil && len(identity.Readings) == 1 {
		whole.match[0] = m.match(identity.Readings[0], name.Value)
		whole.allOf[0].Matches = whole.match[:]
		return policies.AnyOf{AllOf: whole.allOf[:]}, nil
	}
	anyOf := policies.AnyOf{AllOf: make([]policies.AllOf, len(identity.Readings))}
	for i, reading := range identity.Readings {
		anyOf.AllOf[i] = m.reading(reading, name.Value)
	}
	return anyOf, nil
}

func (m *maker) reading(r profile.Reading, value string) policies.AllOf {
	return policies.AllOf{Matches: []policies.Match{m.match(r, value)}}
}

func (m *maker) match(r profile.Reading, value string) policies.Match {
	return policies.Match{Function: r.Function, Value: authz.StringValue(value), Attribute: m.designator(r.Category, r.ID)}
}

// designator returns the bag of an attribute's values of every type. A million
// bans share it.
func (m *maker) designator(category authz.Category, id string) *policies.Designator {
	key := string(category) + "\x00" + id
	if m.designators[key] == nil {
		m.designators[key] = &policies.Designator{Category: category, ID: id}
	}
	return m.designators[key]
}
