package soap

import (
	"errors"

	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// The fault codes of SOAP 1.1, section 4.4.1. A code may be made finer with a dot: {Namespace}Client.Authentication.
var (
	CodeClient          = xml.Name{Space: Namespace, Local: "Client"}
	CodeServer          = xml.Name{Space: Namespace, Local: "Server"}
	CodeMustUnderstand  = xml.Name{Space: Namespace, Local: "MustUnderstand"}
	CodeVersionMismatch = xml.Name{Space: Namespace, Local: "VersionMismatch"}
)

// Fault is a SOAP fault, to be sent or received, and a Go error.
type Fault struct {
	Code   xml.Name // of no namespace if a received code could not be resolved
	String string   // for people; it is sent, so it must hold no secret
	Actor  string

	// Detail writes the entries of the detail element of a fault to be sent; nil for none.
	Detail Body

	// Received is the detail element of a fault that was received; nil if it had none.
	Received *xml.Node

	// Cause is the error behind the fault. It is not sent.
	Cause error
}

var _ error = (*Fault)(nil)

// Error gives the local part of the code and the fault string.
func (f *Fault) Error() string { return "soap fault " + f.Code.Local + ": " + f.String }

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Cause }

// AsFault gives the fault to send for an error: the one in it, or a Server fault that tells nothing of what went
// wrong inside.
func AsFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return &Fault{Code: CodeServer, String: "internal error", Cause: err}
}

// Fault gives the document with a fault in it. Characters that XML cannot hold are replaced in the fault string.
// A detail that cannot be written is left out, for the fault itself must reach the caller.
func (s Style) Fault(f *Fault) ([]byte, error) {
	data, err := s.Envelope(func(w *xml.Writer) { s.writeFault(w, f) })
	if err != nil && f.Detail != nil {
		bare := *f
		bare.Detail = nil
		data, err = s.Envelope(func(w *xml.Writer) { s.writeFault(w, &bare) })
	}
	return data, err
}

func (s Style) writeFault(w *xml.Writer, f *Fault) {
	w.Start(s.prefix() + ":Fault")
	s.writeCode(w, f.Code)
	w.Leaf("faultstring", xml.Clean(f.String))
	if f.Actor != "" {
		w.Leaf("faultactor", xml.Clean(f.Actor))
	}
	if f.Detail != nil {
		w.Start("detail")
		f.Detail(w)
		w.End()
	}
	w.End()
}

// writeCode writes the faultcode as a qualified name. A code that is no name, or has no namespace, would not
// survive: it becomes Server.
func (s Style) writeCode(w *xml.Writer, code xml.Name) {
	if code.Space == "" || !xml.IsNCName(code.Local) {
		code = CodeServer
	}
	w.Start("faultcode")
	prefix := s.prefix()
	if code.Space != Namespace {
		prefix = "code"
		w.Namespace(prefix, xml.Clean(code.Space))
	}
	w.Text(prefix + ":" + code.Local)
	w.End()
}

// readFault reads a Fault element (SOAP 1.1, section 4.4). Its children are in no namespace; some stacks put them
// into that of the envelope.
func readFault(r *xml.Reader) (*Fault, error) {
	f := new(Fault)
	seen := map[string]bool{}
	for child, err := range r.Children() {
		if err != nil {
			return nil, err
		}
		field := child.Name.Local
		if child.Name.Space != "" && child.Name.Space != Namespace || seen[field] {
			return nil, r.Unexpected(child)
		}
		seen[field] = true
		switch field {
		case "faultcode":
			err = f.readCode(r)
		case "faultstring":
			f.String, err = r.Content()
		case "faultactor":
			f.Actor, err = r.Content()
		case "detail":
			f.Received, err = r.Node()
		default:
			err = r.Unexpected(child)
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *Fault) readCode(r *xml.Reader) error {
	text, err := r.Content()
	if err != nil {
		return err
	}
	if f.Code, err = r.QName(text); err != nil {
		f.Code = xml.Name{Local: text}
	}
	return nil
}
