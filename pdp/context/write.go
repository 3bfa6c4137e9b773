package context

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// Write writes the response in a form.
func (r Response) Write(f Form) ([]byte, error) {
	if f == JSON {
		return r.json()
	}
	w := &xml.Writer{Indent: "  "}
	w.Grow(r.size())
	w.Declaration()
	r.Encode(w, f)
	return w.Bytes()
}

// What the parts of a document take, in bytes: a guess that nearly all fit
// into, so that the document is laid out once.
const (
	frameSize     = 384
	dutySize      = 384
	attributeSize = 320
)

func (r Response) size() int {
	n := 0
	for i := range r.Results {
		one := &r.Results[i]
		n += frameSize + dutySize*(len(one.Obligations)+len(one.Advice)) + attributeSize*len(one.Attributes)
	}
	return n
}

func requestSize(q *authz.Request) int { return frameSize + attributeSize*len(q.Attributes) }

// Encode writes the Response element of an XML form into a document around it.
// Texts that XML cannot hold are an error of the Writer's Bytes, but for
// messages, which are cleaned.
func (r Response) Encode(w *xml.Writer, f Form) {
	e := encoder{w, f}
	w.Start("Response")
	w.Namespace("", e.space())
	for i := range r.Results {
		e.result(&r.Results[i])
	}
	w.End()
}

// WriteRequest writes a request as the context that asks it. What XACML has no
// place for (standing, credential, peer, decision id) stays behind. 2.0 cannot
// say that policy ids or attributes shall be returned, nor other categories
// than its own, nor content that is not the resource's: an error.
func WriteRequest(f Form, q *authz.Request) ([]byte, error) {
	if f == JSON {
		return requestJSON(q)
	}
	w := &xml.Writer{Indent: "  "}
	w.Grow(requestSize(q))
	w.Declaration()
	if err := EncodeRequest(w, f, q); err != nil {
		return nil, err
	}
	return w.Bytes()
}

// EncodeRequest writes the Request element of an XML form into a document
// around it.
func EncodeRequest(w *xml.Writer, f Form, q *authz.Request) error {
	e := encoder{w, f}
	if f == TwoXML {
		return e.twoRequest(q)
	}
	return e.threeRequest(q)
}

// encoder writes XML.
type encoder struct {
	w    *xml.Writer
	form Form
}

func (e encoder) space() string {
	if e.form == TwoXML {
		return TwoNamespace
	}
	return ThreeNamespace
}

func (e encoder) result(r *Result) {
	w := e.w
	w.Start("Result")
	if e.form == TwoXML && r.Resource != "" {
		w.Attr("ResourceId", r.Resource)
	}
	w.Leaf("Decision", r.Decision.String())
	e.status(r.Status)
	e.obligations("Obligations", "Obligation", r.Obligations, r.Decision)
	if e.form == ThreeXML {
		e.obligations("AssociatedAdvice", "Advice", r.Advice, r.Decision)
		e.attributes(r.Attributes, nil)
		e.policies(r.Policies)
	}
	w.End()
}

func (e encoder) status(s *authz.Status) {
	if s == nil {
		s = &authz.Status{Code: authz.StatusOK}
	}
	w := e.w
	w.Start("Status")
	w.Start("StatusCode")
	w.Attr("Value", s.Code)
	w.End()
	if s.Message != "" {
		w.Leaf("StatusMessage", xml.Clean(s.Message))
	}
	if s.Code == authz.StatusMissingAttribute && len(s.Missing) > 0 {
		w.Start("StatusDetail")
		for i := range s.Missing {
			e.missing(&s.Missing[i])
		}
		w.End()
	}
	w.End()
}

func (e encoder) missing(m *authz.MissingAttribute) {
	w := e.w
	w.Start("MissingAttributeDetail")
	if e.form == ThreeXML {
		w.Attr("Category", string(m.Category))
	}
	w.Attr("AttributeId", m.ID)
	w.Attr("DataType", string(m.Type))
	if m.Issuer != "" {
		w.Attr("Issuer", m.Issuer)
	}
	for _, v := range m.Values {
		e.value("AttributeValue", v, e.form == ThreeXML)
	}
	w.End()
}

// obligations writes obligations or advice; those of 2.0 are of the policy
// namespace and repeat what they are for.
func (e encoder) obligations(list, name string, all []authz.Obligation, on authz.Effect) {
	if len(all) == 0 {
		return
	}
	w := e.w
	w.Start(list)
	if e.form == TwoXML {
		w.Namespace("", twoPolicy)
	}
	for i := range all {
		o := &all[i]
		w.Start(name)
		w.Attr(name+"Id", o.ID)
		if e.form == TwoXML {
			w.Attr("FulfillOn", on.String())
		}
		for j := range o.Assignments {
			e.assignment(&o.Assignments[j])
		}
		w.End()
	}
	w.End()
}

func (e encoder) assignment(a *authz.Assignment) {
	e.w.Start("AttributeAssignment")
	e.w.Attr("AttributeId", a.ID)
	if e.form == ThreeXML {
		if a.Category != "" {
			e.w.Attr("Category", string(a.Category))
		}
		if a.Issuer != "" {
			e.w.Attr("Issuer", a.Issuer)
		}
	}
	e.content(a.Value, true)
	e.w.End()
}

func (e encoder) value(name string, v authz.Value, typed bool) {
	e.w.Start(name)
	e.content(v, typed)
	e.w.End()
}

// content writes what belongs to a value into the element just started.
func (e encoder) content(v authz.Value, typed bool) {
	if typed {
		e.w.Attr("DataType", string(v.Type()))
	}
	if x, ok := v.Data().(authz.XPath); ok && e.form == ThreeXML {
		for _, prefix := range slices.Sorted(maps.Keys(x.Namespaces)) {
			e.w.Namespace(prefix, x.Namespaces[prefix])
		}
		if x.Category != "" {
			e.w.Attr("XPathCategory", string(x.Category))
		}
	}
	if v.Text() != "" {
		e.w.Text(v.Text())
	}
}

// attributes writes Attributes elements, one per category in order.
func (e encoder) attributes(attrs []authz.Attribute, content []authz.Content) {
	for _, c := range categories(attrs, content) {
		e.w.Start("Attributes")
		e.w.Attr("Category", string(c))
		for _, one := range content {
			if one.Category == c {
				e.w.Start("Content")
				e.foreign(one.XML)
				e.w.End()
			}
		}
		for i := range attrs {
			if attrs[i].Category == c {
				e.attribute(&attrs[i])
			}
		}
		e.w.End()
	}
}

// categories lists the categories in the order in which they first occur.
func categories(attrs []authz.Attribute, content []authz.Content) (all []authz.Category) {
	seen := map[authz.Category]bool{}
	add := func(c authz.Category) {
		if !seen[c] {
			seen[c] = true
			all = append(all, c)
		}
	}
	for i := range attrs {
		add(attrs[i].Category)
	}
	for i := range content {
		add(content[i].Category)
	}
	return all
}

func (e encoder) attribute(a *authz.Attribute) {
	w := e.w
	w.Start("Attribute")
	w.Attr("AttributeId", a.ID)
	if a.Issuer != "" {
		w.Attr("Issuer", a.Issuer)
	}
	w.Attr("IncludeInResult", fmt.Sprint(a.IncludeInResult))
	for _, v := range a.Values {
		e.value("AttributeValue", v, true)
	}
	w.End()
}

// foreign writes a document that is given as bytes; what is wrong with it is
// the Writer's first mistake.
func (e encoder) foreign(document []byte) {
	r := xml.NewReader("content", document, xml.Limits{})
	if _, err := r.Root(); err == nil {
		if fragment, err := r.Raw(); err == nil {
			e.w.Fragment(fragment)
			return
		}
	}
	e.w.Fragment(xml.Fragment{})
}

func (e encoder) policies(ids []authz.PolicyID) {
	if len(ids) == 0 {
		return
	}
	e.w.Start("PolicyIdentifierList")
	for _, id := range ids {
		name := "PolicyIdReference"
		if id.Set {
			name = "PolicySetIdReference"
		}
		e.w.Start(name)
		if id.Version != "" {
			e.w.Attr("Version", id.Version)
		}
		e.w.Text(id.ID)
		e.w.End()
	}
	e.w.End()
}

func (e encoder) threeRequest(q *authz.Request) error {
	w := e.w
	w.Start("Request")
	w.Namespace("", ThreeNamespace)
	w.Attr("ReturnPolicyIdList", fmt.Sprint(q.ReturnPolicyIDs))
	w.Attr("CombinedDecision", "false")
	e.attributes(q.Attributes, q.Content)
	w.End()
	return nil
}

func (e encoder) twoRequest(q *authz.Request) error {
	if err := fitsTwo(q); err != nil {
		return err
	}
	w := e.w
	w.Start("Request")
	w.Namespace("", TwoNamespace)
	for _, c := range withSubject(categories(q.Attributes, q.Content)) {
		if !isTwo(c) || c == authz.Subject {
			w.Start("Subject")
			if c != authz.Subject {
				w.Attr("SubjectCategory", string(c))
			}
			e.twoAttributes(q, c)
			w.End()
		}
	}
	for _, element := range twoElements[1:] {
		w.Start(element.name)
		if element.category == authz.Resource {
			for _, content := range q.Content {
				w.Start("ResourceContent")
				e.foreign(content.XML)
				w.End()
			}
		}
		e.twoAttributes(q, element.category)
		w.End()
	}
	w.End()
	return nil
}

// withSubject adds the subject, which 2.0 must have.
func withSubject(all []authz.Category) []authz.Category {
	if slices.Contains(all, authz.Subject) {
		return all
	}
	return append([]authz.Category{authz.Subject}, all...)
}

// isTwo reports whether 2.0 has an element for the category.
func isTwo(c authz.Category) bool {
	return slices.ContainsFunc(twoElements[:], func(e twoElement) bool { return e.category == c })
}

func fitsTwo(q *authz.Request) error {
	if q.ReturnPolicyIDs {
		return fmt.Errorf("a request of XACML 2.0 cannot ask for the policies that applied")
	}
	for _, a := range q.Attributes {
		switch {
		case a.IncludeInResult:
			return fmt.Errorf("attribute %q: a request of XACML 2.0 cannot ask to have it in the result", a.ID)
		case !isTwo(a.Category) && !isSubject(a.Category):
			return fmt.Errorf("attribute %q: XACML 2.0 has no category %q", a.ID, a.Category)
		}
	}
	for _, c := range q.Content {
		if c.Category != authz.Resource {
			return fmt.Errorf("content of category %q: XACML 2.0 has that of the resource only", c.Category)
		}
	}
	return nil
}

// isSubject reports whether 2.0 can say the category of a subject.
func isSubject(c authz.Category) bool {
	return strings.Contains(string(c), ":subject-category:") || !strings.Contains(string(c), ":attribute-category:")
}

func (e encoder) twoAttributes(q *authz.Request, c authz.Category) {
	for i := range q.Attributes {
		if a := &q.Attributes[i]; a.Category == c {
			e.twoAttribute(a)
		}
	}
}

// twoAttribute writes an attribute once for each data type of its values.
func (e encoder) twoAttribute(a *authz.Attribute) {
	var done []authz.DataType
	for _, first := range a.Values {
		t := first.Type()
		if slices.Contains(done, t) {
			continue
		}
		done = append(done, t)
		e.w.Start("Attribute")
		e.w.Attr("AttributeId", a.ID)
		e.w.Attr("DataType", string(t))
		if a.Issuer != "" {
			e.w.Attr("Issuer", a.Issuer)
		}
		for _, v := range a.Values {
			if v.Type() == t {
				e.value("AttributeValue", v, false)
			}
		}
		e.w.End()
	}
}
