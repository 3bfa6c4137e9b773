package eval_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
)

const (
	ruleThree   = "urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:"
	policyThree = "urn:oasis:names:tc:xacml:3.0:policy-combining-algorithm:"
	ruleOld     = "urn:oasis:names:tc:xacml:1.0:rule-combining-algorithm:"
	policyOld   = "urn:oasis:names:tc:xacml:1.0:policy-combining-algorithm:"
)

var secondOrThird = policies.Algorithm(policyThree + "on-permit-apply-second")

func division() policies.Expression { // an error in a condition
	zero := &policies.Literal{Value: authz.IntegerValue(0)}
	return &policies.Apply{Function: old + "integer-equal", Arguments: []policies.Expression{
		zero, &policies.Apply{Function: old + "integer-divide", Arguments: []policies.Expression{zero, zero}},
	}}
}

func never() *policies.Target { return oneMatch(old+"string-equal", "x", absent(false)) }

func errs() *policies.Target { return oneMatch(old+"string-equal", "x", absent(true)) }

func absent(must bool) *policies.Designator {
	return &policies.Designator{Category: authz.Subject, ID: "absent", Type: authz.String, MustBePresent: must}
}

func duty(id string, on authz.Effect) policies.Duty { return policies.Duty{ID: id, On: on} }

// ruleFor makes a rule that gives P, D, N, iP or iD, with a duty of its own.
func ruleFor(result string, n int) *policies.Rule {
	effect := authz.Permit
	if strings.HasSuffix(result, "D") {
		effect = authz.Deny
	}
	r := &policies.Rule{ID: fmt.Sprint(result, n), Effect: effect, Place: policies.Places(20)[n]}
	r.Obligations = []policies.Duty{duty(r.ID, authz.Permit), duty(r.ID, authz.Deny)}
	switch {
	case result == "N":
		r.Target = never()
	case result[0] == 'i':
		r.Condition = division()
	}
	return r
}

// nodeFor makes a policy that gives such a result, or iDP.
func nodeFor(result string, n int) policies.Node {
	p := &policies.Policy{Header: policies.Header{ID: fmt.Sprint("p", n), Place: policies.Places(20)[n], Combining: ruleThree + "deny-overrides"}}
	if result == "iDP" {
		p.Rules = policies.NewList(ruleFor("iD", 0), ruleFor("P", 1))
		return p
	}
	r := ruleFor(result, n)
	p.Rules = policies.NewList(r)
	if result == "N" { // seen by only-one-applicable
		p.Target = never()
	}
	if result == "iT" {
		p.Target = errs()
	}
	return p
}

// outcomeOf writes a response like the results above, with its duties.
func outcomeOf(r authz.Response) string {
	s := map[authz.Decision]string{authz.Permit: "P", authz.Deny: "D", authz.NotApplicable: "N", authz.Indeterminate: "i"}[r.Decision]
	s += r.Extent.String()
	for _, o := range r.Obligations {
		s += " " + o.ID
	}
	return s
}

func combineRules(t *testing.T, algorithm policies.Algorithm, results string) string {
	p := &policies.Policy{Header: policies.Header{ID: "p", Combining: algorithm}}
	for i, result := range strings.Fields(results) {
		p.Rules = p.Rules.Put(ruleFor(result, i))
	}
	program, err := tryNodes(p)
	require.NoError(t, err)
	return outcomeOf(program.Decide(context.Background(), &authz.Request{}, someNow))
}

func combinePolicies(t *testing.T, algorithm policies.Algorithm, results string) string {
	var nodes []policies.Node
	for i, result := range strings.Fields(results) {
		nodes = append(nodes, nodeFor(result, i))
	}
	program, err := tryNodes(&policies.PolicySet{Header: policies.Header{ID: "s", Combining: algorithm}, Children: policies.NewList(nodes...)})
	require.NoError(t, err)
	return outcomeOf(program.Decide(context.Background(), &authz.Request{}, someNow))
}

// Trap 1: the extent of a rule's error is its effect; below an Indeterminate
// target what the children come to keeps its extent.
func TestTrap01Extents(t *testing.T) {
	require.Equal(t, "iP", combineRules(t, ruleOld+"first-applicable", "iP"))
	require.Equal(t, "iD", combineRules(t, ruleOld+"first-applicable", "iD"))
	for result, want := range map[string]string{"P": "iP", "D": "iD", "N": "N", "iP": "iP", "iD": "iD", "iDP": "iDP"} {
		inner := nodeFor(result, 0)
		s := &policies.PolicySet{Header: policies.Header{ID: "s", Combining: policyThree + "deny-overrides", Target: errs()}, Children: policies.NewList(inner)}
		program, err := tryNodes(s)
		require.NoError(t, err)
		require.Equal(t, want, outcomeOf(program.Decide(context.Background(), &authz.Request{}, someNow)), result)
	}
}

// Trap 2: the order of precedence of the 3.0 overrides algorithms. Traps 13 and
// 4: duties of all children of the decision, and what is plain on the wire.
func TestTrap02Overrides(t *testing.T) {
	for results, want := range map[string]string{
		"": "N", "N": "N", "P N P": "P P0 P2", "P D D": "D D1", "iP P": "P P1", "iP": "iP", "iP N": "iP",
		"iD P": "iDP", "iD iP": "iDP", "iD": "iD", "iD D": "D D1", "iP D": "D D1", "N iD N": "iD",
	} {
		require.Equal(t, want, combineRules(t, ruleThree+"deny-overrides", results), results)
		require.Equal(t, want, combineRules(t, ruleThree+"ordered-deny-overrides", results), results)
		require.Equal(t, want, combinePolicies(t, policyThree+"deny-overrides", results), results)
		mirror := func(s string) string { return strings.NewReplacer("P", "D", "D", "P", "iDP", "iDP").Replace(s) }
		require.Equal(t, strings.ReplaceAll(mirror(want), "iPD", "iDP"), combineRules(t, ruleThree+"permit-overrides", mirror(results)), mirror(results))
		require.Equal(t, strings.ReplaceAll(mirror(want), "iPD", "iDP"), combinePolicies(t, policyThree+"ordered-permit-overrides", mirror(results)), mirror(results))
	}
	require.Equal(t, "iDP", combinePolicies(t, policyThree+"deny-overrides", "iDP P"))
	require.Equal(t, "D D1", combinePolicies(t, policyThree+"deny-overrides", "iDP D"))
	require.Equal(t, "P P1", combinePolicies(t, policyThree+"permit-overrides", "iDP P"))
	require.Equal(t, "iDP", combinePolicies(t, policyThree+"permit-overrides", "iDP D"))
}

// Trap 3: the 1.x algorithms, whose policy-combining deny-overrides makes Deny
// of an error.
func TestTrap03OldAlgorithms(t *testing.T) {
	for results, want := range map[string]string{
		"P iD": "D", "iP": "D", "P N": "P P0", "P D iP": "D D1", "N": "N", "": "N",
	} {
		require.Equal(t, want, combinePolicies(t, policyOld+"deny-overrides", results), results)
	}
	for results, want := range map[string]string{"iP D": "D D1", "iP iD": "iDP", "iD P": "P P1", "D D": "D D0 D1", "N": "N"} {
		require.Equal(t, want, combinePolicies(t, policyOld+"permit-overrides", results), results)
	}
	for results, want := range map[string]string{"iD P": "iDP", "iP P": "P P1", "iP": "iP", "iD": "iD", "iD D": "D D1", "iD iP": "iDP"} {
		require.Equal(t, want, combineRules(t, ruleOld+"deny-overrides", results), results)
		require.Equal(t, want, combineRules(t, policies.Algorithm(strings.Replace(ruleOld, "1.0", "1.1", 1)+"ordered-deny-overrides"), results), results)
	}
	for results, want := range map[string]string{"iP D": "iDP", "iD D": "D D1", "iD": "iD", "iP": "iP", "iP P": "P P1"} {
		require.Equal(t, want, combineRules(t, ruleOld+"permit-overrides", results), results)
	}
}

func TestTrap04ExtentsStayInside(t *testing.T) {
	response := decideBy(t, &authz.Request{}, ruleFor("iD", 0))
	require.Equal(t, "Indeterminate", response.Decision.String())
	require.Equal(t, authz.ExtentDeny, response.Extent)
}

// Traps 5 and 16: never anything but Permit and Deny, also of nothing; the
// default carries no duties of others.
func TestTrap05Unless(t *testing.T) {
	for results, want := range map[string]string{"": "D", "N": "D", "iP": "D", "iD": "D", "iD P": "P P1", "D N D": "D D0 D2", "D P": "P P1"} {
		require.Equal(t, want, combineRules(t, ruleThree+"deny-unless-permit", results), results)
		require.Equal(t, want, combinePolicies(t, policyThree+"deny-unless-permit", results), results)
	}
	for results, want := range map[string]string{"": "P", "N": "P", "iP": "P", "iD": "P", "iP D": "D D1", "P P": "P P0 P1"} {
		require.Equal(t, want, combineRules(t, ruleThree+"permit-unless-deny", results), results)
		require.Equal(t, want, combinePolicies(t, policyThree+"permit-unless-deny", results), results)
	}
}

func TestTrap06OnlyOneApplicable(t *testing.T) {
	for results, want := range map[string]string{"": "N", "N": "N", "N D N": "D D1", "N iP": "iP", "P D": "iDP", "N iT": "iDP", "iT P": "iDP", "P N iT": "iDP"} {
		require.Equal(t, want, combinePolicies(t, policyOld+"only-one-applicable", results), results)
	}
	_, err := tryNodes(&policies.Policy{Header: policies.Header{ID: "p", Combining: policyOld + "only-one-applicable"}})
	require.ErrorContains(t, err, "no combining algorithm for rules")
}

func TestTrap07FirstApplicable(t *testing.T) {
	for results, want := range map[string]string{"N iD P": "iD", "N P D": "P P1", "iP D": "iP", "N": "N"} {
		require.Equal(t, want, combineRules(t, ruleOld+"first-applicable", results), results)
		require.Equal(t, want, combinePolicies(t, policyOld+"first-applicable", results), results)
	}
	require.Equal(t, "iDP", combinePolicies(t, policyOld+"first-applicable", "iDP P"))
}

func TestTrap08OnPermitApplySecond(t *testing.T) {
	for results, want := range map[string]string{
		"P": "iDP", "P P P P": "iDP", "": "iDP",
		"P P": "P P0 P1", "P D": "D D1", "P N D": "N", "P iD": "iD",
		"D P": "N", "N P": "N", "D P D": "D D0 D2", "N D P": "P P2", "iD P P": "P P2", "iP P P": "iDP", "iDP P P": "iDP",
	} {
		require.Equal(t, want, combinePolicies(t, secondOrThird, results), results)
	}
}

// Trap 9, tables 1 to 3 and 7.6: one False beats an error in AllOf and Target,
// one True beats it in AnyOf and over a bag.
func TestTrap09Targets(t *testing.T) {
	present := &policies.Designator{Category: authz.Subject, ID: "it", Type: authz.String}
	part := map[byte]policies.Match{
		'T': {Function: old + "string-equal", Value: authz.StringValue("a"), Attribute: present},
		'F': {Function: old + "string-equal", Value: authz.StringValue("b"), Attribute: present},
		'I': {Function: old + "string-equal", Value: authz.StringValue("a"), Attribute: absent(true)},
	}
	r := &authz.Request{}
	r.Add(authz.Subject, "it", authz.StringValue("a"))
	for text, want := range map[string]string{ // "," and within AllOf is conjunction, "|" AnyOf, "&" Target
		"T": "P", "F": "N", "I": "iP", "TI": "iP", "IF": "N", "FI": "N", "I|T": "P", "T|I": "P", "F|I": "iP", "IF|T": "P",
		"I&F": "N", "F&I": "N", "I&T": "iP", "T&I|T": "P", "F|F": "N", "TT|I&T": "P",
	} {
		target := &policies.Target{}
		for _, any := range strings.Split(text, "&") {
			var a policies.AnyOf
			for _, all := range strings.Split(any, "|") {
				var ms []policies.Match
				for i := range len(all) {
					ms = append(ms, part[all[i]])
				}
				a.AllOf = append(a.AllOf, policies.AllOf{Matches: ms})
			}
			target.AnyOf = append(target.AnyOf, a)
		}
		require.Equal(t, want, outcomeOf(decideBy(t, r, &policies.Rule{ID: "r", Effect: authz.Permit, Target: target})), text)
	}
	zoned := &authz.Request{}
	zoned.Add(authz.Subject, "at", parse(authz.Time, "08:00:00"), parse(authz.Time, "09:00:00Z"))
	at := &policies.Designator{Category: authz.Subject, ID: "at", Type: authz.Time}
	for literal, want := range map[string]string{"10:00:00Z": "P", "08:30:00Z": "iP"} {
		m := policies.Match{Function: old + "time-greater-than", Value: parse(authz.Time, literal), Attribute: at}
		target := &policies.Target{AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: []policies.Match{m}}}}}}
		require.Equal(t, want, outcomeOf(decideBy(t, zoned, &policies.Rule{ID: "r", Effect: authz.Permit, Target: target})), literal)
	}
}

func TestTrap10EmptyIsEverything(t *testing.T) {
	require.Equal(t, "P", outcomeOf(decideBy(t, &authz.Request{}, &policies.Rule{ID: "r", Effect: authz.Permit, Target: &policies.Target{}})))
	require.Equal(t, "N", combinePolicies(t, policyThree+"deny-overrides", ""))
	require.Equal(t, "N", combineRules(t, ruleThree+"deny-overrides", ""))
}

func reference(id, version, earliest, latest string) *policies.Reference {
	return &policies.Reference{ID: id, Version: version, Earliest: earliest, Latest: latest, Position: policies.Position{File: "f", Line: 4, Column: 2}}
}

func libraryPolicy(id, version, result string) *policies.Policy {
	p := nodeFor(result, 0).(*policies.Policy)
	p.ID, p.Version = id, version
	return p
}

// Trap 11 and 40: references take the newest version that their patterns
// allow; a missing one is Indeterminate, a circle is refused.
func TestTrap11References(t *testing.T) {
	library := []policies.Node{libraryPolicy("a", "1.0", "D"), libraryPolicy("a", "1.10", "P"), libraryPolicy("a", "1.9", "D"), libraryPolicy("a", "3.0", "iD")}
	decide := func(r *policies.Reference) string {
		root := &policies.PolicySet{Header: policies.Header{ID: "root", Combining: policies.FirstApplicable}, Children: policies.NewList[policies.Node](r)}
		program, err := eval.NewCompiler(nil).Compile(&policies.Snapshot{Root: root, Library: library}, nil)
		require.NoError(t, err)
		return outcomeOf(program.Decide(context.Background(), &authz.Request{}, someNow))
	}
	for r, want := range map[*policies.Reference]string{
		reference("a", "", "", ""): "iD", reference("a", "1.+", "", ""): "P P0", reference("a", "1.*", "", ""): "P P0", reference("a", "1.0", "", ""): "D D0",
		reference("a", "", "", "1.9"): "D D0", reference("a", "", "1.10", "2"): "P P0", reference("a", "*", "", ""): "iDP", reference("a", "", "3.1", ""): "iDP",
		reference("a", "*.+", "", "2.+"): "P P0", reference("b", "", "", ""): "iDP", reference("a", "+", "2", ""): "iD", reference("a", "1.0.0", "", ""): "iDP",
	} {
		require.Equal(t, want, decide(r), "%+v", *r)
	}
	circle := func(id, to string) *policies.PolicySet {
		r := reference(to, "", "", "")
		r.Set = true
		return &policies.PolicySet{Header: policies.Header{ID: id, Version: "1", Combining: policies.FirstApplicable}, Children: policies.NewList[policies.Node](r)}
	}
	_, err := eval.NewCompiler(nil).Compile(&policies.Snapshot{Root: circle("root", "a"), Library: []policies.Node{circle("a", "b"), circle("b", "a")}}, nil)
	require.ErrorContains(t, err, "f:4:2: ")
	require.ErrorContains(t, err, "refers to itself")
	_, err = eval.NewCompiler(nil).Compile(&policies.Snapshot{Root: circle("root", "a"), Library: []policies.Node{circle("a", "x"), circle("a", "y")}}, nil)
	require.ErrorContains(t, err, "in the library twice")
}

// Trap 14: an error in a duty is an error of the whole rule or policy.
func TestTrap14ErrorsInDuties(t *testing.T) {
	bad := []policies.Duty{{ID: "bad", On: authz.Permit, Assignments: []policies.AssignmentExpression{{ID: "a", Expression: division()}}}}
	response := decideBy(t, &authz.Request{}, &policies.Rule{ID: "r", Effect: authz.Permit, Obligations: bad})
	require.Equal(t, "iP", outcomeOf(response))
	require.Equal(t, authz.StatusProcessingError, response.Status.Code)
	response = decideBy(t, &authz.Request{}, &policies.Rule{ID: "r", Effect: authz.Permit, Advice: bad})
	require.Equal(t, "iP", outcomeOf(response))
	p := nodeFor("P", 0).(*policies.Policy)
	p.Obligations = bad
	program, err := tryNodes(p)
	require.NoError(t, err)
	require.Equal(t, "iP", outcomeOf(program.Decide(context.Background(), &authz.Request{}, someNow)))
	p = nodeFor("D", 0).(*policies.Policy)
	p.Obligations = bad
	program, err = tryNodes(p)
	require.NoError(t, err)
	require.Equal(t, "D D0", outcomeOf(program.Decide(context.Background(), &authz.Request{}, someNow)), "not asked on Deny")
}

// Trap 15: one assignment per value of a bag, none of an empty one.
func TestTrap15BagsInDuties(t *testing.T) {
	r := &authz.Request{}
	r.Add(authz.Subject, "it", authz.StringValue("a"), authz.StringValue("b"))
	bag := &policies.Designator{Category: authz.Subject, ID: "it", Type: authz.String}
	response := decideBy(t, r, &policies.Rule{ID: "r", Effect: authz.Permit, Advice: []policies.Duty{{ID: "o", On: authz.Permit, Assignments: []policies.AssignmentExpression{
		{ID: "x", Category: authz.Resource, Issuer: "i", Expression: bag}, {ID: "y", Expression: absent(false)},
	}}}})
	require.Equal(t, []authz.Obligation{{ID: "o", Assignments: []authz.Assignment{
		{ID: "x", Category: authz.Resource, Issuer: "i", Value: authz.StringValue("a")}, {ID: "x", Category: authz.Resource, Issuer: "i", Value: authz.StringValue("b")},
	}}}, response.Advice)
}

func bagTexts(t *testing.T, r *authz.Request, d *policies.Designator) []string {
	got, _ := evaluateOne(t, r, d)
	return got
}

// Traps 17 to 20 and 24: issuer, type, split attributes, missing by type, and
// an empty text.
func TestTrap17Designators(t *testing.T) {
	r := &authz.Request{Attributes: []authz.Attribute{
		{Category: authz.Subject, ID: "it", Issuer: "i", Values: []authz.Value{authz.StringValue("a"), authz.IntegerValue(1)}, Standing: authz.Verified},
		{Category: authz.Subject, ID: "it", Values: []authz.Value{authz.StringValue("")}, Standing: authz.Verified},
		{Category: authz.Resource, ID: "it", Values: []authz.Value{authz.StringValue("c")}, Standing: authz.Verified},
	}}
	d := &policies.Designator{Category: authz.Subject, ID: "it", Type: authz.String}
	require.Equal(t, []string{"a", ""}, bagTexts(t, r, d))
	issued := *d
	issued.Issuer = "i"
	require.Equal(t, []string{"a"}, bagTexts(t, r, &issued))
	issued.Issuer = "I"
	require.Empty(t, bagTexts(t, r, &issued))
	number := *d
	number.Type = authz.Integer
	require.Equal(t, []string{"1"}, bagTexts(t, r, &number))
	flag := *d
	flag.Type, flag.MustBePresent = authz.Boolean, true
	_, response := evaluateOne(t, r, &flag)
	require.Equal(t, authz.StatusMissingAttribute, response.Status.Code)
	require.Equal(t, []authz.MissingAttribute{{Category: authz.Subject, ID: "it", Type: authz.Boolean}}, response.Status.Missing)
	require.Equal(t, "P", outcomeOf(decideBy(t, r, &policies.Rule{ID: "r", Effect: authz.Permit, Target: oneMatch(old+"string-equal", "", d)})))
}

// Trap 21: the request's time wins over the clock, which is read once.
func TestTrap21Clock(t *testing.T) {
	now := &policies.Designator{Category: authz.Environment, ID: "urn:oasis:names:tc:xacml:1.0:environment:current-dateTime", Type: authz.DateTime, MustBePresent: true}
	require.Equal(t, []string{"2030-01-01T12:00:00Z"}, bagTexts(t, &authz.Request{}, now))
	r := &authz.Request{}
	r.Add(authz.Environment, now.ID, parse(authz.DateTime, "2001-01-01T00:00:00Z"))
	require.Equal(t, []string{"2001-01-01T00:00:00Z"}, bagTexts(t, r, now))
	r.Attributes[0].Standing = authz.Presented
	require.Equal(t, []string{"2030-01-01T12:00:00Z"}, bagTexts(t, r, now), "nobody vouches for that time")
	for id, want := range map[string]string{"current-time": "12:00:00Z", "current-date": "2030-01-01Z"} {
		d := *now
		d.ID, d.Type = "urn:oasis:names:tc:xacml:1.0:environment:"+id, authz.Time
		if id == "current-date" {
			d.Type = authz.Date
		}
		require.Equal(t, []string{want}, bagTexts(t, &authz.Request{}, &d))
	}
}

// Trap 41: variables point forward, not in circles, within their policy, and
// are evaluated once.
func TestTrap41Variables(t *testing.T) {
	name := func(id string) policies.Expression {
		return &policies.VariableName{Variable: id, Position: policies.Position{File: "f", Line: 7, Column: 1}}
	}
	try := func(variables ...policies.Variable) (*eval.Program, error) {
		p := &policies.Policy{Header: policies.Header{ID: "p", Combining: ruleThree + "deny-overrides"}, Variables: variables}
		p.Rules = policies.NewList(&policies.Rule{ID: "r", Effect: authz.Permit, Condition: name("a")})
		return tryNodes(p)
	}
	program, err := try(policies.Variable{ID: "a", Expression: name("b")}, policies.Variable{ID: "b", Expression: argument(t, "b:true")})
	require.NoError(t, err)
	require.Equal(t, "P", outcomeOf(program.Decide(context.Background(), &authz.Request{}, someNow)))
	for what, variables := range map[string][]policies.Variable{
		"by way of itself": {{ID: "a", Expression: name("b")}, {ID: "b", Expression: name("a")}},
		"is not defined":   {{ID: "a", Expression: name("c")}},
		"defined twice":    {{ID: "a", Expression: argument(t, "b:true")}, {ID: "a", Expression: argument(t, "b:true")}},
		"must be boolean":  {{ID: "a", Expression: argument(t, "i:1")}},
	} {
		_, err := try(variables...)
		require.ErrorContains(t, err, what)
	}
}

// Trap 43: status details go with missing-attribute only.
func TestTrap43Status(t *testing.T) {
	response := decideBy(t, &authz.Request{}, ruleFor("iP", 0))
	require.Equal(t, authz.StatusProcessingError, response.Status.Code)
	require.Empty(t, response.Status.Missing)
	require.Nil(t, decideBy(t, &authz.Request{}, ruleFor("P", 0)).Status)
	response = decideBy(t, &authz.Request{}, &policies.Rule{ID: "r", Effect: authz.Permit, Target: errs()})
	require.Equal(t, []authz.MissingAttribute{{Category: authz.Subject, ID: "absent", Type: authz.String, Values: []authz.Value{authz.StringValue("x")}}}, response.Status.Missing, "and what would do")
}

// Trap 45: what is listed are the policies that came to Permit or Deny.
func TestTrap45PolicyIDs(t *testing.T) {
	root := &policies.PolicySet{Header: policies.Header{ID: "root", Version: "1", Combining: policyThree + "permit-overrides"}}
	root.Children = policies.NewList(nodeFor("D", 0), nodeFor("N", 1), nodeFor("iD", 2), nodeFor("P", 3))
	program, err := eval.NewCompiler(nil).Compile(&policies.Snapshot{Root: root}, nil)
	require.NoError(t, err)
	r := &authz.Request{ReturnPolicyIDs: true}
	require.Equal(t, []authz.PolicyID{{ID: "p0"}, {ID: "p3"}, {ID: "root", Version: "1", Set: true}}, program.Decide(context.Background(), r, someNow).Policies)
	require.Empty(t, program.Decide(context.Background(), &authz.Request{}, someNow).Policies)
}

// A rule holds from the first moment of its time to before the last.
func TestWindows(t *testing.T) {
	r := &policies.Rule{ID: "r", Effect: authz.Permit, From: someNow, Until: someNow.Add(time.Hour)}
	program := compileRules(t, r)
	for after, want := range map[time.Duration]string{-1: "N", 0: "P", time.Hour - 1: "P", time.Hour: "N"} {
		require.Equal(t, want, outcomeOf(program.Decide(context.Background(), &authz.Request{}, someNow.Add(after))))
	}
}

// Policies that nest without end, refer in circles or are huge are refused with
// their place or decided; they never crash.
func TestHostilePolicies(t *testing.T) {
	node := nodeFor("P", 0)
	deep := argument(t, "b:true")
	for range 10_000 {
		node = &policies.PolicySet{Header: policies.Header{ID: "s", Combining: policies.FirstApplicable, Position: policies.Position{File: "deep", Line: 1, Column: 1}}, Children: policies.NewList(node)}
		deep = &policies.Apply{Function: old + "not", Arguments: []policies.Expression{deep}, Position: policies.Position{File: "deep", Line: 1, Column: 1}}
	}
	_, err := tryNodes(node)
	require.ErrorContains(t, err, "deep:1:1: nested more than")
	_, err = tryRules(&policies.Rule{ID: "r", Effect: authz.Permit, Condition: deep})
	require.ErrorContains(t, err, "deep:1:1: nested more than")
	many := &policies.Apply{Function: old + "and"}
	for range 100_000 {
		many.Arguments = append(many.Arguments, argument(t, "b:true"))
	}
	_, err = tryRules(&policies.Rule{ID: "r", Effect: authz.Permit, Condition: many})
	require.Error(t, err)
	var bad []*policies.Rule
	for i := range 1_000 {
		r := ruleFor("P", 0)
		r.ID, r.Condition = fmt.Sprint(i), argument(t, "i:1")
		bad = append(bad, r)
	}
	_, err = tryRules(bad...)
	require.Less(t, len(err.Error()), 20_000, "a bounded number of errors")
}

// Malformed trees are refused, whatever made them.
func TestMalformedPolicies(t *testing.T) {
	unknown, _ := authz.ParseValue("urn:no-such-type", "x")
	for name, rule := range map[string]*policies.Rule{
		"no effect":        {ID: "r"},
		"no expression":    {ID: "r", Effect: authz.Permit, Condition: &policies.Apply{Function: old + "not", Arguments: []policies.Expression{nil}}},
		"function as such": {ID: "r", Effect: authz.Permit, Condition: &policies.FunctionName{Function: old + "not"}},
		"not boolean":      {ID: "r", Effect: authz.Permit, Condition: argument(t, "i:1")},
		"bag":              {ID: "r", Effect: authz.Permit, Condition: argument(t, "b:[true]")},
		"variable":         {ID: "r", Effect: authz.Permit, Condition: &policies.VariableName{Variable: "x"}},
		"unknown type":     {ID: "r", Effect: authz.Permit, Condition: &policies.Literal{Value: unknown}},
		"no attribute":     {ID: "r", Effect: authz.Permit, Target: &policies.Target{AnyOf: []policies.AnyOf{{AllOf: []policies.AllOf{{Matches: []policies.Match{{Function: old + "string-equal", Value: authz.StringValue("x")}}}}}}}},
		"no predicate":     {ID: "r", Effect: authz.Permit, Target: oneMatch(two+"string-concatenate", "x", absent(false))},
		"ends too early":   {ID: "r", Effect: authz.Permit, From: someNow, Until: someNow},
		"duty on nothing":  {ID: "r", Effect: authz.Permit, Advice: []policies.Duty{{ID: "o"}}},
		"duty of nothing":  {ID: "r", Effect: authz.Permit, Advice: []policies.Duty{{ID: "o", On: authz.Permit, Assignments: []policies.AssignmentExpression{{ID: "a"}}}}},
		"wrong version":    {ID: "r", Effect: authz.Permit, Condition: call(t, old+"string-starts-with", "s:a", "s:b")},
		"too few":          {ID: "r", Effect: authz.Permit, Condition: call(t, old+"string-equal", "s:a")},
		"any type":         {ID: "r", Effect: authz.Permit, Target: oneMatch(old+"string-equal", "x", &policies.Designator{Category: authz.Subject, ID: "x"})},
	} {
		_, err := tryRules(rule)
		require.Error(t, err, name)
	}
	_, err := tryRules(&policies.Rule{ID: "r", Effect: authz.Permit, Condition: call(t, old+"string-starts-with", "s:a", "s:b")})
	require.ErrorContains(t, err, `did you mean "`+three+`string-starts-with"`)
	_, err = tryNodes(&policies.Foreign{ID: "f", Format: "rego/1"})
	require.ErrorContains(t, err, `no language "rego/1"`)
	_, err = tryNodes(&policies.Policy{Header: policies.Header{ID: "p", Combining: "urn:x"}})
	require.ErrorContains(t, err, "no combining algorithm")
}

// Trap 13: duties come from what was evaluated and came to the decision, once
// each however often one asks.
func TestTrap13DutiesOfTheDecision(t *testing.T) {
	p := &policies.Policy{Header: policies.Header{ID: "p", Combining: ruleThree + "deny-overrides"}}
	p.Rules = policies.NewList(ruleFor("P", 0), ruleFor("N", 1), ruleFor("P", 2))
	p.Obligations = []policies.Duty{duty("own", authz.Permit), duty("other", authz.Deny)}
	program, err := tryNodes(p, nodeFor("D", 5))
	require.NoError(t, err)
	for range 3 {
		require.Equal(t, "P P0 P2 own", outcomeOf(program.Decide(context.Background(), &authz.Request{}, someNow)))
	}
	require.Equal(t, "D D2", combineRules(t, ruleThree+"deny-overrides", "P P D D"), "evaluation ended at the first Deny")
}

// Trap 16: what unless-algorithms default to brings no duties of others.
func TestTrap16DefaultsBringNoDuties(t *testing.T) {
	require.Equal(t, "D", combineRules(t, ruleThree+"deny-unless-permit", "N iP iD"))
	require.Equal(t, "P", combineRules(t, ruleThree+"permit-unless-deny", "N iP iD"))
}

// Traps 18 and 20: an attribute counts by its data type.
func TestTrap18TypesOfOneAttribute(t *testing.T) {
	r := &authz.Request{}
	r.Add(authz.Subject, "it", authz.IntegerValue(1))
	r.Add(authz.Subject, "it", authz.StringValue("1"))
	require.Equal(t, []string{"1"}, bagTexts(t, r, &policies.Designator{Category: authz.Subject, ID: "it", Type: authz.String}))
	require.Len(t, bagTexts(t, r, &policies.Designator{Category: authz.Subject, ID: "it", Type: authz.Integer}), 1)
}

func TestTrap20OtherTypeIsMissing(t *testing.T) {
	r := &authz.Request{}
	r.Add(authz.Subject, "it", authz.IntegerValue(1))
	_, response := evaluateOne(t, r, &policies.Designator{Category: authz.Subject, ID: "it", Type: authz.String, MustBePresent: true})
	require.Equal(t, authz.StatusMissingAttribute, response.Status.Code)
}

// Trap 19: attributes of one name are one bag. Trap 23: its order says nothing.
func TestTrap19SplitAttributes(t *testing.T) {
	split, joined := &authz.Request{}, &authz.Request{}
	split.Add(authz.Subject, "role", authz.StringValue("a"))
	split.Add(authz.Subject, "other", authz.StringValue("x"))
	split.Add(authz.Subject, "role", authz.StringValue("b"))
	joined.Add(authz.Subject, "role", authz.StringValue("a"), authz.StringValue("b"))
	require.Equal(t, bagTexts(t, joined, role()), bagTexts(t, split, role()))
}

func TestTrap23BagsHaveNoOrder(t *testing.T) {
	runRows(t, []row{
		{old + "string-set-equals", "s:[a,b]|s:[b,a]", "true"},
		{old + "string-is-in", "s:b|s:[a,b]", "true"},
		{old + "string-bag-size", "s:[b,a]", "2"},
	})
}

// Trap 24: an empty text is a text.
func TestTrap24EmptyText(t *testing.T) {
	r := &authz.Request{}
	r.Add(authz.Subject, "role", authz.StringValue(""))
	require.Equal(t, "P", outcomeOf(decideBy(t, r, &policies.Rule{ID: "r", Effect: authz.Permit, Target: roleIs("")})))
	require.Equal(t, "N", outcomeOf(decideBy(t, &authz.Request{}, &policies.Rule{ID: "r", Effect: authz.Permit, Target: roleIs("")})))
}

// Trap 40: references tell versions apart as numbers, not as texts.
func TestTrap40Versions(t *testing.T) {
	var library []policies.Node
	for _, v := range []string{"2", "10", "9.9"} {
		library = append(library, libraryPolicy("a", v, map[string]string{"10": "P"}[v]+map[string]string{"2": "D", "9.9": "D"}[v]))
	}
	root := &policies.PolicySet{Header: policies.Header{ID: "root", Combining: policies.FirstApplicable}, Children: policies.NewList[policies.Node](reference("a", "", "", ""))}
	program, err := eval.NewCompiler(nil).Compile(&policies.Snapshot{Root: root, Library: library}, nil)
	require.NoError(t, err)
	require.Equal(t, authz.Permit, program.Decide(context.Background(), &authz.Request{}, someNow).Decision)
}
