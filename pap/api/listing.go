package api

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

// Listing is what of one PAP to list and how.
type Listing struct {
	Units []change.Unit // in the order in which they are written
	Bans  []change.Ban
	Rows  []change.Row
	Show  spl.IDs
	// Resource and Action, if not empty, pick the headers of exactly that value.
	Resource, Action string
}

// Write writes the listing in the layout of Argus's list-policies, without the
// line that names the PAP, and reports whether there was anything to list. Bans
// stand where Argus would have put their rules: on top of the first action of
// their value, in the first resource of theirs. A document in another language
// is one line with its id.
func (l Listing) Write(w io.Writer) (bool, error) {
	site := make([]profile.Attribute, len(l.Rows))
	for i, row := range l.Rows {
		site[i] = profile.Attribute{Name: row.Name, ID: row.ID, Category: row.Category, Type: row.Type, Match: row.Match}
	}
	table, err := spl.NewTable(site...)
	if err != nil {
		return false, err
	}
	items, err := l.items()
	if err != nil {
		return false, err
	}
	some := false
	for _, item := range items {
		if item.resource == nil {
			_, err = fmt.Fprintf(w, "\nid=%s: not written in SPL but in %s\n", item.document.ID, item.document.Format)
		} else if item.resource = l.pick(item.resource); item.resource != nil {
			err = spl.List(w, table, []*spl.Resource{item.resource}, l.Show)
		} else {
			continue
		}
		if err != nil {
			return some, err
		}
		some = true
	}
	return some, nil
}

// item is a resource, or a document in another language.
type item struct {
	resource *spl.Resource
	document change.Unit
}

// items parses the units and puts the bans among them.
func (l Listing) items() ([]item, error) {
	var items []item
	resources, actions := map[string]*spl.Resource{}, map[string]*spl.Action{}
	for _, u := range l.Units {
		version, at := spl.One, policies.Position{File: u.File, Line: u.Line, Column: u.Column}
		if u.Format == change.SPLTwo {
			version = spl.Two
		}
		var err error
		switch u.Kind {
		case change.KindResource:
			var r *spl.Resource
			if r, err = spl.ParseResource(u.Text, version, at); err == nil {
				r.ID, resources[u.ID] = u.ID, r
				items = append(items, item{resource: r})
			}
		case change.KindAction:
			var a *spl.Action
			if a, err = spl.ParseAction(u.Text, version, at); err == nil && resources[u.Parent] != nil {
				a.ID, actions[u.ID] = u.ID, a
				resources[u.Parent].Actions = append(resources[u.Parent].Actions, a)
			}
		case change.KindRule:
			var r *spl.Rule
			if r, err = spl.ParseRule(u.Text, version, at); err == nil && actions[u.Parent] != nil {
				r.ID = u.ID
				actions[u.Parent].Rules = append(actions[u.Parent].Rules, r)
			}
		default:
			if l.Resource == "" && l.Action == "" {
				items = append(items, item{document: u})
			}
		}
		if err != nil {
			return nil, fmt.Errorf("unit %s: %w", u.ID, err)
		}
	}
	return l.withBans(items), nil
}

// withBans adds a rule per ban, the latest on top.
func (l Listing) withBans(items []item) []item {
	for _, b := range l.Bans {
		resource := anything(b.Resource)
		var in *spl.Resource
		for _, i := range items {
			if i.resource != nil && i.resource.Value.Text == resource {
				in = i.resource
				break
			}
		}
		if in == nil {
			in = &spl.Resource{Value: word(anything(b.Resource))}
			items = append([]item{{resource: in}}, items...)
		}
		ruleOn(in, anything(b.Action), banRule(b))
	}
	return items
}

// ruleOn puts a rule on top of the resource's first action of that value.
func ruleOn(in *spl.Resource, action string, rule *spl.Rule) {
	for _, a := range in.Actions {
		if a.Value.Text == action {
			a.Rules = append([]*spl.Rule{rule}, a.Rules...)
			return
		}
	}
	a := &spl.Action{Value: word(action), Rules: []*spl.Rule{rule}}
	in.Actions = append([]*spl.Action{a}, in.Actions...)
}

func banRule(b change.Ban) *spl.Rule {
	rule := &spl.Rule{ID: b.ID, Effect: authz.Deny}
	for _, n := range b.Names {
		rule.Conditions = append(rule.Conditions, spl.Condition{
			Name: word(n.Attribute), Operator: "=", Values: []spl.Word{word(n.Value)},
		})
	}
	return rule
}

// anything is how SPL writes a ban without a resource or an action.
func anything(pattern string) string {
	if pattern == "" {
		return ".*"
	}
	return pattern
}

// word quotes text that was not written as SPL; the listing is not read again.
func word(text string) spl.Word { return spl.Word{Text: text} }

// pick returns what the filter leaves of a resource, or nil.
func (l Listing) pick(r *spl.Resource) *spl.Resource {
	if l.Resource != "" && r.Value.Text != l.Resource {
		return nil
	}
	if l.Action == "" {
		return r
	}
	picked := *r
	picked.Actions = nil
	for _, a := range r.Actions {
		if a.Value.Text == l.Action {
			picked.Actions = append(picked.Actions, a)
		}
	}
	if len(picked.Actions) == 0 {
		return nil
	}
	return &picked
}

// listUnits answers the units, or a listing of them to those who want text.
func listUnits(c *call) (any, error) {
	ctx, alias := c.r.Context(), c.vars["alias"]
	units, err := c.o.Service.Units(ctx, alias)
	if err != nil || !strings.Contains(c.r.Header.Get("Accept"), "text/plain") {
		return unitsBody{units}, err
	}
	list := Listing{Units: units, Resource: c.query.Get("resource"), Action: c.query.Get("action")}
	if list.Show, err = showing(c.query.Get("ids")); err != nil {
		return nil, err
	}
	if list.Bans, err = c.o.Service.Bans(ctx, alias); err != nil {
		return nil, err
	}
	if list.Rows, err = c.o.Service.Rows(ctx); err != nil {
		return nil, err
	}
	var text strings.Builder
	if _, err := list.Write(&text); err != nil {
		return nil, err
	}
	c.wrote = true
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	c.w.Header().Set("X-Content-Type-Options", "nosniff")
	c.w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(c.w, text.String())
	return nil, nil
}

func showing(ids string) (spl.IDs, error) {
	switch ids {
	case "", "none":
		return spl.NoIDs, nil
	case "heads":
		return spl.HeadIDs, nil
	case "all":
		return spl.AllIDs, nil
	}
	return 0, fmt.Errorf("%w: ids=%q: want none, heads or all", change.ErrInvalid, clip(ids))
}
