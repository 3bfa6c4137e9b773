package context_test

import (
	stdcontext "context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/context"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// The traps are those of reference/xacml.md, section 4.

// decider answers by a function.
type decider func(q *authz.Request) authz.Response

func (d decider) Decide(_ stdcontext.Context, q *authz.Request) (authz.Response, error) {
	return d(q), nil
}

func always(r authz.Response) decider { return func(*authz.Request) authz.Response { return r } }

func read(t testing.TB, document string) *context.Request {
	r, err := context.Read("r", []byte(document), trusting())
	require.NoError(t, err)
	return r
}

func three(inner string) string {
	return `<Request xmlns="` + context.ThreeNamespace + `" ReturnPolicyIdList="false" CombinedDecision="false">` + inner + `</Request>`
}

func category(c authz.Category, inner string) string {
	return `<Attributes Category="` + string(c) + `">` + inner + `</Attributes>`
}

func attribute(id, value string, more ...string) string {
	return `<Attribute AttributeId="` + id + `" IncludeInResult="false" ` + strings.Join(more, " ") + `><AttributeValue DataType="` +
		string(authz.String) + `">` + value + `</AttributeValue></Attribute>`
}

var forms = []context.Form{context.ThreeXML, context.TwoXML, context.JSON}

func TestTrap04ExtentsNeverLeave(t *testing.T) {
	response := context.Response{Results: []context.Result{{Response: authz.Response{Extent: authz.ExtentDenyPermit}}}}
	for _, form := range forms {
		data, err := response.Write(form)
		require.NoError(t, err)
		require.Contains(t, string(data), "Indeterminate")
		require.NotContains(t, string(data), "Indeterminate{")
		require.NotContains(t, string(data), "DP")
	}
}

func TestTrap18And19OneBagOfManyElements(t *testing.T) {
	q := one(t, three(category(authz.Subject, attribute("a", "1")+attribute("a", "2")+
		`<Attribute AttributeId="a" IncludeInResult="false"><AttributeValue DataType="`+string(authz.Integer)+`">3</AttributeValue></Attribute>`)))
	var all []string
	for _, v := range q.Values(authz.Subject, "a") {
		all = append(all, v.Type().Name()+v.Text())
	}
	require.Equal(t, []string{"string1", "string2", "integer3"}, all)
}

func one(t testing.TB, document string) *authz.Request {
	questions, err := read(t, document).Questions()
	require.NoError(t, err)
	require.Len(t, questions, 1)
	return questions[0]
}

// All questions of one request see one moment; a verified time in the request
// wins over it, one that is merely presented does not.
func TestTrap21OneMomentForAllQuestions(t *testing.T) {
	const now = "urn:oasis:names:tc:xacml:1.0:environment:current-time"
	tick := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { tick = tick.Add(time.Second); return tick }
	subjects := category(authz.Subject, attribute("a", "1")) + category(authz.Subject, attribute("a", "2"))
	given := category(authz.Environment, `<Attribute AttributeId="`+now+`" IncludeInResult="false"><AttributeValue DataType="`+string(authz.Time)+`">01:02:03Z</AttributeValue></Attribute>`)
	for _, c := range []struct {
		document string
		trusted  bool
		want     string
	}{
		{three(subjects), true, "12:00:01Z"}, {three(subjects + given), true, "01:02:03Z"}, {three(subjects + given), false, "12:00:01Z"},
	} {
		tick = tick.Truncate(time.Minute)
		o := context.Options{Clock: clock, Verified: func(authz.Category, string) bool { return c.trusted }}
		r, err := context.Read("r", []byte(c.document), o)
		require.NoError(t, err)
		questions, err := r.Questions()
		require.NoError(t, err)
		require.Len(t, questions, 2)
		for _, q := range questions {
			v, ok := q.Verified(authz.Environment, now)
			require.True(t, ok)
			require.Equal(t, c.want, v.Text())
		}
	}
}

func TestTrap24EmptyValueIsAValue(t *testing.T) {
	for _, document := range []string{
		three(category(authz.Subject, attribute("a", ""))),
		three(category(authz.Subject, `<Attribute AttributeId="a" IncludeInResult="false"><AttributeValue DataType="`+string(authz.String)+`"/></Attribute>`)),
		`{"Request": {"AccessSubject": {"Attribute": {"AttributeId": "a", "Value": ""}}}}`,
	} {
		v, ok := one(t, document).Verified(authz.Subject, "a")
		require.True(t, ok)
		require.Equal(t, authz.StringValue(""), v)
	}
}

// Status codes are those of XACML; details go with missing-attribute alone;
// nested minor codes are legal.
func TestTrap43Status(t *testing.T) {
	missing := []authz.MissingAttribute{{Category: authz.Subject, ID: "role", Type: authz.String, Issuer: "hr", Values: []authz.Value{authz.StringValue("doctor")}}}
	for _, code := range []string{authz.StatusOK, authz.StatusMissingAttribute, authz.StatusSyntaxError, authz.StatusProcessingError} {
		for _, form := range forms {
			sent := &authz.Status{Code: code, Message: "because", Missing: missing}
			data, err := context.Response{Results: []context.Result{{Response: authz.Response{Status: sent}}}}.Write(form)
			require.NoError(t, err)
			back, err := context.ReadResponse("r", data)
			require.NoError(t, err, "%s", data)
			got := back.Results[0].Status
			require.Equal(t, code, got.Code)
			require.Equal(t, "because", got.Message)
			if code != authz.StatusMissingAttribute {
				require.Empty(t, got.Missing)
				continue
			}
			want := missing[0]
			if form == context.TwoXML {
				want.Category = "" // 2.0 cannot say it
			}
			require.Equal(t, []authz.MissingAttribute{want}, got.Missing)
		}
	}
	for _, nested := range []string{
		`<Response xmlns="` + context.ThreeNamespace + `"><Result><Decision>Indeterminate</Decision><Status><StatusCode Value="a"><StatusCode Value="b"/></StatusCode></Status></Result></Response>`,
		`{"Response": [{"Decision": "Indeterminate", "Status": {"StatusCode": {"Value": "a", "StatusCode": {"Value": "b"}}}}]}`,
	} {
		r, err := context.ReadResponse("r", []byte(nested))
		require.NoError(t, err)
		require.Equal(t, "a", r.Results[0].Status.Code)
	}
}

func TestTrap44IncludeInResult(t *testing.T) {
	r := read(t, three(category(authz.Resource, strings.Replace(attribute("back", "1"), "false", "true", 1)+attribute("not", "2"))+
		category(authz.Subject, strings.Replace(attribute("back", "3", `Issuer="me"`), "false", "true", 1))))
	response, err := r.Decide(t.Context(), always(authz.Response{Decision: authz.Permit}))
	require.NoError(t, err)
	for _, form := range []context.Form{context.ThreeXML, context.JSON} {
		data, err := response.Write(form)
		require.NoError(t, err)
		back, err := context.ReadResponse("r", data)
		require.NoError(t, err)
		var got []string
		for _, a := range back.Results[0].Attributes {
			got = append(got, fmt.Sprint(a.Category == authz.Subject, a.ID, a.Issuer, a.Values[0]))
		}
		require.ElementsMatch(t, []string{"falseback1", "truebackme3"}, got)
	}
}

// What was found to apply is listed when it is asked for, whatever its effect.
func TestTrap45PolicyIdentifiers(t *testing.T) {
	ids := []authz.PolicyID{{ID: "p", Version: "1.0"}, {ID: "s", Version: "2", Set: true}}
	asked := strings.Replace(three(category(authz.Subject, attribute("a", "1"))), `ReturnPolicyIdList="false"`, `ReturnPolicyIdList="true"`, 1)
	for document, want := range map[string]bool{asked: true, three(category(authz.Subject, attribute("a", "1"))): false} {
		response, err := read(t, document).Decide(t.Context(), decider(func(q *authz.Request) authz.Response {
			require.Equal(t, want, q.ReturnPolicyIDs)
			return authz.Response{Decision: authz.Deny, Policies: ids}
		}))
		require.NoError(t, err)
		for _, form := range []context.Form{context.ThreeXML, context.JSON} {
			data, err := response.Write(form)
			require.NoError(t, err)
			back, err := context.ReadResponse("r", data)
			require.NoError(t, err)
			require.Equal(t, ids, back.Results[0].Policies)
		}
	}
}

func TestTrap46CombinedDecision(t *testing.T) {
	document := strings.Replace(three(category(authz.Subject, attribute("a", "1"))+category(authz.Subject, attribute("a", "2"))), `CombinedDecision="false"`, `CombinedDecision="true"`, 1)
	duty := []authz.Obligation{{ID: "o"}}
	for name, c := range map[string]struct {
		answers []authz.Response
		want    authz.Decision
	}{
		"same":           {[]authz.Response{{Decision: authz.Permit}, {Decision: authz.Permit}}, authz.Permit},
		"both deny":      {[]authz.Response{{Decision: authz.Deny}, {Decision: authz.Deny}}, authz.Deny},
		"not applicable": {[]authz.Response{{Decision: authz.NotApplicable}, {Decision: authz.NotApplicable}}, authz.NotApplicable},
		"differ":         {[]authz.Response{{Decision: authz.Permit}, {Decision: authz.Deny}}, authz.Indeterminate},
		"obligation":     {[]authz.Response{{Decision: authz.Permit}, {Decision: authz.Permit, Obligations: duty}}, authz.Indeterminate},
		"advice":         {[]authz.Response{{Decision: authz.Permit, Advice: duty}, {Decision: authz.Permit}}, authz.Indeterminate},
	} {
		n := 0
		response, err := read(t, document).Decide(t.Context(), decider(func(*authz.Request) authz.Response { n++; return c.answers[n-1] }))
		require.NoError(t, err)
		result, err := response.One()
		require.NoError(t, err, name)
		require.Equal(t, c.want, result.Decision, name)
		if c.want == authz.Indeterminate {
			require.Equal(t, authz.StatusProcessingError, result.Status.Code, name)
		}
	}
}

// Repeated categories are a product; each answer can be told from the others.
func TestTrap47RepeatedCategories(t *testing.T) {
	in := func(c authz.Category, id, v string) string {
		return category(c, strings.Replace(attribute(id, v), "false", "true", 1))
	}
	r := read(t, three(in(authz.Subject, "s", "a")+in(authz.Action, "x", "1")+in(authz.Subject, "s", "b")+in(authz.Action, "x", "2")+in(authz.Action, "x", "3")))
	response, err := r.Decide(t.Context(), always(authz.Response{Decision: authz.Permit}))
	require.NoError(t, err)
	var got []string
	for _, one := range response.Results {
		got = append(got, one.Attributes[0].Values[0].Text()+one.Attributes[1].Values[0].Text())
	}
	require.Equal(t, []string{"a1", "a2", "a3", "b1", "b2", "b3"}, got)
}

func TestTrap47MultiRequests(t *testing.T) {
	groups := `<Attributes xml:id="s1" Category="` + string(authz.Subject) + `">` + attribute("s", "a") + `</Attributes>` +
		`<Attributes xml:id="s2" Category="` + string(authz.Subject) + `">` + attribute("s", "b") + `</Attributes>` +
		`<Attributes xml:id="unused" Category="` + string(authz.Action) + `">` + attribute("x", "1") + `</Attributes>`
	refer := func(all ...string) string {
		s := "<MultiRequests>"
		for _, ids := range all {
			s += "<RequestReference>"
			for id := range strings.FieldsSeq(ids) {
				s += `<AttributesReference ReferenceId="` + id + `"/>`
			}
			s += "</RequestReference>"
		}
		return three(groups + s + "</MultiRequests>")
	}
	questions, err := read(t, refer("s2", "s1 s2")).Questions()
	require.NoError(t, err)
	var got []string
	for _, q := range questions {
		for _, v := range q.Values(authz.Subject, "s") {
			got = append(got, v.Text())
		}
		require.Empty(t, values(q, authz.Action, "x"), "a group that is not referred to is not there")
	}
	require.Equal(t, []string{"b", "a", "b"}, got, "the second reference repeats a category and is two questions")
	for _, bad := range []string{refer("nobody"), refer("s1 s1"), refer(""), refer()} {
		_, err := context.Read("r", []byte(bad), trusting())
		require.Error(t, err)
	}
}

func values(q *authz.Request, c authz.Category, id string) (all []string) {
	for _, v := range q.Values(c, id) {
		all = append(all, v.Text())
	}
	return all
}

func TestTrap47ContentSelector(t *testing.T) {
	selector := func(path string) string {
		return three(category(authz.Resource, `<Content><d:doc xmlns:d="urn:d"><d:a>1</d:a><d:a>2</d:a></d:doc></Content>`+
			`<Attribute AttributeId="urn:oasis:names:tc:xacml:3.0:profile:multiple:content-selector" IncludeInResult="false">`+
			`<AttributeValue xmlns:p="urn:d" DataType="`+string(authz.XPathExpression)+`" XPathCategory="`+string(authz.Resource)+`">`+path+`</AttributeValue></Attribute>`))
	}
	questions, err := read(t, selector("//p:a")).Questions()
	require.NoError(t, err)
	require.Len(t, questions, 2)
	for i, q := range questions {
		require.Equal(t, []string{fmt.Sprintf("/*[1]/*[%d]", i+1)}, values(q, authz.Resource, "urn:oasis:names:tc:xacml:3.0:content-selector"))
		require.True(t, q.Attributes[0].IncludeInResult, "the answers can be told apart")
	}
	for _, bad := range []string{"//p:nobody", "//q:a", "//p:a[", "count(//p:a)"} {
		response, err := read(t, selector(bad)).Decide(t.Context(), always(authz.Response{Decision: authz.Permit}))
		require.Error(t, err)
		require.Equal(t, authz.Indeterminate, response.Results[0].Decision, bad)
	}
}

// The number of questions is bounded before they are made.
func TestTrap47TooManyQuestions(t *testing.T) {
	var b strings.Builder
	for c := range 6 {
		for range 50 {
			b.WriteString(category(authz.Category(fmt.Sprintf("urn:c%d", c)), attribute("a", "1")))
		}
	}
	start := time.Now()
	_, err := read(t, three(b.String())).Questions()
	require.ErrorContains(t, err, "more than 1000 questions")
	require.Less(t, time.Since(start), time.Second)
}

func TestScopes(t *testing.T) {
	tree := map[string][]string{"root": {"a", "b"}, "a": {"a1", "root"}, "b": nil} // a circle
	o := trusting()
	o.Children = func(v authz.Value) (children []authz.Value, err error) {
		if v.Text() == "broken" {
			return nil, errors.New("no such place")
		}
		for _, s := range tree[v.Text()] {
			children = append(children, authz.StringValue(s))
		}
		return children, nil
	}
	ask := func(o context.Options, resource, scope string) ([]*authz.Request, error) {
		r, err := context.Read("r", []byte(three(category(authz.Resource, attribute(profile.ResourceID, resource)+attribute("urn:oasis:names:tc:xacml:2.0:resource:scope", scope)))), o)
		require.NoError(t, err)
		return r.Questions()
	}
	for scope, want := range map[string]string{"Immediate": "root", "Children": "root a b", "Descendants": "root a b a1"} {
		questions, err := ask(o, "root", scope)
		require.NoError(t, err)
		var got []string
		for _, q := range questions {
			got = append(got, values(q, authz.Resource, profile.ResourceID)...)
			require.Empty(t, values(q, authz.Resource, "urn:oasis:names:tc:xacml:2.0:resource:scope"), "each question is about one resource")
		}
		require.Equal(t, want, strings.Join(got, " "), scope)
	}
	_, err := ask(o, "root", "Everything")
	require.ErrorContains(t, err, "want Immediate, Children, Descendants, XPath-expression or EntireHierarchy")
	_, err = ask(o, "broken", "Children")
	require.ErrorContains(t, err, "no such place")
	_, err = ask(trusting(), "root", "Children")
	require.ErrorContains(t, err, "no tree of resources")
}
