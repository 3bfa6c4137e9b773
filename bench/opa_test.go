package bench

import (
	"context"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/gatehouse-authz/gatehouse/authz"
)

const opaHead = `package grid
default decision := "not_applicable"
decision := "deny" if ban
else := "permit" if allow
`

// opaPrepared answers from a prepared query; input is what the host makes of a
// request.
func opaPrepared(module string, input func(*Plain) map[string]any, options ...func(*rego.Rego)) (func(*Question) authz.Decision, error) {
	ctx := context.Background()
	options = append(options, rego.Query("data.grid.decision"), rego.Module("grid.rego", opaHead+module))
	query, err := rego.New(options...).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}
	return func(q *Question) authz.Decision {
		results, err := query.Eval(ctx, rego.EvalInput(input(&q.Plain)))
		if err != nil || len(results) != 1 {
			return authz.Indeterminate
		}
		switch results[0].Expressions[0].Value {
		case "deny":
			return authz.Deny
		case "permit":
			return authz.Permit
		case "not_applicable":
			return authz.NotApplicable
		}
		return authz.Indeterminate
	}, nil
}

// loadOPAData is two rules over documents keyed by what they are looked up by,
// in a store that keeps them as OPA's own values; the host cuts FQANs.
func loadOPAData(n int) (func(*Question) authz.Decision, error) {
	bans, permitted := map[string]any{}, map[string]any{}
	for i := range n {
		bans[bannedDN(i)] = true
	}
	below := func(m map[string]any, k string) map[string]any {
		if m[k] == nil {
			m[k] = map[string]any{}
		}
		return m[k].(map[string]any)
	}
	for i := range permits(n) {
		below(below(permitted, resource(i)), action(i))[group(i)] = true
	}
	store := inmem.NewFromObjectWithOpts(map[string]any{"bans": bans, "permits": permitted}, inmem.OptReturnASTValuesOnRead(true), inmem.OptRoundTripOnWrite(false))
	return opaPrepared(`
ban if data.bans[input.dn]
allow if {
	some g in input.groups
	data.permits[input.resource][input.action][g]
}`, func(p *Plain) map[string]any {
		prefixes := p.Prefixes()
		groups := make([]any, len(prefixes))
		for i, g := range prefixes {
			groups[i] = g
		}
		return map[string]any{"dn": p.DN, "groups": groups, "resource": p.Resource, "action": p.Action}
	}, rego.Store(store))
}

// loadOPARules is one rule per rule, which OPA indexes by itself; startswith
// is faster there than a regular expression.
func loadOPARules(n int) (func(*Question) authz.Decision, error) {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "ban if input.dn == %q\n", bannedDN(i))
	}
	for i := range permits(n) {
		fmt.Fprintf(&text, "allow if {\n\tinput.resource == %q\n\tinput.action == %q\n\tsome f in input.fqans\n\tstartswith(f, %q)\n}\n", resource(i), action(i), group(i)+"/")
	}
	return opaPrepared(text.String(), func(p *Plain) map[string]any {
		fqans := make([]any, len(p.FQANs))
		for i, f := range p.FQANs {
			fqans[i] = f
		}
		return map[string]any{"dn": p.DN, "fqans": fqans, "resource": p.Resource, "action": p.Action}
	})
}
