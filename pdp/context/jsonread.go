package context

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// jsonReader walks a JSON text (RFC 8259) that its caller has the shape of:
// each method reads one value of the kind it is named after. Names that stand
// twice, invalid UTF-8 and members that nobody asks for are errors. Slices
// that it gives are of the document and must not be changed.
//
// Nothing but skip reads what may nest without end, and that is the library's.
type jsonReader struct {
	name string
	data []byte
	pos  int
}

func newJSONReader(name string, data []byte, size int) (*jsonReader, error) {
	if len(data) > size {
		return nil, &Error{Message: fmt.Sprintf("%s: document has %d bytes; %d are the most", name, len(data), size)}
	}
	return &jsonReader{name: name, data: data}, nil
}

// Position is the line and column of a byte.
func (j *jsonReader) Position(offset int) xml.Position {
	before := j.data[:min(offset, len(j.data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return xml.Position{File: j.name, Line: line, Column: column}
}

// here is the place of the next token.
func (j *jsonReader) here() place {
	j.kind()
	return place{j, j.pos}
}

func (j *jsonReader) errorAt(offset int, format string, args ...any) error {
	return &Error{j.Position(offset), fmt.Sprintf(format, args...)}
}

// kind goes to the next token and tells it by its first character, a number by
// '0'; 0 is the end of the document.
func (j *jsonReader) kind() byte {
	for ; j.pos < len(j.data); j.pos++ {
		switch c := j.data[j.pos]; c {
		case ' ', '\n', '\r', '\t':
		case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			return '0'
		default:
			return c
		}
	}
	return 0
}

// unexpected is the error of a token that has no place where it stands.
func (j *jsonReader) unexpected(want string) error {
	if j.kind() == 0 && j.pos >= len(j.data) {
		return j.errorAt(j.pos, "the document ends too early")
	}
	c, _ := utf8.DecodeRune(j.data[j.pos:])
	return j.errorAt(j.pos, "unexpected %q; want %s", c, want)
}

// mismatch is the error of a value of another kind, or of no value.
func (j *jsonReader) mismatch(what string, want string) error {
	if bytes.IndexByte([]byte(`{["0tfn`), j.kind()) < 0 {
		return j.unexpected(want)
	}
	return j.errorAt(j.pos, "%s must be %s", what, want)
}

// object reads an object and calls read for each member, which must read its
// value or say that it does not know it.
func (j *jsonReader) object(what string, read func(member []byte) (known bool, err error)) error {
	if j.kind() != '{' {
		return j.mismatch(what, "an object")
	}
	var seen names
	more, err := j.enter('}')
	for ; more && err == nil; more, err = j.another('}') {
		place := j.here()
		member, err := j.member()
		if err != nil {
			return err
		}
		if seen.twice(member) {
			return &Error{place.position(), "member " + quote(string(member)) + " stands twice"}
		}
		known, err := read(member)
		if err != nil {
			return err
		}
		if !known {
			return &Error{place.position(), fmt.Sprintf("%s has no member %s", what, quote(string(member)))}
		}
	}
	return err
}

// member reads a name and the colon behind it.
func (j *jsonReader) member() ([]byte, error) {
	if j.kind() != '"' {
		return nil, j.unexpected("the name of a member")
	}
	name, err := j.characters()
	if err != nil {
		return nil, err
	}
	if j.kind() != ':' {
		return nil, j.unexpected(`":"`)
	}
	j.pos++
	return name, nil
}

// list reads an array, or one item that stands for an array of it.
func (j *jsonReader) list(read func() error) error {
	if j.kind() != '[' {
		return read()
	}
	more, err := j.enter(']')
	for ; more && err == nil; more, err = j.another(']') {
		if err := read(); err != nil {
			return err
		}
	}
	return err
}

// enter goes into an object or array; more is false when it is empty.
func (j *jsonReader) enter(end byte) (more bool, err error) {
	j.pos++
	if j.kind() == end {
		j.pos++
		return false, nil
	}
	return true, nil
}

// another goes on to the next member or item, or behind the end.
func (j *jsonReader) another(end byte) (more bool, err error) {
	switch c := j.kind(); c {
	case ',', end:
		j.pos++
		return c == ',', nil
	}
	return false, j.unexpected(fmt.Sprintf(`"," or %q`, string(end)))
}

// text reads a string, apart from the document.
func (j *jsonReader) text(what string) (string, error) {
	if j.kind() != '"' {
		return "", j.mismatch(what, "a string")
	}
	s, err := j.characters()
	if id, ok := identifiers[string(s)]; ok {
		return id, err
	}
	return string(s), err
}

// characters reads the string that begins here.
func (j *jsonReader) characters() ([]byte, error) {
	start, plain, ascii := j.pos, true, true
	for i := start + 1; i < len(j.data); i++ {
		switch c := j.data[i]; {
		case c == '"':
			j.pos = i + 1
			return j.decoded(start, plain, ascii)
		case c == '\\':
			plain = false
			i++
		case c < ' ':
			return nil, j.refused(start)
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return nil, j.refused(start)
}

// decoded is the string between start and here.
func (j *jsonReader) decoded(start int, plain, ascii bool) ([]byte, error) {
	if s := j.data[start+1 : j.pos-1]; plain && (ascii || utf8.Valid(s)) {
		return s, nil
	}
	s, err := jsontext.AppendUnquote(nil, j.data[start:j.pos])
	if err != nil {
		return nil, j.refused(start)
	}
	return s, nil
}

// refused asks the library what is wrong with the token at an offset, and
// where.
func (j *jsonReader) refused(offset int) error {
	_, err := jsontext.NewDecoder(bytes.NewReader(j.data[offset:])).ReadToken()
	return j.wrap(offset, err)
}

// wrap gives an error of the library, which began at an offset, its place.
func (j *jsonReader) wrap(offset int, err error) error {
	syntax := (*jsontext.SyntacticError)(nil)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return j.errorAt(len(j.data), "the document ends too early")
	case errors.As(err, &syntax):
		message := syntax.Err.Error()
		if errors.Is(err, jsontext.ErrDuplicateName) {
			message = fmt.Sprintf("member %s stands twice", quote(syntax.JSONPointer.LastToken()))
		}
		return &Error{j.Position(offset + int(syntax.ByteOffset)), message}
	}
	return j.errorAt(offset, "not JSON: %v", err)
}

// number reads a number as it is written.
func (j *jsonReader) number() ([]byte, error) {
	n := numberLength(j.data[j.pos:])
	if n == 0 {
		return nil, j.refused(j.pos)
	}
	j.pos += n
	return j.data[j.pos-n : j.pos], nil
}

// literal reads true or false as it is written.
func (j *jsonReader) literal() ([]byte, error) {
	for _, word := range []string{"true", "false"} {
		if bytes.HasPrefix(j.data[j.pos:], []byte(word)) {
			j.pos += len(word)
			return j.data[j.pos-len(word) : j.pos], nil
		}
	}
	return nil, j.refused(j.pos)
}

func (j *jsonReader) flag(what string) (bool, error) {
	if k := j.kind(); k != 't' && k != 'f' {
		return false, j.mismatch(what, "true or false")
	}
	word, err := j.literal()
	return string(word) == "true", err
}

// skip reads a value of any kind.
func (j *jsonReader) skip() error {
	offset := j.pos
	d := jsontext.NewDecoder(bytes.NewReader(j.data[offset:]))
	if err := d.SkipValue(); err != nil {
		return j.wrap(offset, err)
	}
	j.pos += int(d.InputOffset())
	return nil
}

// finish checks that nothing follows.
func (j *jsonReader) finish() error {
	if j.kind(); j.pos < len(j.data) {
		c, _ := utf8.DecodeRune(j.data[j.pos:])
		return j.errorAt(j.pos, "%q follows the document", c)
	}
	return nil
}

// numberLength is the length of the number at the start of s (RFC 8259,
// section 6); 0 when there is none.
func numberLength[T string | []byte](s T) int {
	i := 0
	digits := func() bool {
		start := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i > start
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if !digits() {
		return 0
	}
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return 0
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		if i++; i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return 0
		}
	}
	return i
}

// names are the members of one object seen so far.
type names struct {
	few  [12][]byte
	n    int
	more map[string]bool // beyond few
}

// twice notes a name and tells whether it was there.
func (s *names) twice(name []byte) bool {
	for _, other := range s.few[:s.n] {
		if string(other) == string(name) {
			return true
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return false
	}
	if s.more == nil {
		s.more = map[string]bool{}
	}
	if s.more[string(name)] {
		return true
	}
	s.more[string(name)] = true
	return false
}
