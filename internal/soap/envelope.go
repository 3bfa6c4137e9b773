package soap

import (
	"errors"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// Namespace is that of SOAP 1.1 envelopes.
const Namespace = "http://schemas.xmlsoap.org/soap/envelope/"

// actorNext addresses a header to whoever receives it (SOAP 1.1, section 4.2.2).
const actorNext = "http://schemas.xmlsoap.org/soap/actor/next"

var (
	envelopeName = xml.Name{Space: Namespace, Local: "Envelope"}
	headerName   = xml.Name{Space: Namespace, Local: "Header"}
	bodyName     = xml.Name{Space: Namespace, Local: "Body"}
	faultName    = xml.Name{Space: Namespace, Local: "Fault"}
)

// Decoder reads one child of a Body, whose start tag is given and was the last that r read. It need not read to
// the end tag. It must not act on what it reads: the rest of the envelope may yet be refused.
type Decoder func(r *xml.Reader, start xml.Token) error

// Options say what envelopes are read. The zero Options are strict: no header is understood, the Body has exactly
// one child, and the limits are the defaults of internal/xml.
type Options struct {
	// Header reads one header entry addressed to us and tells whether it is understood.
	Header func(r *xml.Reader, start xml.Token) (understood bool, err error)

	// Parts is how many children the Body may have, 1 if zero.
	Parts int

	// Empty allows a Body without children; decode is not called then.
	Empty bool

	Limits xml.Limits
}

// Read reads an envelope and hands the children of its Body to decode. Nothing that decode has seen may be acted
// upon unless Read returns nil. The error is a *Fault, of code Client unless decode gave another; name stands in
// it for the document.
func Read(name string, data []byte, o Options, decode Decoder) error {
	err := read(name, data, o, decode)
	var fault *Fault
	if err == nil || errors.As(err, &fault) {
		return err
	}
	return &Fault{Code: CodeClient, String: err.Error(), Cause: err}
}

func read(name string, data []byte, o Options, decode Decoder) error {
	r := xml.NewReader(name, data, o.Limits)
	root, err := r.Root()
	if err != nil {
		return err
	}
	if err := checkRoot(r, root); err != nil {
		return err
	}
	headers, bodies := 0, 0
	for child, err := range r.Children() {
		if err != nil {
			return err
		}
		switch {
		case child.Name == headerName && headers == 0 && bodies == 0:
			headers++
			err = o.readHeader(r)
		case child.Name == bodyName && bodies == 0:
			bodies++
			err = o.readBody(r, child, decode)
		default:
			err = r.Unexpected(child)
		}
		if err != nil {
			return err
		}
	}
	if bodies == 0 {
		return r.Errorf(root.Offset, "envelope has no Body")
	}
	return r.Finish()
}

// checkRoot tells another version of SOAP from what is no envelope at all (SOAP 1.1, section 4.1.2).
func checkRoot(r *xml.Reader, root xml.Token) error {
	switch {
	case root.Name == envelopeName:
		return nil
	case root.Name.Local == envelopeName.Local && root.Name.Space != "":
		return &Fault{Code: CodeVersionMismatch, String: fmt.Sprintf("%s: envelope of namespace %.100q, only SOAP 1.1 (%s) is spoken here",
			r.Position(root.Offset), root.Name.Space, Namespace)}
	default:
		return r.Errorf(root.Offset, "<%.100s> is not a SOAP envelope", root.Name)
	}
}

func (o *Options) readHeader(r *xml.Reader) error {
	for entry, err := range r.Children() {
		if err != nil {
			return err
		}
		must, err := mustUnderstand(r, entry)
		if err != nil {
			return err
		}
		if !forUs(entry) {
			continue
		}
		understood := false
		if o.Header != nil {
			if understood, err = o.Header(r, entry); err != nil {
				return err
			}
		}
		if must && !understood {
			return &Fault{Code: CodeMustUnderstand, String: fmt.Sprintf("%s: header <%.100s> must be understood and is not",
				r.Position(entry.Offset), entry.Name)}
		}
	}
	return nil
}

func mustUnderstand(r *xml.Reader, entry xml.Token) (bool, error) {
	must, ok := entry.Attr(xml.Name{Space: Namespace, Local: "mustUnderstand"})
	switch {
	case !ok, must.Value == "0", must.Value == "false":
		return false, nil
	case must.Value == "1", must.Value == "true": // the latter is SOAP 1.2 in a SOAP 1.1 envelope, but its meaning is plain
		return true, nil
	default:
		return false, r.Errorf(must.Offset, "mustUnderstand is %.100q, want 0 or 1", must.Value)
	}
}

// forUs tells whether a header entry is addressed to the one who reads it.
func forUs(entry xml.Token) bool {
	actor, _ := entry.Attr(xml.Name{Space: Namespace, Local: "actor"})
	return actor.Value == "" || actor.Value == actorNext
}

func (o *Options) readBody(r *xml.Reader, body xml.Token, decode Decoder) error {
	n := 0
	for child, err := range r.Children() {
		if err != nil {
			return err
		}
		if n++; n > max(o.Parts, 1) {
			return r.Errorf(child.Offset, "Body has more than %d child, <%.100s> is too many", max(o.Parts, 1), child.Name)
		}
		if err := decode(r, child); err != nil {
			return err
		}
	}
	if n == 0 && !o.Empty {
		return r.Errorf(body.Offset, "Body is empty")
	}
	return nil
}

// Body writes the child of a Body. A nil Body leaves it empty, as some delegation services answer.
type Body func(w *xml.Writer)

// Style is how envelopes are spelt, for peers that look at the spelling.
type Style struct {
	Prefix     string        // of the envelope namespace; default "soap"
	Namespaces []xml.Binding // more declarations for the Envelope element
}

// Envelope gives the document with what body writes in it.
func (s Style) Envelope(body Body) ([]byte, error) {
	var w xml.Writer
	prefix := s.prefix()
	w.Declaration()
	w.Start(prefix + ":Envelope")
	w.Namespace(prefix, Namespace)
	for _, b := range s.Namespaces {
		w.Namespace(b.Prefix, b.Space)
	}
	w.Start(prefix + ":Body")
	if body != nil {
		body(&w)
	}
	w.End()
	w.End()
	return w.Bytes()
}

func (s Style) prefix() string {
	if s.Prefix == "" {
		return "soap"
	}
	return s.Prefix
}
