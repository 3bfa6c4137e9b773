package xml

import (
	"errors"
	"fmt"
	"strconv"
)

// Why a document is refused, for errors.Is. Errors that a decoder makes with Reader.Errorf are ErrContent.
var (
	ErrMalformed = errors.New("xml is not well-formed")
	ErrForbidden = errors.New("xml construct is not allowed here")
	ErrLimit     = errors.New("xml exceeds a limit")
	ErrContent   = errors.New("xml is not what is expected here")
)

// Position is a place in a document. Lines and columns count from 1, columns in characters.
type Position struct {
	File         string // the name given to NewReader or Parse
	Line, Column int
}

// String gives file:line:column, or line:column without a file name.
func (p Position) String() string {
	s := strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
	if p.File == "" {
		return s
	}
	return p.File + ":" + s
}

// Error is a refusal: where, why in words, and which of the Err sentinels (or the caller's error) it is.
type Error struct {
	Position
	Message string
	Cause   error
}

// Error gives file:line:column: message.
func (e *Error) Error() string { return e.Position.String() + ": " + e.Message }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// fail records the first error; the reader gives nothing but that from then on.
func (r *Reader) fail(offset int, cause error, format string, args ...any) error {
	if r.err == nil {
		r.err = &Error{Position: r.Position(offset), Message: fmt.Sprintf(format, args...), Cause: cause}
	}
	return r.err
}

func (r *Reader) malformed(offset int, format string, args ...any) error {
	return r.fail(offset, ErrMalformed, format, args...)
}

// clip keeps hostile names and texts from flooding a message or a log.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	n := most
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
