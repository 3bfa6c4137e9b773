package eval

import (
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// The bounds on access-permitted within one decision (XACML 3.0 core, A.3.16,
// leaves them to us): how often it may be invoked in all, and how deep
// evaluations that it starts may nest. A circle of policies runs into the
// second.
const (
	maxCalls     = 1000
	maxCallDepth = 50
)

// calls counts the invocations of access-permitted within one decision.
type calls struct {
	total  int
	beyond bool // a bound was passed: every call up to the outermost fails
}

// access is a compiled application of access-permitted: true if and only if
// the same policies permit the request of which one category is replaced.
//
// DANGER: content that a policy puts together from values of the request says
// whatever those values say. What the evaluation inside comes to is a fact for
// the rule that asked, and no decision: bans and denials outside still count.
type access struct {
	from     *policies.Apply
	category *expression // anyURI
	content  *expression // string: what stands within an Attributes element
	ready    *attributes // of a literal content
}

// accessPermitted compiles access-permitted. Literal content is read once, and
// refused once.
func accessPermitted(c *compilation, e *policies.Apply) *expression {
	args, types, ok := c.arguments(e.Arguments)
	if !ok {
		return nil
	}
	if len(args) != 2 || types[0] != (typ{data: authz.AnyURI}) || types[1] != (typ{data: authz.String}) {
		c.fail(e.Position, "access-permitted: want a category of type anyURI, and the content of its Attributes element as a string")
		return nil
	}
	a := &access{from: e, category: args[0], content: args[1]}
	if constant := args[1].constant; constant != nil {
		ready, err := readAttributes(constant.value.Text())
		if err != nil && isLiteral(e.Arguments[1]) {
			c.fail(args[1].at, "access-permitted: %s", err)
			return nil
		}
		if err == nil {
			a.ready = &ready
		}
	}
	return &expression{typ: boolean, at: e.Position, eval: a.eval}
}

func (a *access) eval(f *frame, v view) (operand, *authz.Status) {
	if f.calls == nil {
		f.calls = new(calls)
	}
	if f.calls.beyond { // on the way out
		return operand{}, a.unbounded()
	}
	inner, status := a.request(f, v)
	if status != nil {
		return operand{}, status
	}
	permitted := a.ask(f, inner)
	if f.calls.beyond {
		f.calls.beyond = f.depth > 0 // it is the outermost that fails
		return operand{}, a.unbounded()
	}
	return truth(permitted), nil
}

func (a *access) unbounded() *authz.Status {
	return failed(a.from.Position, a.from.Function, fmt.Errorf("more than %d evaluations within one decision, or more than %d deep: the policies ask for themselves", maxCalls, maxCallDepth))
}

// ask evaluates all policies anew, on a frame of its own.
func (a *access) ask(f *frame, r *authz.Request) bool {
	f.calls.total++
	if f.calls.total > maxCalls || f.depth >= maxCallDepth {
		f.calls.beyond = true
		return false
	}
	p := f.program
	inner := p.compiler.frames.Get().(*frame)
	inner.start(p, r, f.now(), nil)
	inner.context, inner.calls, inner.depth = f.context, f.calls, f.depth+1
	o := p.run(inner)
	if f.trace != nil {
		f.trace.access(a, o)
	}
	inner.finish()
	p.compiler.frames.Put(inner) // not after a panic: that frame is dropped
	return o.decision == authz.Permit
}

// request makes the request to ask about: the one that is being decided, with
// the category replaced. What was presented is in it in either view, for the
// denials inside see it as those outside do; it cannot permit there either.
func (a *access) request(f *frame, v view) (*authz.Request, *authz.Status) {
	category, with, status := a.replacement(f, v)
	if status != nil {
		return nil, status
	}
	from := f.request
	switch {
	case f.uniform:
		from = f.verifiedOnly()
	case v == denyView && !a.isVerified(f, category, with):
		with = with.presented()
	}
	r := *from
	r.ReturnPolicyIDs = false
	r.Attributes, r.Content = nil, nil
	for _, one := range from.Attributes {
		if one.Category != category {
			r.Attributes = append(r.Attributes, one)
		}
	}
	for _, one := range from.Content {
		if one.Category != category {
			r.Content = append(r.Content, one)
		}
	}
	with.addTo(&r, category)
	return &r, nil
}

// replacement evaluates the arguments.
func (a *access) replacement(f *frame, v view) (authz.Category, attributes, *authz.Status) {
	category, status := a.category.eval(f, v)
	if status != nil {
		return "", attributes{}, status
	}
	if a.ready != nil {
		return authz.Category(category.value.Text()), *a.ready, nil
	}
	content, status := a.content.eval(f, v)
	if status != nil {
		return "", attributes{}, status
	}
	with, err := readAttributes(content.value.Text())
	if err != nil {
		return "", attributes{}, failed(a.from.Position, a.from.Function, err)
	}
	return authz.Category(category.value.Text()), with, nil
}

// isVerified reports whether verified attributes by themselves give the same
// replacement: if not, somebody merely presented what it is made of.
func (a *access) isVerified(f *frame, category authz.Category, with attributes) bool {
	if a.category.constant != nil && a.ready != nil {
		return true
	}
	verifiedCategory, verifiedWith, status := a.replacement(f, permitView)
	return status == nil && verifiedCategory == category && verifiedWith.text == with.text
}
