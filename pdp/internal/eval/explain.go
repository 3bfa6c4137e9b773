package eval

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// explainAll is the length up to which an explanation lists every child of a
// container; of longer lists it shows those that the index finds.
const explainAll = 500

// mostSteps bounds an explanation.
const mostSteps = 20_000

// tracer builds the tree of an explanation while the request is decided, on the
// very path that decides. It adds steps and changes nothing.
type tracer struct {
	f       *frame
	stack   []*authz.Step
	root    *authz.Step
	steps   int
	showing bool // a condition is evaluated again to be shown
}

// Explain decides a request and shows how.
func (p *Program) Explain(ctx context.Context, r *authz.Request, now time.Time) authz.Explanation {
	response := p.Decide(ctx, r, now)
	f := new(frame)
	f.start(p, r, now, nil)
	f.context = ctx
	f.trace = &tracer{f: f}
	if o := p.root.eval(f, bothSides); o.decision == authz.Permit && !response.Permitted() {
		// What refused is the second look, at verified attributes alone.
		f.variables, f.uniform, f.trace = f.variables[:0], true, &tracer{f: f}
		p.root.eval(f, bothSides)
		root := f.trace.root
		root.Why = strings.TrimSpace(root.Why + " (over verified attributes alone, on which a permit has to stand)")
	}
	return authz.Explanation{Response: response, Root: f.trace.root}
}

// push adds a step below the current one; nil when there are too many.
func (t *tracer) push(s *authz.Step) *authz.Step {
	if t.steps++; t.steps > mostSteps {
		return s
	}
	if len(t.stack) == 0 {
		t.root = s
	} else {
		top := t.stack[len(t.stack)-1]
		top.Children = append(top.Children, s)
	}
	return s
}

func (t *tracer) within(s *authz.Step, do func()) {
	t.stack = append(t.stack, t.push(s))
	do()
	t.stack = t.stack[:len(t.stack)-1]
}

// container evaluates a policy or set and records it.
func (t *tracer) container(c *container, side views) outcome {
	s := &authz.Step{Kind: authz.StepPolicy, ID: c.header.ID, Position: c.header.Position.String()}
	if c.set {
		s.Kind = authz.StepPolicySet
	}
	var o outcome
	t.within(s, func() {
		t.target(c.target, side)
		o = c.answer(t.f, side)
		t.duties(c.header.Obligations, c.header.Advice, o)
	})
	s.Result, s.Why = resultOf(o), whyOf(o)
	if s.Why == "" && o.decision == authz.NotApplicable {
		s.Why = "nothing in it applies"
		if below, _, _, _ := c.look(t.f, side); below == 0 {
			s.Why = "its target does not match"
		}
	}
	if n := c.children.length; n > explainAll && len(s.Children) > 0 {
		s.Why = strings.TrimSpace(fmt.Sprintf("%s (of %d, only those that can apply are shown)", s.Why, n))
	}
	return o
}

func (t *tracer) foreign(n *foreign, side views) outcome {
	s := t.push(&authz.Step{Kind: authz.StepForeign, ID: n.from.ID, Position: n.from.Position.String()})
	o := n.answer(t.f, side)
	s.Result, s.Why = resultOf(o), whyOf(o)
	if x, ok := n.program.(ForeignExplainer); ok {
		about := t.f.verifiedOnly()
		if !t.f.uniform && o.decision != authz.Permit { // what was merely presented may have refused
			about = t.f.request
		}
		s.Children = x.Explain(t.f.context, about, t.f.now())
		t.steps += len(s.Children)
	}
	return o
}

// rule evaluates a rule and records it.
func (t *tracer) rule(r *rule, side views) outcome {
	s := &authz.Step{Kind: authz.StepRule, ID: r.from.ID, Position: r.from.Position.String()}
	if r.from.Ban {
		s.Kind = authz.StepBan
	}
	o := r.answer(t.f, side)
	t.within(s, func() {
		t.explain(r, s)
		t.duties(r.from.Obligations, r.from.Advice, o)
	})
	s.Result = resultOf(o)
	switch {
	case o.status != nil:
		s.Why = o.status.Message
	case o.decision == r.from.Effect && r.from.Because != "":
		s.Why = r.from.Because
	}
	return o
}

// duties records which obligations and advice come from here with an outcome.
func (t *tracer) duties(obligations, advice []policies.Duty, o outcome) {
	record := func(kind authz.StepKind, all []policies.Duty) {
		for i := range all {
			if d := &all[i]; d.On == o.decision {
				t.push(&authz.Step{Kind: kind, ID: d.ID, Position: d.Position.String(), Result: "goes with " + d.On.String()})
			}
		}
	}
	record(authz.StepObligation, obligations)
	record(authz.StepAdvice, advice)
}

func (t *tracer) explain(r *rule, s *authz.Step) {
	v := viewOf(r.from.Effect)
	switch {
	case !r.from.From.IsZero() && t.f.now().Before(r.from.From):
		s.Why = "it holds from " + r.from.From.Format(time.RFC3339)
		return
	case !r.from.Until.IsZero() && !t.f.now().Before(r.from.Until):
		s.Why = "it held until " + r.from.Until.Format(time.RFC3339)
		return
	}
	t.matches(r.goal(), v)
	if m, _ := r.goal().eval(t.f, v); m != matches || r.condition == nil {
		return
	}
	var o operand
	var status *authz.Status
	step := &authz.Step{Kind: authz.StepCondition, Position: r.condition.at.String()}
	t.within(step, func() { o, status = t.again(r.condition, v) })
	switch {
	case status != nil:
		step.Result, step.Why = "Indeterminate", status.Message
	default:
		step.Result = fmt.Sprint(isTrue(o))
	}
}

// again evaluates a condition once more to show what is in it. What that costs
// is not held against the decision.
func (t *tracer) again(condition *expression, v view) (operand, *authz.Status) {
	var before calls
	if t.f.calls != nil {
		before = *t.f.calls
	}
	t.showing = true
	o, status := condition.eval(t.f, v)
	t.showing = false
	if t.f.calls != nil {
		*t.f.calls = before
	}
	return o, status
}

// access records what an evaluation within the one that is shown came to.
func (t *tracer) access(a *access, o outcome) {
	if t.showing {
		t.push(&authz.Step{Kind: authz.StepCondition, ID: shortName(a.from.Function), Position: a.from.Position.String(), Result: resultOf(o), Why: whyOf(o)})
	}
}

// target records a container's target where it does not simply match.
func (t *tracer) target(goal *target, side views) {
	if goal == nil {
		return
	}
	t.matches(goal, permitView)
	if !t.f.uniform && side.has(denyView) {
		if m, _ := goal.eval(t.f, permitView); m != matches {
			t.matches(goal, denyView)
		}
	}
}

// matches records a target and, of the parts that made it so, each match.
func (t *tracer) matches(goal *target, v view) {
	if goal == nil {
		return
	}
	result, status := goal.eval(t.f, v)
	s := &authz.Step{Kind: authz.StepTarget, Position: goal.from.Position.String(), Result: result.String()}
	if status != nil {
		s.Why = status.Message
	}
	t.within(s, func() {
		for i := range goal.anyOf {
			for j := range goal.anyOf[i].allOf {
				for k := range goal.anyOf[i].allOf[j].matches {
					t.match(&goal.anyOf[i].allOf[j].matches[k], v)
				}
			}
		}
	})
}

func (t *tracer) match(m *match, v view) {
	result, status := m.eval(t.f, v)
	s := t.push(&authz.Step{Kind: authz.StepMatch, ID: shortName(m.from.Function), Position: m.from.Position.String(), Result: result.String()})
	name := "the content"
	if d, ok := designatorOf(m); ok {
		name = shortName(d.ID)
	}
	bag, _ := m.attr.bag(t.f, v, false)
	switch {
	case status != nil:
		s.Why = status.Message
	case len(bag) == 0:
		s.Why = fmt.Sprintf("the request has no %s%s; want %s%s", name, seen(v, t.f), how(m.from.Function), m.from.Value)
	default:
		s.Why = fmt.Sprintf("%s is %s%s; want %s%s", name, shown(bag), seen(v, t.f), how(m.from.Function), m.from.Value)
	}
}

// how puts a comparison of a literal with a value in words; "" where it is
// equality, or something of its own.
func how(function string) string {
	name := shortName(function)
	for _, form := range [...][2]string{
		{"-greater-than-or-equal", "at most "}, {"-greater-than", "less than "}, {"-less-than-or-equal", "at least "}, {"-less-than", "more than "},
		{"regexp-match", "what matches "}, {"pattern-match", "what matches "}, {"subtree-match", "a name below "}, {"network-match", "an address in "},
		{"-starts-with", "what starts with "}, {"-ends-with", "what ends with "}, {"-contains", "what contains "},
	} {
		if strings.HasSuffix(name, form[0]) {
			return form[1]
		}
	}
	return ""
}

func seen(v view, f *frame) string {
	if f.uniform || v == denyView {
		return ""
	}
	return " (verified)"
}

func shown(bag []authz.Value) string {
	const most = 10
	texts := make([]string, 0, most)
	for i, v := range bag {
		if i == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(bag)-most))
			break
		}
		texts = append(texts, v.String())
	}
	return strings.Join(texts, ", ")
}

// String returns the words of XACML.
func (m match3) String() string { return [...]string{"NoMatch", "Indeterminate", "Match"}[m] }

func resultOf(o outcome) string {
	if o.decision == authz.Indeterminate {
		return fmt.Sprintf("Indeterminate{%s}", o.extent)
	}
	return o.decision.String()
}

func whyOf(o outcome) string {
	switch {
	case o.status != nil:
		return o.status.Message
	case o.by != nil && (o.decision == authz.Permit || o.decision == authz.Deny):
		return "by " + o.by.reason().String()
	}
	return ""
}

func viewOf(e authz.Effect) view {
	if e == authz.Deny {
		return denyView
	}
	return permitView
}
