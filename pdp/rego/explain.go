package rego

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
)

var _ pdp.ProgramExplainer = (*program)(nil)

// Explain shows of each rule that gives the decision whether it did, and if
// not, how far its body got. It evaluates once more, within the same budget,
// and has no part in the answer.
func (p *program) Explain(ctx context.Context, r *authz.Request, now time.Time) (steps []*authz.Step) {
	defer func() {
		if recover() != nil { // there is an answer, and no explanation
			steps = nil
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, p.time)
	defer cancel()
	spent := &budget{ctx: ctx, left: p.steps}
	t := &trail{rules: map[*ast.Location]*tried{}, queries: map[uint64]*tried{}}
	// Without the index and early ends every rule is tried, and can be shown.
	_, _ = p.query.Eval(ctx, rego.EvalParsedInput(input(r)), rego.EvalTime(now), rego.EvalExternalCancel(spent),
		rego.EvalQueryTracer(t), rego.EvalRuleIndexing(false), rego.EvalEarlyExit(false))
	for _, rule := range t.order {
		steps = append(steps, p.step(rule))
	}
	return steps
}

// tried is a rule that gives the decision, and what became of it.
type tried struct {
	at     *ast.Location
	holds  bool
	failed *ast.Location // the furthest expression of its body that was not so
}

func (p *program) step(r *tried) *authz.Step {
	s := &authz.Step{Kind: authz.StepRule, ID: "decision", Position: at(p.from, r.at).String(), Result: "true"}
	if r.holds {
		return s
	}
	s.Result = "false"
	if r.failed != nil {
		text, _, _ := strings.Cut(strings.TrimSpace(string(r.failed.Text)), "\n")
		s.Why = fmt.Sprintf("not so (%s): %s", at(p.from, r.failed), text)
	}
	return s
}

// trail follows an evaluation through the rules that give the decision.
type trail struct {
	order   []*tried
	rules   map[*ast.Location]*tried
	queries map[uint64]*tried
}

var _ topdown.QueryTracer = (*trail)(nil)

// mostTried bounds an explanation.
const mostTried = 200

// Enabled asks OPA for its events.
func (t *trail) Enabled() bool { return true }

// Config asks for no more than the events.
func (t *trail) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

// TraceEvent notes one.
func (t *trail) TraceEvent(e topdown.Event) {
	switch node := e.Node.(type) {
	case *ast.Rule:
		t.rule(e, node)
	case *ast.Expr:
		if r := t.queries[e.QueryID]; r != nil && e.Op == topdown.FailOp && node.Location != nil && (r.failed == nil || node.Location.Row >= r.failed.Row) {
			r.failed = node.Location
		}
	}
}

func (t *trail) rule(e topdown.Event, rule *ast.Rule) {
	if ref := rule.Head.Ref(); rule.Location == nil || len(ref) == 0 || ref[0].Value.Compare(ast.Var("decision")) != 0 {
		return
	}
	r := t.rules[rule.Location]
	switch {
	case r == nil && len(t.order) == mostTried:
		return
	case r == nil:
		r = &tried{at: rule.Location}
		t.rules[rule.Location] = r
		t.order = append(t.order, r)
	}
	switch e.Op {
	case topdown.EnterOp:
		t.queries[e.QueryID] = r
	case topdown.ExitOp:
		r.holds = true
	}
}
