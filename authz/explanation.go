package authz

// Explanation is the tree behind a decision.
type Explanation struct {
	Response Response `json:"response"`
	Root     *Step    `json:"root,omitempty"`
}

// StepKind says what a Step evaluated.
type StepKind string

// The kinds of steps.
const (
	StepPolicySet StepKind = "policy-set"
	StepPolicy    StepKind = "policy"
	StepRule      StepKind = "rule"
	StepBan       StepKind = "ban"
	StepTarget    StepKind = "target"
	StepMatch     StepKind = "match"
	StepCondition StepKind = "condition"
	StepForeign   StepKind = "foreign"
	// An obligation or advice below the rule or policy that it comes from; the
	// answer carries it if the final decision is of its effect.
	StepObligation StepKind = "obligation"
	StepAdvice     StepKind = "advice"
)

// Step is one thing that was looked at on the way to a decision.
type Step struct {
	Kind     StepKind `json:"kind"`
	ID       string   `json:"id,omitempty"`
	Position string   `json:"position,omitempty"` // file:line:column
	Source   string   `json:"source,omitempty"`   // the line of source, when it is known
	// Result is a decision ("Permit"), a match ("Match", "NoMatch") or a truth
	// value; "Indeterminate" carries its extent in braces.
	Result string `json:"result"`
	// Why says in one sentence what made it so: which attribute, which value.
	Why      string  `json:"why,omitempty"`
	Children []*Step `json:"children,omitempty"`
}
