package authz

import "fmt"

// Decision is one of XACML's four answers (XACML 3.0 core, 5.53). The zero
// value is Indeterminate; only Permit permits.
type Decision uint8

// The four decisions.
const (
	Indeterminate Decision = iota
	Permit
	Deny
	NotApplicable
)

// String returns XACML's spelling.
func (d Decision) String() string {
	switch d {
	case Permit:
		return "Permit"
	case Deny:
		return "Deny"
	case NotApplicable:
		return "NotApplicable"
	}
	return "Indeterminate"
}

// Extent says what an Indeterminate might have been had nothing gone wrong
// (XACML 3.0 core, 7.10). It is for combining, explaining and comparing; it
// never leaves the process: every wire writes plain Indeterminate.
type Extent uint8

// The extents; ExtentNone goes with the other three decisions.
const (
	ExtentNone       Extent = 0
	ExtentPermit     Extent = 1
	ExtentDeny       Extent = 2
	ExtentDenyPermit Extent = ExtentPermit | ExtentDeny
)

// String returns "", "P", "D" or "DP".
func (e Extent) String() string { return [...]string{"", "P", "D", "DP"}[e&3] }

// Effect is what a rule or an obligation is for: Permit or Deny.
type Effect = Decision

// Revision is a state of the policies: a lineage, random and new after an
// older backup is restored, and a number that grows by one per change.
type Revision struct {
	Lineage string `json:"lineage"`
	Number  uint64 `json:"number"`
}

// String returns the number, and the start of the lineage for people.
func (r Revision) String() string {
	if len(r.Lineage) > 8 {
		return fmt.Sprintf("%d@%s", r.Number, r.Lineage[:8])
	}
	return fmt.Sprintf("%d@%s", r.Number, r.Lineage)
}

// Reason says which rule decided. It is shared and immutable.
type Reason struct {
	PAP      string `json:"pap,omitempty"`      // alias of the PAP that holds the rule
	Policy   string `json:"policy,omitempty"`   // policy or policy set id
	Rule     string `json:"rule,omitempty"`     // rule or ban id
	Position string `json:"position,omitempty"` // file:line:column of the source
	Ban      bool   `json:"ban,omitempty"`      // the rule is a ban
	// Because is the text that the author wrote for the user to read.
	Because string `json:"because,omitempty"`
}

// String returns "policy/rule (position)" for logs and administrators. A user
// sees Because and the decision id, never this.
func (r *Reason) String() string {
	if r == nil {
		return "no rule applied"
	}
	s := r.Policy
	if r.Rule != "" {
		s += "/" + r.Rule
	}
	if r.Ban {
		s = "ban " + r.Rule
	}
	if r.Position != "" {
		s += " (" + r.Position + ")"
	}
	return s
}

// The status codes of XACML 3.0 core, B.8.
const (
	StatusOK               = "urn:oasis:names:tc:xacml:1.0:status:ok"
	StatusMissingAttribute = "urn:oasis:names:tc:xacml:1.0:status:missing-attribute"
	StatusSyntaxError      = "urn:oasis:names:tc:xacml:1.0:status:syntax-error"
	StatusProcessingError  = "urn:oasis:names:tc:xacml:1.0:status:processing-error"
)

// Status says what went wrong on the way to an Indeterminate, or, beside
// another decision, what was noticed. A nil Status is StatusOK.
type Status struct {
	Code    string             `json:"code"`
	Message string             `json:"message,omitempty"`
	Missing []MissingAttribute `json:"missing,omitempty"` // with StatusMissingAttribute only
}

// MissingAttribute describes an attribute that a policy needs and the request
// lacks (XACML 3.0 core, 5.58).
type MissingAttribute struct {
	Category Category `json:"category"`
	ID       string   `json:"id"`
	Type     DataType `json:"type"`
	Issuer   string   `json:"issuer,omitempty"`
	Values   []Value  `json:"values,omitempty"` // values that would do, if the policy names any
}

// Assignment is one attribute of an obligation or advice.
type Assignment struct {
	ID       string   `json:"id"`
	Category Category `json:"category,omitempty"`
	Issuer   string   `json:"issuer,omitempty"`
	Value    Value    `json:"value"`
}

// Obligation is what the enforcement point must do along with the decision
// (or, as advice, may do). It is shared and immutable.
type Obligation struct {
	ID          string       `json:"id"`
	Assignments []Assignment `json:"assignments,omitempty"`
}

// Find returns the first assignment of that id.
func (o *Obligation) Find(id string) (Value, bool) {
	for i := range o.Assignments {
		if o.Assignments[i].ID == id {
			return o.Assignments[i].Value, true
		}
	}
	return Value{}, false
}

// Bound is a condition that the request failed, in a form that a user can act
// on: "requested-cpu-time <= 600", "credential-strength >= weak".
type Bound struct {
	Attribute string `json:"attribute"` // short name, as in SPL
	Operator  string `json:"operator"`  // one of = != < <= > >=
	Value     string `json:"value"`
}

// String returns the bound as SPL writes it.
func (b Bound) String() string { return b.Attribute + " " + b.Operator + " " + b.Value }

// PolicyID names a policy or policy set that applied to a request.
type PolicyID struct {
	ID, Version string
	Set         bool
}

// Response is the answer to a Request. It is small and passed by value; what
// it points to is shared with the policies in force and immutable.
type Response struct {
	Decision    Decision     `json:"decision"`
	Extent      Extent       `json:"extent,omitempty"`
	Revision    Revision     `json:"revision"`
	Reason      *Reason      `json:"reason,omitempty"`
	Status      *Status      `json:"status,omitempty"`
	Obligations []Obligation `json:"obligations,omitempty"`
	Advice      []Obligation `json:"advice,omitempty"`
	// Enough lists, on a refusal, the alternatives that would have sufficed:
	// within one alternative all bounds must hold.
	Enough [][]Bound `json:"enough,omitempty"`
	// Policies lists what applied, if the request asked for it.
	Policies []PolicyID `json:"policies,omitempty"`
}

// Permitted reports whether the decision is Permit.
func (r Response) Permitted() bool { return r.Decision == Permit }
