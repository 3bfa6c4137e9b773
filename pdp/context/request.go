package context

import (
	"bytes"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// Form is how a context is written.
type Form uint8

// The forms.
const (
	ThreeXML Form = iota + 1 // XACML 3.0 core, section 5
	TwoXML                   // XACML 2.0 core, section 6
	JSON                     // JSON profile of XACML 3.0, version 1.1
)

// MediaType is the content type of the form (RFC 7061; JSON profile, 9).
func (f Form) MediaType() string {
	switch f {
	case TwoXML:
		return "application/xacml+xml; version=2.0"
	case JSON:
		return "application/xacml+json"
	}
	return "application/xacml+xml; version=3.0"
}

// The namespaces of contexts.
const (
	ThreeNamespace = "urn:oasis:names:tc:xacml:3.0:core:schema:wd-17"
	TwoNamespace   = "urn:oasis:names:tc:xacml:2.0:context:schema:os"
	twoPolicy      = "urn:oasis:names:tc:xacml:2.0:policy:schema:os"
)

// The defaults of Options.
const (
	DefaultSize      = 1 << 20
	DefaultQuestions = 1000
)

// Options say how a request is read and what may stand in for what it leaves
// out. The zero Options trust nothing.
type Options struct {
	// Verified reports whether the sender is trusted to assert that attribute
	// (the content, when id is ""); nil trusts no attribute.
	Verified func(c authz.Category, id string) bool
	// Children gives the resources right below one, for requests with a scope
	// of Children, Descendants or EntireHierarchy that are not about nodes of
	// their own content; nil refuses such requests.
	Children func(resource authz.Value) ([]authz.Value, error)
	// Size bounds the document in bytes; 0 is DefaultSize.
	Size int
	// MostQuestions bounds what one request may ask; 0 is DefaultQuestions.
	MostQuestions int
	// Clock gives all questions of one request the same time; nil is time.Now.
	Clock func() time.Time
}

func (o Options) orDefault() Options {
	if o.Verified == nil {
		o.Verified = func(authz.Category, string) bool { return false }
	}
	if o.Size <= 0 {
		o.Size = DefaultSize
	}
	if o.MostQuestions <= 0 {
		o.MostQuestions = DefaultQuestions
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

func (o Options) standing(c authz.Category, id string) authz.Standing {
	if o.Verified(c, id) {
		return authz.Verified
	}
	return authz.Presented
}

func (o Options) limits() xml.Limits {
	return xml.Limits{Size: o.Size, Depth: 64, Attributes: 256}
}

// Request is a request context as it was read.
type Request struct {
	Form Form
	// ReturnPolicyIDs asks for the policies that applied; Combined asks for one
	// decision in place of many (XACML 3.0 core, 5.42).
	ReturnPolicyIDs bool
	Combined        bool

	options Options
	groups  []group
	// references are the MultiRequests: each the indices of its groups. Nil
	// when there are none.
	references [][]int
}

// group is an Attributes element, or its like.
type group struct {
	id       string // xml:id
	category authz.Category
	attrs    []authz.Attribute
	content  *authz.Content
	whole    *hierarchy // of which this is a node, if one answer is wanted for all
	place    place
}

// place is where something stands, for errors: to count lines for each thing
// that is read would cost the square of a document.
type place struct {
	in     interface{ Position(offset int) xml.Position }
	offset int
}

func (p place) position() xml.Position { return p.in.Position(p.offset) }

// Read reads a request context in whatever form it is. name stands in errors,
// which are *xml.Error or *Error and carry line and column.
func Read(name string, data []byte, o Options) (*Request, error) {
	if isJSON(data) {
		return readJSON(name, data, o.orDefault())
	}
	o = o.orDefault()
	r := xml.NewReader(name, data, o.limits())
	start, err := r.Root(requestName(ThreeNamespace), requestName(TwoNamespace))
	if err != nil {
		return nil, err
	}
	request, err := Decode(r, start, o)
	if err != nil {
		return nil, err
	}
	return request, r.Finish()
}

// usualGroups is the room for groups that nearly all requests fit into.
const usualGroups = 4

func requestName(space string) xml.Name { return xml.Name{Space: space, Local: "Request"} }

// Decode reads a Request element whose start tag was read last, for protocols
// that wrap one. The limits are those of the reader.
func Decode(r *xml.Reader, start xml.Token, o Options) (*Request, error) {
	d := &decoder{r: r, space: start.Name.Space, options: o.orDefault(), room: newRoom()}
	switch start.Name {
	case requestName(ThreeNamespace):
		return d.three(&start)
	case requestName(TwoNamespace):
		return d.two(&start)
	}
	return nil, r.Unexpected(start)
}

// isJSON tells JSON from XML by its first character.
func isJSON(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && (data[0] == '{' || data[0] == '[')
}

// Error is what is wrong with a document in JSON, or with what a request asks.
type Error struct {
	Position xml.Position // the zero Position when it concerns the whole
	Message  string
}

// Error gives file:line:column: message.
func (e *Error) Error() string {
	if e.Position == (xml.Position{}) {
		return e.Message
	}
	return e.Position.String() + ": " + e.Message
}
