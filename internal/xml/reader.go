package xml

import "strings"

// Reader pulls tokens out of one document. It is not for concurrent use. After an error it gives that error for
// ever.
type Reader struct {
	src    *source
	text   string // src.text, at hand
	limits Limits
	traits

	pos      int       // next byte to read
	end      int       // one beyond the last byte
	frames   []frame   // open elements
	bindings []Binding // in scope, innermost last
	attrs    []Attr    // where attributes are laid out; Child alone takes back what it gave
	buf      []byte    // for text that is not as it stands in the document

	kind    Kind   // of the token given last
	offset  int    // of the token given last
	opened  []Attr // of the start tag given last
	empty   bool   // the last start tag was an empty-element tag: its End comes next
	leaving bool   // the last token was an End: its frame goes before the next
	rooted  bool   // the root element has been seen
	err     error
}

// frame is an open element.
type frame struct {
	name   Name
	prefix string
	tag    string // the name as written
	offset int    // of its start tag
	scope  int    // len(bindings) before its own
	attrs  int    // where in attrs its own begin
}

// NewReader starts reading the document data, which is copied once and may be changed afterwards. The name stands
// in positions and errors: a file name, or what the document is. Any error, an oversized or wrongly encoded
// document included, comes from the first call that reads.
func NewReader(name string, data []byte, limits Limits) *Reader {
	r := &Reader{frames: make([]frame, 0, 8), bindings: make([]Binding, 0, 4)}
	r.Reset(name, data, limits)
	return r
}

// Reset makes r read another document and keeps what memory it can. What was read from the former stays good.
func (r *Reader) Reset(name string, data []byte, limits Limits) {
	*r = Reader{
		src:      &source{name: name},
		limits:   limits.orDefault(),
		frames:   r.frames[:0],
		bindings: r.bindings[:0],
		attrs:    r.attrs[len(r.attrs):], // what lies before belongs to tokens and trees
		buf:      r.buf[:0],
	}
	r.err = r.load(data)
}

// load takes the document over and reads its prolog.
func (r *Reader) load(data []byte) error {
	if len(data) > r.limits.Size {
		return r.fail(0, ErrLimit, "document of %d bytes is larger than the limit of %d", len(data), r.limits.Size)
	}
	var bad int
	r.traits, bad = inspect(data)
	r.src.text = string(data)
	r.text, r.end = r.src.text, len(data)
	if bad >= 0 {
		return r.fail(bad, ErrMalformed, "%s", r.whyNot(bad))
	}
	return r.prolog()
}

// whyNot words what is wrong with the byte at an offset that inspect did not like.
func (r *Reader) whyNot(offset int) string {
	switch rest := r.text[offset:]; {
	case offset <= 1 && (strings.HasPrefix(r.text, "\xFE\xFF") || strings.HasPrefix(r.text, "\xFF\xFE")):
		return "document is in UTF-16, only UTF-8 is read"
	case offset <= 1 && strings.HasPrefix(strings.ReplaceAll(r.text[:min(4, r.end)], "\x00", ""), "<"):
		return "document is in UTF-16 or UTF-32, only UTF-8 is read"
	case rest[0] < 0x20:
		return "control character " + codePoint(rune(rest[0])) + " is not allowed in XML"
	case strings.HasPrefix(rest, "\uFFFE"), strings.HasPrefix(rest, "\uFFFF"):
		return "U+FFFE and U+FFFF are not allowed in XML"
	default:
		return "document is not valid UTF-8"
	}
}

// Next gives the next token. At the end of the document it gives EOF, again and again. The document is refused
// (*Error) where it first goes wrong; nothing that was read before may be acted upon then.
func (r *Reader) Next() (t Token, err error) {
	err = r.next(&t)
	return t, err
}

// next is Next into a zero token: copying tokens from call to call would take a third of the time.
func (r *Reader) next(t *Token) error {
	if r.err != nil {
		return r.err
	}
	if r.leaving {
		r.pop()
	}
	if r.empty {
		r.empty = false
		r.endToken(t, r.pos)
		return nil
	}
	if len(r.frames) == 0 {
		return r.outside(t)
	}
	return r.inside(t)
}

// Depth is the number of open elements; at a Start and at an End it counts the element itself.
func (r *Reader) Depth() int { return len(r.frames) }

// inside reads the next token of element content.
func (r *Reader) inside(t *Token) error {
	for r.pos < r.end {
		start := r.pos
		if c := r.text[start]; c != '<' || r.at(start+1) == '!' {
			text, err := r.characters()
			if err != nil {
				return err
			}
			if text == "" { // comments alone, or an empty CDATA section
				continue
			}
			t.Kind, t.Text, t.Offset = Text, text, start
			r.kind, r.offset = Text, start
			return nil
		}
		switch r.at(start + 1) {
		case '/':
			return r.endTag(t)
		case '?':
			return r.instruction(start)
		default:
			return r.startTag(t)
		}
	}
	return r.unclosed()
}

// unclosed is the error of a document that ends within an element.
func (r *Reader) unclosed() error {
	if len(r.frames) == 0 {
		return r.malformed(r.end, "document ends too early")
	}
	top := &r.frames[len(r.frames)-1]
	return r.malformed(r.end, "document ends inside <%s>, opened at line %d", clip(top.tag), r.Position(top.offset).Line)
}

// at is the byte at i, or 0 (which no document holds) beyond the end.
func (r *Reader) at(i int) byte {
	if i < r.end {
		return r.text[i]
	}
	return 0
}

// skipSpace goes to the next byte that is not white space and tells whether there was any.
func (r *Reader) skipSpace() bool {
	start := r.pos
	for r.pos < r.end && classes[r.text[r.pos]]&space != 0 {
		r.pos++
	}
	return r.pos > start
}

func (r *Reader) endToken(t *Token, offset int) {
	top := &r.frames[len(r.frames)-1]
	r.kind, r.offset, r.leaving = End, offset, true
	t.Kind, t.Name, t.Prefix, t.Offset = End, top.name, top.prefix, offset
}

// push opens an element, to be filled in by the caller.
func (r *Reader) push() *frame {
	n := len(r.frames)
	if n == cap(r.frames) {
		r.frames = append(r.frames, frame{})
	}
	r.frames = r.frames[:n+1]
	return &r.frames[n]
}

func (r *Reader) pop() {
	last := len(r.frames) - 1
	r.bindings = r.bindings[:r.frames[last].scope]
	r.frames = r.frames[:last]
	r.leaving = false
}
