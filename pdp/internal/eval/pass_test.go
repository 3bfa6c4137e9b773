package eval_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/internal/eval"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// A set around one reference to nothing says no more than the views that it is
// asked for: below a target of presented attributes it could only have denied.
func TestSetsOfOneAreNotPassedByWhatSaysTooMuch(t *testing.T) {
	nothing := &policies.PolicySet{Header: policies.Header{ID: "one", Place: "A", Combining: policies.FirstApplicable}, Children: policies.NewList[policies.Node](&policies.Reference{ID: "nobody", Place: "A"})}
	denial := &policies.Policy{Header: policies.Header{ID: "p", Place: "B", Combining: policies.FirstApplicable}, Rules: policies.NewList(&policies.Rule{ID: "r", Effect: authz.Deny})}
	const permitOverrides = "urn:oasis:names:tc:xacml:3.0:policy-combining-algorithm:permit-overrides"
	target := oneMatch(old+"string-equal", "evil", &policies.Designator{Category: authz.Subject, ID: "role", Type: authz.String})
	s := &policies.Snapshot{Root: &policies.PolicySet{Header: policies.Header{ID: "root", Combining: permitOverrides, Target: target}, Children: policies.NewList[policies.Node](nothing, denial)}}
	p, err := eval.NewCompiler(nil).Compile(s, nil)
	require.NoError(t, err)
	q := &authz.Request{}
	q.Add(authz.Subject, "role", authz.StringValue("evil"))
	q.Attributes[0].Standing = authz.Presented
	compare(t, s, p, q)
	require.Equal(t, authz.Deny, p.Decide(context.Background(), q, someNow).Decision)
}

// A set of one policy is among the policies that applied like any other.
func TestSetsOfOneAreListed(t *testing.T) {
	permit := &policies.Policy{Header: policies.Header{ID: "p", Place: "A", Combining: policies.FirstApplicable}, Rules: policies.NewList(&policies.Rule{ID: "r", Effect: authz.Permit})}
	s := &policies.Snapshot{Root: &policies.PolicySet{Header: policies.Header{ID: "root", Combining: policies.FirstApplicable}, Children: policies.NewList[policies.Node](permit)}}
	p, err := eval.NewCompiler(nil).Compile(s, nil)
	require.NoError(t, err)
	for asked, want := range map[bool][]authz.PolicyID{false: nil, true: {{ID: "p"}, {ID: "root", Set: true}}} {
		response := p.Decide(context.Background(), &authz.Request{ReturnPolicyIDs: asked}, someNow)
		require.Equal(t, authz.Permit, response.Decision)
		require.Equal(t, want, response.Policies)
	}
}

// A cause is left out only where it is not reported: what is uncertain beside a
// policy that came to a decision in spite of errors says why.
func TestCausesAreSaid(t *testing.T) {
	unsure := func(id string) *policies.Rule {
		return &policies.Rule{ID: id, Place: id, Effect: authz.Permit, Target: oneMatch(profile.FunctionNetwork, "10.0.0.0/8", &policies.Designator{Category: authz.Subject, ID: profile.Network})}
	}
	denial := func() *policies.Rule { return &policies.Rule{ID: "z", Place: "z", Effect: authz.Deny} }
	policy := func(place, algorithm string, rules ...*policies.Rule) policies.Node {
		return &policies.Policy{Header: policies.Header{ID: place, Place: place, Combining: policies.Algorithm("urn:oasis:names:tc:xacml:" + algorithm)}, Rules: policies.NewList(rules...)}
	}
	const ofRules, ofPolicies = "3.0:rule-combining-algorithm:", "1.0:policy-combining-algorithm:permit-overrides"
	set := func(place string, children ...policies.Node) policies.Node {
		return &policies.PolicySet{Header: policies.Header{ID: place, Place: place, Combining: "urn:oasis:names:tc:xacml:" + ofPolicies}, Children: policies.NewList(children...)}
	}
	for name, decided := range map[string]policies.Node{
		"beyond causes":   policy("A", ofRules+"permit-unless-deny", unsure("a"), denial()),
		"unless":          policy("A", ofRules+"deny-unless-permit", unsure("a"), unsure("b")),
		"stopped":         policy("A", ofRules+"deny-overrides", unsure("a"), unsure("b"), denial()),
		"came to the end": set("A", policy("A", ofRules+"deny-overrides", unsure("a"), unsure("b")), policy("B", ofRules+"deny-overrides", denial())),
	} {
		root := &policies.PolicySet{Header: policies.Header{ID: "root", Combining: "urn:oasis:names:tc:xacml:3.0:policy-combining-algorithm:permit-overrides"},
			Children: policies.NewList(decided, policy("B", ofRules+"deny-overrides", unsure("reported"), unsure("s")))}
		p, err := eval.NewCompiler(nil).Compile(&policies.Snapshot{Root: root}, nil)
		require.NoError(t, err)
		q := &authz.Request{}
		q.Add(authz.Subject, profile.Network, authz.StringValue("host"))
		response := p.Decide(context.Background(), q, someNow)
		require.Equal(t, authz.Indeterminate, response.Decision, name)
		require.Equal(t, "reported", response.Reason.Rule, name)
		require.Contains(t, response.Status.Message, `"host" is no network address`, name)
		eachSaysWhy(t, p.Explain(context.Background(), q, someNow).Root)
	}
}

func eachSaysWhy(t *testing.T, step *authz.Step) {
	if strings.HasPrefix(step.Result, "Indeterminate") {
		require.Contains(t, step.Why, "is no network address")
	}
	for _, s := range step.Children {
		eachSaysWhy(t, s)
	}
}

// What is presented makes a ban uncertain, and no permit, whatever was uncertain
// before.
func TestUnreadableAddressesInTheirView(t *testing.T) {
	rules := make([]*policies.Rule, 2)
	for i, effect := range []authz.Effect{authz.Deny, authz.Permit} {
		id := fmt.Sprint(i)
		rules[i] = &policies.Rule{ID: id, Place: id, Effect: effect, Target: oneMatch(profile.FunctionNetwork, "10.0.0.0/8", &policies.Designator{Category: authz.Subject, ID: profile.Network, MustBePresent: true})}
	}
	q := &authz.Request{}
	q.Add(authz.Subject, profile.Network, authz.StringValue("host"))
	q.Add(authz.Subject, profile.Network, authz.StringValue("192.0.2.7"))
	for standing, extent := range map[authz.Standing]authz.Extent{authz.Presented: authz.ExtentDeny, authz.Verified: authz.ExtentDenyPermit} {
		q.Attributes[0].Standing = standing
		p := &policies.Policy{Header: policies.Header{ID: "p", Place: "A", Combining: "urn:oasis:names:tc:xacml:3.0:rule-combining-algorithm:permit-overrides"}, Rules: policies.NewList(rules...)}
		s := &policies.Snapshot{Root: &policies.PolicySet{Header: policies.Header{ID: "root", Combining: policies.FirstApplicable}, Children: policies.NewList[policies.Node](p)}}
		program, err := eval.NewCompiler(nil).Compile(s, nil)
		require.NoError(t, err)
		compare(t, s, program, q)
		require.Equal(t, extent, program.Decide(context.Background(), q, someNow).Extent)
	}
}

// One name in two categories is two names, also where the last request had the
// other in the same place.
func TestNamesOfTwoCategories(t *testing.T) {
	x := func(c authz.Category) *policies.Target {
		return oneMatch(old+"string-equal", "a", &policies.Designator{Category: c, ID: "x", Type: authz.String})
	}
	p := compileRules(t, &policies.Rule{ID: "no", Effect: authz.Deny, Target: x(authz.Subject)}, &policies.Rule{ID: "yes", Effect: authz.Permit, Target: x(authz.Resource)})
	for range 50 {
		for c, want := range map[authz.Category]authz.Decision{authz.Subject: authz.Deny, authz.Resource: authz.Permit, authz.Action: authz.NotApplicable} {
			q := &authz.Request{}
			q.Add(c, "x", authz.StringValue("a"))
			require.Equal(t, want, p.Decide(context.Background(), q, someNow).Decision)
		}
	}
}

// The attack: come with what is no address, so that every ban of a network is in
// doubt. The answer names the first ban and the value, and costs next to nothing
// for the others.
func TestUnreadableAddressesAreCheap(t *testing.T) {
	const bans = 2_000
	p, err := eval.NewCompiler(nil).Compile(filedSnapshot("networks", bans), nil)
	require.NoError(t, err)
	for name, text := range map[string]string{"word": "host", "number": "10.0.0.256", "long": strings.Repeat("a", 1<<20), "blanks": strings.Repeat(" ", 1<<20)} {
		q := gridRequest(t, normalDN(1), vo(0), endpoint(0), actions[0])
		q.Add(authz.Subject, profile.Network, authz.StringValue(text))
		decide := func() authz.Response { return p.Decide(context.Background(), q, someNow) }
		response := decide()
		require.Equal(t, authz.Indeterminate, response.Decision, name)
		require.Contains(t, response.Status.Message, fmt.Sprintf("%.256q is no network address", text))
		require.Less(t, len(response.Status.Message), 2_000)
		require.Equal(t, "r0", response.Reason.Rule, name)
		if !raceEnabled {
			require.Less(t, testing.AllocsPerRun(10, func() { decide() }), float64(bans)/10, name)
		}
	}
}

// The type of an attribute is all there is to its kind, since policies that ask for
// a type that nobody knows are refused.
func TestUnknownTypesAreRefused(t *testing.T) {
	ask := &policies.Designator{Category: authz.Subject, ID: "x", Type: "urn:a"}
	_, err := tryRules(&policies.Rule{ID: "r", Effect: authz.Permit, Target: oneMatch(profile.FunctionBanText, "v", ask)})
	require.ErrorContains(t, err, `unknown data type "urn:a"`)
}
