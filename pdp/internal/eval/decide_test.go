package eval_test

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func attribute(r *authz.Request, s authz.Standing, id string, values ...string) {
	a := authz.Attribute{Category: authz.Subject, ID: id, Standing: s}
	for _, v := range values {
		a.Values = append(a.Values, authz.StringValue(v))
	}
	r.Attributes = append(r.Attributes, a)
}

func role() *policies.Designator {
	return &policies.Designator{Category: authz.Subject, ID: "role", Type: authz.String}
}

func roleIs(value string) *policies.Target { return oneMatch(old+"string-equal", value, role()) }

func roleIsNot(value string) policies.Expression {
	return &policies.Apply{Function: profile.FunctionNone, Arguments: []policies.Expression{
		&policies.FunctionName{Function: old + "string-equal"}, &policies.Literal{Value: authz.StringValue(value)}, role(),
	}}
}

func roleIsNotByNegation(value string) policies.Expression {
	return &policies.Apply{Function: old + "not", Arguments: []policies.Expression{
		&policies.Apply{Function: old + "string-is-in", Arguments: []policies.Expression{&policies.Literal{Value: authz.StringValue(value)}, role()}},
	}}
}

// ⚿ DECISIONS 12: what is merely presented counts against a caller and never
// for one, whichever way a policy is written.
func TestStanding(t *testing.T) {
	permit := &policies.Rule{ID: "yes", Effect: authz.Permit}
	for name, c := range map[string]struct {
		rules               []*policies.Rule
		verified, presented string
		want                string
	}{
		"permit by a verified role":           {[]*policies.Rule{{ID: "r", Effect: authz.Permit, Target: roleIs("admin")}}, "admin", "", "P"},
		"no permit by a presented role":       {[]*policies.Rule{{ID: "r", Effect: authz.Permit, Target: roleIs("admin")}}, "", "admin", "N"},
		"deny by a presented role":            {[]*policies.Rule{{ID: "r", Effect: authz.Deny, Target: roleIs("bad")}, permit}, "good", "bad", "D"},
		"permit if not, presented":            {[]*policies.Rule{{ID: "r", Effect: authz.Permit, Condition: roleIsNot("bad")}}, "", "bad", "N"},
		"permit if not, by negation":          {[]*policies.Rule{{ID: "r", Effect: authz.Permit, Condition: roleIsNotByNegation("bad")}}, "", "bad", "P"},
		"deny unless verified":                {[]*policies.Rule{{ID: "r", Effect: authz.Deny, Condition: roleIsNot("good")}, permit}, "good", "", "P"},
		"deny unless verified, presented":     {[]*policies.Rule{{ID: "r", Effect: authz.Deny, Condition: roleIsNot("good")}, permit}, "", "good", "D"},
		"deny by negation, presented":         {[]*policies.Rule{{ID: "r", Effect: authz.Deny, Condition: roleIsNotByNegation("good")}, permit}, "", "good", "D"},
		"deny by negation, verified":          {[]*policies.Rule{{ID: "r", Effect: authz.Deny, Condition: roleIsNotByNegation("good")}, permit}, "good", "x", "P"},
		"presented cannot make unknown known": {[]*policies.Rule{{ID: "r", Effect: authz.Deny, Target: oneMatch(old+"string-equal", "bad", must(role()))}, permit}, "", "good", "iD"},
	} {
		r := &authz.Request{}
		if c.verified != "" {
			attribute(r, authz.Verified, "role", c.verified)
		}
		if c.presented != "" {
			attribute(r, authz.Presented, "role", c.presented)
		}
		require.Equal(t, c.want, outcomeOf(decideBy(t, r, c.rules...)), name)
	}
}

func must(d *policies.Designator) *policies.Designator { d.MustBePresent = true; return d }

// ⚿ A target that only asserted attributes reach lets Deny rules fire and
// permits nobody, not even by a default.
func TestStandingOfTargets(t *testing.T) {
	r := &authz.Request{}
	attribute(r, authz.Presented, "role", "admin")
	for algorithm, want := range map[policies.Algorithm]string{
		ruleThree + "permit-unless-deny": "N", ruleThree + "deny-unless-permit": "D", ruleOld + "first-applicable": "N",
	} {
		p := &policies.Policy{Header: policies.Header{ID: "p", Combining: algorithm, Target: roleIs("admin")}, Rules: policies.NewList(&policies.Rule{ID: "r", Effect: authz.Permit})}
		program, err := tryNodes(p)
		require.NoError(t, err)
		require.Equal(t, want, outcomeOf(program.Decide(context.Background(), r, someNow)), algorithm)
	}
	p := &policies.Policy{Header: policies.Header{ID: "p", Combining: ruleThree + "deny-overrides", Target: roleIs("admin")}, Rules: policies.NewList(&policies.Rule{ID: "r", Effect: authz.Deny})}
	program, err := tryNodes(p)
	require.NoError(t, err)
	require.Equal(t, "D", outcomeOf(program.Decide(context.Background(), r, someNow)))
}

// limited is "rule permit { credential-strength OP S  requested-cpu-time <= N }".
func limited(id, function, strength, seconds string) *policies.Rule {
	return &policies.Rule{ID: id, Effect: authz.Permit, Target: &policies.Target{AnyOf: []policies.AnyOf{
		{AllOf: []policies.AllOf{{Matches: []policies.Match{
			{Function: function, Value: authz.StringValue(strength), Attribute: strengthBag},
			{Function: old + "string-equal", Value: authz.StringValue("vo"), Attribute: role()},
		}}}},
		{AllOf: []policies.AllOf{{Matches: []policies.Match{{
			Function: old + "integer-greater-than-or-equal", Value: parse(authz.Integer, seconds),
			Attribute: &policies.Designator{Category: authz.Environment, ID: profile.RequestedCPUTime, Type: authz.Integer},
		}}}}},
	}}}
}

// DECISIONS 8: a refusal names the bounds that would have sufficed, and only
// such as would have: whether the rules are few, or so many that they are found
// by their keys.
func TestEnough(t *testing.T) {
	for _, more := range []int{0, 30} {
		t.Run(strconv.Itoa(more), func(t *testing.T) { testEnough(t, more) })
	}
}

func testEnough(t *testing.T, more int) {
	rules := []*policies.Rule{
		{ID: "no", Effect: authz.Deny, Target: roleIs("locked")},
		limited("strong", profile.FunctionStrengthLessOrEqual, "strong", "86400"),
		limited("weak", old+"string-equal", "weak", "1800"),
		limited("anonymous", old+"string-equal", "anonymous", "60"),
	}
	for i := range more {
		rules = append(rules, &policies.Rule{ID: strconv.Itoa(i), Effect: authz.Permit, Target: roleIs("stranger" + strconv.Itoa(i))})
	}
	ask := func(strength string, seconds int64, roles ...string) string {
		r := &authz.Request{}
		attribute(r, authz.Verified, profile.CredentialStrength, strength)
		attribute(r, authz.Verified, "role", roles...)
		r.Add(authz.Environment, profile.RequestedCPUTime, authz.IntegerValue(seconds))
		response := decideBy(t, r, rules...)
		var words []string
		for _, alternative := range response.Enough {
			var bounds []string
			for _, b := range alternative {
				bounds = append(bounds, b.String())
			}
			words = append(words, strings.Join(bounds, " and "))
		}
		return response.Decision.String() + ": " + strings.Join(words, " or ")
	}
	require.Equal(t, "Permit: ", ask("weak", 600, "vo"))
	require.Equal(t, "NotApplicable: credential-strength >= strong or requested-cpu-time <= 1800", ask("weak", 7200, "vo"))
	require.Equal(t, "NotApplicable: requested-cpu-time <= 86400", ask("strong", 100_000, "vo"))
	require.Equal(t, "NotApplicable: requested-cpu-time <= 1800 or credential-strength >= strong and requested-cpu-time <= 86400", ask("weak", 100_000, "vo"))
	require.Equal(t, "NotApplicable: requested-cpu-time <= 60 or credential-strength >= strong and requested-cpu-time <= 86400 or credential-strength = weak and requested-cpu-time <= 1800", ask("anonymous", 100_000, "vo"))
	require.Equal(t, "NotApplicable: ", ask("weak", 7200, "other"), "no bound would help a stranger")
	require.Equal(t, "Deny: ", ask("weak", 7200, "vo", "locked"), "nor who is refused before")
}

// Explaining never changes the answer, and shows what decided.
func TestExplain(t *testing.T) {
	because := &policies.Rule{ID: "no", Effect: authz.Deny, Target: roleIs("bad"), Because: "go away", Position: policies.Position{File: "a.spl", Line: 3, Column: 5}}
	program := compileRules(t, because, &policies.Rule{ID: "if", Effect: authz.Permit, Condition: roleIsNot("good"), Until: someNow}, &policies.Rule{ID: "c", Effect: authz.Permit, Condition: roleIsNot("x")})
	r := &authz.Request{}
	attribute(r, authz.Verified, "role", "bad")
	ex := program.Explain(context.Background(), r, someNow)
	require.Equal(t, program.Decide(context.Background(), r, someNow), ex.Response)
	policy := ex.Root.Children[0]
	require.Equal(t, authz.StepPolicy, policy.Kind)
	require.Equal(t, "by p/no (a.spl:3:5)", policy.Why)
	require.Len(t, policy.Children, 1, "the rest was not evaluated")
	rule := policy.Children[0]
	require.Equal(t, []string{"a.spl:3:5", "Deny", "go away"}, []string{rule.Position, rule.Result, rule.Why})
	require.Equal(t, "role is bad; want bad", rule.Children[0].Children[0].Why)

	r = &authz.Request{}
	attribute(r, authz.Verified, "role", "x")
	policy = program.Explain(context.Background(), r, someNow).Root.Children[0]
	require.Equal(t, "role is x; want bad", policy.Children[0].Children[0].Children[0].Why)
	require.Contains(t, policy.Children[1].Why, "it held until 2030-01-01")
	require.Equal(t, "false", policy.Children[2].Children[0].Result)
	require.Equal(t, "nothing in it applies", policy.Why)
	text, err := json.Marshal(policy)
	require.NoError(t, err)
	require.Contains(t, string(text), `"kind":"condition"`)
}

// An obligation is shown below the rule that it comes from, with its place.
func TestExplainNamesWhereObligationsComeFrom(t *testing.T) {
	at := policies.Position{File: "a.spl", Line: 7, Column: 9}
	program := compileRules(t, &policies.Rule{
		ID: "yes", Effect: authz.Permit,
		Obligations: []policies.Duty{{ID: "log", On: authz.Permit, Position: at}, {ID: "cry", On: authz.Deny}},
	})
	r := &authz.Request{}
	ex := program.Explain(context.Background(), r, someNow)
	require.Len(t, ex.Response.Obligations, 1)
	rule := ex.Root.Children[0].Children[0]
	require.Equal(t, []*authz.Step{{Kind: authz.StepObligation, ID: "log", Position: "a.spl:7:9", Result: "goes with Permit"}}, rule.Children)
}

// Where a permit does not stand on verified attributes, that is what is shown.
func TestExplainStanding(t *testing.T) {
	program := compileRules(t, &policies.Rule{ID: "no", Effect: authz.Deny, Condition: roleIsNotByNegation("good")}, &policies.Rule{ID: "yes", Effect: authz.Permit})
	r := &authz.Request{}
	attribute(r, authz.Presented, "role", "good")
	ex := program.Explain(context.Background(), r, someNow)
	require.Equal(t, authz.Deny, ex.Response.Decision)
	require.Equal(t, "Deny", ex.Root.Result)
	require.Contains(t, ex.Root.Why, "over verified attributes alone")
}

// A long list is explained by what the index finds, not by a million lines.
func TestExplainLongLists(t *testing.T) {
	w := newWorkload(1_000)
	program, err := eval.NewCompiler(nil).Compile(w.snapshot, nil)
	require.NoError(t, err)
	ex := program.Explain(context.Background(), gridRequest(t, bannedDN(7), vo(1), endpoint(1), actions[1]), someNow)
	bans := ex.Root.Children[0]
	require.Len(t, bans.Children, 1)
	require.Equal(t, authz.StepBan, bans.Children[0].Kind)
	require.Contains(t, bans.Why, "of 1000, only those that can apply are shown")
}

// oracle is a foreign policy that answers by the roles it sees.
type oracle struct{}

func (o oracle) Compile(p policies.Foreign) (eval.ForeignProgram, error) {
	if p.Text == "bad" {
		return nil, errors.New("2:1: no sense")
	}
	return o, nil
}

func (o oracle) Decide(_ context.Context, r *authz.Request, _ time.Time) (eval.Opinion, error) {
	answer := eval.Opinion{Decision: authz.NotApplicable}
	for _, v := range r.Values(authz.Subject, "role") {
		switch v.Text() {
		case "bad":
			return eval.Opinion{Decision: authz.Deny, Because: "bad role"}, nil
		case "good":
			answer = eval.Opinion{Decision: authz.Permit, Obligations: []authz.Obligation{{ID: "log"}}}
		case "odd":
			return eval.Opinion{}, nil
		case "fail":
			return eval.Opinion{Decision: authz.Permit}, errors.New("out of time")
		}
	}
	return answer, nil
}

// Foreign policies stand in the order like any other, permit by verified
// attributes only and deny by all.
func TestForeign(t *testing.T) {
	compile := func(text string) (*eval.Program, error) {
		root := &policies.PolicySet{Header: policies.Header{ID: "root", Combining: policies.FirstApplicable}}
		root.Children = policies.NewList[policies.Node](&policies.Foreign{ID: "f", Place: "a", Format: "oracle", Text: text, Position: policies.Position{File: "x.rego", Line: 1, Column: 1}})
		return eval.NewCompiler(map[string]eval.Language{"oracle": oracle{}}).Compile(&policies.Snapshot{Root: root}, nil)
	}
	program, err := compile("")
	require.NoError(t, err)
	for _, c := range []struct{ verified, presented, want string }{
		{"good", "", "P log"}, {"", "good", "N"}, {"good", "bad", "D"}, {"bad", "", "D"}, {"good", "odd", "iDP"}, {"fail", "", "iDP"}, {"odd", "", "iDP"}, {"", "", "N"}, {"good", "good", "P log"},
	} {
		r := &authz.Request{}
		attribute(r, authz.Verified, "role", c.verified)
		if c.presented != "" {
			attribute(r, authz.Presented, "role", c.presented)
		}
		response := program.Decide(context.Background(), r, someNow)
		require.Equal(t, c.want, outcomeOf(response), "%+v", c)
		if response.Decision == authz.Deny {
			require.Equal(t, &authz.Reason{Policy: "f", Position: "x.rego:1:1", Because: "bad role"}, response.Reason)
		}
	}
	_, err = compile("bad")
	require.ErrorContains(t, err, "x.rego:1:1: \"f\": 2:1: no sense")
}

// A permit of a PAP's policy names the PAP; a ban names its own.
func TestReasons(t *testing.T) {
	p := &policies.Policy{Header: policies.Header{ID: "p", Place: "b", Combining: policies.FirstApplicable}, Rules: policies.NewList(&policies.Rule{ID: "r", Effect: authz.Permit})}
	pap := &policies.PolicySet{Header: policies.Header{ID: "s", Place: "b", PAP: "site", Combining: policies.FirstApplicable}, Children: policies.NewList[policies.Node](p)}
	ban := &policies.Rule{ID: "b", Effect: authz.Deny, Ban: true, PAP: "central", Target: roleIs("bad")}
	program, err := eval.NewCompiler(nil).Compile(&policies.Snapshot{Root: policies.NewRoot(policies.NewList(ban), pap)}, nil)
	require.NoError(t, err)
	r := &authz.Request{}
	require.Equal(t, &authz.Reason{PAP: "site", Policy: "p", Rule: "r"}, program.Decide(context.Background(), r, someNow).Reason)
	attribute(r, authz.Verified, "role", "bad")
	require.Equal(t, &authz.Reason{PAP: "central", Policy: "bans", Rule: "b", Ban: true}, program.Decide(context.Background(), r, someNow).Reason)
	require.Equal(t, eval.Counts{Bans: 1, Rules: 1, Policies: 3}, program.Counts())
}

// Two alternatives with one key in common do not make a policy count twice: its
// duties come once.
func TestOneKeyInTwoAlternatives(t *testing.T) {
	group := func(function, pattern string) policies.AllOf {
		return policies.AllOf{Matches: []policies.Match{{Function: function, Value: authz.StringValue(pattern), Attribute: &policies.Designator{Category: authz.Subject, ID: profile.FQAN}}}}
	}
	place := policies.Places(8)
	twice := &policies.Policy{Header: policies.Header{
		ID: "twice", Place: place[0], Combining: policies.DenyOverrides,
		Target: &policies.Target{AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{group(profile.FunctionFQANPattern, "/vo/*"), group(profile.FunctionBanFQAN, "/vo/*")}}}},
	}, Rules: policies.NewList(&policies.Rule{ID: "r", Effect: authz.Deny, Obligations: []policies.Duty{{ID: "once", On: authz.Deny}}})}
	nodes := []policies.Node{twice}
	for _, p := range place[1:] {
		nodes = append(nodes, &policies.Policy{Header: policies.Header{ID: p, Place: p, Combining: policies.DenyOverrides}})
	}
	root := &policies.PolicySet{Header: policies.Header{ID: "root", Combining: policies.DenyUnlessPermit}, Children: policies.NewList(nodes...)}
	p, err := eval.NewCompiler(nil).Compile(&policies.Snapshot{Root: root}, nil)
	require.NoError(t, err)
	r := &authz.Request{}
	r.Add(authz.Subject, profile.FQAN, authz.StringValue("/vo"))
	got := p.Decide(context.Background(), r, someNow)
	require.Equal(t, authz.Deny, got.Decision)
	require.Len(t, got.Obligations, 1)
}
