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
// policy of n/10 permits of three rules each, one for each credential strength,
// with FQAN pattern, resource and action, an account and that strength's limit
// of CPU time.
func Snapshot(n int) (*policies.Snapshot, error) {
	bans := make([]*policies.Rule, n)
	for i, b := range Bans(n) {
		r, err := source.Ban(b)
		if err != nil {
			return nil, err
		}
		bans[i] = r
	}
	strengths := profile.Strengths()
	rules := make([]*policies.Rule, permits(n)*len(strengths))
	for i, place := range policies.Places(len(rules)) {
		rules[i] = permit(i/len(strengths), i%len(strengths), place)
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

// limit is the CPU time in seconds for the k-th credential strength.
func limit(k int) int64 { return 3600 << (2 * k) }

func permit(i, k int, place string) *policies.Rule {
	literal := func(id string, v authz.Value) policies.AssignmentExpression {
		return policies.AssignmentExpression{ID: id, Expression: &policies.Literal{Value: v}}
	}
	strength := profile.Strengths()[k]
	return &policies.Rule{
		ID: fmt.Sprintf("permit-%07d-%s", i, strength), Place: place, Effect: authz.Permit,
		Target: all(
			match(profile.FunctionFQANPattern, group(i)+"/*", authz.Subject, profile.FQAN, ""),
			match(profile.FunctionStringEqual, resource(i), authz.Resource, profile.ResourceID, authz.String),
			match(profile.FunctionStringEqual, action(i), authz.Action, profile.ActionID, authz.String),
			match(profile.FunctionStringEqual, strength, authz.Subject, profile.CredentialStrength, authz.String),
		),
		Obligations: []policies.Duty{
			{ID: profile.ObligationMapAccount, On: authz.Permit, Assignments: []policies.AssignmentExpression{literal(profile.Account, authz.StringValue(fmt.Sprintf("acc%05d", i)))}},
			{ID: profile.ObligationCPUTime, On: authz.Permit, Assignments: []policies.AssignmentExpression{literal(profile.Seconds, authz.IntegerValue(limit(k)))}},
		},
	}
}

func all(matches ...policies.Match) *policies.Target {
	return &policies.Target{AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: matches}}}}}
}

func match(function, value string, c authz.Category, id string, t authz.DataType) policies.Match {
	return policies.Match{Function: function, Value: authz.StringValue(value), Attribute: &policies.Designator{Category: c, ID: id, Type: t}}
}

// Plain is what a request says, as strings: what a host hands to a peer.
type Plain struct {
	DN               string
	FQANs            []string
	Resource, Action string
}

// Prefixes returns the groups, cut at '/', that the FQANs lie in: for peers
// that can look up but not match FQANs, the host must prepare them.
func (p *Plain) Prefixes() []string {
	prefixes := make([]string, 0, 16)
	for _, f := range p.FQANs {
		for i := 1; i < len(f); i++ {
			if f[i] == '/' {
				prefixes = append(prefixes, f[:i])
			}
		}
		prefixes = append(prefixes, f)
	}
	return prefixes
}

// Question is a request, parsed and as strings, with the answer it must get
// and, if that is Permit, the CPU time in seconds that comes with it.
type Question struct {
	Request *authz.Request
	Plain   Plain
	Want    authz.Decision
	Seconds int64
}

// Questions returns count requests for n bans, in shuffled blocks of ten: one
// banned, seven permitted, one of a foreign VO, one for another resource.
func Questions(n, count int) ([]Question, error) {
	random := rand.New(rand.NewPCG(42, 42))
	p := permits(n)
	late := p - max(1, p/10) // permits are drawn from the last tenth
	questions := make([]Question, 0, count+10)
	for len(questions) < count {
		block := questions[len(questions) : len(questions)+10]
		for k := range block {
			q, err := question(random, n, late+random.IntN(p-late), k)
			if err != nil {
				return nil, err
			}
			block[k] = q
		}
		random.Shuffle(len(block), func(i, j int) { block[i], block[j] = block[j], block[i] })
		questions = questions[:len(questions)+10]
	}
	return questions[:count], nil
}

// question asks as the i-th permit allows, but for kinds 0 to 2.
func question(random *rand.Rand, n, i, kind int) (Question, error) {
	strength := random.IntN(len(profile.Strengths()))
	q := Question{Want: authz.Permit, Seconds: limit(strength)}
	dn, fqan, res := normalDN(random.IntN(1_000_000)), group(i), resource(i)
	switch kind {
	case 0:
		dn, q.Want = bannedDN(random.IntN(n)), authz.Deny
	case 1:
		fqan, q.Want = "/foreign/g01", authz.NotApplicable
	case 2:
		res, q.Want = "https://elsewhere.example.org:8443/ce-cream", authz.NotApplicable
	}
	q.Plain = Plain{DN: dn, FQANs: []string{fqan + "/Role=NULL/Capability=NULL", "/other/g01", "/other/g02/Role=pilot"}, Resource: res, Action: action(i)}
	var err error
	q.Request, err = request(&q.Plain, profile.Strengths()[strength])
	return q, err
}

func request(p *Plain, strength string) (*authz.Request, error) {
	name, err := authz.ParseValue(authz.X500Name, p.DN)
	if err != nil {
		return nil, err
	}
	var groups []authz.Value
	for _, text := range p.FQANs {
		v, err := authz.ParseValue(authz.FQANType, text)
		if err != nil {
			return nil, err
		}
		groups = append(groups, v)
	}
	r := &authz.Request{}
	r.Add(authz.Subject, profile.SubjectID, name)
	r.Add(authz.Subject, profile.FQAN, groups...)
	r.Add(authz.Resource, profile.ResourceID, authz.StringValue(p.Resource))
	r.Add(authz.Action, profile.ActionID, authz.StringValue(p.Action))
	r.Add(authz.Subject, profile.CredentialStrength, authz.StringValue(strength))
	return r, nil
}
