package context

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Tokens are read as the library reads them: the same text, as far, or an
// error in the same place.
func TestTokensAgreeWithTheLibrary(t *testing.T) {
	piece := rapid.OneOf(rapid.StringMatching(`[a-z0-9é€𝄞"\\/ \x00\x1f\x7f]{0,6}`),
		rapid.SampledFrom([]string{`\n`, `\/`, `\"`, `\\`, `\u0041`, `\u00e9`, `\ud834\udd1e`, `\ud834`, `\udd1e`, `\uD834\u0041`, `\u12`, `\x41`, `\`, "\xff", "\xc3", "\xed\xa0\x80", "\n"}))
	number := rapid.OneOf(rapid.StringMatching(`-?[0-9]{0,3}(\.[0-9]{0,2})?([eE][+-]?[0-9]{0,2})?`), rapid.StringMatching(`[-+.eE01]{1,6}`))
	word := rapid.SampledFrom([]string{"true", "false", "tru", "fals", "True", "trues", "f"})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(number, word, rapid.Custom(func(t *rapid.T) string {
			return `"` + strings.Join(rapid.SliceOfN(piece, 0, 5).Draw(t, "pieces"), "") + rapid.SampledFrom([]string{`"`, `"`, ""}).Draw(t, "quote")
		})).Draw(t, "token") + rapid.SampledFrom([]string{"", " ", ",1", "}"}).Draw(t, "after")
		j := &jsonReader{data: []byte(text)}
		var read func() ([]byte, error)
		switch j.kind() {
		case '"':
			read = j.characters
		case '0':
			read = j.number
		case 't', 'f':
			read = j.literal
		default:
			return
		}
		got, err := read()
		d := jsontext.NewDecoder(strings.NewReader(text))
		want, wrong := d.ReadToken()
		if wrong != nil {
			require.Error(t, err, "%q", text)
			require.Equal(t, j.wrap(0, wrong), err, "%q", text)
			return
		}
		require.NoError(t, err, "%q", text)
		require.Equal(t, want.String(), string(got), "%q", text)
		require.EqualValues(t, d.InputOffset(), j.pos, "%q", text)
	})
}

const someRequest = `{"Request": {"ReturnPolicyIdList": true, "CombinedDecision": false, "XPathVersion": "1",
	"AccessSubject": {"Attribute": [{"AttributeId": "urn:é/a", "Issuer": "i", "DataType": "string", "IncludeInResult": true, "Value": ["x\u0041", "\/y"]}, {"AttributeId": "n", "Value": [1, -2.5e3, 0]}]},
	"Category": [{"CategoryId": "Action", "Id": "a", "Content": "<a/>", "Attribute": {"AttributeId": "b", "Value": true}}, {"CategoryId": "urn:c", "Attribute": []}],
	"Resource": {"Attribute": [{"AttributeId": "x", "Value": {"XPathCategory": "Action", "XPath": "//p:a", "Namespaces": [{"Prefix": "p", "Namespace": "urn:p"}]}}]}}}`

// A document in which bytes were dropped, doubled, or changed is never read
// unless the library finds it well-formed, without names that stand twice.
func TestNothingIllFormedIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(someRequest)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			to := min(at+rapid.SampledFrom([]int{1, 1, 2, 20}).Draw(t, "many"), len(text))
			switch rapid.IntRange(0, 3).Draw(t, "how") {
			case 0:
				text = append(bytes.Clone(text[:at]), text[to:]...)
			case 1:
				text = append(bytes.Clone(text[:to]), text[at:]...)
			case 2:
				text[at] = rapid.SampledFrom([]byte(`{}[]",:\ 0-.et`+"\x00\xff\n")).Draw(t, "byte")
			case 3:
				members := []string{`"Id":"x",`, `"Issuer": "y", `, `"Value":1,`, `,`, `"\u0049d":"z",`, `null`}
				text = append(append(bytes.Clone(text[:at]), rapid.SampledFrom(members).Draw(t, "member")...), text[at:]...)
			}
		}
		if _, err := Read("r", text, Options{}); err == nil {
			require.True(t, jsontext.Value(text).IsValid(), "%s", text)
		}
	})
}

// The same document in another spelling is the same request.
func TestSpellingsOfJSON(t *testing.T) {
	attributes := func(text []byte) []authz.Attribute {
		r, err := Read("r", text, Options{})
		require.NoError(t, err, "%s", text)
		q, err := r.Questions()
		require.NoError(t, err)
		require.Len(t, q, 1)
		return q[0].Attributes
	}
	want := attributes([]byte(someRequest))
	require.Len(t, want, 4)
	for _, respell := range []func(v *jsontext.Value) error{
		func(v *jsontext.Value) error { return v.Compact() },
		func(v *jsontext.Value) error { return v.Indent(jsontext.WithIndent("\t")) },
		func(v *jsontext.Value) error { return v.Format(jsontext.EscapeForHTML(true)) },
	} {
		text := jsontext.Value(someRequest)
		require.NoError(t, respell(&text))
		require.Equal(t, want, attributes(text))
	}
	escaped := strings.NewReplacer("A", `\u0041`, "e", `\u0065`, "é", `\u00E9`, `\/`, "/", `\u0041`, "A").Replace(someRequest)
	escaped = strings.NewReplacer("tru\\u0065", "true", "fals\\u0065", "false", "5\\u00653", "5e3").Replace(escaped)
	require.Equal(t, want, attributes([]byte(escaped)))
	require.Equal(t, want, attributes([]byte(" \r\n\t"+someRequest+" \r\n\t")))
}

// What we write is what the library would write: two blanks for each level.
func TestTheWriterIndentsAsTheLibrary(t *testing.T) {
	q := &authz.Request{Attributes: []authz.Attribute{
		{Category: authz.Subject, ID: "a\"é\n", Values: []authz.Value{authz.StringValue("\u2028<"), authz.IntegerValue(5), authz.BooleanValue(true), authz.DoubleValue(2.5)}},
		{Category: authz.Action, ID: "x", IncludeInResult: true, Values: []authz.Value{authz.XPathValue("//p:a", authz.Resource, map[string]string{"p": "urn:p", "o": ""})}},
		{Category: authz.Action, ID: "none"},
	}, Content: []authz.Content{{Category: authz.Resource, XML: []byte("<a/>")}}}
	response := Response{Results: []Result{{
		Response: authz.Response{Decision: authz.Deny, Policies: []authz.PolicyID{{ID: "p", Version: "1"}, {ID: "s", Set: true}},
			Status:      &authz.Status{Code: authz.StatusMissingAttribute, Message: "m", Missing: []authz.MissingAttribute{{ID: "a", Values: []authz.Value{authz.StringValue("v")}}}},
			Obligations: []authz.Obligation{{ID: "o"}, {ID: "p", Assignments: []authz.Assignment{{ID: "a", Value: authz.IntegerValue(7)}}}}},
		Attributes: q.Attributes,
	}, {}}}
	for _, write := range []func() ([]byte, error){
		func() ([]byte, error) { return WriteRequest(JSON, q) },
		func() ([]byte, error) { return response.Write(JSON) },
	} {
		got, err := write()
		require.NoError(t, err)
		want := jsontext.Value(bytes.Clone(got))
		require.NoError(t, want.Indent(jsontext.WithIndent("  ")))
		require.Equal(t, string(want), strings.TrimSuffix(string(got), "\n"))
	}
	_, err := WriteRequest(JSON, &authz.Request{Attributes: []authz.Attribute{{ID: "a\xff", Values: []authz.Value{authz.StringValue("v")}}}})
	require.ErrorContains(t, err, "UTF-8")
}
