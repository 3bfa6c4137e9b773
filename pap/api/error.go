package api

import (
	"errors"
	"net/http"

	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/gatehouse-authz/gatehouse/policies/spl"
)

// Errors beside those of package change, to be told apart with errors.Is.
var (
	// ErrRefused: the caller has no right to this, or a bad credential.
	ErrRefused = errors.New("refused")
	// ErrTooLarge: the body exceeds the limit of the operation.
	ErrTooLarge = errors.New("too large")
	// ErrUnavailable: not now; for instance the audit trail cannot be written.
	ErrUnavailable = errors.New("unavailable")
	// ErrInternal: something failed inside; the log of the server says what.
	ErrInternal = errors.New("internal error")
	// ErrUnknownOperation: no such path, or not with this method.
	ErrUnknownOperation = errors.New("unknown operation")
)

// Kind is the class of an error on the wire. The list only grows.
type Kind string

// The kinds.
const (
	KindInvalid          Kind = "invalid"
	KindPolicy           Kind = "policy"
	KindRefused          Kind = "refused"
	KindNotFound         Kind = "not-found"
	KindExists           Kind = "exists"
	KindConflict         Kind = "conflict"
	KindLarge            Kind = "large"
	KindNotAllowed       Kind = "not-allowed"
	KindTooLarge         Kind = "too-large"
	KindUnavailable      Kind = "unavailable"
	KindNoRoom           Kind = "no-room"
	KindInDoubt          Kind = "in-doubt"
	KindInternal         Kind = "internal"
	KindUnknownOperation Kind = "unknown-operation"
)

// kinds is the one table between errors, kinds and HTTP statuses. Of several
// that fit an error the first counts.
var kinds = []struct {
	kind   Kind
	status int
	err    error
}{
	{KindRefused, http.StatusForbidden, ErrRefused},
	{KindTooLarge, http.StatusRequestEntityTooLarge, ErrTooLarge},
	{KindInDoubt, http.StatusGatewayTimeout, change.ErrInDoubt},
	{KindUnavailable, http.StatusServiceUnavailable, ErrUnavailable},
	{KindNoRoom, http.StatusInsufficientStorage, change.ErrNoRoom},
	{KindUnknownOperation, http.StatusNotFound, ErrUnknownOperation},
	{KindConflict, http.StatusPreconditionFailed, change.ErrConflict},
	{KindLarge, http.StatusPreconditionRequired, change.ErrLarge},
	{KindPolicy, http.StatusUnprocessableEntity, change.ErrPolicy},
	{KindNotAllowed, http.StatusConflict, change.ErrNotAllowed},
	{KindExists, http.StatusConflict, change.ErrExists},
	{KindNotFound, http.StatusNotFound, change.ErrNotFound},
	{KindInvalid, http.StatusBadRequest, change.ErrInvalid},
	{KindInternal, http.StatusInternalServerError, ErrInternal},
}

// Error is an error as it crosses the wire.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`
	File    string `json:"file,omitempty"` // of the first thing wrong with a text
	Line    int    `json:"line,omitzero"`
	Column  int    `json:"column,omitzero"`
	// Decision joins a refusal, or an internal error, to the server's records.
	Decision string `json:"decision,omitempty"`
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the error that the kind stands for; a kind that this end does
// not know is internal.
func (e *Error) Unwrap() error {
	for _, k := range kinds {
		if k.kind == e.Kind {
			return k.err
		}
	}
	return ErrInternal
}

// status returns the HTTP status of the kind.
func (e *Error) status() int {
	for _, k := range kinds {
		if k.kind == e.Kind {
			return k.status
		}
	}
	return http.StatusInternalServerError
}

// wireError returns the form in which err leaves the server. What is not in the
// table of kinds stays inside: it may name paths and addresses.
func wireError(err error, decision string) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			e = &Error{Kind: k.kind, Message: err.Error(), Decision: decision}
			break
		}
	}
	if e == nil {
		return &Error{Kind: KindInternal, Decision: decision, Message: "internal error: the server's log has the cause under " + decision}
	}
	var at *spl.Error
	if errors.As(err, &at) {
		e.File, e.Line, e.Column = at.Position.File, at.Position.Line, at.Position.Column
	}
	return e
}
