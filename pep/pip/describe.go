package pip

import (
	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// Describe fills in an audit record from the attributes of the request: what
// is verified, or else what was presented.
func Describe(r *authz.Request, rec *authz.Record) {
	for _, f := range []struct {
		field    *string
		category authz.Category
		ids      []string
	}{
		{&rec.Subject, authz.Subject, []string{profile.SubjectID, profile.OIDCSubject}},
		{&rec.Issuer, authz.Subject, []string{profile.X509Issuer, profile.EMIX509Issuer, profile.OIDCIssuer}},
		{&rec.Strength, authz.Subject, []string{profile.CredentialStrength}},
		{&rec.Action, authz.Action, []string{profile.ActionID}},
		{&rec.Resource, authz.Resource, []string{profile.ResourceID}},
		{&rec.Owner, authz.Resource, []string{profile.Owner}},
	} {
		if *f.field == "" {
			*f.field = first(r, f.category, f.ids)
		}
	}
}

func first(r *authz.Request, c authz.Category, ids []string) string {
	presented := ""
	for _, id := range ids {
		if v, ok := r.Verified(c, id); ok {
			return text(v)
		}
		for _, v := range r.Values(c, id) {
			if presented == "" {
				presented = text(v)
			}
		}
	}
	return presented
}

// text writes names as administrators read them.
func text(v authz.Value) string {
	if d, ok := v.Data().(authz.DN); ok {
		return d.Slash()
	}
	return v.Text()
}
