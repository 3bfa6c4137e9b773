package context

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// jsonWriter appends a JSON text, each member and item on a line of its own,
// and keeps the first error. Its callers see to the order of things: a name
// before each value of an object, an end for each begin.
type jsonWriter struct {
	buf   []byte
	depth int
	full  bool // something stands before the next thing in its object or array
	named bool // the next value has its name before it
	err   error
}

// place goes to where the next name, or item of an array, stands.
func (w *jsonWriter) place() {
	switch {
	case w.named:
		w.named = false
		return
	case w.full:
		w.buf = append(w.buf, ',')
	}
	w.full = true
	w.line()
}

const jsonIndent = "\n                                "

// line begins a new line, but at the start of the document.
func (w *jsonWriter) line() {
	if len(w.buf) > 0 {
		w.buf = append(w.buf, jsonIndent[:1+2*w.depth]...)
	}
}

func (w *jsonWriter) begin(k byte) {
	w.place()
	w.buf = append(w.buf, k)
	w.depth++
	w.full = false
}

func (w *jsonWriter) end(k byte) {
	w.depth--
	if w.full {
		w.line()
	}
	w.buf = append(w.buf, k)
	w.full = true
}

func (w *jsonWriter) name(s string) {
	w.place()
	w.quote(s)
	w.buf = append(w.buf, ": "...)
	w.named = true
}

// literal writes a number, true or false.
func (w *jsonWriter) literal(s string) {
	w.place()
	w.buf = append(w.buf, s...)
}

func (w *jsonWriter) text(s string) {
	w.place()
	w.quote(s)
}

func (w *jsonWriter) quote(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			w.quoteAny(s)
			return
		}
	}
	w.buf = append(w.buf, '"')
	w.buf = append(w.buf, s...)
	w.buf = append(w.buf, '"')
}

func (w *jsonWriter) quoteAny(s string) {
	var err error
	if w.buf, err = jsontext.AppendQuote(w.buf, s); err != nil && w.err == nil {
		w.err = err
	}
}

func (w *jsonWriter) pair(name, value string) {
	w.name(name)
	w.text(value)
}

func (w *jsonWriter) flag(name string, value bool) {
	w.name(name)
	w.literal(strconv.FormatBool(value))
}

// optional writes a pair unless the value is empty.
func (w *jsonWriter) optional(name, value string) {
	if value != "" {
		w.pair(name, value)
	}
}

// document writes one JSON document, of about so many bytes.
func document(size int, write func(w *jsonWriter)) ([]byte, error) {
	w := &jsonWriter{buf: make([]byte, 0, size)}
	write(w)
	return append(w.buf, '\n'), w.err
}

// json writes the response; always an array, also of one result.
func (r Response) json() ([]byte, error) {
	return document(r.size(), func(w *jsonWriter) {
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
			for j := range all[i].Assignments {
				w.assignment(&all[i].Assignments[j])
			}
			w.end(']')
		}
		w.end('}')
	}
	w.end(']')
}

func (w *jsonWriter) assignment(a *authz.Assignment) {
	w.begin('{')
	w.pair("AttributeId", a.ID)
	w.optional("Category", string(a.Category))
	w.optional("Issuer", a.Issuer)
	w.pair("DataType", shortType(a.Value.Type()))
	w.name("Value")
	w.value(&a.Value)
	w.end('}')
}

// value writes a value; a number or a boolean where JSON can say the same.
func (w *jsonWriter) value(v *authz.Value) {
	switch data := v.Data().(type) {
	case bool:
		w.literal(strconv.FormatBool(data))
		return
	case authz.XPath:
		w.xpath(data)
		return
	}
	number := v.Type() == authz.Integer || v.Type() == authz.Double
	if text := strings.TrimSpace(v.Text()); number && len(text) < 16 && text != "" && numberLength(text) == len(text) {
		w.literal(text)
		return
	}
	w.text(v.Text())
}

func (w *jsonWriter) xpath(x authz.XPath) {
	w.begin('{')
	w.pair("XPathCategory", string(x.Category))
	w.pair("XPath", x.Expression)
	if len(x.Namespaces) > 0 {
		w.name("Namespaces")
		w.begin('[')
		for _, prefix := range slices.Sorted(maps.Keys(x.Namespaces)) {
			w.begin('{')
			w.pair("Prefix", prefix)
			w.pair("Namespace", x.Namespaces[prefix])
			w.end('}')
		}
		w.end(']')
	}
	w.end('}')
}

// values writes the member Value: one value, or an array.
func (w *jsonWriter) values(values []authz.Value) {
	w.name("Value")
	if len(values) != 1 {
		w.begin('[')
	}
	for i := range values {
		w.value(&values[i])
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
			w.flag("IncludeInResult", true)
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
	return document(requestSize(q), func(w *jsonWriter) {
		w.begin('{')
		w.name("Request")
		w.begin('{')
		w.flag("ReturnPolicyIdList", q.ReturnPolicyIDs)
		w.name("Category")
		w.categories(q.Attributes, q.Content)
		w.end('}')
		w.end('}')
	})
}
