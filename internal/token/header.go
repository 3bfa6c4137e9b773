package token

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// FromRequest returns the credential that the Authorization header of a request
// is (RFC 6750 section 2.1), nil if there is no such header. verify is
// [Verifier.Verify], or nil where no tokens are accepted. A token in the query
// or in a form is none. What cannot be a token here is refused, not overlooked:
// whoever presents a credential is never taken for somebody who presents none.
func FromRequest(r *http.Request, verify func(text string) *authz.Credential) *authz.Credential {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return nil
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	var err error
	switch {
	case verify == nil:
		err = errors.New("the header Authorization: no tokens are accepted here")
	case r.TLS == nil:
		err = errors.New("the header Authorization: a token is only accepted over TLS")
	case len(values) > 1:
		err = errors.New("the header Authorization occurs more than once")
	case !strings.EqualFold(scheme, "Bearer"):
		err = errors.New("the header Authorization: the only scheme accepted is Bearer")
	default:
		return verify(strings.Trim(text, " "))
	}
	return &authz.Credential{Digest: sha256.Sum256([]byte(values[0])), Subject: "an Authorization header", Err: err}
}

// Beside joins a certificate and a token of one request, either of which may be
// nil. Of both, neither stands alone.
func Beside(certificate, bearer *authz.Credential) *authz.Credential {
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
