package bench

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/policies"
)

// subject is an engine under test, or one of a peer's formulations. What the
// host must do for each request (build the input, cut FQANs into prefixes,
// look up slices of the policies) is within what load returns.
type subject struct {
	name string
	load func(n int) (func(*Question) authz.Decision, error)
	most int  // largest n that loads and answers in reasonable time
	scan bool // work grows with n: cold requests make no difference
	two  bool // knows permit and not permit only
}

// subjects are those measured side by side, ours first.
var subjects = []subject{
	{name: "gatehouse", load: loadGatehouse, most: 1_000_000},
	{name: "floor", load: loadFloor, most: 1_000_000},
	{name: "linear", load: loadLinear, most: 1_000_000, scan: true},
	{name: "cedar-slice-all", load: loadCedarSliceAll, most: 1_000_000},
	{name: "cedar-slice", load: loadCedarSlice, most: 1_000_000},
	{name: "cedar-data", load: loadCedarData, most: 1_000_000},
	{name: "cedar-list", load: loadCedarList, most: 1_000_000, scan: true},
	{name: "cel-data", load: loadCELData, most: 1_000_000},
	{name: "cel-list", load: loadCELList, most: 1_000_000, scan: true},
	{name: "opa-data", load: loadOPAData, most: 1_000_000},
	{name: "opa-rules", load: loadOPARules, most: 1_000_000, scan: true},
	{name: "casbin-cached", load: loadCasbinCached, most: 100_000, two: true},
	{name: "casbin-roles", load: loadCasbinRoles, most: 1_000_000, scan: true, two: true},
	{name: "casbin-list", load: loadCasbinList, most: 1_000_000, scan: true, two: true},
}

// agrees reports whether a subject's answer is the one due.
func (s *subject) agrees(got, want authz.Decision) bool {
	if s.two {
		return (got == authz.Permit) == (want == authz.Permit)
	}
	return got == want
}

func engine(tb testing.TB, n int) (*pdp.Engine, *policies.Snapshot) {
	tb.Helper()
	s, err := Snapshot(n)
	require.NoError(tb, err)
	e := pdp.New(pdp.Options{MaxStale: -1})
	require.NoError(tb, e.Apply(policies.Update{To: s.Revision, Base: s}))
	return e, s
}

func loadGatehouse(n int) (func(*Question) authz.Decision, error) {
	s, err := Snapshot(n)
	if err != nil {
		return nil, err
	}
	e := pdp.New(pdp.Options{MaxStale: -1})
	if err := e.Apply(policies.Update{To: s.Revision, Base: s}); err != nil {
		return nil, err
	}
	ctx := context.Background()
	return func(q *Question) authz.Decision {
		got, err := e.Decide(ctx, q.Request)
		if err != nil {
			return authz.Indeterminate
		}
		return got.Decision
	}, nil
}

// loadFloor is the same question answered by hand-written Go maps, with no
// rules and no obligations in between: what no engine can beat.
func loadFloor(n int) (func(*Question) authz.Decision, error) {
	type pair struct{ resource, action string }
	banned, permitted := make(map[string]struct{}, n), map[pair]map[string]struct{}{}
	for i := range n {
		banned[bannedDN(i)] = struct{}{}
	}
	for i := range permits(n) {
		p := pair{resource(i), action(i)}
		if permitted[p] == nil {
			permitted[p] = map[string]struct{}{}
		}
		permitted[p][group(i)] = struct{}{}
	}
	return func(q *Question) authz.Decision {
		p := &q.Plain
		if _, ok := banned[p.DN]; ok {
			return authz.Deny
		}
		groups := permitted[pair{p.Resource, p.Action}]
		if groups == nil {
			return authz.NotApplicable
		}
		for _, f := range p.FQANs {
			for i := 1; i <= len(f); i++ {
				if i < len(f) && f[i] != '/' {
					continue
				}
				if _, ok := groups[f[:i]]; ok {
					return authz.Permit
				}
			}
		}
		return authz.NotApplicable
	}, nil
}

// loadLinear is what an ideal engine without an index costs: a rule after the
// other, by comparison of strings, in tight Go.
func loadLinear(n int) (func(*Question) authz.Decision, error) {
	type rule struct {
		resource, action string
		fqan             *regexp.Regexp
	}
	banned, permitted := make([]string, n), make([]rule, permits(n))
	for i := range banned {
		banned[i] = bannedDN(i)
	}
	for i := range permitted {
		permitted[i] = rule{resource(i), action(i), regexp.MustCompile("^" + group(i) + "(/.*)?$")}
	}
	return func(q *Question) authz.Decision {
		p := &q.Plain
		for _, dn := range banned {
			if dn == p.DN {
				return authz.Deny
			}
		}
		for i := range permitted {
			r := &permitted[i]
			if r.resource != p.Resource || r.action != p.Action {
				continue
			}
			for _, f := range p.FQANs {
				if r.fqan.MatchString(f) {
					return authz.Permit
				}
			}
		}
		return authz.NotApplicable
	}, nil
}

// key joins what a permit is looked up by.
func key(parts ...string) string { return strings.Join(parts, "|") }
