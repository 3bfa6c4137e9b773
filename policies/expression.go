package policies

import "github.com/gatehouse-authz/gatehouse/authz"

// Expression is *Literal, *Designator, *Selector, *Apply, *FunctionName or
// *VariableName (XACML 3.0 core, 5.25).
type Expression interface {
	At() Position
	expression()
}

// Literal is one value written in the policy.
type Literal struct {
	Value    authz.Value
	Position Position
}

// Designator is the bag of a request attribute's values (XACML 3.0 core,
// 5.29). Issuer "" matches any issuer.
type Designator struct {
	Category      authz.Category
	ID            string
	Type          authz.DataType
	Issuer        string
	MustBePresent bool
	Position      Position
}

// Selector is the bag of values that an XPath expression finds in a category's
// content (XACML 3.0 core, 5.30). In a 2.0 policy RequestContext is set and
// the path starts at the Request element.
type Selector struct {
	Category       authz.Category
	Path           string
	ContextID      string // ContextSelectorId
	Type           authz.DataType
	MustBePresent  bool
	RequestContext bool
	Namespaces     map[string]string // prefixes in scope where it was written
	Position       Position
}

// Apply is the value of a function (XACML 3.0 core, 5.27).
type Apply struct {
	Function  string
	Arguments []Expression
	Position  Position
}

// FunctionName passes a function to a higher-order function.
type FunctionName struct {
	Function string
	Position Position
}

// VariableName is the value of a Variable of the same policy.
type VariableName struct {
	Variable string
	Position Position
}

// At returns where the literal was written.
func (e *Literal) At() Position { return e.Position }

// At returns where the designator was written.
func (e *Designator) At() Position { return e.Position }

// At returns where the selector was written.
func (e *Selector) At() Position { return e.Position }

// At returns where the application was written.
func (e *Apply) At() Position { return e.Position }

// At returns where the name was written.
func (e *FunctionName) At() Position { return e.Position }

// At returns where the name was written.
func (e *VariableName) At() Position { return e.Position }

func (*Literal) expression()      {}
func (*Designator) expression()   {}
func (*Selector) expression()     {}
func (*Apply) expression()        {}
func (*FunctionName) expression() {}
func (*VariableName) expression() {}

var (
	_ Expression = (*Literal)(nil)
	_ Expression = (*Designator)(nil)
	_ Expression = (*Selector)(nil)
	_ Expression = (*Apply)(nil)
	_ Expression = (*FunctionName)(nil)
	_ Expression = (*VariableName)(nil)
)

// Algorithm is the URI of a combining algorithm (XACML 3.0 core, annex C).
// The rule- and policy-combining forms of one algorithm are told apart by the
// list they combine, so either URI means the same here.
type Algorithm string

const (
	ruleOne   = "urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:"
	policyOne = "urn:oasis:names:tc:xacml:1.0:policy-combining-algorithm:"
	ruleThree = "urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:"
)

// The algorithms that the languages of this house use; documents may name any
// of annex C.
const (
	FirstApplicable   Algorithm = ruleOne + "first-applicable"
	OnlyOneApplicable Algorithm = policyOne + "only-one-applicable"
	DenyOverrides     Algorithm = ruleThree + "deny-overrides"
	PermitOverrides   Algorithm = ruleThree + "permit-overrides"
	DenyUnlessPermit  Algorithm = ruleThree + "deny-unless-permit"
	PermitUnlessDeny  Algorithm = ruleThree + "permit-unless-deny"
)
