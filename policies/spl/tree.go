package spl

import (
	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// File is a parsed text. Its resources and actions hold what was written; its
// tokens hold every comment as well, for [Format] and [File.Pieces].
type File struct {
	Name      string
	Version   Version
	Resources []*Resource
	Actions   []*Action // outside any resource; they go into one that exists
	text      string
	tokens    []token
}

// Word is one string or bare word.
type Word struct {
	Text     string // what it means; in version 1 escapes stay as written
	Raw      string // as written, with its quotes
	Position policies.Position
}

// Resource is a resource with its actions.
type Resource struct {
	ID          string // given by who keeps it; Parse leaves it empty
	Value       Word   // regular expression
	Description *Word
	Obligations []Duty
	Actions     []*Action
	Position    policies.Position
	span
}

// Action is an action with its rules.
type Action struct {
	ID          string // given by who keeps it; Parse leaves it empty
	Private     bool   // not handed to other PAPs
	Value       Word   // regular expression
	Description *Word
	Obligations []Duty
	Rules       []*Rule
	Position    policies.Position
	span
}

// Rule is one rule. All its conditions must hold.
type Rule struct {
	ID          string // given by who keeps it; Parse leaves it empty
	Effect      authz.Effect
	Conditions  []Condition
	Duties      []Duty // due when this rule decides; version 2
	Because     *Word
	From, Until *Word
	Position    policies.Position
	span
}

// Condition compares an attribute with values; there are several with "in"
// only, and exactly one otherwise.
type Condition struct {
	Name     Word
	Operator string // = != < <= > >= matches in
	Values   []Word
}

// Duty is an obligation or a piece of advice.
type Duty struct {
	Advice   bool
	ID       Word
	Pairs    []Pair
	Position policies.Position
}

// Pair gives one attribute of a duty.
type Pair struct{ Name, Value Word }

// span is the tokens of a node: from first to last, its body beginning after
// the brace at body. Extra are the ranges of items between its children.
type span struct {
	first, body, last int
	head              int      // last token of the part before the first child
	extra             [][2]int // descriptions and obligations behind a child
}
