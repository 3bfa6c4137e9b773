package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxSize bounds the text of a token, in bytes.
const MaxSize = 16 << 10

// compact is a JWS in the compact form (RFC 7515 section 7.1), read but not
// verified.
type compact struct {
	text     string
	alg, kid string
	claims   object
}

// forbiddenHeaders would have a token say which key verifies it (RFC 7515
// section 4.1), what else must be understood, or that the content is not what
// it seems (RFC 7797, RFC 7516).
var forbiddenHeaders = []string{"jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty"}

// types are the media types of access tokens, in small letters (RFC 7519
// section 5.1, RFC 9068 section 2.1). A signed logout or proof is none.
var types = []string{"", "jwt", "at+jwt", "application/at+jwt"}

// parseCompact reads the text. When the claims could be read they are in the
// result even if there is an error.
func parseCompact(text string) (*compact, error) {
	c := &compact{text: text}
	if len(text) > MaxSize {
		return c, fmt.Errorf("it is longer than %d bytes", MaxSize)
	}
	switch strings.Count(text, ".") {
	case 2:
	case 4:
		return c, errors.New("it is encrypted (JWE): only signed tokens are accepted")
	default:
		return c, errors.New("it is no signed JWT: want three parts between dots")
	}
	parts := strings.Split(text, ".")
	raw, err := decode(parts[1])
	if err == nil {
		c.claims, err = parseObject(raw)
	}
	if err != nil {
		return c, fmt.Errorf("claims: %w", err)
	}
	if raw, err = decode(parts[0]); err == nil {
		err = c.readHeader(raw)
	}
	if err != nil {
		return c, fmt.Errorf("header: %w", err)
	}
	if parts[2] == "" {
		return c, errors.New("it is not signed")
	}
	if _, err = decode(parts[2]); err != nil {
		return c, fmt.Errorf("signature: %w", err)
	}
	return c, nil
}

func (c *compact) readHeader(raw []byte) error {
	header, err := parseObject(raw)
	if err != nil {
		return err
	}
	for _, name := range forbiddenHeaders {
		if _, found := header[name]; found {
			return fmt.Errorf("%s is not accepted", name)
		}
	}
	r := reader{object: header}
	c.alg, c.kid = r.text("alg"), r.text("kid")
	if typ := strings.ToLower(r.text("typ")); !slices.Contains(types, typ) {
		r.fail("typ is not that of an access token")
	}
	if c.alg == "" {
		r.fail("alg is missing")
	}
	return r.err
}

// decode reads base64url without padding. The decoder of the standard library
// skips line breaks, so that one token would have many texts.
func decode(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line breaks in it")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("not base64url")
	}
	return b, nil
}
