package account

import (
	"errors"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/token"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// identityOf reads the verified names. Two different subjects are an error.
func identityOf(r *authz.Request) (Identity, error) {
	var id Identity
	for a, v := range r.Values(authz.Subject, profile.SubjectID) {
		d, ok := v.Data().(authz.DN)
		if a.Standing != authz.Verified || !ok {
			continue
		}
		if !id.Name.IsZero() && !id.Name.Equal(d) {
			return Identity{}, fmt.Errorf("two subjects in one request: %s and %s", id.Name, d)
		}
		id.Name = d
	}
	if v, ok := r.Verified(authz.Subject, profile.PrimaryFQAN); ok {
		id.Primary, _ = v.Data().(authz.FQAN)
	}
	for a, v := range r.Values(authz.Subject, profile.FQAN) {
		if f, ok := v.Data().(authz.FQAN); ok && a.Standing == authz.Verified {
			id.FQANs = append(id.FQANs, f)
		}
	}
	return id, nil
}

// String names the identity for messages.
func (id Identity) String() string {
	s := "an anonymous caller"
	if !id.Name.IsZero() {
		s = id.Name.Slash()
	}
	if !id.Primary.IsZero() {
		s += " as " + id.Primary.String()
	}
	return s
}

// ErrNoHolder is wrapped when a request names nobody to whom an account may be
// leased (DECISIONS 23).
var ErrNoHolder = errors.New("an account is leased only for a verified credential, or for a peer that may map")

// holderOf returns the identity that a lease belongs to: that of the verified
// credential, of a certificate and a token together the certificate's; or what
// a peer that may map asserts, with its issuer.
func holderOf(r *authz.Request) (pool.Identity, error) {
	if r.Credential == nil {
		return asserted(r)
	}
	if err := r.Credential.Verdict(); err != nil {
		return pool.Identity{}, fmt.Errorf("%w: this one is refused: %w", ErrNoHolder, err)
	}
	if claims, ok := token.ClaimsOf(r.Credential); ok {
		return pool.Token(claims.Issuer, claims.Subject)
	}
	chain, ok := gsi.ChainOf(r.Credential)
	if !ok {
		return pool.Identity{}, fmt.Errorf("%w: this one is of another kind", ErrNoHolder)
	}
	id, err := identityOf(r)
	if err != nil {
		return pool.Identity{}, err
	}
	if !id.Name.IsZero() && !id.Name.Equal(chain.Subject) {
		return pool.Identity{}, fmt.Errorf("%w: the certificate is that of %s, and the request is about %s", ErrNoHolder, chain.Subject, id.Name)
	}
	return pool.Certificate(chain.Subject, chain.Issuer)
}

func asserted(r *authz.Request) (pool.Identity, error) {
	if !r.MayMap {
		return pool.Identity{}, fmt.Errorf("%w: there is neither", ErrNoHolder)
	}
	id, err := identityOf(r)
	if err != nil {
		return pool.Identity{}, err
	}
	if !id.Name.IsZero() {
		v, _ := r.Verified(authz.Subject, profile.X509Issuer)
		issuer, _ := v.Data().(authz.DN)
		if issuer.IsZero() {
			return pool.Identity{}, fmt.Errorf("%w: the peer names %s and not its issuer (%s)", ErrNoHolder, id.Name, profile.X509Issuer)
		}
		return pool.Certificate(id.Name, issuer)
	}
	issuer, subject := tokenOf(r)
	if issuer == "" || subject == "" {
		return pool.Identity{}, fmt.Errorf("%w: the peer names nobody", ErrNoHolder)
	}
	return pool.Token(issuer, subject)
}

// tokenOf reads the verified names of a token.
func tokenOf(r *authz.Request) (issuer, subject string) {
	i, _ := r.Verified(authz.Subject, profile.OIDCIssuer)
	s, _ := r.Verified(authz.Subject, profile.OIDCSubject)
	return i.Text(), s.Text()
}
