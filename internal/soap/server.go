package soap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// contentType is that of SOAP 1.1 over HTTP.
const contentType = "text/xml; charset=utf-8"

// StatusError is a refusal by HTTP status and plain text instead of a fault. ReadRequest gives 405, 413, 415, and
// 400 when the body could not be read; a Call may give others, such as 403.
type StatusError struct {
	Status  int
	Message string
}

var _ error = (*StatusError)(nil)

// Error gives the message.
func (e *StatusError) Error() string { return e.Message }

// ReadRequest checks that req is a POST of text/xml in UTF-8 and reads its body of at most limit bytes. A refusal
// is a *StatusError.
func ReadRequest(w http.ResponseWriter, req *http.Request, limit int64) ([]byte, error) {
	if req.Method != http.MethodPost {
		return nil, &StatusError{http.StatusMethodNotAllowed, fmt.Sprintf("method %.20q is not allowed, SOAP calls are POST", req.Method)}
	}
	if err := checkContentType(req.Header); err != nil {
		return nil, &StatusError{http.StatusUnsupportedMediaType, err.Error()}
	}
	tooLarge := &StatusError{http.StatusRequestEntityTooLarge, fmt.Sprintf("request is larger than the limit of %d bytes", limit)}
	if req.ContentLength > limit { // before a client that expects 100-continue has sent anything
		return nil, tooLarge
	}
	data, err := readAll(http.MaxBytesReader(w, req.Body, limit), req.ContentLength)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge
	case err != nil:
		return nil, &StatusError{http.StatusBadRequest, "request body cannot be read: " + err.Error()}
	}
	return data, nil
}

// readAll trusts a promised length no further than 64 KiB.
func readAll(r io.Reader, promised int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(min(max(promised, 0), 64<<10)) + bytes.MinRead)
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}

// checkContentType refuses what would be read as something else than it is: other media types (SOAP 1.2,
// attachments), other character sets, compression.
func checkContentType(h http.Header) error {
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || media != "text/xml" {
		return fmt.Errorf("content type is %.100q, SOAP 1.1 is text/xml", h.Get("Content-Type"))
	}
	switch charset := strings.ToLower(params["charset"]); charset {
	case "", "utf-8", "utf8", "us-ascii":
	default:
		return fmt.Errorf("character set is %.100q, only UTF-8 is read", charset)
	}
	if encoding := h.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return fmt.Errorf("content encoding is %.100q, only plain bodies are read", encoding)
	}
	return nil
}

// Action is the SOAPAction of a request, without quotes; "" if it is empty or absent. Not a thing to decide by:
// the child of the Body says what is asked.
func Action(req *http.Request) string {
	return strings.Trim(strings.TrimSpace(req.Header.Get("SOAPAction")), `"`)
}

// Respond answers with status 200 and an envelope around body. When body cannot be written it answers with a
// Server fault and returns why.
func (s Style) Respond(w http.ResponseWriter, body Body) error {
	data, err := s.Envelope(body)
	if err != nil {
		return errors.Join(err, s.Refuse(w, err))
	}
	return send(w, http.StatusOK, data)
}

// Refuse answers with the fault for err (AsFault) and status 500, or with the status of a *StatusError. The error
// it returns is that of sending.
func (s Style) Refuse(w http.ResponseWriter, err error) error {
	var status *StatusError
	if errors.As(err, &status) {
		if status.Status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", http.MethodPost)
		}
		http.Error(w, status.Message, status.Status)
		return nil
	}
	data, err := s.Fault(AsFault(err))
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return err
	}
	return send(w, http.StatusInternalServerError, data)
}

func send(w http.ResponseWriter, status int, data []byte) error {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, err := w.Write(data)
	return err
}

// Call does what a request asked and gives the body of the answer. Its error is sent as AsFault says.
type Call func(req *http.Request) (Body, error)

// Handler serves one endpoint. Decode is required.
type Handler struct {
	// Decode reads the child of the Body and gives the call to make once the whole envelope has been read. It
	// must not act. Its errors are sent as Client faults.
	Decode func(r *xml.Reader, start xml.Token) (Call, error)

	Style   Style
	Options Options // Parts is 1 here
	MaxBody int64   // bytes of a request; default 1 MiB

	// Report is told of every error that was answered or that kept an answer from being sent; nil for none.
	Report func(req *http.Request, err error)
}

var _ http.Handler = (*Handler)(nil)

// ServeHTTP answers one call.
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := h.serve(w, req)
	if err == nil {
		err = h.Style.Respond(w, body)
	} else {
		err = errors.Join(err, h.Style.Refuse(w, err))
	}
	if err != nil && h.Report != nil {
		h.Report(req, err)
	}
}

func (h *Handler) serve(w http.ResponseWriter, req *http.Request) (Body, error) {
	limit := h.MaxBody
	if limit <= 0 {
		limit = 1 << 20
	}
	data, err := ReadRequest(w, req, limit)
	if err != nil {
		return nil, err
	}
	o := h.Options
	o.Parts, o.Limits.Size = 1, len(data)
	var call Call
	err = Read("request", data, o, func(r *xml.Reader, start xml.Token) (err error) {
		call, err = h.Decode(r, start)
		return err
	})
	if err != nil {
		return nil, err
	}
	if call == nil {
		return nil, errors.New("decoder gave neither a call nor an error")
	}
	return call(req)
}
