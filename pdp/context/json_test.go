package context_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pdp/context"
)

func valued(value string) string {
	return `{"Request": {"AccessSubject": {"Attribute": [{"AttributeId": "a", ` + value + `}]}}}`
}

// Data types are inferred from the values, all of them (JSON profile 1.1).
func TestTrap48Inference(t *testing.T) {
	for value, want := range map[string][]string{
		`"Value": "x"`:                               {"string x"},
		`"Value": true`:                              {"boolean true"},
		`"Value": 7`:                                 {"integer 7"},
		`"Value": 7.5`:                               {"double 7.5"},
		`"Value": 1e3`:                               {"double 1e3"},
		`"Value": [1, 2]`:                            {"integer 1", "integer 2"},
		`"Value": [1, 2.5]`:                          {"double 1", "double 2.5"},
		`"Value": [1, "NaN"]`:                        {"double 1", "double NaN"},
		`"Value": ["x", 5]`:                          {"string x", "string 5"},
		`"Value": []`:                                nil,
		`"Value": 5, "DataType": "double"`:           {"double 5"},
		`"Value": 5.0, "DataType": "integer"`:        {"integer 5"},
		`"DataType": "anyURI", "Value": "urn:x"`:     {"anyURI urn:x"},
		`"Value": "2026-11-22", "DataType": "date"`:  {"date 2026-11-22"},
		`"Value": "x", "DataType": "urn:other:type"`: {"type x"},
		`"Value": {"XPathCategory": "Resource", "XPath": "//p:a", "Namespaces": [{"Prefix": "p", "Namespace": "urn:p"}, {"Namespace": "urn:d"}]}`: {"xpathExpression //p:a"},
	} {
		q := one(t, valued(value))
		var got []string
		for _, v := range q.Values(authz.Subject, "a") {
			got = append(got, v.Type().Name()+" "+v.Text())
			if x, ok := v.Data().(authz.XPath); ok {
				require.Equal(t, authz.XPath{Expression: "//p:a", Category: authz.Resource, Namespaces: map[string]string{"p": "urn:p"}}, x)
			}
		}
		require.Equal(t, want, got, value)
	}
}

func TestTrap48Refused(t *testing.T) {
	for document, want := range map[string]string{
		valued(`"Value": ["x", true]`):                                       "no data type fits",
		valued(`"Value": null`):                                              "must be a string, a number",
		valued(`"Value": [null]`):                                            "must be a string, a number",
		valued(`"Value": [[1]]`):                                             "must be a string, a number",
		valued(`"Value": "x", "DataType": "integer"`):                        "not a integer",
		valued(`"Value": 1.5, "DataType": "integer"`):                        "not an integer",
		valued(`"Value": 1e999999999, "DataType": "integer"`):                "not an integer",
		valued(`"Value": 1, "DataType": "boolean"`):                          "not a boolean",
		valued(`"Value": true, "DataType": "integer"`):                       "not a integer",
		valued(`"Value": "x", "DataType": "xpathExpression"`):                "not of the type",
		valued(`"Value": {"XPath": "//a"}`):                                  "needs XPathCategory",
		valued(`"Issuer": "x"`):                                              "has no Value",
		valued(`"Value": 1, "Typo": 2`):                                      `r:1:79: Attribute has no member "Typo"`,
		`{"Request": {"AccessSubject": {"Attribute": [{"Value": 1}]}}}`:      "no AttributeId",
		`{"Request": {"AccesSubject": {}}}`:                                  `has no member "AccesSubject"`,
		`{"Request": {"Category": {"Attribute": []}}}`:                       "has no CategoryId",
		`{"Request": {"Category": {"CategoryId": "urn:c"}, "Category": []}}`: `member "Category" stands twice`,
		`{"Request": {"ReturnPolicyIdList": "true"}}`:                        "must be true or false",
		`{"Request": []}`:                                                    "Request must be an object",
		`[]`:                                                                 "the document must be an object",
		`{}`:                                                                 "no Request",
		`{"Request": {}} x`:                                                  "r:1:17",
		`{"Request": {}} {}`:                                                 "follows the document",
		`{"Request": {`:                                                      "ends too early",
		"{\"Request\": {\"XPathVersion\": \"\xff\"}}":                        "UTF-8",
		`{"Request": {"Resource": {"Content": "<!DOCTYPE a><a/>"}}}`:         "1:1",
		`{"Request": {"Resource": {"Content": "%"}}}`:                        "neither XML nor base 64",
		`{"Request": {"Resource": {"CategoryId": "urn:other"}}}`:             "not of the category",
		`{"Request": {"MultiRequests": {"RequestReference": [{"ReferenceId": ["x"]}]}}}`:              `no Attributes have the id "x"`,
		`{"Request": {"MultiRequests": {"RequestReference": []}}}`:                                    "no RequestReference",
		`{"Request": {"Category": [{"CategoryId": "c", "Id": "x"}, {"CategoryId": "d", "Id": "x"}]}}`: "stands twice",
		`{"Request": ` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`:                "Request must be an object",
		`{"Request": {"AccessSubject": {"Attribute": ` + strings.Repeat("[", 20000) + `}}}`:           "Attribute must be an object",
	} {
		_, err := context.Read("r", []byte(document), trusting())
		require.Error(t, err, document)
		require.ErrorContains(t, err, want)
	}
}

// Categories have short names, one object stands for an array of it, content
// may be text or base 64, and references choose groups.
func TestTrap48Shorthand(t *testing.T) {
	for _, content := range []string{`<a xmlns=\"urn:a\">x</a>`, `PGEgeG1sbnM9InVybjphIj54PC9hPg==`} {
		r := read(t, `{"Request": {"CombinedDecision": false, "ReturnPolicyIdList": true,
			"AccessSubject": [{"Id": "s1", "Attribute": {"AttributeId": "s", "Value": "a"}}, {"Id": "s2", "Attribute": {"AttributeId": "s", "Value": "b"}}],
			"Resource": {"Id": "r", "Content": "`+content+`"},
			"Category": [{"CategoryId": "Action", "Id": "x", "Attribute": []}, {"CategoryId": "urn:own", "Id": "o", "Attribute": [{"AttributeId": "i", "Value": 1}]}],
			"MultiRequests": {"RequestReference": [{"ReferenceId": ["s2", "r", "x"]}, {"ReferenceId": ["s1", "o"]}]}}}`)
		questions, err := r.Questions()
		require.NoError(t, err)
		require.Len(t, questions, 2)
		require.Equal(t, []string{"b"}, values(questions[0], authz.Subject, "s"))
		require.Equal(t, `<a xmlns="urn:a">x</a>`, string(questions[0].Content[0].XML))
		require.Equal(t, authz.Resource, questions[0].Content[0].Category)
		require.Equal(t, []string{"1"}, values(questions[1], "urn:own", "i"))
		require.Empty(t, questions[1].Content)
	}
}

// A response is an array under "Response", also of one result and of a refusal.
func TestTrap48ResponseIsAnArray(t *testing.T) {
	_, err := context.Read("r", []byte("{"), trusting())
	data, err := context.Refuse(err).Write(context.JSON)
	require.NoError(t, err)
	require.Regexp(t, `^\{\s*"Response": \[\s*\{\s*"Decision": "Indeterminate"`, string(data))
	require.Contains(t, string(data), "status:syntax-error")
}
