package container

import (
	"strconv"

	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

const (
	wsdlSpace = "http://schemas.xmlsoap.org/wsdl/"
	soapSpace = "http://schemas.xmlsoap.org/wsdl/soap/"
	xsdSpace  = "http://www.w3.org/2001/XMLSchema"
	httpBound = "http://schemas.xmlsoap.org/soap/http"
)

// Namespace returns the namespace of a service's messages: each has its own,
// because the parameters of the methods are typed.
func Namespace(service string) string {
	return "https://gatehouse-authz.github.io/services/" + service
}

// field is an element of a sequence in the schema.
type field struct {
	name, kind string
	optional   bool
	many       bool
	doc        string
}

// operations are what every service can do.
var operations = []struct {
	name, doc string
	input     []field // of all but submit, whose schema depends on the service
	output    []field
	faults    []string
}{
	{"submit", "Submits a job. The answer comes when the job is recorded for good.", nil,
		[]field{{name: "job", kind: "tns:job"}}, []string{"refused", "invalid", "unavailable", "unauthenticated"}},
	{"status", "Says where a job stands.", []field{session},
		[]field{{name: "job", kind: "tns:job"}}, []string{"refused", "unknownJob", "invalid", "unavailable", "unauthenticated"}},
	{"list", "Lists the caller's own jobs of this service. Anonymous callers have none: they keep the sessions themselves.",
		[]field{{name: "behind", kind: "xs:string", optional: true, doc: "the last session of the list before, to go on"}},
		[]field{{name: "job", kind: "tns:job", optional: true, many: true}, {name: "more", kind: "xs:boolean"}},
		[]string{"refused", "invalid", "unavailable", "unauthenticated"}},
	{"cancel", "Ends a job. The answer comes when that is recorded for good; the status follows.", []field{session},
		[]field{{name: "job", kind: "tns:job"}}, []string{"refused", "unknownJob", "conflict", "invalid", "unavailable", "unauthenticated"}},
	{"purge", "Removes a job that has ended, with its sandbox.", []field{session},
		[]field{session}, []string{"refused", "unknownJob", "conflict", "invalid", "unavailable", "unauthenticated"}},
}

var session = field{name: "session", kind: "tns:session"}

// jobFields are the children of a job in an answer.
var jobFields = []field{
	session,
	{name: "sandbox", kind: "xs:anyURI", doc: "where the files of the job are, over HTTPS"},
	{name: "method", kind: "xs:string"},
	{name: "state", kind: "tns:state"},
	{name: "registered", kind: "xs:dateTime"},
	{name: "started", kind: "xs:dateTime", optional: true},
	{name: "ended", kind: "xs:dateTime", optional: true},
	{name: "requestedCpuTime", kind: "xs:unsignedLong", doc: "seconds"},
	{name: "grantedCpuTime", kind: "xs:unsignedLong", doc: "seconds"},
	{name: "grantedWallTime", kind: "xs:unsignedLong", doc: "seconds"},
	{name: "usedCpuTime", kind: "xs:decimal", doc: "seconds"},
	{name: "owner", kind: "xs:string"},
	{name: "account", kind: "xs:string", doc: "the local account that the job was granted"},
	{name: "decision", kind: "xs:string", doc: "the id of the decision behind the job"},
	{name: "revision", kind: "xs:string", doc: "of the policies that permitted it"},
	{name: "exitCode", kind: "xs:int", optional: true},
	{name: "signal", kind: "xs:string", optional: true},
	{name: "reason", kind: "xs:string", optional: true, doc: "why the job did not end by itself"},
}

// faultFields are the children of the fault details.
var faultFields = []struct {
	name   string
	fields []field
}{
	{"refused", []field{
		{name: "decision", kind: "xs:string", doc: "the id to tell an administrator"},
		{name: "reason", kind: "xs:string", optional: true},
		{name: "enough", kind: "tns:bounds", optional: true, many: true, doc: "what would have been enough: all bounds of one of these"},
	}},
	{"unknownJob", []field{{name: "decision", kind: "xs:string"}, session}},
	{"conflict", []field{{name: "state", kind: "tns:state"}, {name: "message", kind: "xs:string"}}},
	{"invalid", []field{{name: "message", kind: "xs:string"}}},
	{"unavailable", []field{{name: "message", kind: "xs:string"}}},
	{"unauthenticated", []field{{name: "message", kind: "xs:string"}}},
}

// schema writes the types of a service.
func schema(w *xml.Writer, s *service.Service) {
	w.Start("xs:schema")
	w.Attr("targetNamespace", Namespace(s.Name))
	w.Attr("elementFormDefault", "qualified")
	submitElement(w, s)
	for i := range s.Methods {
		methodType(w, &s.Methods[i])
	}
	for _, o := range operations {
		if o.input != nil {
			element(w, o.name, o.input)
		}
		element(w, o.name+"Response", o.output)
	}
	for _, f := range faultFields {
		element(w, f.name, f.fields)
	}
	complexType(w, "job", jobFields)
	complexType(w, "bounds", []field{{name: "bound", kind: "tns:bound", many: true}})
	complexType(w, "bound", []field{{name: "attribute", kind: "xs:string"}, {name: "operator", kind: "xs:string"}, {name: "value", kind: "xs:string"}})
	complexType(w, "command", []field{{name: "method", kind: "xs:string"}, {name: "arguments", kind: "xs:string"}})
	var states []string
	for _, state := range job.States() {
		states = append(states, string(state))
	}
	simpleType(w, "state", "xs:string", func() { enumeration(w, states) })
	simpleType(w, "session", "xs:string", func() { facet(w, "pattern", "[0-9a-f]{32}") })
	w.End()
}

func submitElement(w *xml.Writer, s *service.Service) {
	w.Start("xs:element")
	w.Attr("name", "submit")
	w.Start("xs:complexType")
	w.Start("xs:sequence")
	writeField(w, field{name: "requestedCpuTime", kind: "xs:unsignedLong", optional: true, doc: "seconds; the method's own rule when absent"})
	writeField(w, field{name: "requestKey", kind: "xs:string", optional: true,
		doc: "chosen by the client: a retry under the same key gives the same job. An anonymous caller's must be random."})
	w.Start("xs:element")
	w.Attr("name", "method")
	w.Start("xs:complexType")
	w.Start("xs:choice")
	for i := range s.Methods {
		m := &s.Methods[i]
		writeField(w, field{name: m.Name, kind: "tns:method." + m.Name, doc: m.Documentation})
	}
	writeField(w, field{name: service.Command, kind: "tns:command", doc: "a method with its arguments in one string: -name value -name value"})
	for range 6 {
		w.End()
	}
}

func methodType(w *xml.Writer, m *service.Method) {
	w.Start("xs:complexType")
	w.Attr("name", "method."+m.Name)
	w.Start("xs:sequence")
	for i := range m.Parameters {
		parameter(w, &m.Parameters[i])
	}
	w.End()
	w.End()
}

func parameter(w *xml.Writer, p *service.Parameter) {
	w.Start("xs:element")
	w.Attr("name", p.Name)
	if !p.Required() {
		w.Attr("minOccurs", "0")
	}
	documentation(w, "xs:annotation", "xs:documentation", p.Documentation)
	w.Start("xs:simpleType")
	w.Start("xs:restriction")
	w.Attr("base", "xs:"+string(p.Type))
	if p.Min != "" {
		facet(w, "minInclusive", p.Min)
	}
	if p.Max != "" {
		facet(w, "maxInclusive", p.Max)
	}
	if p.Type == service.String {
		facet(w, "maxLength", strconv.Itoa(p.MaxLength))
	}
	enumeration(w, p.OneOf)
	for range 3 {
		w.End()
	}
}

func element(w *xml.Writer, name string, fields []field) {
	w.Start("xs:element")
	w.Attr("name", name)
	complexType(w, "", fields)
	w.End()
}

func complexType(w *xml.Writer, name string, fields []field) {
	w.Start("xs:complexType")
	if name != "" {
		w.Attr("name", name)
	}
	w.Start("xs:sequence")
	for _, f := range fields {
		writeField(w, f)
	}
	w.End()
	w.End()
}

func simpleType(w *xml.Writer, name, base string, facets func()) {
	w.Start("xs:simpleType")
	w.Attr("name", name)
	w.Start("xs:restriction")
	w.Attr("base", base)
	facets()
	w.End()
	w.End()
}

func writeField(w *xml.Writer, f field) {
	w.Start("xs:element")
	w.Attr("name", f.name)
	w.Attr("type", f.kind)
	if f.optional {
		w.Attr("minOccurs", "0")
	}
	if f.many {
		w.Attr("maxOccurs", "unbounded")
	}
	documentation(w, "xs:annotation", "xs:documentation", f.doc)
	w.End()
}

func enumeration(w *xml.Writer, values []string) {
	for _, v := range values {
		facet(w, "enumeration", v)
	}
}

func facet(w *xml.Writer, name, value string) {
	w.Start("xs:" + name)
	w.Attr("value", value)
	w.End()
}

func documentation(w *xml.Writer, outer, inner, text string) {
	if text == "" {
		return
	}
	w.Start(outer)
	w.Leaf(inner, text)
	w.End()
}
