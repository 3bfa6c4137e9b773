package spl

import (
	"io"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// IDs says which ids a listing shows.
type IDs int

// The choices of pap-admin list-policies.
const (
	NoIDs   IDs = iota
	HeadIDs     // of resources and actions
	AllIDs
)

// List writes resources in the layout of Argus's list-policies, to the byte:
// an empty line before each, "name=value" without blanks, names of type
// x500Name turned into RFC 2253's form. As in Argus, the listing is no SPL.
// Control characters are written as they are: who prints to a terminal must
// escape them.
func List(w io.Writer, t *Table, resources []*Resource, show IDs) error {
	l := lister{table: t, show: show}
	for _, r := range resources {
		l.resource(r)
	}
	_, err := io.WriteString(w, l.out.String())
	return err
}

type lister struct {
	table *Table
	show  IDs
	out   strings.Builder
}

// line writes one line at a depth.
func (l *lister) line(depth int, parts ...string) {
	l.out.WriteString(strings.Repeat(indentStep, depth))
	for _, p := range parts {
		l.out.WriteString(p)
	}
	l.out.WriteByte('\n')
}

func (l *lister) resource(r *Resource) {
	l.line(0)
	if l.show >= HeadIDs {
		l.line(0, "id=", r.ID)
	}
	l.line(0, `resource `, quote(r.Value), ` {`)
	l.head(1, r.Description, r.Obligations)
	for _, a := range r.Actions {
		l.action(a)
	}
	l.line(0, "}")
}

func (l *lister) action(a *Action) {
	l.line(0)
	if l.show >= HeadIDs {
		l.line(1, "id=", a.ID)
	}
	if a.Private {
		l.line(1, "private")
	}
	l.line(1, `action `, quote(a.Value), ` {`)
	l.head(2, a.Description, a.Obligations)
	for _, r := range a.Rules {
		if l.show == AllIDs {
			l.line(0)
			l.line(2, "id=", r.ID)
		}
		l.rule(r)
	}
	l.line(1, "}")
}

func (l *lister) head(depth int, description *Word, duties []Duty) {
	if description != nil {
		l.line(depth, "description=", quote(*description))
	}
	for _, d := range duties {
		l.duty(depth, d, "")
	}
}

func (l *lister) duty(depth int, d Duty, after string) {
	word := "obligation "
	if d.Advice {
		word = "advice "
	}
	l.line(depth, word, quote(d.ID), " {")
	for _, p := range d.Pairs {
		l.line(depth+1, p.Name.Text, "=", l.value(p.Name, p.Value))
	}
	l.line(depth, "}", after)
}

func (l *lister) rule(r *Rule) {
	effect := "permit"
	if r.Effect == authz.Deny {
		effect = "deny"
	}
	items := make([]string, 0, len(r.Conditions)+3)
	for _, c := range r.Conditions {
		items = append(items, l.condition(c))
	}
	for _, w := range []struct {
		name string
		word *Word
	}{{"because", r.Because}, {"from", r.From}, {"until", r.Until}} {
		if w.word != nil {
			items = append(items, w.name+" "+quote(*w.word))
		}
	}
	if len(items) == 1 && len(r.Duties) == 0 {
		l.line(2, "rule ", effect, " { ", items[0], " }")
		return
	}
	l.line(2, "rule ", effect, " { ")
	for _, i := range items {
		l.line(3, i, " ")
	}
	for _, d := range r.Duties {
		l.duty(3, d, " ")
	}
	l.line(2, "}")
}

func (l *lister) condition(c Condition) string {
	values := make([]string, len(c.Values))
	for i, v := range c.Values {
		values[i] = l.value(c.Name, v)
	}
	switch c.Operator {
	case "=":
		return c.Name.Text + "=" + values[0]
	case "in":
		return c.Name.Text + " in (" + strings.Join(values, " ") + ")"
	}
	return c.Name.Text + " " + c.Operator + " " + values[0]
}

// value quotes a value; a DN in OpenSSL's form is turned round.
func (l *lister) value(name, value Word) string {
	if row, ok := l.table.Lookup(name.Text); ok && row.Type == authz.X500Name && strings.HasPrefix(value.Text, "/") {
		if d, err := authz.ParseDN(value.Text); err == nil {
			return `"` + d.Comma() + `"`
		}
	}
	return quote(value)
}

func quote(w Word) string {
	if raw := w.Raw; len(raw) > 1 && (raw[0] == '"' || raw[0] == '\'') {
		return `"` + raw[1:len(raw)-1] + `"`
	}
	return `"` + w.Text + `"`
}
