package bench

import (
	"fmt"
	"iter"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/gatehouse-authz/gatehouse/authz"
)

const (
	cedarForbid = `forbid(principal == User::%q, action, resource);`
	cedarPermit = `permit(principal, action == Action::%q, resource == Resource::%q) when { context.groups.contains(%q) };`
)

func cedarPolicy(format string, values ...any) (*cedar.Policy, error) {
	var p cedar.Policy
	err := p.UnmarshalCedar(fmt.Appendf(nil, format, values...))
	return &p, err
}

// cedarPolicies is one policy per rule; put receives them with the rule that
// they stand for.
func cedarPolicies(n int, put func(ban bool, i int, p *cedar.Policy)) error {
	for i := range n {
		p, err := cedarPolicy(cedarForbid, bannedDN(i))
		if err != nil {
			return err
		}
		put(true, i, p)
	}
	for i := range permits(n) {
		p, err := cedarPolicy(cedarPermit, action(i), resource(i), group(i))
		if err != nil {
			return err
		}
		put(false, i, p)
	}
	return nil
}

// slice is the policies that a host picked for one request.
type slice []*cedar.Policy

func (s slice) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, p := range s {
			if !yield("", p) {
				return
			}
		}
	}
}

func cedarRequest(p *Plain, prefixes []string, resource string) cedar.Request {
	groups := make([]types.Value, len(prefixes))
	for i, g := range prefixes {
		groups[i] = types.String(g)
	}
	return cedar.Request{
		Principal: types.NewEntityUID("User", types.String(p.DN)),
		Action:    types.NewEntityUID("Action", types.String(p.Action)),
		Resource:  types.NewEntityUID("Resource", types.String(resource)),
		Context:   types.NewRecord(types.RecordMap{"groups": types.NewSet(groups...)}),
	}
}

func cedarAnswer(d cedar.Decision, diag cedar.Diagnostic) authz.Decision {
	switch {
	case len(diag.Errors) > 0:
		return authz.Indeterminate
	case d == cedar.Allow:
		return authz.Permit
	case len(diag.Reasons) > 0:
		return authz.Deny
	}
	return authz.NotApplicable
}

// loadCedarList gives cedar one policy per rule and lets it find those that
// matter: it tries all.
func loadCedarList(n int) (func(*Question) authz.Decision, error) {
	var every slice
	if err := cedarPolicies(n, func(_ bool, _ int, p *cedar.Policy) { every = append(every, p) }); err != nil {
		return nil, err
	}
	return func(q *Question) authz.Decision {
		return cedarAnswer(cedar.Authorize(every, nil, cedarRequest(&q.Plain, q.Plain.Prefixes(), q.Plain.Resource)))
	}, nil
}

// loadCedarSlice is the same policies, of which the host hands over those for
// the user, and those for the resource and action.
func loadCedarSlice(n int) (func(*Question) authz.Decision, error) {
	bans, permitted := map[string]*cedar.Policy{}, map[string]slice{}
	err := cedarPolicies(n, func(ban bool, i int, p *cedar.Policy) {
		if ban {
			bans[bannedDN(i)] = p
			return
		}
		k := key(resource(i), action(i))
		permitted[k] = append(permitted[k], p)
	})
	return func(q *Question) authz.Decision {
		picked := permitted[key(q.Plain.Resource, q.Plain.Action)]
		if p := bans[q.Plain.DN]; p != nil {
			picked = append(slice{p}, picked...)
		}
		return cedarAnswer(cedar.Authorize(picked, nil, cedarRequest(&q.Plain, q.Plain.Prefixes(), q.Plain.Resource)))
	}, err
}

// loadCedarSliceAll slices by the groups too: the host decides, cedar confirms.
func loadCedarSliceAll(n int) (func(*Question) authz.Decision, error) {
	type triple struct{ resource, action, group string }
	bans, permitted := map[string]*cedar.Policy{}, map[triple]*cedar.Policy{}
	err := cedarPolicies(n, func(ban bool, i int, p *cedar.Policy) {
		if ban {
			bans[bannedDN(i)] = p
		} else {
			permitted[triple{resource(i), action(i), group(i)}] = p
		}
	})
	return func(q *Question) authz.Decision {
		picked, prefixes := make(slice, 0, 4), q.Plain.Prefixes()
		if p := bans[q.Plain.DN]; p != nil {
			picked = append(picked, p)
		}
		for _, g := range prefixes {
			if p := permitted[triple{q.Plain.Resource, q.Plain.Action, g}]; p != nil {
				picked = append(picked, p)
			}
		}
		return cedarAnswer(cedar.Authorize(picked, nil, cedarRequest(&q.Plain, prefixes, q.Plain.Resource)))
	}, err
}

// loadCedarData is two policies over entities: the banned are members of a
// group, and each pair of resource and action is an entity with its groups.
func loadCedarData(n int) (func(*Question) authz.Decision, error) {
	set, err := cedar.NewPolicySetFromBytes("grid.cedar", []byte(`
		forbid(principal in Group::"banned", action, resource);
		permit(principal, action, resource) when { resource has groups && resource.groups.containsAny(context.groups) };`))
	if err != nil {
		return nil, err
	}
	entities := types.EntityMap{}
	banned := types.NewEntityUIDSet(types.NewEntityUID("Group", "banned"))
	for i := range n {
		uid := types.NewEntityUID("User", types.String(bannedDN(i)))
		entities[uid] = types.Entity{UID: uid, Parents: banned}
	}
	groups := map[string][]types.Value{}
	for i := range permits(n) {
		k := key(resource(i), action(i))
		groups[k] = append(groups[k], types.String(group(i)))
	}
	for k, list := range groups {
		uid := types.NewEntityUID("Resource", types.String(k))
		entities[uid] = types.Entity{UID: uid, Attributes: types.NewRecord(types.RecordMap{"groups": types.NewSet(list...)})}
	}
	return func(q *Question) authz.Decision {
		p := &q.Plain
		return cedarAnswer(cedar.Authorize(set, entities, cedarRequest(p, p.Prefixes(), key(p.Resource, p.Action))))
	}, nil
}
