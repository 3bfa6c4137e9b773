package rego

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// Format is the name of the format in policies.Foreign.
const Format = "rego/1"

// maxText bounds a document, in bytes.
const maxText = 1 << 20

// maxErrors is how many errors of one document are reported.
const maxErrors = 20

// Language compiles Rego. What it compiles keeps to a budget; without one, as
// in the zero Language, every decision is an error.
type Language struct {
	Steps int           // expressions that one decision may evaluate
	Time  time.Duration // that one decision may take
}

var _ pdp.Language = Language{}

// New returns the language with a budget of 1,000,000 steps and 200 ms, some
// thousand times what a decision needs.
func New() Language { return Language{Steps: 1_000_000, Time: 200 * time.Millisecond} }

// Compile reads and checks one document. The error lists what is wrong, each
// with file:line:column and the line itself.
func (l Language) Compile(p policies.Foreign) (pdp.Program, error) {
	if p.Format != Format {
		return nil, fmt.Errorf("format %q is not %q", p.Format, Format)
	}
	if len(p.Text) > maxText {
		return nil, fmt.Errorf("the document has %d bytes; %d are the most", len(p.Text), maxText)
	}
	module, err := ast.ParseModuleWithOpts(p.Position.File, p.Text, ast.ParserOptions{
		RegoVersion: ast.RegoV1, Capabilities: capabilities(),
	})
	if err != nil {
		return nil, readable(err, p)
	}
	if !decides(module) {
		return nil, fmt.Errorf("%s: package %s has no rule named decision, which answers requests", at(p, module.Package.Location), module.Package.Path)
	}
	prepared, err := prepare(module)
	if err != nil {
		return nil, readable(err, p)
	}
	return &program{query: prepared, from: p, steps: l.Steps, time: l.Time}, nil
}

func prepare(module *ast.Module) (rego.PreparedEvalQuery, error) {
	compiler := ast.NewCompiler().WithCapabilities(capabilities()).WithStrict(true).SetErrorLimit(0)
	if compiler.Compile(map[string]*ast.Module{"document": module}); compiler.Failed() {
		return rego.PreparedEvalQuery{}, compiler.Errors
	}
	// The reference is made of the parsed package, never by joining texts: a
	// package name may hold anything (CVE-2025-46569).
	decision := module.Package.Path.Append(ast.StringTerm("decision"))
	return rego.New(
		rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(decision)))),
		rego.Compiler(compiler),
		rego.StrictBuiltinErrors(true),
	).PrepareForEval(context.Background())
}

// decides reports whether the module has a rule named decision.
func decides(module *ast.Module) bool {
	return slices.ContainsFunc(module.Rules, func(r *ast.Rule) bool {
		ref := r.Head.Ref()
		return len(ref) > 0 && ref[0].Value.Compare(ast.Var("decision")) == 0
	})
}

// program is one compiled document.
type program struct {
	query rego.PreparedEvalQuery
	from  policies.Foreign
	steps int
	time  time.Duration
}

// Decide evaluates the document for a request at a time.
func (p *program) Decide(ctx context.Context, r *authz.Request, now time.Time) (opinion pdp.Opinion, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			opinion, err = pdp.Opinion{}, fmt.Errorf("the evaluator failed: %v", cause)
		}
	}()
	if now.IsZero() {
		return pdp.Opinion{}, errors.New("no time is given, and the machine's own is not to be asked")
	}
	ctx, cancel := context.WithTimeout(ctx, p.time)
	defer cancel()
	spent := &budget{ctx: ctx, left: p.steps}
	results, err := p.query.Eval(ctx, rego.EvalParsedInput(input(r)), rego.EvalTime(now), rego.EvalExternalCancel(spent))
	if spent.cause != nil {
		return pdp.Opinion{}, spent.cause
	}
	if err != nil {
		return pdp.Opinion{}, err
	}
	switch {
	case len(results) == 0:
		return pdp.Opinion{Decision: authz.NotApplicable}, nil
	case len(results) > 1 || len(results[0].Expressions) != 1:
		return pdp.Opinion{}, errors.New("there is more than one decision")
	}
	return opinionOf(results[0].Expressions[0].Value)
}

// budget ends an evaluation that takes too many steps or too long. OPA asks it
// before each expression, and from within the functions that make much of
// little.
type budget struct {
	ctx   context.Context
	left  int
	cause error
}

// Cancel has no effect: only the budget ends the evaluation.
func (b *budget) Cancel() {}

// Cancelled accounts for one step.
func (b *budget) Cancelled() bool {
	b.left--
	switch {
	case b.cause != nil:
	case b.left < 0:
		b.cause = errors.New("it takes too many steps")
	case b.left%64 == 0 && b.ctx.Err() != nil:
		b.cause = fmt.Errorf("it takes too long: %w", b.ctx.Err())
	}
	return b.cause != nil
}

// readable turns OPA's errors into ours: sorted, with positions in the file.
func readable(err error, p policies.Foreign) error {
	var many ast.Errors
	var one *ast.Error
	switch {
	case errors.As(err, &many):
	case errors.As(err, &one):
		many = ast.Errors{one}
	default:
		return fmt.Errorf("%s: %w", p.Position, err)
	}
	many.Sort()
	lines := strings.Split(p.Text, "\n")
	var all []error
	for i, e := range many {
		if i == maxErrors {
			all = append(all, fmt.Errorf("and %d more", len(many)-i))
			break
		}
		text := fmt.Sprintf("%s: %s", at(p, e.Location), strings.TrimSpace(e.Message))
		if e.Location != nil && e.Location.Row >= 1 && e.Location.Row <= len(lines) {
			line := strings.ReplaceAll(lines[e.Location.Row-1], "\t", " ")
			text += "\n\t" + line + "\n\t" + strings.Repeat(" ", max(e.Location.Col-1, 0)) + "^"
		}
		all = append(all, errors.New(text))
	}
	return errors.Join(all...)
}

// at is a place in the document as a place in the file that it stands in.
func at(p policies.Foreign, l *ast.Location) policies.Position {
	if l == nil {
		return p.Position
	}
	return policies.Position{File: p.Position.File, Line: max(p.Position.Line, 1) - 1 + l.Row, Column: l.Col}
}
