package pip

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// X509 adds what the request's certificate chain says.
type X509 struct {
	// CAs knows the keys of the CAs here. Where nobody presents the certificate
	// of a CA, its name stands for all of them, for bans only. May be nil.
	CAs CAKeys
}

// CAKeys tells the keys of the CAs of a name, which is given by its ban key; a
// trust.Store does.
type CAKeys interface {
	KeysOf(banKey string) []string
}

var (
	_ authz.Enricher = X509{}
	_ CAKeys         = (*trust.Store)(nil)
)

// Enrich implements authz.Enricher.
func (x X509) Enrich(_ context.Context, r *authz.Request) error {
	chain, ok := gsi.ChainOf(r.Credential)
	switch {
	case !ok:
		x.named(r, nil)
		return nil
	case !stands(r.Credential):
		presented(r, chain)
		x.named(r, nil)
		return nil
	case chain.Subject.IsZero() || chain.Issuer.IsZero():
		return fmt.Errorf("a verified chain without a name: %s", r.Credential.Subject)
	}
	const room = 16 // for all that a chain says, at once
	r.Attributes = slices.Grow(r.Attributes, room)
	v := &chain.Values
	replace(r, profile.SubjectID, v.Subject)
	replace(r, profile.SubjectIssuer, v.Issuers...)
	replace(r, profile.EMISubjectIssuer, v.Issuers...)
	replace(r, profile.X509Issuer, v.Issuer)
	replace(r, profile.EMIX509Issuer, v.Issuer)
	replace(r, profile.CAKey, v.Keys...)
	replace(r, profile.LimitedProxy, authz.BooleanValue(chain.Limited))
	membership(r, chain)
	x.named(r, chain.Issuers)
	return nil
}

// named adds, for bans, the keys of the CAs that are merely named: all names of
// issuers but those of which the chain shows the key.
func (x X509) named(r *authz.Request, shown []authz.DN) {
	if x.CAs == nil {
		return
	}
	var done []string
	for _, d := range shown {
		done = append(done, d.BanKey())
	}
	var keys []authz.Value
	for _, id := range issuerIDs {
		for _, v := range r.Values(authz.Subject, id) {
			key := banKey(v)
			if !slices.Contains(done, key) {
				done = append(done, key)
				keys = append(keys, texts(x.CAs.KeysOf(key)...)...)
			}
		}
	}
	present(r, profile.CAKey, keys...)
}

func banKey(v authz.Value) string {
	if d, ok := v.Data().(authz.DN); ok {
		return d.BanKey()
	}
	return authz.BanKey(v.Text())
}

// stands reports whether a credential may speak for its caller now. Why it may
// not is the Enforcer's to say, which asks for the verdict itself.
func stands(c *authz.Credential) bool { return c.Verdict() == nil }

// issuerIDs are the attributes that hold names of CAs, nameIDs those of all in
// a chain.
var (
	issuerIDs = []string{profile.SubjectIssuer, profile.X509Issuer, profile.EMISubjectIssuer, profile.EMIX509Issuer}
	nameIDs   = append([]string{profile.SubjectID}, issuerIDs...)
)

// presented adds the names of a refused chain, which only count against it,
// and takes away the standing of everything that was asserted beside it.
func presented(r *authz.Request, chain *gsi.Chain) {
	all := values(chain.Presented)
	for _, id := range nameIDs {
		demote(r, authz.Subject, id)
		present(r, id, all...)
	}
	demote(r, authz.Subject, profile.CAKey)
	present(r, profile.CAKey, texts(chain.PresentedKeys...)...)
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
