package bench

import (
	"fmt"
	"math/rand/v2"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
	"github.com/gatehouse-authz/gatehouse/policies/source"
)

// actions of the workload.
var actions = [...]string{"submit", "cancel", "status", "put", "get"}

func bannedDN(i int) string {
	return fmt.Sprintf("/DC=org/DC=terena/DC=tcs/C=NL/O=Institute %03d/CN=Banned User %07d b%07d@example.org", i%500, i, i)
}

func normalDN(i int) string {
	return fmt.Sprintf("/DC=org/DC=terena/DC=tcs/C=NL/O=Institute %03d/CN=Normal User %07d u%07d@example.org", i%500, i, i)
}

func group(i int) string { return fmt.Sprintf("/vo%04d/g%02d", i/20, i%20) }

func resource(i int) string {
	return fmt.Sprintf("https://ce%03d.site.example.org:8443/ce-cream", (7*i)%200)
}

func action(i int) string { return actions[i%len(actions)] }

// permits is how many permit rules go with n bans.
func permits(n int) int { return max(1, n/10) }

// Bans returns n bans by DN, as records.
func Bans(n int) []change.Ban {
	bans := make([]change.Ban, n)
	for i := range bans {
		bans[i] = change.Ban{
			ID: fmt.Sprintf("ban-%07d", i), PAP: change.DefaultPAP,
			Names: []change.Name{{Attribute: "subject", Value: bannedDN(i)}},
		}
	}
	return bans
}

// Snapshot returns the policies of the workload: n bans, and below them one
// policy of n/10 permit rules, each with FQAN pattern, resource, action, an
// account and a CPU-time limit.
func Snapshot(n int) (*policies.Snapshot, error) {
	bans := make([]*policies.Rule, n)
	for i, b := range Bans(n) {
		r, err := source.Ban(b)
		if err != nil {
			return nil, err
		}
		bans[i] = r
	}
	p := permits(n)
	rules := make([]*policies.Rule, p)
	for i, place := range policies.Places(p) {
		rules[i] = permit(i, place)
	}
	policy := &policies.Policy{
		Header: policies.Header{ID: "permits", Version: "1.0", Place: "m", Combining: policies.FirstApplicable},
		Rules:  policies.NewList(rules...),
	}
	pap := &policies.PolicySet{
		Header:   policies.Header{ID: policies.PAPID(change.DefaultPAP), PAP: change.DefaultPAP, Version: "1.0", Place: "m", Combining: policies.FirstApplicable},
		Children: policies.NewList[policies.Node](policy),
	}
	return &policies.Snapshot{
		Revision: authz.Revision{Lineage: "bench", Number: 1},
		Root:     policies.NewRoot(policies.NewList(bans...), pap),
	}, nil
}

func permit(i int, place string) *policies.Rule {
	match := func(function string, v authz.Value, c authz.Category, id string, t authz.DataType) policies.Match {
		return policies.Match{Function: function, Value: v, Attribute: &policies.Designator{Category: c, ID: id, Type: t}}
	}
	literal := func(id string, v authz.Value) policies.AssignmentExpression {
		return policies.AssignmentExpression{ID: id, Expression: &policies.Literal{Value: v}}
	}
	return &policies.Rule{
		ID: fmt.Sprintf("permit-%07d", i), Place: place, Effect: authz.Permit,
		Target: &policies.Target{AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: []policies.Match{
			match(profile.FunctionFQANPattern, authz.StringValue(group(i)+"/*"), authz.Subject, profile.FQAN, ""),
			match(profile.FunctionStringEqual, authz.StringValue(resource(i)), authz.Resource, profile.ResourceID, authz.String),
			match(profile.FunctionStringEqual, authz.StringValue(action(i)), authz.Action, profile.ActionID, authz.String),
		}}}}}},
		Obligations: []policies.Duty{
			{ID: profile.ObligationMapAccount, On: authz.Permit, Assignments: []policies.AssignmentExpression{literal(profile.Account, authz.StringValue(fmt.Sprintf("acc%05d", i)))}},
			{ID: profile.ObligationCPUTime, On: authz.Permit, Assignments: []policies.AssignmentExpression{literal(profile.Seconds, authz.IntegerValue(86400))}},
		},
	}
}

// Question is a request with the answer it must get.
type Question struct {
	Request *authz.Request
	Want    authz.Decision
}

// Questions returns count requests for n bans, in shuffled blocks of ten: one
// banned, seven permitted, one of a foreign VO, one for another resource.
func Questions(n, count int) ([]Question, error) {
	random := rand.New(rand.NewPCG(42, 42))
	p := permits(n)
	late := p - max(1, p/10) // permits are drawn from the last tenth
	var all []Question
	for len(all) < count {
		block := make([]Question, 0, 10)
		for k := range 10 {
			i := late + random.IntN(p-late)
			q := Question{Want: authz.Permit}
			dn, fqan, res := normalDN(random.IntN(1_000_000)), group(i), resource(i)
			switch k {
			case 0:
				dn, q.Want = bannedDN(random.IntN(n)), authz.Deny
			case 1:
				fqan, q.Want = "/foreign/g01", authz.NotApplicable
			case 2:
				res, q.Want = "https://elsewhere.example.org:8443/ce-cream", authz.NotApplicable
			}
			var err error
			if q.Request, err = request(dn, fqan, res, action(i)); err != nil {
				return nil, err
			}
			block = append(block, q)
		}
		random.Shuffle(len(block), func(i, j int) { block[i], block[j] = block[j], block[i] })
		all = append(all, block...)
	}
	return all[:count], nil
}

func request(dn, fqan, res, act string) (*authz.Request, error) {
	name, err := authz.ParseValue(authz.X500Name, dn)
	if err != nil {
		return nil, err
	}
	var groups []authz.Value
	for _, text := range []string{fqan + "/Role=NULL/Capability=NULL", "/other/g01", "/other/g02/Role=pilot"} {
		v, err := authz.ParseValue(authz.FQANType, text)
		if err != nil {
			return nil, err
		}
		groups = append(groups, v)
	}
	r := &authz.Request{}
	r.Add(authz.Subject, profile.SubjectID, name)
	r.Add(authz.Subject, profile.FQAN, groups...)
	r.Add(authz.Resource, profile.ResourceID, authz.StringValue(res))
	r.Add(authz.Action, profile.ActionID, authz.StringValue(act))
	return r, nil
}
