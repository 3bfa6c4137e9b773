package container

import (
	"bytes"

	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// WSDL returns the WSDL 1.1 of a service at an address, as the WS-I Basic
// Profile 1.1 wants it: document/literal, one element part per message, one
// soapAction per operation, faults declared.
func WSDL(s *service.Service, address string) ([]byte, error) {
	w := &xml.Writer{Indent: " "}
	w.Declaration()
	w.Start("wsdl:definitions")
	w.Namespace("wsdl", wsdlSpace)
	w.Namespace("soap", soapSpace)
	w.Namespace("xs", xsdSpace)
	w.Namespace("tns", Namespace(s.Name))
	w.Attr("name", s.Name)
	w.Attr("targetNamespace", Namespace(s.Name))
	if s.Documentation != "" {
		w.Leaf("wsdl:documentation", s.Documentation)
	}
	w.Start("wsdl:types")
	schema(w, s)
	w.End()
	messages(w)
	portType(w, s)
	binding(w, s)
	endpoint(w, s, address)
	w.End()
	document, err := w.Bytes()
	return bytes.Clone(document), err
}

func messages(w *xml.Writer) {
	for _, o := range operations {
		message(w, o.name, o.name)
		message(w, o.name+"Response", o.name+"Response")
	}
	for _, f := range faultFields {
		message(w, f.name+"Fault", f.name)
	}
}

func message(w *xml.Writer, name, element string) {
	w.Start("wsdl:message")
	w.Attr("name", name)
	w.Start("wsdl:part")
	w.Attr("name", "parameters")
	w.Attr("element", "tns:"+element)
	w.End()
	w.End()
}

func portType(w *xml.Writer, s *service.Service) {
	w.Start("wsdl:portType")
	w.Attr("name", s.Name+"PortType")
	for _, o := range operations {
		w.Start("wsdl:operation")
		w.Attr("name", o.name)
		w.Leaf("wsdl:documentation", o.doc)
		refer(w, "wsdl:input", "", o.name)
		refer(w, "wsdl:output", "", o.name+"Response")
		for _, f := range o.faults {
			refer(w, "wsdl:fault", f, f+"Fault")
		}
		w.End()
	}
	w.End()
}

func refer(w *xml.Writer, tag, name, message string) {
	w.Start(tag)
	if name != "" {
		w.Attr("name", name)
	}
	w.Attr("message", "tns:"+message)
	w.End()
}

func binding(w *xml.Writer, s *service.Service) {
	w.Start("wsdl:binding")
	w.Attr("name", s.Name+"Binding")
	w.Attr("type", "tns:"+s.Name+"PortType")
	w.Start("soap:binding")
	w.Attr("style", "document")
	w.Attr("transport", httpBound)
	w.End()
	for _, o := range operations {
		w.Start("wsdl:operation")
		w.Attr("name", o.name)
		w.Start("soap:operation")
		w.Attr("soapAction", Namespace(s.Name)+"/"+o.name)
		w.Attr("style", "document")
		w.End()
		literal(w, "wsdl:input", "soap:body", "")
		literal(w, "wsdl:output", "soap:body", "")
		for _, f := range o.faults {
			literal(w, "wsdl:fault", "soap:fault", f)
		}
		w.End()
	}
	w.End()
}

func literal(w *xml.Writer, outer, inner, name string) {
	w.Start(outer)
	if name != "" {
		w.Attr("name", name)
	}
	w.Start(inner)
	if name != "" {
		w.Attr("name", name)
	}
	w.Attr("use", "literal")
	w.End()
	w.End()
}

func endpoint(w *xml.Writer, s *service.Service, address string) {
	w.Start("wsdl:service")
	w.Attr("name", s.Name)
	w.Start("wsdl:port")
	w.Attr("name", s.Name+"Port")
	w.Attr("binding", "tns:"+s.Name+"Binding")
	w.Start("soap:address")
	w.Attr("location", address)
	for range 3 {
		w.End()
	}
}
