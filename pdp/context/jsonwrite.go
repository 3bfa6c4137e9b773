package context

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// jsonWriter writes JSON and keeps the first error.
type jsonWriter struct {
	e   *jsontext.Encoder
	err error
}

func (w *jsonWriter) token(t jsontext.Token) {
	if w.err == nil {
		w.err = w.e.WriteToken(t)
	}
}

func (w *jsonWriter) begin(k byte) {
	if k == '{' {
		w.token(jsontext.BeginObject)
		return
	}
	w.token(jsontext.BeginArray)
}

func (w *jsonWriter) end(k byte) {
	if k == '}' {
		w.token(jsontext.EndObject)
		return
	}
	w.token(jsontext.EndArray)
}

func (w *jsonWriter) name(s string) { w.token(jsontext.String(s)) }

func (w *jsonWriter) pair(name, value string) {
	w.name(name)
	w.token(jsontext.String(value))
}

// optional writes a pair unless the value is empty.
func (w *jsonWriter) optional(name, value string) {
	if value != "" {
		w.pair(name, value)
	}
}

// document writes one JSON document.
func document(write func(w *jsonWriter)) ([]byte, error) {
	var buf bytes.Buffer
	w := &jsonWriter{e: jsontext.NewEncoder(&buf, jsontext.WithIndent("  "))}
	write(w)
	return buf.Bytes(), w.err
}

// json writes the response; always an array, also of one result.
func (r Response) json() ([]byte, error) {
	return document(func(w *jsonWriter) {
		w.begin('{')
		w.name("Response")
		w.begin('[')
		for i := range r.Results {
			w.result(&r.Results[i])
		}
		w.end(']')
		w.end('}')
	})
}

func (w *jsonWriter) result(r *Result) {
	w.begin('{')
	w.pair("Decision", r.Decision.String())
	w.status(r.Status)
	w.duties("Obligations", r.Obligations)
	w.duties("AssociatedAdvice", r.Advice)
	if len(r.Attributes) > 0 {
		w.name("Category")
		w.categories(r.Attributes, nil)
	}
	w.policies(r.Policies)
	w.end('}')
}

func (w *jsonWriter) status(s *authz.Status) {
	if s == nil {
		s = &authz.Status{Code: authz.StatusOK}
	}
	w.name("Status")
	w.begin('{')
	w.optional("StatusMessage", xml.Clean(s.Message))
	w.name("StatusCode")
	w.begin('{')
	w.pair("Value", s.Code)
	w.end('}')
	if s.Code == authz.StatusMissingAttribute && len(s.Missing) > 0 {
		w.name("StatusDetail")
		w.begin('{')
		w.name("MissingAttributeDetail")
		w.begin('[')
		for i := range s.Missing {
			w.missing(&s.Missing[i])
		}
		w.end(']')
		w.end('}')
	}
	w.end('}')
}

func (w *jsonWriter) missing(m *authz.MissingAttribute) {
	w.begin('{')
	w.pair("Category", string(m.Category))
	w.pair("AttributeId", m.ID)
	w.pair("DataType", shortType(m.Type))
	w.optional("Issuer", m.Issuer)
	if len(m.Values) > 0 {
		w.values(m.Values)
	}
	w.end('}')
}

func (w *jsonWriter) duties(name string, all []authz.Obligation) {
	if len(all) == 0 {
		return
	}
	w.name(name)
	w.begin('[')
	for i := range all {
		w.begin('{')
		w.pair("Id", all[i].ID)
		if len(all[i].Assignments) > 0 {
			w.name("AttributeAssignment")
			w.begin('[')
			for _, a := range all[i].Assignments {
				w.begin('{')
				w.pair("AttributeId", a.ID)
				w.optional("Category", string(a.Category))
				w.optional("Issuer", a.Issuer)
				w.pair("DataType", shortType(a.Value.Type()))
				w.values([]authz.Value{a.Value})
				w.end('}')
			}
			w.end(']')
		}
		w.end('}')
	}
	w.end(']')
}

// values writes the member Value: one value, or an array.
func (w *jsonWriter) values(values []authz.Value) {
	w.name("Value")
	if len(values) != 1 {
		w.begin('[')
	}
	for _, v := range values {
		if w.err == nil {
			w.err = writeValue(w.e, v)
		}
	}
	if len(values) != 1 {
		w.end(']')
	}
}

// categories writes an array of categories, one per category in order.
func (w *jsonWriter) categories(attrs []authz.Attribute, content []authz.Content) {
	w.begin('[')
	for _, c := range categories(attrs, content) {
		w.begin('{')
		w.pair("CategoryId", string(c))
		for _, one := range content {
			if one.Category == c {
				w.pair("Content", encodeContent(one.XML))
			}
		}
		w.name("Attribute")
		w.begin('[')
		for i := range attrs {
			if attrs[i].Category == c {
				w.attribute(&attrs[i])
			}
		}
		w.end(']')
		w.end('}')
	}
	w.end(']')
}

// attribute writes an attribute once for each data type of its values.
func (w *jsonWriter) attribute(a *authz.Attribute) {
	for _, group := range byType(a.Values) {
		w.begin('{')
		w.pair("AttributeId", a.ID)
		w.optional("Issuer", a.Issuer)
		w.pair("DataType", shortType(group[0].Type()))
		w.values(group)
		if a.IncludeInResult {
			w.name("IncludeInResult")
			w.token(jsontext.Bool(true))
		}
		w.end('}')
	}
}

// byType groups values by their data types, in the order of first occurrence.
func byType(values []authz.Value) (groups [][]authz.Value) {
	at := map[authz.DataType]int{}
	for _, v := range values {
		i, ok := at[v.Type()]
		if !ok {
			i = len(groups)
			at[v.Type()] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], v)
	}
	return groups
}

func (w *jsonWriter) policies(ids []authz.PolicyID) {
	if len(ids) == 0 {
		return
	}
	w.name("PolicyIdentifierList")
	w.begin('{')
	for _, set := range []bool{false, true} {
		var some []authz.PolicyID
		for _, id := range ids {
			if id.Set == set {
				some = append(some, id)
			}
		}
		if len(some) > 0 {
			w.references(set, some)
		}
	}
	w.end('}')
}

func (w *jsonWriter) references(set bool, ids []authz.PolicyID) {
	name := "PolicyIdReference"
	if set {
		name = "PolicySetIdReference"
	}
	w.name(name)
	w.begin('[')
	for _, id := range ids {
		w.begin('{')
		w.pair("Id", id.ID)
		w.optional("Version", id.Version)
		w.end('}')
	}
	w.end(']')
}

func requestJSON(q *authz.Request) ([]byte, error) {
	return document(func(w *jsonWriter) {
		w.begin('{')
		w.name("Request")
		w.begin('{')
		w.name("ReturnPolicyIdList")
		w.token(jsontext.Bool(q.ReturnPolicyIDs))
		w.name("Category")
		w.categories(q.Attributes, q.Content)
		w.end('}')
		w.end('}')
	})
}
