package policies

import (
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Position is a place in a source text; lines and columns count from 1, in
// characters. The zero Position is unknown.
type Position struct {
	File         string
	Line, Column int
}

// String returns "file:line:column", or "" when unknown.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Node is a policy or something that stands in a policy's place: *PolicySet,
// *Policy, *Reference or *Foreign.
type Node interface {
	Item
	// At returns where the node was written.
	At() Position
	node()
}

// Header is what policy sets and policies have in common.
type Header struct {
	ID          string
	Version     string // XACML version number, "1.0"
	Place       string // among its siblings; see Between
	Description string
	Target      *Target // nil matches everything
	Combining   Algorithm
	Obligations []Duty
	Advice      []Duty
	// XPathVersion is the default for the selectors below (XACML 3.0, 5.4).
	XPathVersion string
	// PAP is the alias of the PAP that holds the policy; set on its topmost
	// node only.
	PAP string
	// Private policies are not handed to other PAPs (Argus).
	Private  bool
	Position Position
}

// PolicySet combines policies and policy sets (XACML 3.0 core, 5.2).
type PolicySet struct {
	Header
	Children List[Node]
}

// Policy combines rules (XACML 3.0 core, 5.14).
type Policy struct {
	Header
	Variables []Variable
	Rules     List[*Rule]
}

// Rule is one rule (XACML 3.0 core, 5.21) and, beyond XACML, the time in which
// it holds and the words its author has for the user.
type Rule struct {
	ID          string
	Place       string
	Effect      authz.Effect
	Description string
	Target      *Target    // nil matches everything
	Condition   Expression // nil is true
	Obligations []Duty
	Advice      []Duty
	From, Until time.Time // zero is unbounded; [From, Until)
	Because     string    // what the user may read when this rule refuses
	Ban         bool      // the rule is a ban record, not a policy author's rule
	PAP         string    // of a ban: the PAP that holds it
	Position    Position
}

// Reference stands for a policy of the snapshot's library (XACML 3.0 core,
// 5.10 to 5.13). Version patterns are empty when unrestricted.
type Reference struct {
	ID                        string // of the policy referred to
	Set                       bool   // a PolicySetIdReference
	Version, Earliest, Latest string
	Place                     string
	Position                  Position
}

// Foreign is a policy in a language of its own, such as Rego: opaque here,
// compiled by a pdp.Language.
type Foreign struct {
	ID       string
	Place    string
	Format   string // "rego/1"
	Text     string
	Position Position
}

// Where returns the item's place and id, which order it among its siblings.
func (s *PolicySet) Where() (place, id string) { return s.Place, s.ID }

// Where returns the item's place and id.
func (p *Policy) Where() (place, id string) { return p.Place, p.ID }

// Where returns the item's place and id.
func (r *Rule) Where() (place, id string) { return r.Place, r.ID }

// Where returns the item's place and id.
func (r *Reference) Where() (place, id string) { return r.Place, r.ID }

// Where returns the item's place and id.
func (f *Foreign) Where() (place, id string) { return f.Place, f.ID }

// At returns where the set was written.
func (s *PolicySet) At() Position { return s.Position }

// At returns where the policy was written.
func (p *Policy) At() Position { return p.Position }

// At returns where the reference was written.
func (r *Reference) At() Position { return r.Position }

// At returns where the document was written.
func (f *Foreign) At() Position { return f.Position }

func (*PolicySet) node() {}
func (*Policy) node()    {}
func (*Reference) node() {}
func (*Foreign) node()   {}

var (
	_ Node = (*PolicySet)(nil)
	_ Node = (*Policy)(nil)
	_ Node = (*Reference)(nil)
	_ Node = (*Foreign)(nil)
	_ Item = (*Rule)(nil)
)

// Target is a conjunction of AnyOf (XACML 3.0 core, 5.6). A 2.0 target becomes
// one AnyOf per category.
type Target struct {
	AnyOf    []AnyOf
	Position Position
}

// AnyOf is a disjunction.
type AnyOf struct{ AllOf []AllOf }

// AllOf is a conjunction of matches.
type AllOf struct{ Matches []Match }

// Match holds if the function is true of the literal and of any one value of
// the attribute (XACML 3.0 core, 5.9 and 7.6).
type Match struct {
	Function  string
	Value     authz.Value
	Attribute Expression // *Designator or *Selector
	Position  Position
}

// Duty is an obligation or advice expression (XACML 3.0 core, 5.39, 5.40).
type Duty struct {
	ID          string
	On          authz.Effect
	Assignments []AssignmentExpression
	Position    Position
}

// AssignmentExpression gives one attribute of a duty; a bag gives as many
// attributes as it has values (XACML 3.0 core, 5.41).
type AssignmentExpression struct {
	ID         string
	Category   authz.Category // "" when absent
	Issuer     string
	Expression Expression
	Position   Position
}

// Variable is a definition that the expressions of one policy refer to.
type Variable struct {
	ID         string
	Expression Expression
	Position   Position
}
