package pip

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/authnprofile"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// AuthnProfile adds the authentication profiles of the caller's CA, and refuses
// callers whose CA is in none that the site accepts for them: the PIP of Argus.
// Run it after [X509].
//
// With a vo-ca-ap policy the profile is the first one accepted for the virtual
// organization. If there is none, the attributes of VOMS count no longer, and
// the line for callers without a virtual organization decides. If that does
// not accept the CA either, the credential is refused; Argus strips its names
// and asks the policies all the same. Without a vo-ca-ap policy every profile
// of the CA is added and nobody is refused.
type AuthnProfile struct {
	Current func() *authnprofile.Profiles
	// AddOnly adds every profile of the CA and refuses nobody, whatever the
	// policy: for administration.
	AddOnly bool
}

var _ authz.Enricher = AuthnProfile{}

// Enrich implements authz.Enricher. It does nothing to a request without an
// X.509 issuer that is verified.
func (a AuthnProfile) Enrich(_ context.Context, r *authz.Request) error {
	issuers, vos := caller(r)
	if len(issuers) == 0 {
		return nil
	}
	profiles := a.Current()
	ids := authnIDs(r)
	for _, id := range []string{profile.AuthnProfile, profile.EMIAuthnProfile} {
		demote(r, authz.Subject, id)
	}
	if a.AddOnly || !profiles.Gates() {
		for _, ca := range issuers {
			addProfiles(r, ids, profiles.Of(ca))
		}
		return nil
	}
	found, ok := accepted(profiles, issuers, vos)
	if !ok && len(vos) > 0 {
		for _, id := range vomsIDs {
			demote(r, authz.Subject, id)
		}
		found, ok = accepted(profiles, issuers, nil)
	}
	if !ok {
		refuse(r, fmt.Errorf("its CA %s is in no authentication profile that is accepted here%s", issuers[0].Slash(), whoFor(vos)))
		return nil
	}
	addProfiles(r, ids, found)
	return nil
}

func whoFor(vos []string) string {
	if len(vos) == 0 {
		return " for callers without a virtual organization"
	}
	return " for members of " + strings.Join(vos, " or ") + ", nor without a virtual organization"
}

// accepted returns the profiles under which every issuer is accepted for every
// virtual organization.
func accepted(profiles *authnprofile.Profiles, issuers []authz.DN, vos []string) (found []string, ok bool) {
	if len(vos) == 0 {
		vos = []string{""}
	}
	for _, ca := range issuers {
		for _, vo := range vos {
			alias, ok := profiles.Accepted(ca, vo)
			if !ok {
				return nil, false
			}
			found = append(found, alias)
		}
	}
	return found, true
}

// caller returns the CA and the virtual organizations of the caller, verified
// or asserted by a peer that may. The CA is that of the certificate chain if
// there is one.
func caller(r *authz.Request) (issuers []authz.DN, vos []string) {
	if r.Credential != nil && !stands(r.Credential) {
		return nil, nil
	}
	if chain, ok := gsi.ChainOf(r.Credential); ok {
		issuers = []authz.DN{chain.Issuer}
	} else {
		issuers = assertedIssuers(r)
	}
	add := func(vo string) {
		if !slices.Contains(vos, vo) {
			vos = append(vos, vo)
		}
	}
	for _, id := range []string{profile.VO, profile.EMIVO} {
		each(r, id, func(v authz.Value) { add(v.Text()) })
	}
	for _, id := range []string{profile.FQAN, profile.PrimaryFQAN, profile.EMIGroup, profile.EMIPrimaryGroup} {
		each(r, id, func(v authz.Value) {
			f, _ := authz.ParseFQAN(v.Text()) // what is none is of no virtual organization
			add(f.VO())
		})
	}
	return issuers, vos
}

func assertedIssuers(r *authz.Request) (issuers []authz.DN) {
	for _, id := range []string{profile.X509Issuer, profile.EMIX509Issuer} {
		each(r, id, func(v authz.Value) {
			d, ok := v.Data().(authz.DN)
			if !ok {
				d, _ = authz.ParseDN(v.Text()) // what is no name is in no profile
			}
			issuers = append(issuers, d)
		})
	}
	return issuers
}

// each calls f for each verified value of the subject.
func each(r *authz.Request, id string, f func(authz.Value)) {
	for a, v := range r.Values(authz.Subject, id) {
		if a.Standing == authz.Verified {
			f(v)
		}
	}
}

// authnIDs returns the ids for a profile: in the name space of the request's
// profile-id, or both if that is unknown.
func authnIDs(r *authz.Request) []string {
	const glite, emi = "http://glite.org/xacml/profile/", "http://dci-sec.org/xacml/profile/"
	for _, id := range []string{profile.ProfileID, profile.EMIProfileID} {
		for a, v := range r.Values(authz.Environment, id) {
			switch {
			case a.Standing != authz.Verified:
			case strings.HasPrefix(v.Text(), glite):
				return []string{profile.AuthnProfile}
			case strings.HasPrefix(v.Text(), emi):
				return []string{profile.EMIAuthnProfile}
			}
		}
	}
	return []string{profile.AuthnProfile, profile.EMIAuthnProfile}
}

func addProfiles(r *authz.Request, ids, aliases []string) {
	if len(aliases) == 0 {
		return
	}
	seen := map[string]bool{}
	var values []authz.Value
	for _, alias := range aliases {
		if !seen[alias] {
			seen[alias] = true
			values = append(values, authz.StringValue(alias))
		}
	}
	for _, id := range ids {
		r.Add(authz.Subject, id, values...)
	}
}
