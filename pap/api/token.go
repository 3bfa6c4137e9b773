package api

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
)

// WithToken returns a transport that presents a bearer token with every request
// over TLS, and sends none over anything else. The token is read anew for each,
// since tokens are short-lived.
func WithToken(over http.RoundTripper, token func() ([]byte, error)) http.RoundTripper {
	return bearing{over, token}
}

type bearing struct {
	over  http.RoundTripper
	token func() ([]byte, error)
}

// RoundTrip implements http.RoundTripper.
func (b bearing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, errors.New("a token is sent over https only")
	}
	text, err := b.token()
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 || bytes.ContainsAny(text, " \t\r\n") {
		return nil, errors.New("token: the file does not hold one token and nothing else")
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(text))
	return b.over.RoundTrip(r)
}

// CloseIdleConnections closes those of the transport below.
func (b bearing) CloseIdleConnections() {
	if c, ok := b.over.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
