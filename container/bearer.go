package container

import (
	"net/http"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/token"
)

// presented is everything that a request presents: the certificate of its
// connection, the token in its header, or both, of which neither stands alone.
func (c *Container) presented(r *http.Request) *authz.Credential {
	return token.Beside(c.config.Credential(r.TLS), token.FromRequest(r, c.config.Bearer))
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
