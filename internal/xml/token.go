package xml

// Namespaces that are bound without a declaration (Namespaces in XML 1.0, section 3).
const (
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace = "http://www.w3.org/2000/xmlns/"
)

// Name is an expanded name: namespace URI and local part. Space is empty for a name in no namespace. Names are
// compared with ==.
type Name struct {
	Space, Local string
}

// String gives {space}local, or the local part alone for a name in no namespace.
func (n Name) String() string {
	if n.Space == "" {
		return n.Local
	}
	return "{" + n.Space + "}" + n.Local
}

// Kind tells the kinds of Token apart.
type Kind uint8

// The kinds of Token. An empty-element tag gives a Start and an End. The zero Kind is none of them, so that the
// empty Token that comes with an error is not taken for the end of a document.
const (
	EOF   Kind = iota + 1 // the end of a whole, well-formed document
	Start                 // a start tag
	End                   // an end tag
	Text                  // character data, never empty, never followed by more Text
)

// String names the kind for messages.
func (k Kind) String() string {
	switch k {
	case Start:
		return "start tag"
	case End:
		return "end tag"
	case Text:
		return "text"
	case EOF:
		return "end of document"
	default:
		return "nothing"
	}
}

// Token is one piece of a document. Its strings share memory with the document: clone (strings.Clone) what is
// kept long after the document should be gone.
type Token struct {
	Kind   Kind
	Name   Name   // of Start and End
	Prefix string // as written, of Start and End
	Attrs  []Attr // of Start; namespace declarations are not among them
	Text   string // of Text, normalised
	Offset int    // of the first byte of the token, for Reader.Position
}

// Attr is an attribute. One without a prefix is in no namespace.
type Attr struct {
	Name   Name
	Prefix string
	Value  string // normalised
	Offset int    // of the first byte of the name
}

// Attr finds the attribute of that expanded name.
func (t Token) Attr(name Name) (Attr, bool) {
	return findAttr(t.Attrs, name)
}

// Value is the value of the attribute of that name in no namespace, or "" when it is absent.
func (t Token) Value(local string) string {
	a, _ := findAttr(t.Attrs, Name{Local: local})
	return a.Value
}

func findAttr(attrs []Attr, name Name) (Attr, bool) {
	for i := range attrs {
		if attrs[i].Name == name {
			return attrs[i], true
		}
	}
	return Attr{}, false
}

// Binding is a namespace declaration: Prefix is empty for the default namespace, Space is empty where the
// default namespace is undone.
type Binding struct {
	Prefix, Space string
}
