package context

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// jsonReader walks a JSON text. Names that stand twice, invalid UTF-8 and
// members that nobody asks for are errors.
type jsonReader struct {
	name string
	data []byte
	d    *jsontext.Decoder
}

func newJSONReader(name string, data []byte, size int) (*jsonReader, error) {
	if len(data) > size {
		return nil, &Error{Message: fmt.Sprintf("%s: document has %d bytes; %d are the most", name, len(data), size)}
	}
	return &jsonReader{name, data, jsontext.NewDecoder(bytes.NewReader(data))}, nil
}

// at is the position of a byte.
func (j *jsonReader) at(offset int64) xml.Position {
	before := j.data[:min(int(offset), len(j.data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return xml.Position{File: j.name, Line: line, Column: column}
}

// here is the position of the next token.
func (j *jsonReader) here() place {
	offset := j.next()
	return func() xml.Position { return j.at(offset) }
}

// next is the offset of the next token.
func (j *jsonReader) next() int64 {
	j.d.PeekKind()
	offset := j.d.InputOffset()
	for int(offset) < len(j.data) && strings.IndexByte(" \t\r\n:,", j.data[offset]) >= 0 {
		offset++
	}
	return offset
}

func (j *jsonReader) errorf(format string, args ...any) error {
	return &Error{j.at(j.next()), fmt.Sprintf(format, args...)}
}

// wrap gives a syntax error its place.
func (j *jsonReader) wrap(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return &Error{j.at(int64(len(j.data))), "the document ends too early"}
	}
	syntax := (*jsontext.SyntacticError)(nil)
	if errors.As(err, &syntax) {
		message := syntax.Err.Error()
		if errors.Is(err, jsontext.ErrDuplicateName) {
			message = fmt.Sprintf("member %s stands twice", quote(syntax.JSONPointer.LastToken()))
		}
		return &Error{j.at(syntax.ByteOffset), message}
	}
	return &Error{j.at(j.d.InputOffset()), err.Error()}
}

func (j *jsonReader) token() (jsontext.Token, error) {
	t, err := j.d.ReadToken()
	if err != nil {
		return t, j.wrap(err)
	}
	return t, nil
}

// object reads an object and calls read for each member, which must read its
// value or say that it does not know it.
func (j *jsonReader) object(what string, read func(member string) (known bool, err error)) error {
	if j.d.PeekKind() != '{' {
		return j.mismatch(what, "an object")
	}
	if _, err := j.token(); err != nil {
		return err
	}
	for {
		offset := j.next()
		t, err := j.token()
		if err != nil {
			return err
		}
		if t.Kind() == '}' {
			return nil
		}
		member := strings.Clone(t.String())
		known, err := read(member)
		if err != nil {
			return err
		}
		if !known {
			return &Error{j.at(offset), fmt.Sprintf("%s has no member %s", what, quote(member))}
		}
	}
}

// list reads an array, or one item that stands for an array of it.
func (j *jsonReader) list(read func() error) error {
	if j.d.PeekKind() != '[' {
		return read()
	}
	if _, err := j.token(); err != nil {
		return err
	}
	for j.d.PeekKind() != ']' {
		if err := read(); err != nil {
			return err
		}
	}
	_, err := j.token()
	return err
}

// mismatch is the error of a value of another kind, or of no value.
func (j *jsonReader) mismatch(what, want string) error {
	if j.d.PeekKind() == 0 {
		_, err := j.token()
		if err != nil {
			return err
		}
	}
	return j.errorf("%s must be %s", what, want)
}

func (j *jsonReader) text(what string) (string, error) {
	if j.d.PeekKind() != '"' {
		return "", j.mismatch(what, "a string")
	}
	t, err := j.token()
	return strings.Clone(t.String()), err
}

func (j *jsonReader) flag(what string) (bool, error) {
	if k := j.d.PeekKind(); k != 't' && k != 'f' {
		return false, j.mismatch(what, "true or false")
	}
	t, err := j.token()
	return err == nil && t.Bool(), err
}

func (j *jsonReader) skip() error {
	if err := j.d.SkipValue(); err != nil {
		return j.wrap(err)
	}
	return nil
}

// finish checks that nothing follows.
func (j *jsonReader) finish() error {
	t, err := j.d.ReadToken()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return j.wrap(err)
	}
	return &Error{j.at(j.d.InputOffset()), fmt.Sprintf("%v follows the document", t.Kind())}
}
