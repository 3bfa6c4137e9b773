package pap

import (
	"context"
	"fmt"
	"strings"

	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

// AddRule adds one rule, on top of those of its action unless told otherwise.
// Result.IDs is its id.
func (s *Service) AddRule(ctx context.Context, r change.Request, pap string, rule change.Rule) (change.Result, error) {
	return s.change(ctx, r, "add-policy to "+pap, []any{pap, rule}, func(d *draft) error {
		if err := d.mustPAP(pap, true); err != nil {
			return err
		}
		u, err := ruleUnit(rule)
		if err != nil {
			return err
		}
		action, err := d.ruleAction(pap, rule)
		if err != nil {
			return err
		}
		place, err := d.rulePlace(action, rule)
		if err != nil {
			return err
		}
		d.result.IDs = d.add(pap, action.ID, []piece{{unit: u}}, []string{place})
		return d.oblige(action, rule)
	})
}

// ruleUnit writes the rule down, in version 1 of SPL.
func ruleUnit(r change.Rule) (change.Unit, error) {
	effect := "deny"
	if r.Permit {
		effect = "permit"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "rule %s {", effect)
	for _, n := range r.Names {
		value, err := quote(n.Value)
		if err != nil {
			return change.Unit{}, err
		}
		name := n.Attribute
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return change.Unit{}, fmt.Errorf("%w: %q is no attribute name", change.ErrInvalid, name)
		}
		fmt.Fprintf(&text, " %q=%s", name, value)
	}
	text.WriteString(" }")
	u := change.Unit{Kind: change.KindRule, Format: change.SPL, Text: text.String()}
	if _, err := spl.ParseRule(u.Text, spl.One, start(u)); err != nil {
		return u, fmt.Errorf("%w: %w", change.ErrPolicy, err)
	}
	return u, nil
}

// quote makes a string of version 1, which means what stands between its quotes.
func quote(value string) (string, error) {
	switch {
	case strings.ContainsAny(value, "\r\n"):
		return "", fmt.Errorf("%w: %q goes over several lines", change.ErrInvalid, value)
	case !strings.Contains(value, `"`):
		return `"` + value + `"`, nil
	case !strings.Contains(value, "'"):
		return "'" + value + "'", nil
	}
	return "", fmt.Errorf("%w: %q holds both kinds of quotes", change.ErrInvalid, value)
}

// ruleAction finds the action that a rule goes into, or makes it.
func (d *draft) ruleAction(pap string, rule change.Rule) (change.Unit, error) {
	if rule.ActionID != "" {
		return d.mustUnit(pap, rule.ActionID, change.KindAction)
	}
	if rule.Resource == "" || rule.Action == "" {
		return change.Unit{}, fmt.Errorf("%w: name a resource and an action, or an action id", change.ErrInvalid)
	}
	resource, err := d.header(pap, "", change.KindResource, rule.Resource, rule.Bottom)
	if err != nil {
		return change.Unit{}, err
	}
	return d.header(pap, resource.ID, change.KindAction, rule.Action, rule.Bottom)
}

// header finds the one header of that value below parent, or makes it.
func (d *draft) header(pap, parent string, kind change.Kind, value string, bottom bool) (change.Unit, error) {
	var found []change.Unit
	first, last := "", ""
	for u := range d.Children(pap, parent) {
		if first == "" {
			first = u.Place
		}
		last = u.Place
		if u.Kind == kind && headerValue(u) == value {
			found = append(found, u)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
	default:
		return change.Unit{}, fmt.Errorf("%w: %d times %s %q: name the action by its id", change.ErrInvalid, len(found), kind, value)
	}
	quoted, err := quote(value)
	if err != nil {
		return change.Unit{}, err
	}
	low, high := "", first
	if bottom {
		low, high = last, ""
	}
	u := change.Unit{Kind: kind, Format: change.SPL, Text: fmt.Sprintf("%s %s {", kind, quoted)}
	id := d.add(pap, parent, []piece{{unit: u}}, spread(low, high, 1))[0]
	return d.mustUnit(pap, id)
}

// headerValue is the regular expression of a resource or action.
func headerValue(u change.Unit) string {
	if u.Kind == change.KindResource {
		if r, err := spl.ParseResource(u.Text, version(u), start(u)); err == nil {
			return r.Value.Text
		}
		return ""
	}
	if a, err := spl.ParseAction(u.Text, version(u), start(u)); err == nil {
		return a.Value.Text
	}
	return ""
}

// rulePlace is where the rule goes among those of its action.
func (d *draft) rulePlace(action change.Unit, rule change.Rule) (string, error) {
	var siblings []change.Unit
	for u := range d.Children(action.PAP, action.ID) {
		siblings = append(siblings, u)
	}
	low, high := "", ""
	switch {
	case rule.Before != "" || rule.After != "":
		var err error
		if low, high, err = beside(siblings, rule.Before+rule.After, rule.Before == ""); err != nil {
			return "", err
		}
	case rule.Bottom && len(siblings) > 0:
		low = siblings[len(siblings)-1].Place
	case len(siblings) > 0:
		high = siblings[0].Place
	}
	return spread(low, high, 1)[0], nil
}

// oblige adds the rule's obligation to its action or resource, once.
func (d *draft) oblige(action change.Unit, rule change.Rule) error {
	if rule.Obligation == "" {
		return nil
	}
	quoted, err := quote(rule.Obligation)
	if err != nil {
		return err
	}
	header, err := d.mustUnit(action.PAP, action.ID)
	if err == nil && rule.Scope == change.ScopeResource {
		header, err = d.mustUnit(action.PAP, action.Parent)
	}
	if err != nil {
		return err
	}
	if strings.Contains(header.Text, "obligation "+quoted) {
		return nil
	}
	header.Text += "\n    obligation " + quoted + " {\n    }"
	d.put(change.Edit{Unit: &header})
	return nil
}
