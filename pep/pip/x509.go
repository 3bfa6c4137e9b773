package pip

import (
	"context"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// X509 adds what the request's certificate chain says. It does nothing to a
// request without one.
type X509 struct{}

var _ authz.Enricher = X509{}

// Enrich implements authz.Enricher.
func (X509) Enrich(_ context.Context, r *authz.Request) error {
	chain, ok := gsi.ChainOf(r.Credential)
	if !ok {
		return nil
	}
	if !stands(r.Credential) {
		presented(r, chain)
		return nil
	}
	if chain.Subject.IsZero() || chain.Issuer.IsZero() {
		return fmt.Errorf("a verified chain without a name: %s", r.Credential.Subject)
	}
	issuers := values(chain.Issuers)
	replace(r, profile.SubjectID, authz.DNValue(chain.Subject))
	replace(r, profile.SubjectIssuer, issuers...)
	replace(r, profile.EMISubjectIssuer, issuers...)
	replace(r, profile.X509Issuer, authz.DNValue(chain.Issuer))
	replace(r, profile.EMIX509Issuer, authz.DNValue(chain.Issuer))
	replace(r, profile.LimitedProxy, authz.BooleanValue(chain.Limited))
	membership(r, chain)
	return nil
}

// stands reports whether a credential may speak for its caller now. Why it may
// not is the Enforcer's to say, which asks for the verdict itself.
func stands(c *authz.Credential) bool { return c.Verdict() == nil }

// nameIDs are the attributes that hold names of a chain.
var nameIDs = []string{profile.SubjectID, profile.SubjectIssuer, profile.X509Issuer, profile.EMISubjectIssuer, profile.EMIX509Issuer}

// presented adds the names of a refused chain, which only count against it,
// and takes away the standing of everything that was asserted beside it.
func presented(r *authz.Request, chain *gsi.Chain) {
	all := values(chain.Presented)
	for _, id := range nameIDs {
		demote(r, authz.Subject, id)
		present(r, id, all...)
	}
	for _, id := range vomsIDs {
		demote(r, authz.Subject, id)
	}
	ignored(r, chain.Ignored)
}

func values(names []authz.DN) []authz.Value {
	all := make([]authz.Value, len(names))
	for i, d := range names {
		all[i] = authz.DNValue(d)
	}
	return all
}

// replace adds a verified attribute of the subject; what was asserted under
// its id no longer counts for the caller.
func replace(r *authz.Request, id string, v ...authz.Value) {
	demote(r, authz.Subject, id)
	r.Add(authz.Subject, id, v...)
}

func demote(r *authz.Request, c authz.Category, id string) {
	for i := range r.Attributes {
		if a := &r.Attributes[i]; a.ID == id && a.Category == c {
			a.Standing = authz.Presented
		}
	}
}
