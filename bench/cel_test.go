package bench

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/gatehouse-authz/gatehouse/authz"
)

func celEnv(names ...string) (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.Variable("dn", cel.StringType), cel.Variable("resource", cel.StringType), cel.Variable("action", cel.StringType),
		cel.Variable("fqans", cel.ListType(cel.StringType)), cel.Variable("keys", cel.ListType(cel.StringType)),
	}
	for _, name := range names {
		options = append(options, cel.Variable(name, cel.MapType(cel.StringType, cel.StringType)))
	}
	return cel.NewEnv(options...)
}

func celProgram(env *cel.Env, text string) (cel.Program, error) {
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	return env.Program(ast, cel.EvalOptions(cel.OptOptimize))
}

// loadCELData is one expression over two maps that the host keeps and, for
// each request, the keys of the permits it could match, made by the host.
func loadCELData(n int) (func(*Question) authz.Decision, error) {
	env, err := celEnv("bans", "permits")
	if err != nil {
		return nil, err
	}
	program, err := celProgram(env, `dn in bans ? 2 : keys.exists(k, k in permits) ? 1 : 0`)
	if err != nil {
		return nil, err
	}
	bans, permitted := make(map[string]string, n), map[string]string{}
	for i := range n {
		bans[bannedDN(i)] = ""
	}
	for i := range permits(n) {
		permitted[key(resource(i), action(i), group(i))] = ""
	}
	a := env.CELTypeAdapter()
	banned, allowed := types.NewStringStringMap(a, bans), types.NewStringStringMap(a, permitted)
	return func(q *Question) authz.Decision {
		p := &q.Plain
		keys := p.Prefixes()
		for i, g := range keys {
			keys[i] = p.Resource + "|" + p.Action + "|" + g
		}
		v, _, err := program.Eval(map[string]any{"dn": p.DN, "keys": types.NewStringList(a, keys), "bans": banned, "permits": allowed})
		if err != nil {
			return authz.Indeterminate
		}
		return [...]authz.Decision{authz.NotApplicable, authz.Permit, authz.Deny}[v.(types.Int)]
	}, nil
}

// loadCELList is one program per rule, tried one after the other.
func loadCELList(n int) (func(*Question) authz.Decision, error) {
	env, err := celEnv()
	if err != nil {
		return nil, err
	}
	programs := make([]cel.Program, n+permits(n))
	for i := range programs {
		text := fmt.Sprintf(`dn == %q`, bannedDN(i))
		if k := i - n; k >= 0 {
			text = fmt.Sprintf(`resource == %q && action == %q && fqans.exists(f, f.startsWith(%q))`, resource(k), action(k), group(k)+"/")
		}
		if programs[i], err = celProgram(env, text); err != nil {
			return nil, err
		}
	}
	return func(q *Question) authz.Decision {
		p := &q.Plain
		input, err := cel.NewActivation(map[string]any{"dn": p.DN, "resource": p.Resource, "action": p.Action, "fqans": p.FQANs})
		if err != nil {
			return authz.Indeterminate
		}
		for i, program := range programs {
			v, _, err := program.Eval(input)
			if err != nil {
				return authz.Indeterminate
			}
			if v != types.True {
				continue
			}
			if i < n {
				return authz.Deny
			}
			return authz.Permit
		}
		return authz.NotApplicable
	}, nil
}
