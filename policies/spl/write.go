package spl

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// Write returns the text, in version 2, of policies that came from another
// language: a policy set that stands for one resource, or a set of such. What
// SPL cannot say exactly is refused, with all its places, as [Errors]; the text
// is read again and compared before it is believed.
//
// Ids, versions and the names of combining algorithms other than
// first-applicable have no place in the text: the first are lost, the last are
// refused.
func Write(n policies.Node, t *Table) (string, error) {
	w := &writer{table: t}
	resources := w.resources(n)
	w.out.WriteString("spl 2\n")
	for _, r := range resources {
		w.resource(r)
	}
	if len(w.wrong) > 0 {
		return "", w.wrong
	}
	text, err := Format("", w.out.String())
	if err != nil {
		return "", fmt.Errorf("writing spl: %w", err)
	}
	return text, w.same(text, resources)
}

type writer struct {
	table *Table
	out   strings.Builder
	wrong Errors
}

func (w *writer) refuse(at policies.Position, format string, args ...any) {
	if len(w.wrong) < mostErrors {
		w.wrong = append(w.wrong, &Error{Position: at, Message: fmt.Sprintf(format, args...)})
	}
}

// resources returns the sets that become resources.
func (w *writer) resources(n policies.Node) []*policies.PolicySet {
	set, ok := n.(*policies.PolicySet)
	if !ok {
		w.refuse(n.At(), "SPL puts actions into resources: want a policy set whose target is a resource, with policies whose targets are actions")
		return nil
	}
	if set.Target != nil {
		return []*policies.PolicySet{set}
	}
	w.first(&set.Header)
	if len(set.Obligations)+len(set.Advice) > 0 {
		w.refuse(set.Position, "SPL has no obligations around several resources")
	}
	var list []*policies.PolicySet
	for child := range set.Children.All() {
		if r, ok := child.(*policies.PolicySet); ok {
			list = append(list, r)
		} else {
			w.refuse(child.At(), "SPL has resources here: want a policy set whose target is a resource")
		}
	}
	return list
}

func (w *writer) first(h *policies.Header) {
	if !strings.HasSuffix(string(h.Combining), ":first-applicable") {
		w.refuse(h.Position, "%q combines by %s; in SPL the first that applies decides", h.ID, h.Combining)
	}
	if len(h.Advice) > 0 {
		w.refuse(h.Advice[0].Position, "SPL has advice in rules only")
	}
}

func (w *writer) resource(s *policies.PolicySet) {
	w.head("resource", &s.Header)
	for child := range s.Children.All() {
		p, ok := child.(*policies.Policy)
		if !ok {
			w.refuse(child.At(), "SPL has actions here: want a policy whose target is an action")
			continue
		}
		if len(p.Variables) > 0 {
			w.refuse(p.Variables[0].Position, "SPL has no variables")
		}
		if p.Private {
			w.out.WriteString("private ")
		}
		w.head("action", &p.Header)
		for r := range p.Rules.All() {
			w.rule(r)
		}
		w.out.WriteString("}\n")
	}
	w.out.WriteString("}\n")
}

// head writes a resource or action up to its children.
func (w *writer) head(name string, h *policies.Header) {
	w.first(h)
	row, _ := w.table.Lookup(name)
	pattern, ok := "", false
	if h.Target != nil && len(h.Target.AnyOf) == 1 && len(h.Target.AnyOf[0].AllOf) == 1 && len(h.Target.AnyOf[0].AllOf[0].Matches) == 1 {
		m := h.Target.AnyOf[0].AllOf[0].Matches[0]
		d, isName := m.Attribute.(*policies.Designator)
		ok = isName && d.ID == row.ID && d.Category == row.Category && m.Function == row.Match
		pattern = m.Value.Text()
	}
	if !ok {
		w.refuse(h.Position, "%q: want a target that is one regular expression for the whole of the %s-id, and nothing else", h.ID, name)
	}
	fmt.Fprintf(&w.out, "%s %s {\n", name, written(pattern))
	if h.Description != "" {
		fmt.Fprintf(&w.out, "description %s\n", written(h.Description))
	}
	w.duties("obligation", h.Obligations, authz.Permit)
}

func (w *writer) rule(r *policies.Rule) {
	if r.Description != "" && r.Because == "" {
		for line := range strings.SplitSeq(r.Description, "\n") {
			fmt.Fprintf(&w.out, "# %s\n", printable(strings.TrimSpace(line)))
		}
	}
	fmt.Fprintf(&w.out, "rule %s {\n", strings.ToLower(r.Effect.String()))
	if r.Target != nil {
		for _, a := range r.Target.AnyOf {
			w.choice(a, r)
		}
	}
	w.condition(r.Condition, r)
	w.duties("obligation", r.Obligations, r.Effect)
	w.duties("advice", r.Advice, r.Effect)
	if r.Because != "" || r.Effect == authz.Deny && r.Target == nil && r.Condition == nil { // a rule must not be empty
		fmt.Fprintf(&w.out, "because %s\n", written(r.Because))
	}
	for _, bound := range []struct {
		word string
		at   time.Time
	}{{"from", r.From}, {"until", r.Until}} {
		if !bound.at.IsZero() {
			fmt.Fprintf(&w.out, "%s %s\n", bound.word, written(bound.at.UTC().Format(time.RFC3339Nano)))
		}
	}
	w.out.WriteString("}\n")
}

// choice writes an AnyOf: matches that must all hold, or with "in" the values
// of one attribute.
func (w *writer) choice(a policies.AnyOf, r *policies.Rule) {
	if len(a.AllOf) == 1 {
		for _, m := range a.AllOf[0].Matches {
			if name, operator, ok := w.comparison(m, r.Effect); ok {
				fmt.Fprintf(&w.out, "%s %s %s\n", written(name), operator, written(m.Value.Text()))
			}
		}
		return
	}
	var names, values []string
	for _, all := range a.AllOf {
		if len(all.Matches) != 1 {
			w.refuse(r.Position, "a choice between several conditions, which SPL writes as several rules")
			return
		}
		name, operator, ok := w.comparison(all.Matches[0], r.Effect)
		switch {
		case !ok:
			return
		case operator != "=" || len(names) > 0 && names[0] != name:
			w.refuse(all.Matches[0].Position, "a choice between other things than the values of one attribute, which SPL writes as several rules")
			return
		}
		names, values = append(names, name), append(values, written(all.Matches[0].Value.Text()))
	}
	if len(names) > 0 {
		fmt.Fprintf(&w.out, "%s in (%s)\n", written(names[0]), strings.Join(values, " "))
	}
}

// comparison returns the name and the operator of a match.
func (w *writer) comparison(m policies.Match, effect authz.Effect) (name, operator string, ok bool) {
	d, isName := m.Attribute.(*policies.Designator)
	if !isName {
		w.refuse(m.Position, "SPL has no paths into the content of a request")
		return "", "", false
	}
	row, ok := w.row(d)
	if !ok {
		return "", "", false
	}
	for _, operator := range []string{"=", "matches", "<", "<=", ">", ">="} {
		h, err := reading(row, operator, effect == authz.Deny)
		if err == nil && h.function == m.Function && h.bag == d.Type && h.literal == m.Value.Type() {
			return row.Name, operator, true
		}
	}
	if effect == authz.Deny && m.Function == row.Match && row.Deny != "" {
		w.refuse(m.Position, "%s: this denies one spelling under one data type, where a denial in SPL finds the name in all of them", row.Name)
	} else {
		w.refuse(m.Position, "%s: SPL does not compare it by %s in a rule of this effect", row.Name, m.Function)
	}
	return "", "", false
}

func (w *writer) row(d *policies.Designator) (profile.Attribute, bool) {
	for _, name := range w.table.names {
		if row := w.table.rows[name]; row.ID == d.ID && row.Category == d.Category {
			return row, true
		}
	}
	w.refuse(d.Position, "SPL has no name for the attribute %q of the category %q", d.ID, d.Category)
	return profile.Attribute{}, false
}

// condition writes what must not be.
func (w *writer) condition(e policies.Expression, r *policies.Rule) {
	if e == nil {
		return
	}
	apply, ok := e.(*policies.Apply)
	if ok && apply.Function == profile.FunctionAnd {
		for _, a := range apply.Arguments {
			w.condition(a, r)
		}
		return
	}
	if ok && apply.Function == profile.FunctionNone && len(apply.Arguments) == 3 {
		literal, isLiteral := apply.Arguments[1].(*policies.Literal)
		d, isName := apply.Arguments[2].(*policies.Designator)
		if isLiteral && isName {
			if row, ok := w.row(d); ok {
				fmt.Fprintf(&w.out, "%s != %s\n", written(row.Name), written(literal.Value.Text()))
			}
			return
		}
	}
	w.refuse(e.At(), "SPL has no conditions but comparisons of one attribute with literal values")
}

func (w *writer) duties(word string, duties []policies.Duty, on authz.Effect) {
	for _, d := range duties {
		if d.On != on {
			w.refuse(d.Position, "%q is due on %s; SPL has it on %s here", d.ID, d.On, on)
			continue
		}
		id := d.ID
		for _, known := range profile.Duties() {
			if known.ID == id {
				id = known.Name
			}
		}
		fmt.Fprintf(&w.out, "%s %s {\n", word, written(id))
		for _, a := range d.Assignments {
			w.assignment(a)
		}
		w.out.WriteString("}\n")
	}
}

func (w *writer) assignment(a policies.AssignmentExpression) {
	literal, ok := a.Expression.(*policies.Literal)
	if !ok || a.Category != "" || a.Issuer != "" {
		w.refuse(a.Position, "%q: an obligation in SPL assigns literal values, without category and issuer", a.ID)
		return
	}
	for _, name := range w.table.names {
		if row := w.table.rows[name]; row.ID == a.ID && row.Type == literal.Value.Type() {
			fmt.Fprintf(&w.out, "%s = %s\n", written(name), written(literal.Value.Text()))
			return
		}
	}
	w.refuse(a.Position, "SPL has no name for the attribute %q of type %s", a.ID, literal.Value.Type().Name())
}

// written writes a word of version 2, bare where that is possible.
func written(s string) string {
	bare := func(r rune) bool {
		return r == '_' || r == '-' || r < 0x80 && (r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z')
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !bare(r) }) < 0 && !slices.Contains(keywordsTwo, s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ':
			fmt.Fprintf(&b, `\%03o`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}

// same reads the text and compares what it says with what was to be said.
func (w *writer) same(text string, want []*policies.PolicySet) error {
	f, err := Parse("", text)
	if err != nil {
		return w.differs(want, err)
	}
	have, err := Lower(f, w.table)
	if err != nil {
		return w.differs(want, err)
	}
	for i, s := range want {
		if i >= len(have) || !slices.Equal(meaning(s), meaning(have[i])) {
			w.refuse(s.Position, "%q: SPL would not say the same", s.ID)
		}
	}
	if len(w.wrong) > 0 {
		return w.wrong
	}
	return nil
}

func (w *writer) differs(want []*policies.PolicySet, err error) error {
	at := policies.Position{}
	if len(want) > 0 {
		at = want[0].Position
	}
	return Errors{{Position: at, Message: fmt.Sprintf("SPL cannot say this: %v", err)}}
}
