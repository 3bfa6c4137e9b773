package xacml

import (
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// Version is a version of XACML.
type Version uint8

// The versions that documents are written in.
const (
	Three Version = iota // 3.0
	Two                  // 2.0
)

// String returns "3.0" or "2.0".
func (v Version) String() string {
	if v == Two {
		return "2.0"
	}
	return "3.0"
}

// Functions says what becomes of the functions of package profile that are not
// those of XACML.
type Functions uint8

// What can become of our own functions.
const (
	// Exact writes the standard function that means the same and refuses what
	// has none. An anchored pattern becomes string-regexp-match of ^(…)$.
	Exact Functions = iota
	// Own writes them by their own identifiers, and a bag of every data type
	// with [AnyType]: exact, and for another Gatehouse only.
	Own
	// Nearest writes what Argus would (reference: Argus's mapping of SPL). A
	// denial then finds a name in one spelling and under one data type only,
	// and does not see what a request merely asserts: weaker than it was.
	Nearest
)

// AnyType is the data type by which a document names a bag of values of every
// data type (policies.Designator with no Type).
const AnyType = "https://gatehouse-authz.github.io/xacml/data-type/any"

// Options say how a document is written. The zero Options refuse all that
// XACML 3.0 cannot say.
type Options struct {
	Version   Version
	Functions Functions
	// Now, if not zero, leaves out the rules that do not hold then and writes
	// the others without their time (DECISIONS 6). Otherwise the time becomes
	// part of the rule's target, compared with current-dateTime.
	Now time.Time
	// Drop allows to lose what XACML has no place for.
	Drop Losses
}

// Losses are things that a document cannot say and that the caller can do
// without.
type Losses struct {
	Because bool // the words for the user; they become the rule's description
	Private bool // that a policy is not handed to other PAPs
	Bans    bool // that a rule is a ban: it becomes a rule like others
}

// Refusal is one thing that the target cannot say.
type Refusal struct {
	Position policies.Position
	Message  string
}

// Error returns "file:line:column: message".
func (e *Refusal) Error() string {
	if at := e.Position.String(); at != "" {
		return at + ": " + e.Message
	}
	return e.Message
}

// Write returns the node as a document. What was read by [Parse] reads back as
// it was. Everything that the document could not say is an error of [*Refusal],
// all of them joined, and then there is no document.
//
// In a 2.0 document a target has one part for each kind of category, so
// disjunctions are multiplied out where that needs few alternatives; and a
// policy with obligations in its rules becomes a policy set, each such rule a
// policy (DECISIONS 6).
func Write(n policies.Node, o Options) ([]byte, error) {
	l := &lowering{o: o}
	plain := l.node(n)
	if len(l.wrong) > 0 {
		return nil, errors.Join(l.wrong...)
	}
	p := &printer{two: o.Version == Two, refusals: refusals{}}
	p.w.Indent = "  "
	p.w.Declaration()
	p.node(plain, true)
	if len(p.wrong) > 0 {
		return nil, errors.Join(p.wrong...)
	}
	text, err := p.w.Bytes()
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}

// refusals collects what cannot be said.
type refusals struct{ wrong []error }

const mostRefusals = 100

func (r *refusals) refuse(at policies.Position, format string, args ...any) {
	if len(r.wrong) < mostRefusals {
		r.wrong = append(r.wrong, &Refusal{at, fmt.Sprintf(format, args...)})
	}
}

// printer writes a tree that holds nothing but XACML. It refuses what XACML 2.0
// lacks.
type printer struct {
	refusals
	w   xml.Writer
	two bool
}

// text writes an element that holds text, unless it is empty.
func (p *printer) text(at policies.Position, tag, s string) {
	if s == "" {
		return
	}
	p.w.Leaf(tag, p.legal(at, s))
}

// attr writes an attribute.
func (p *printer) attr(at policies.Position, name, value string) {
	p.w.Attr(name, p.legal(at, value))
}

// optional writes an attribute unless it is empty.
func (p *printer) optional(at policies.Position, name, value string) {
	if value != "" {
		p.attr(at, name, value)
	}
}

// legal refuses a text that XML cannot hold.
func (p *printer) legal(at policies.Position, s string) string {
	clean := xml.Clean(s)
	if clean != s {
		p.refuse(at, "XML has no way to write the control characters in %q", s)
	}
	return clean
}

// root declares the namespace on the first element.
func (p *printer) root(first bool) {
	switch {
	case !first:
	case p.two:
		p.w.Namespace("", TwoNamespace)
	default:
		p.w.Namespace("", ThreeNamespace)
	}
}

func (p *printer) node(n policies.Node, first bool) {
	switch n := n.(type) {
	case *policies.PolicySet:
		p.start("PolicySet", "PolicyCombiningAlgId", &n.Header, first)
		for child := range n.Children.All() {
			p.node(child, false)
		}
		p.end(&n.Header)
	case *policies.Policy:
		p.start("Policy", "RuleCombiningAlgId", &n.Header, first)
		for _, v := range n.Variables {
			p.w.Start("VariableDefinition")
			p.attr(v.Position, "VariableId", v.ID)
			p.expression(v.Expression)
			p.w.End()
		}
		for rule := range n.Rules.All() {
			p.rule(rule)
		}
		p.end(&n.Header)
	case *policies.Reference:
		p.reference(n, first)
	}
}

// start writes a policy or policy set up to its own children.
func (p *printer) start(tag, algorithm string, h *policies.Header, first bool) {
	p.w.Start(tag)
	p.root(first)
	p.attr(h.Position, tag+"Id", h.ID)
	p.attr(h.Position, "Version", h.Version)
	p.attr(h.Position, algorithm, string(h.Combining))
	p.text(h.Position, "Description", h.Description)
	if h.XPathVersion != "" {
		p.w.Start(tag + "Defaults")
		p.text(h.Position, "XPathVersion", h.XPathVersion)
		p.w.End()
	}
	p.target(h.Target, true)
}

func (p *printer) end(h *policies.Header) {
	p.duties(h.Obligations, h.Advice)
	p.w.End()
}

func (p *printer) reference(r *policies.Reference, first bool) {
	tag := "PolicyIdReference"
	if r.Set {
		tag = "PolicySetIdReference"
	}
	if first {
		p.refuse(r.Position, "a document holds a policy, not a reference to %q", r.ID)
	}
	p.w.Start(tag)
	p.optional(r.Position, "Version", r.Version)
	p.optional(r.Position, "EarliestVersion", r.Earliest)
	p.optional(r.Position, "LatestVersion", r.Latest)
	p.w.Text(p.legal(r.Position, r.ID))
	p.w.End()
}

func (p *printer) rule(r *policies.Rule) {
	p.w.Start("Rule")
	p.attr(r.Position, "RuleId", r.ID)
	p.attr(r.Position, "Effect", r.Effect.String())
	p.text(r.Position, "Description", r.Description)
	p.target(r.Target, false)
	if r.Condition != nil {
		p.w.Start("Condition")
		p.expression(r.Condition)
		p.w.End()
	}
	p.duties(r.Obligations, r.Advice)
	p.w.End()
}

// duties writes obligations and advice. XACML 2.0 has obligations of policies
// only, whose assignments are literals (2.0 core, 5.34 to 5.36).
func (p *printer) duties(obligations, advice []policies.Duty) {
	if p.two {
		if len(advice) > 0 {
			p.refuse(advice[0].Position, "XACML 2.0 has no advice: %q", advice[0].ID)
		}
		p.list("Obligations", "Obligation", "ObligationId", "FulfillOn", obligations)
		return
	}
	p.list("ObligationExpressions", "ObligationExpression", "ObligationId", "FulfillOn", obligations)
	p.list("AdviceExpressions", "AdviceExpression", "AdviceId", "AppliesTo", advice)
}

func (p *printer) list(list, one, id, on string, duties []policies.Duty) {
	if len(duties) == 0 {
		return
	}
	p.w.Start(list)
	for _, d := range duties {
		p.w.Start(one)
		p.attr(d.Position, id, d.ID)
		p.attr(d.Position, on, d.On.String())
		for _, a := range d.Assignments {
			p.assignment(a)
		}
		p.w.End()
	}
	p.w.End()
}

func (p *printer) assignment(a policies.AssignmentExpression) {
	if !p.two {
		p.w.Start("AttributeAssignmentExpression")
		p.attr(a.Position, "AttributeId", a.ID)
		p.optional(a.Position, "Category", string(a.Category))
		p.optional(a.Position, "Issuer", a.Issuer)
		p.expression(a.Expression)
		p.w.End()
		return
	}
	value, ok := a.Expression.(*policies.Literal)
	switch {
	case !ok:
		p.refuse(a.Position, "XACML 2.0 assigns literal values only: %q", a.ID)
		value = &policies.Literal{Value: authz.StringValue("")}
	case a.Category != "" || a.Issuer != "":
		p.refuse(a.Position, "an assignment of XACML 2.0 has neither category nor issuer: %q", a.ID)
	}
	p.w.Start("AttributeAssignment")
	p.attr(a.Position, "AttributeId", a.ID)
	p.value(value)
	p.w.End()
}
