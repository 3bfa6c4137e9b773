package policies

import (
	"github.com/gatehouse-authz/gatehouse/authz"
)

// Row is a Deny rule that compares one text with one attribute and does nothing
// more, as a ban does, in the little memory that a million of them may take: its
// words are one string, and what it has in common with others is their Shape. A
// List makes rows of such rules, and the rule anew whenever somebody asks for it.
type Row struct {
	text         string // see words
	shape        *Shape
	line, column int32
}

var _ Item = (*Row)(nil)

// Shape is what rows have in common that differ in their words, in when they end
// and in where they were written.
type Shape struct {
	common
	because, description string // of the first such row; others may have their own
}

// common tells shapes apart. Where something was written counts from the rule.
type common struct {
	ban           bool
	pap, file     string
	function      string
	designator    Designator
	target, match Position
}

// Where returns the rule's place and id.
func (r *Row) Where() (place, id string) {
	w := r.words()
	return w.place, w.id
}

// Shape returns what the row has in common with others: they decide alike, but
// for Literal and when they end.
func (r *Row) Shape() *Shape { return r.shape }

// Literal returns the text that the attribute is compared with, which is of type
// xs:string.
func (r *Row) Literal() string { return r.words().literal }

// Ban reports whether the rule is a ban record.
func (r *Row) Ban() bool { return r.shape.ban }

// Rule makes the rule, each time anew.
func (r *Row) Rule() *Rule {
	made := &struct {
		rule       Rule
		target     Target
		anyOf      [1]AnyOf
		allOf      [1]AllOf
		match      [1]Match
		designator Designator
	}{designator: r.shape.designator}
	w, s := r.words(), r.shape
	at := Position{File: s.file, Line: int(r.line), Column: int(r.column)}
	made.rule = Rule{
		ID: w.id, Place: w.place, Effect: authz.Deny, Description: w.description, Because: w.because,
		Until: w.until(), Ban: s.ban, PAP: s.pap, Position: at, Target: &made.target,
	}
	made.target = Target{AnyOf: made.anyOf[:], Position: s.target.from(at)}
	made.anyOf[0].AllOf, made.allOf[0].Matches = made.allOf[:], made.match[:]
	made.match[0] = Match{Function: s.function, Value: authz.StringValue(w.literal), Attribute: &made.designator, Position: s.match.from(at)}
	made.designator.Position = s.designator.Position.from(at)
	return &made.rule
}

// since counts a position from another one, and from counts it back.
func (p Position) since(at Position) Position {
	return Position{p.File, p.Line - at.Line, p.Column - at.Column}
}

func (p Position) from(at Position) Position {
	return Position{p.File, p.Line + at.Line, p.Column + at.Column}
}

// commonOf returns what the row of a rule has in common with others; false if no
// row says all that the rule does.
func commonOf(r *Rule) (common, bool) {
	m := onlyMatch(r.Target)
	if m == nil || r.Effect != authz.Deny || r.Condition != nil || len(r.Obligations)+len(r.Advice) > 0 || !r.From.IsZero() {
		return common{}, false
	}
	d, ok := m.Attribute.(*Designator)
	if !ok || m.Value.Type() != authz.String || r.Until != (words{end: end(r.Until)}).until() || !fits(r.Position) {
		return common{}, false
	}
	s := common{
		ban: r.Ban, pap: r.PAP, file: r.Position.File, function: m.Function, designator: *d,
		target: r.Target.Position.since(r.Position), match: m.Position.since(r.Position),
	}
	s.designator.Position = d.Position.since(r.Position)
	return s, true
}

// onlyMatch returns the one match that a target consists of.
func onlyMatch(t *Target) *Match {
	if t == nil || len(t.AnyOf) != 1 || len(t.AnyOf[0].AllOf) != 1 || len(t.AnyOf[0].AllOf[0].Matches) != 1 {
		return nil
	}
	return &t.AnyOf[0].AllOf[0].Matches[0]
}

func fits(p Position) bool {
	return int(int32(p.Line)) == p.Line && int(int32(p.Column)) == p.Column
}
