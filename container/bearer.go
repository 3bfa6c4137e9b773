package container

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/token"
)

// presented is everything that a request presents: the certificate of its
// connection, the token in its header, or both, of which neither stands alone.
func (c *Container) presented(r *http.Request) *authz.Credential {
	certificate, bearer := c.config.Credential(r.TLS), c.bearer(r)
	switch {
	case bearer == nil:
		return certificate
	case certificate == nil:
		return bearer
	}
	both := *certificate
	both.Beside = bearer
	return &both
}

// bearer is the token of the Authorization header (RFC 6750 section 2.1), nil
// if there is no such header. A token in the query or in a form is none. What
// cannot be a token here is refused, not overlooked: whoever presents a
// credential is never taken for somebody who presents none.
func (c *Container) bearer(r *http.Request) *authz.Credential {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return nil
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	var err error
	switch {
	case c.config.Bearer == nil:
		err = errors.New("the header Authorization: no tokens are accepted here")
	case r.TLS == nil:
		err = errors.New("the header Authorization: a token is only accepted over TLS")
	case len(values) > 1:
		err = errors.New("the header Authorization occurs more than once")
	case !strings.EqualFold(scheme, "Bearer"):
		err = errors.New("the header Authorization: the only scheme accepted is Bearer")
	default:
		return c.config.Bearer(strings.Trim(text, " "))
	}
	return &authz.Credential{Digest: sha256.Sum256([]byte(values[0])), Subject: "an Authorization header", Err: err}
}

// challenge tells the client of a bad token what to do (RFC 6750 section 3).
func (c *Container) challenge(w http.ResponseWriter, who *caller) (status int) {
	_, bad := token.ClaimsOf(who.credential)
	if c.config.Bearer == nil || who.credential != nil && !bad {
		return http.StatusForbidden
	}
	challenge := "Bearer"
	if bad {
		challenge += ` error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	return http.StatusUnauthorized
}
