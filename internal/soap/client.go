package soap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gatehouse-authz/gatehouse/internal/xml"
)

// Client calls one endpoint. It may be used by many goroutines at once.
type Client struct {
	HTTP *http.Client // required: it holds the trust and the time-out; its redirect policy is not used
	URL  string

	Style   Style
	Options Options // for reading answers
	MaxBody int64   // bytes of an answer; default 4 MiB
}

// Call posts an envelope around body and hands the child of the answer's Body to decode. A nil decode takes any
// answer that is no fault, an empty Body too. The error is a *Fault if
// the other side sent one. What decode has seen is good only if Call returns nil. Redirects are not followed: the
// call would carry its credentials to a place nobody configured.
func (c *Client) Call(ctx context.Context, action string, body Body, decode Decoder) error {
	data, err := c.Style.Envelope(body)
	if err != nil {
		return err
	}
	status, answer, err := c.post(ctx, action, data)
	if err != nil {
		return fmt.Errorf("calling %s: %w", c.URL, err)
	}
	if err := c.readAnswer(status, answer, decode); err != nil {
		return fmt.Errorf("answer of %s: %w", c.URL, err)
	}
	return nil
}

// post sends an envelope and gives status and body of an answer that is XML.
func (c *Client) post(ctx context.Context, action string, data []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(data))
	if err != nil {
		return 0, nil, err
	}
	if strings.ContainsAny(action, "\"\r\n") {
		return 0, nil, fmt.Errorf("%q cannot be a SOAPAction", action)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "text/xml")
	req.Header.Set("SOAPAction", `"`+action+`"`)
	client := *c.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := c.readBody(res)
	return res.StatusCode, answer, err
}

func (c *Client) readBody(res *http.Response) ([]byte, error) {
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusInternalServerError {
		return nil, fmt.Errorf("HTTP status %s%s", res.Status, excerpt(res.Body))
	}
	if err := checkContentType(res.Header); err != nil {
		return nil, fmt.Errorf("HTTP status %s, %w%s", res.Status, err, excerpt(res.Body))
	}
	limit := c.MaxBody
	if limit <= 0 {
		limit = 4 << 20
	}
	data, err := readAll(io.LimitReader(res.Body, limit+1), res.ContentLength)
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("answer is larger than the limit of %d bytes", limit)
	}
	return data, err
}

// excerpt is the beginning of an answer that is no envelope, for the message.
func excerpt(r io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(r, 200))
	if len(bytes.TrimSpace(text)) == 0 {
		return ""
	}
	return fmt.Sprintf(": %q", bytes.TrimSpace(text))
}

func (c *Client) readAnswer(status int, answer []byte, decode Decoder) error {
	var fault *Fault
	o := c.Options
	o.Limits.Size = max(len(answer), 1)
	o.Empty = o.Empty || decode == nil
	err := read("answer", answer, o, func(r *xml.Reader, start xml.Token) (err error) {
		switch {
		case start.Name == faultName:
			fault, err = readFault(r)
			return err
		case status != http.StatusOK:
			return r.Errorf(start.Offset, "<%.100s> with HTTP status %d", start.Name, status)
		}
		if decode == nil {
			return nil
		}
		return decode(r, start)
	})
	switch {
	case err != nil:
		return err
	case fault != nil:
		return fault
	}
	return nil
}

// IsFault tells whether err is a fault of that code, or of a finer one below it.
func IsFault(err error, code xml.Name) bool {
	var f *Fault
	if !errors.As(err, &f) || f.Code.Space != code.Space {
		return false
	}
	return f.Code.Local == code.Local || strings.HasPrefix(f.Code.Local, code.Local+".")
}
