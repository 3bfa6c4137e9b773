package eval_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
)

const accessPermitted = three + "access-permitted"

// XACML 3.0 core, A.3.16: one category is replaced, everything else stays.

func stringAttribute(id string, values ...string) string {
	var b strings.Builder
	b.WriteString(`<Attribute AttributeId="` + id + `" IncludeInResult="false">`)
	for _, v := range values {
		b.WriteString(`<AttributeValue DataType="` + string(authz.String) + `">` + v + `</AttributeValue>`)
	}
	return b.String() + "</Attribute>"
}

func literalText(s string) policies.Expression { return &policies.Literal{Value: authz.StringValue(s)} }

func asks(c authz.Category, content policies.Expression) *policies.Apply {
	return &policies.Apply{Function: accessPermitted, Arguments: []policies.Expression{&policies.Literal{Value: authz.URIValue(string(c))}, content}}
}

func stringBag(c authz.Category, id string) *policies.Designator {
	return &policies.Designator{Category: c, ID: id, Type: authz.String}
}

func has(c authz.Category, id, value string) policies.Expression {
	return &policies.Apply{Function: old + "string-is-in", Arguments: []policies.Expression{literalText(value), stringBag(c, id)}}
}

func apply(name string, args ...policies.Expression) policies.Expression {
	return &policies.Apply{Function: name, Arguments: args}
}

func permits(id string, condition policies.Expression) *policies.Rule {
	return &policies.Rule{ID: id, Effect: authz.Permit, Condition: condition}
}

// A child folder may be read by whoever may read the folder above it: the
// commonest use of the function.
func TestAccessPermitted(t *testing.T) {
	mayReadTop := permits("top", apply(old+"and", has(authz.Resource, "folder", "top"), has(authz.Subject, "role", "reader")))
	mayReadBelow := permits("below", apply(old+"and", has(authz.Resource, "folder", "below"), asks(authz.Resource, literalText(stringAttribute("folder", "top")))))
	for role, want := range map[string]authz.Decision{"reader": authz.Permit, "guest": authz.NotApplicable} {
		r := &authz.Request{}
		r.Add(authz.Subject, "role", authz.StringValue(role))
		r.Add(authz.Resource, "folder", authz.StringValue("below"))
		require.Equal(t, want, decideBy(t, r, mayReadTop, mayReadBelow).Decision, role)
	}
}

// The category is omitted, with its content, before the new one is added; the
// empty string replaces it by nothing.
func TestAccessPermittedReplacesAllOfTheCategory(t *testing.T) {
	count := func(c authz.Category, id string) policies.Expression {
		return apply(old+"string-bag-size", stringBag(c, id))
	}
	inside := has(authz.Action, "inside", "yes") // true within only
	for name, c := range map[string]struct {
		condition policies.Expression
		content   string
		want      bool
	}{
		"the old values are gone":      {apply(old+"integer-equal", count(authz.Action, "act"), &policies.Literal{Value: authz.IntegerValue(0)}), "", true},
		"two values are two":           {apply(old+"integer-equal", count(authz.Action, "act"), &policies.Literal{Value: authz.IntegerValue(2)}), stringAttribute("act", "x", "y"), true},
		"other categories stay":        {has(authz.Subject, "role", "a"), "", true},
		"values elsewhere do not come": {has(authz.Subject, "act", "x"), stringAttribute("act", "x"), false},
		"content goes in": {apply(old+"integer-equal", apply(three+"xpath-node-count", &policies.Literal{Value: authz.XPathValue("//p", authz.Action, nil)}), &policies.Literal{Value: authz.IntegerValue(2)}),
			`<Content><d xmlns=""><p/><p/></d></Content>`, true},
		"content is gone": {apply(old+"integer-equal", apply(three+"xpath-node-count", &policies.Literal{Value: authz.XPathValue("//*", authz.Action, nil)}), &policies.Literal{Value: authz.IntegerValue(0)}), "", true},
	} {
		r := &authz.Request{Content: []authz.Content{{Category: authz.Action, XML: []byte("<old/>"), Standing: authz.Verified}}}
		r.Add(authz.Subject, "role", authz.StringValue("a"))
		r.Add(authz.Action, "act", authz.StringValue("old"), authz.StringValue("older"), authz.StringValue("oldest"))
		within := permits("within", apply(old+"and", inside, c.condition))
		outside := permits("outside", apply(old+"and", apply(old+"not", inside), asks(authz.Action, literalText(c.content+stringAttribute("inside", "yes")))))
		require.Equal(t, c.want, decideBy(t, r, within, outside).Permitted(), name)
	}
}

// "Completely isolated": what was evaluated within leaves neither duties nor
// applicable policies nor its status behind.
func TestAccessPermittedIsIsolated(t *testing.T) {
	inside := has(authz.Action, "inside", "yes")
	within := permits("within", inside)
	within.Obligations = []policies.Duty{{ID: "within", On: authz.Permit}}
	broken := permits("broken", apply(old+"and", has(authz.Action, "inside", "broken"), apply(old+"string-equal", literalText("a"), apply(old+"string-one-and-only", stringBag(authz.Subject, "nobody")))))
	ask := func(how string) policies.Expression {
		return asks(authz.Action, literalText(stringAttribute("inside", how)))
	}
	none := apply(old+"integer-equal", apply(old+"string-bag-size", stringBag(authz.Action, "inside")), &policies.Literal{Value: authz.IntegerValue(0)})
	outside := permits("outside", apply(old+"and", none, ask("yes"), apply(old+"not", ask("broken")), apply(old+"not", ask("no"))))
	got := decideBy(t, &authz.Request{ReturnPolicyIDs: true}, within, broken, outside)
	require.Equal(t, authz.Permit, got.Decision, "%+v", got.Status)
	require.Empty(t, got.Obligations)
	require.Equal(t, "outside", got.Reason.Rule)
	seen := map[authz.PolicyID]int{}
	for _, p := range got.Policies {
		seen[p]++
	}
	for p, n := range seen {
		require.Equal(t, 1, n, "%+v", p)
	}
}

// Policies that ask for themselves are found out while they run: the outermost
// call is Indeterminate, and only the rule that made it.
func TestAccessPermittedInCircles(t *testing.T) {
	round := permits("round", asks(authz.Action, literalText("")))
	got := decideBy(t, &authz.Request{}, round)
	require.Equal(t, authz.Indeterminate, got.Decision)
	require.Equal(t, authz.ExtentPermit, got.Extent)
	require.Equal(t, authz.StatusProcessingError, got.Status.Code)
	require.Contains(t, got.Status.Message, "the policies ask for themselves")
	// by way of another category, of "not", and more than once
	not := &policies.Rule{ID: "not", Effect: authz.Deny, Condition: apply(old+"and", apply(old+"not", asks(authz.Action, literalText(""))), apply(old+"not", asks(authz.Subject, literalText(""))))}
	got = decideBy(t, &authz.Request{}, not)
	require.Equal(t, authz.ExtentDeny, got.Extent)
	require.Equal(t, authz.Indeterminate, got.Decision)

	// the next call starts anew
	inner := permits("inner", has(authz.Action, "inside", "yes"))
	good := asks(authz.Action, literalText(stringAttribute("inside", "yes")))
	second := permits("second", apply(old+"or", asks(authz.Action, literalText("")), good))
	got = decideBy(t, &authz.Request{}, inner, second)
	require.Equal(t, "second", got.Reason.Rule)
	require.Equal(t, authz.Permit, got.Decision)

	either := permits("either", apply(old+"or", asks(authz.Action, literalText("")), &policies.Literal{Value: authz.BooleanValue(true)}))
	require.Equal(t, authz.Permit, decideBy(t, &authz.Request{}, either).Decision, "an argument that decides beats the error of another")
}

// The bound on evaluations in all: 1,000, one after the other.
func TestAccessPermittedIsBounded(t *testing.T) {
	inside := has(authz.Action, "inside", "yes")
	for n, want := range map[int]authz.Decision{1000: authz.Permit, 1001: authz.Indeterminate} {
		all := []policies.Expression{apply(old+"not", inside)}
		for range n {
			all = append(all, asks(authz.Action, literalText(stringAttribute("inside", "yes"))))
		}
		got := decideBy(t, &authz.Request{}, permits("within", inside), permits("many", apply(old+"and", all...)))
		require.Equal(t, want, got.Decision, n)
	}
}

// Evaluations may nest 50 deep: folders below folders, each asking for the one
// above it.
func TestAccessPermittedNests(t *testing.T) {
	folder := func(n int) string { return fmt.Sprint("f", n) }
	rules := []*policies.Rule{permits("top", has(authz.Resource, "folder", folder(0)))}
	for n := 1; n <= 51; n++ {
		rules = append(rules, permits(folder(n), apply(old+"and", has(authz.Resource, "folder", folder(n)), asks(authz.Resource, literalText(stringAttribute("folder", folder(n-1)))))))
	}
	for n, want := range map[int]authz.Decision{1: authz.Permit, 50: authz.Permit, 51: authz.Indeterminate} {
		r := &authz.Request{}
		r.Add(authz.Resource, "folder", authz.StringValue(folder(n)))
		require.Equal(t, want, decideBy(t, r, rules...).Decision, n)
	}
}

// ⚿ DECISIONS 12: a denial within sees what was merely presented, as it would if
// one asked for that resource itself.
func TestAccessPermittedIsDeniedByWhatIsPresented(t *testing.T) {
	top := has(authz.Resource, "folder", "top")
	deny := &policies.Rule{ID: "deny", Effect: authz.Deny, Condition: apply(old+"and", top, has(authz.Subject, "role", "suspended"))}
	below := permits("below", asks(authz.Resource, literalText(stringAttribute("folder", "top"))))
	r := &authz.Request{}
	r.Add(authz.Resource, "folder", authz.StringValue("below"))
	require.Equal(t, authz.Permit, decideBy(t, r, deny, permits("top", top), below).Decision)
	r.Attributes = append(r.Attributes, authz.Attribute{Category: authz.Subject, ID: "role", Values: []authz.Value{authz.StringValue("suspended")}, Standing: authz.Presented})
	require.Equal(t, authz.NotApplicable, decideBy(t, r, deny, permits("top", top), below).Decision)

	// and what it refuses helps nobody to a permit that is given to the refused
	odd := permits("odd", apply(old+"and", apply(old+"not", top), apply(old+"not", asks(authz.Resource, literalText(stringAttribute("folder", "top"))))))
	require.Equal(t, authz.NotApplicable, decideBy(t, r, deny, permits("top", top), odd).Decision)
}

// ⚿ DECISIONS 12: what somebody merely presents neither gets a permit by way of
// a question asked within, nor switches off a denial.
func TestAccessPermittedHeedsStanding(t *testing.T) {
	inner := permits("inner", apply(old+"and", has(authz.Resource, "folder", "top"), has(authz.Subject, "role", "reader")))
	fromRequest := apply(two+"string-concatenate", literalText(`<Attribute AttributeId="folder" IncludeInResult="false"><AttributeValue DataType="`+string(authz.String)+`">`),
		apply(old+"string-one-and-only", stringBag(authz.Subject, "wish")), literalText("</AttributeValue></Attribute>"))
	outside := apply(old+"not", has(authz.Resource, "folder", "top"))
	allow := permits("allow", apply(old+"and", outside, asks(authz.Resource, fromRequest)))
	refuse := &policies.Rule{ID: "refuse", Effect: authz.Deny, Condition: apply(old+"and", outside, apply(old+"not", asks(authz.Resource, fromRequest)))}
	request := func(role, wish authz.Standing) *authz.Request {
		return &authz.Request{Attributes: []authz.Attribute{
			{Category: authz.Subject, ID: "role", Values: []authz.Value{authz.StringValue("reader")}, Standing: role},
			{Category: authz.Subject, ID: "wish", Values: []authz.Value{authz.StringValue("top")}, Standing: wish},
			{Category: authz.Resource, ID: "folder", Values: []authz.Value{authz.StringValue("below")}, Standing: authz.Verified},
		}}
	}
	verified, presented := authz.Verified, authz.Presented
	require.Equal(t, authz.Permit, decideBy(t, request(verified, verified), inner, allow).Decision)
	require.Equal(t, authz.NotApplicable, decideBy(t, request(verified, verified), inner, refuse).Decision)
	for _, r := range []*authz.Request{request(presented, verified), request(verified, presented), request(presented, presented)} {
		require.False(t, decideBy(t, r, inner, allow).Permitted())
		require.Equal(t, authz.Deny, decideBy(t, r, inner, refuse).Decision)
	}
	// what has nothing to do with it does no harm
	r := request(verified, verified)
	r.Attributes = append(r.Attributes, authz.Attribute{Category: authz.Subject, ID: "other", Values: []authz.Value{authz.StringValue("x")}, Standing: presented})
	require.Equal(t, authz.Permit, decideBy(t, r, inner, allow).Decision)
	require.Equal(t, authz.NotApplicable, decideBy(t, r, inner, refuse).Decision)
}

func TestAccessPermittedRefusedAtLoad(t *testing.T) {
	at := policies.Position{File: "p.xml", Line: 7, Column: 3}
	for content, want := range map[string]string{
		"<Attribute":    "content:1:",
		"<Attributes/>": "Attributes",
		"</Attributes><Attributes xmlns='urn:oasis:names:tc:xacml:3.0:core:schema:wd-17'>": "content:1:",
		"text":                        "text",
		"<Content><a/><b/></Content>": "more than one element",
		"<Content/>":                  "no element",
		"<Content><a/></Content><Content><a/></Content>":                                                                       "second Content",
		"<Attribute AttributeId='a' IncludeInResult='false'/>":                                                                 "no value",
		"<Attribute><AttributeValue DataType='x'>1</AttributeValue></Attribute>":                                               "AttributeId",
		"<Attribute AttributeId='a'><AttributeValue DataType='" + string(authz.Integer) + "'>one</AttributeValue></Attribute>": "integer",
		"<!DOCTYPE a>":               "content:1:",
		strings.Repeat(" ", 1<<16+1): "more than 65536",
	} {
		_, err := tryRules(permits("r", asks(authz.Action, &policies.Literal{Value: authz.StringValue(content), Position: at})))
		require.ErrorContains(t, err, "p.xml:7:3: access-permitted: ", content)
		require.ErrorContains(t, err, want, content)
	}
	for _, args := range [][]policies.Expression{
		nil, {literalText("a"), literalText("")}, {&policies.Literal{Value: authz.URIValue("a")}}, {&policies.Literal{Value: authz.URIValue("a")}, stringBag(authz.Action, "a")},
	} {
		_, err := tryRules(permits("r", apply(accessPermitted, args...)))
		require.ErrorContains(t, err, "access-permitted: want a category of type anyURI")
	}
}

func TestAccessPermittedOfUnreadableContent(t *testing.T) {
	r := &authz.Request{}
	r.Add(authz.Subject, "wish", authz.StringValue("<Attribute"))
	got := decideBy(t, r, permits("r", asks(authz.Action, apply(old+"string-one-and-only", stringBag(authz.Subject, "wish")))))
	require.Equal(t, authz.StatusProcessingError, got.Status.Code)
	require.Contains(t, got.Status.Message, "access-permitted: content:1:")
}

// The explanation says what the evaluation within came to, and by whom.
func TestAccessPermittedExplained(t *testing.T) {
	inside := has(authz.Action, "inside", "yes")
	deny := &policies.Rule{ID: "within", Effect: authz.Deny, Condition: inside}
	outside := permits("outside", apply(old+"and", apply(old+"not", inside), asks(authz.Action, literalText(stringAttribute("inside", "yes")))))
	ex := compileRules(t, deny, outside).Explain(context.Background(), &authz.Request{}, someNow)
	require.Equal(t, authz.NotApplicable, ex.Response.Decision)
	var found []*authz.Step
	var walk func(s *authz.Step)
	walk = func(s *authz.Step) {
		if s.ID == "access-permitted" {
			found = append(found, s)
		}
		for _, c := range s.Children {
			walk(c)
		}
	}
	walk(ex.Root)
	require.Len(t, found, 1)
	require.Equal(t, "Deny", found[0].Result)
	require.Contains(t, found[0].Why, "within")
}

func FuzzAttributesOfAccessPermitted(f *testing.F) {
	f.Add(stringAttribute("a", "b"))
	f.Add(`<Content><d xmlns=""><p/></d></Content>`)
	f.Fuzz(func(t *testing.T, content string) {
		r := &authz.Request{}
		r.Add(authz.Subject, "wish", authz.StringValue(content))
		inside := apply(old+"integer-equal", apply(old+"string-bag-size", stringBag(authz.Subject, "wish")), &policies.Literal{Value: authz.IntegerValue(0)})
		got := decideBy(t, r, permits("r", apply(old+"or", inside, asks(authz.Subject, apply(old+"string-one-and-only", stringBag(authz.Subject, "wish"))))))
		if got.Decision != authz.Permit {
			require.Equal(t, authz.Indeterminate, got.Decision)
		}
	})
}
