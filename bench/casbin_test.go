package bench

import (
	"strings"

	"github.com/casbin/casbin/v3"
	"github.com/casbin/casbin/v3/model"

	"github.com/gatehouse-authz/gatehouse/authz"
)

const casbinHead = `
[request_definition]
r = sub, fqans, obj, act
[policy_definition]
p = sub, obj, act, eft
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
`

const casbinRoles = casbinHead + `
[role_definition]
g = _, _
[matchers]
m = (p.eft == "deny" && g(r.sub, p.sub)) || (r.obj == p.obj && r.act == p.act && within(r.fqans, p.sub))
`

const casbinList = casbinHead + `
[matchers]
m = r.sub == p.sub || (r.obj == p.obj && r.act == p.act && within(r.fqans, p.sub))
`

// within reports whether one of the FQANs, one after the other with a ';'
// before each, lies in a group.
func within(args ...any) (any, error) {
	return strings.Contains(args[0].(string), ";"+args[1].(string)+"/"), nil
}

// loadCasbinRoles has the banned as members of a role and one line per permit.
func loadCasbinRoles(n int) (func(*Question) authz.Decision, error) {
	e, err := casbin.NewEnforcer()
	if err != nil {
		return nil, err
	}
	return casbinLoad(n, e, e.Enforce, casbinRoles)
}

// loadCasbinCached is loadCasbinRoles with a cache of whole answers in front.
func loadCasbinCached(n int) (func(*Question) authz.Decision, error) {
	e, err := casbin.NewCachedEnforcer()
	if err != nil {
		return nil, err
	}
	return casbinLoad(n, e.Enforcer, e.Enforce, casbinRoles)
}

// loadCasbinList has one line per ban as well.
func loadCasbinList(n int) (func(*Question) authz.Decision, error) {
	e, err := casbin.NewEnforcer()
	if err != nil {
		return nil, err
	}
	return casbinLoad(n, e, e.Enforce, casbinList)
}

func casbinLoad(n int, e *casbin.Enforcer, enforce func(...any) (bool, error), text string) (func(*Question) authz.Decision, error) {
	m, err := model.NewModelFromString(text)
	if err != nil {
		return nil, err
	}
	if err := e.InitWithModelAndAdapter(m, nil); err != nil {
		return nil, err
	}
	e.AddFunction("within", within)
	if err := casbinFill(n, e, text == casbinRoles); err != nil {
		return nil, err
	}
	return func(q *Question) authz.Decision {
		p := &q.Plain
		ok, err := enforce(p.DN, ";"+strings.Join(p.FQANs, ";"), p.Resource, p.Action)
		switch {
		case err != nil:
			return authz.Indeterminate
		case ok:
			return authz.Permit
		}
		return authz.Deny
	}, nil
}

func casbinFill(n int, e *casbin.Enforcer, roles bool) error {
	var lines, members [][]string
	if roles {
		lines = append(lines, []string{"banned", "-", "-", "deny"})
	}
	for i := range n {
		if roles {
			members = append(members, []string{bannedDN(i), "banned"})
		} else {
			lines = append(lines, []string{bannedDN(i), "-", "-", "deny"})
		}
	}
	for i := range permits(n) {
		lines = append(lines, []string{group(i), resource(i), action(i), "allow"})
	}
	if roles {
		if _, err := e.AddGroupingPolicies(members); err != nil {
			return err
		}
	}
	_, err := e.AddPolicies(lines)
	return err
}
