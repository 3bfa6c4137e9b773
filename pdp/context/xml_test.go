package context_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	stdcontext "context"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
	"github.com/gatehouse-authz/gatehouse/pdp/context"
)

// What the schema does not allow, and what is an attack, is refused with its
// place.
func TestTrap49Refused(t *testing.T) {
	good := category(authz.Subject, attribute("a", "1"))
	two := func(inner string) string {
		return `<Request xmlns="` + context.TwoNamespace + `">` + inner + `</Request>`
	}
	deep := strings.Repeat("<x>", 100) + strings.Repeat("</x>", 100)
	for document, want := range map[string]string{
		`<!DOCTYPE Request [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>` + three(good):                                          "r:1:1: ",
		three(category(authz.Subject, attribute("a", "&xxe;"))):                                                              "xxe",
		`<?xml version="1.0"?><?php x?>` + three(good):                                                                       "processing instruction",
		three(good) + three(good):                                                                                            "r:1:",
		three(category(authz.Resource, "<Content>"+deep+"</Content>")):                                                       "deep",
		three(category(authz.Resource, "<Content><a/><b/></Content>")):                                                       "more than one element",
		three(category(authz.Resource, "<Content>text</Content>")):                                                           "text",
		three(category(authz.Resource, "<Content/>")):                                                                        "no element",
		three(category(authz.Resource, "<Content><a/></Content><Content><a/></Content>")):                                    "second Content",
		three(`<Attributes>` + attribute("a", "1") + `</Attributes>`):                                                        "no attribute Category",
		three(category(authz.Subject, strings.Replace(attribute("a", "1"), "AttributeId", "attributeId", 1))):                `no attribute "attributeId" in XACML`,
		three(category(authz.Subject, attribute("a", "1", `isuer="x"`))):                                                     `no attribute "isuer"`,
		three(category(authz.Subject, strings.Replace(attribute("a", "1"), "false", "maybe", 1))):                            "want true or false",
		three(category(authz.Subject, strings.Replace(attribute("a", "x"), string(authz.String), string(authz.Integer), 1))): "not a integer",
		three(category(authz.Subject, `<Attribute AttributeId="a" IncludeInResult="false"/>`)):                               "has no value",
		three(category(authz.Subject, attribute("a", "<b/>"))):                                                               "unexpected element",
		three(good + "<Typo/>"): "unexpected element",
		three("stray" + good):   "unexpected text",
		three(`<Attributes xml:id="x" Category="c"/>` + strings.Repeat(`<MultiRequests><RequestReference><AttributesReference ReferenceId="x"/></RequestReference></MultiRequests>`, 2)): "second MultiRequests",
		`<Request xmlns="urn:x"/>`:                                                          "wanted",
		`<Response xmlns="` + context.ThreeNamespace + `"/>`:                                "wanted",
		two("<Resource/><Action/>"):                                                         "no Subject",
		two("<Subject/><Resource/>"):                                                        "no Action",
		two("<Subject/><Resource/><Action/><Action/>"):                                      "second Action",
		two(`<Subject/><Resource><ResourceContent/><ResourceContent/></Resource><Action/>`): "second ResourceContent",
		two(`<Subject IncludeInResult="true"/><Resource/><Action/>`):                        `no attribute "IncludeInResult"`,
		"":     "r:1:1",
		"\x00": "r:1:1",
	} {
		_, err := context.Read("r", []byte(document), trusting())
		require.Error(t, err, document)
		require.ErrorContains(t, err, want, document)
		require.Regexp(t, `^r:\d+:\d+: `, err.Error())
	}
	huge := three(category(authz.Subject, attribute("a", strings.Repeat("x", 2<<20))))
	_, err := context.Read("r", []byte(huge), trusting())
	require.ErrorIs(t, err, xml.ErrLimit)
	_, err = context.Read("r", []byte(`{"Request": "`+strings.Repeat("x", 2<<20)+`"}`), trusting())
	require.ErrorContains(t, err, "are the most")
	_, err = context.Read("r", []byte(huge), context.Options{Size: 4 << 20})
	require.NoError(t, err)
}

// ⚿ DECISIONS 12, 23: what comes from a wire counts as presented unless the
// caller says that its sender may assert it, attribute by attribute.
func TestNothingIsVerifiedUnlessSaid(t *testing.T) {
	inner := category(authz.Resource, `<Content><a/></Content>`+attribute("a", "1")) + category(authz.Subject, attribute("a", "1")+attribute("b", "2"))
	documents := []string{
		three(inner),
		`<Request xmlns="` + context.TwoNamespace + `"><Subject><Attribute AttributeId="a" DataType="` + string(authz.String) + `"><AttributeValue>1</AttributeValue></Attribute>` +
			`<Attribute AttributeId="b" DataType="` + string(authz.String) + `"><AttributeValue>1</AttributeValue></Attribute></Subject>` +
			`<Resource><ResourceContent><a/></ResourceContent></Resource><Action/></Request>`,
		`{"Request": {"AccessSubject": {"Attribute": [{"AttributeId": "a", "Value": 1}, {"AttributeId": "b", "Value": 1}]}, "Resource": {"Content": "<a/>"}}}`,
	}
	for _, document := range documents {
		for _, trusted := range []bool{false, true} {
			o := context.Options{}
			if trusted {
				o.Verified = func(c authz.Category, id string) bool {
					return c == authz.Subject && id == "a" || c == authz.Resource && id == ""
				}
			}
			r, err := context.Read("r", []byte(document), o)
			require.NoError(t, err)
			questions, err := r.Questions()
			require.NoError(t, err)
			for _, a := range questions[0].Attributes {
				require.Equal(t, trusted && a.Category == authz.Subject && a.ID == "a", a.Standing == authz.Verified, a.ID)
			}
			require.Equal(t, trusted, questions[0].Content[0].Standing == authz.Verified)
		}
	}
}

// A decider without an answer is a refusal on the wire, and an error for the
// log.
func TestNoAnswerRefuses(t *testing.T) {
	r := read(t, three(category(authz.Subject, attribute("a", "1"))))
	response, err := r.Decide(t.Context(), failing{})
	require.ErrorContains(t, err, "the secret reason")
	for _, form := range forms {
		data, err := response.Write(form)
		require.NoError(t, err)
		require.Contains(t, string(data), "Indeterminate")
		require.NotContains(t, string(data), "secret", "what went wrong inside is nobody's business outside")
	}
}

type failing struct{}

func (failing) Decide(stdcontext.Context, *authz.Request) (authz.Response, error) {
	return authz.Response{Decision: authz.Permit}, errors.New("the secret reason")
}

// The 2.0 form of a response: obligations under the policy namespace with what
// they are for; no advice, attributes or policy ids, which 2.0 does not know.
func TestTwoResponse(t *testing.T) {
	duty := authz.Obligation{ID: "o", Assignments: []authz.Assignment{{ID: "a", Category: authz.Subject, Value: authz.StringValue("v")}}}
	sent := context.Response{Results: []context.Result{{
		Response:   authz.Response{Decision: authz.Deny, Obligations: []authz.Obligation{duty}, Advice: []authz.Obligation{duty}, Policies: []authz.PolicyID{{ID: "p"}}},
		Attributes: []authz.Attribute{{Category: authz.Subject, ID: "x", Values: []authz.Value{authz.StringValue("y")}}},
		Resource:   "urn:r",
	}}}
	data, err := sent.Write(context.TwoXML)
	require.NoError(t, err)
	require.Contains(t, string(data), `FulfillOn="Deny"`)
	require.Contains(t, string(data), `<Obligations xmlns="urn:oasis:names:tc:xacml:2.0:policy:schema:os">`)
	got, err := context.ReadResponse("r", data)
	require.NoError(t, err)
	duty.Assignments[0].Category = ""
	require.Equal(t, context.Response{Results: []context.Result{{Response: authz.Response{Decision: authz.Deny, Obligations: []authz.Obligation{duty}}, Resource: "urn:r"}}}, got)
}

func TestResponsesRefused(t *testing.T) {
	for document, want := range map[string]string{
		`<Response xmlns="` + context.ThreeNamespace + `"/>`:                                                                                "no Result",
		`<Response xmlns="` + context.ThreeNamespace + `"><Result/></Response>`:                                                             "no Decision",
		`<Response xmlns="` + context.ThreeNamespace + `"><Result><Decision>permit</Decision></Result></Response>`:                          "none of XACML's",
		`<Response xmlns="` + context.ThreeNamespace + `"><Result><Decision>Deny</Decision><Decision>Permit</Decision></Result></Response>`: "second Decision",
		`{"Response": []}`:                    "no Response with a result",
		`{"Response": [{}]}`:                  "no Decision",
		`{"Response": [{"Decision": "Yes"}]}`: "none of XACML's",
		`{"Response": [{"Decision": "Deny", "Decision": "Permit"}]}`:                                                          "stands twice",
		`{"Response": [{"Decision": "Permit", "More": 1}]}`:                                                                   "no member",
		`{"Response": [{"Decision": "Permit", "Obligations": [{"Id": "o", "AttributeAssignment": [{"AttributeId": "a"}]}]}]}`: "needs AttributeId and Value",
	} {
		_, err := context.ReadResponse("r", []byte(document))
		require.ErrorContains(t, err, want, document)
	}
	// ⚿ No obligation is lost because a document says it in a way that it may not.
	permit := `<Response xmlns="` + context.ThreeNamespace + `"><Result><Decision>Permit</Decision>%s</Result></Response>`
	duty := `<Obligations><Obligation ObligationId="limit"/></Obligations>`
	for document, want := range map[string]string{
		fmt.Sprintf(permit, duty+`<Obligations/>`): "second Obligations",
		fmt.Sprintf(permit, duty+duty):             "second Obligations",
		fmt.Sprintf(permit, `<Status><StatusCode Value="x"/></Status><Status><StatusCode Value="`+authz.StatusOK+`"/></Status>`):           "second Status",
		`{"Response": [{"Decision": "Permit", "Obligations": [{"Id": "o", "AttributeAssignment": [{"AttributeId": "a", "Value": []}]}]}]}`: "no Value",
	} {
		_, err := context.ReadResponse("r", []byte(document))
		require.ErrorContains(t, err, want, document)
	}
	two := context.Response{Results: make([]context.Result, 2)}
	_, err := two.One()
	require.ErrorIs(t, err, context.ErrResults)
}

func TestTwoCannotSayEverything(t *testing.T) {
	for want, q := range map[string]*authz.Request{
		"policies that applied": {ReturnPolicyIDs: true},
		"have it in the result": {Attributes: []authz.Attribute{{Category: authz.Subject, ID: "a", IncludeInResult: true}}},
		"no category":           {Attributes: []authz.Attribute{{Category: "urn:oasis:names:tc:xacml:3.0:attribute-category:delegate", ID: "a"}}},
		"that of the resource":  {Content: []authz.Content{{Category: authz.Subject, XML: []byte("<a/>")}}},
	} {
		_, err := context.WriteRequest(context.TwoXML, q)
		require.ErrorContains(t, err, want)
	}
}

// What a document cannot hold is an error, not a broken document; a message of
// whatever origin is cleaned.
func TestUnwritable(t *testing.T) {
	bad := context.Response{Results: []context.Result{{Response: authz.Response{Decision: authz.Permit, Obligations: []authz.Obligation{{ID: "o\x00"}}}}}}
	for _, form := range []context.Form{context.ThreeXML, context.TwoXML} {
		_, err := bad.Write(form)
		require.ErrorIs(t, err, xml.ErrIllegal)
	}
	_, err := context.WriteRequest(context.ThreeXML, &authz.Request{Content: []authz.Content{{Category: authz.Resource, XML: []byte("<a>")}}})
	require.Error(t, err)
	data, err := context.Refuse(errors.New("bad \x00 byte")).Write(context.ThreeXML)
	require.NoError(t, err)
	require.Contains(t, string(data), "bad \uFFFD byte")
}

func TestMediaTypes(t *testing.T) {
	require.Equal(t, "application/xacml+xml; version=3.0", context.ThreeXML.MediaType())
	require.Equal(t, "application/xacml+xml; version=2.0", context.TwoXML.MediaType())
	require.Equal(t, "application/xacml+json", context.JSON.MediaType())
}

// seeds gives a fuzz target the documents of the kits, when they are there.
func seeds(f *testing.F, pattern string) {
	shared := os.Getenv("GATEHOUSE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	names, err := filepath.Glob(filepath.Join(shared, "conformance", pattern))
	require.NoError(f, err)
	for i, name := range names {
		if i%5 == 0 || len(names) < 50 {
			data, err := os.ReadFile(name)
			require.NoError(f, err)
			f.Add(data)
		}
	}
}

// FuzzRead: whatever is read can be asked, written and read again to the same.
func FuzzRead(f *testing.F) {
	seeds(f, "xacml?/*/*Request.xml")
	f.Add([]byte(`{"Request": {"AccessSubject": {"Attribute": [{"AttributeId": "a", "Value": [1, 2.5]}]}, "Resource": {"Content": "<a/>"}}}`))
	f.Add([]byte(`<Request xmlns="` + context.TwoNamespace + `"><Subject/><Resource/><Action><Attribute AttributeId="" DataType="0"><AttributeValue/></Attribute></Action></Request>`))
	f.Add([]byte(`{"Request": {"Resource": {"Attribute": {"AttributeId": "\u00e9\/", "DataType": "anyURI", "Value": ["\"x\\", "\ud834\udd1e"], "IncludeInResult": true}}}}`))
	f.Add([]byte(`{"Request": {"Category": [{"CategoryId": "c", "Id": "x"}], "MultiRequests": {"RequestReference": [{"ReferenceId": ["x"]}]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o := trusting()
		o.MostQuestions = 20
		o.Children = func(v authz.Value) ([]authz.Value, error) {
			return []authz.Value{authz.StringValue(v.Text() + "/")}, nil
		}
		r, err := context.Read("r", data, o)
		if err != nil {
			return
		}
		if r.Form == context.JSON {
			require.True(t, jsontext.Value(data).IsValid(), "%q", data)
		}
		questions, err := r.Questions()
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(questions), 20)
		for _, q := range questions {
			for _, form := range []context.Form{context.ThreeXML, context.JSON} {
				written, err := context.WriteRequest(form, q)
				if err != nil {
					continue // a prefix that is declared twice, say
				}
				again, err := context.Read("r", written, trusting())
				require.NoError(t, err, "%s", written)
				if back, err := again.Questions(); err == nil && len(back) == 1 {
					require.ElementsMatch(t, facts(q), facts(back[0]), hex.Dump(written))
				}
			}
		}
	})
}

// FuzzReadResponse: whatever is read can be written and read again to the same.
func FuzzReadResponse(f *testing.F) {
	seeds(f, "xacml?/*/*Response.xml")
	seeds(f, "xacml3/*/*Response.json")
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := context.ReadResponse("r", data)
		if err != nil {
			return
		}
		written, err := r.Write(context.JSON)
		if err != nil {
			return
		}
		back, err := context.ReadResponse("r", written)
		require.NoError(t, err, "%s", written)
		require.Len(t, back.Results, len(r.Results))
		for i := range r.Results {
			require.Equal(t, r.Results[i].Decision, back.Results[i].Decision)
			require.Equal(t, len(r.Results[i].Obligations), len(back.Results[i].Obligations))
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for _, pattern := range []string{"xacml3/*/IIA001Request.xml", "xacml2/*/IIA001Request.xml"} {
		for name, data := range kit(b, pattern) {
			b.Run(pattern[:6]+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r, err := context.Read(name, data, context.Options{})
					require.NoError(b, err)
					_, err = r.Questions()
					require.NoError(b, err)
				}
			})
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	response := context.Response{Results: []context.Result{{Response: authz.Response{Decision: authz.Permit}}}}
	for b.Loop() {
		_, err := response.Write(context.ThreeXML)
		require.NoError(b, err)
	}
}
