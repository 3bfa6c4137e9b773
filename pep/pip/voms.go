package pip

import (
	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// vomsIDs are the attributes that tell of a virtual organization.
var vomsIDs = []string{
	profile.FQAN, profile.PrimaryFQAN, profile.VO, profile.VOMSIssuer,
	profile.EMIVO, profile.EMIGroup, profile.EMIPrimaryGroup, profile.EMIRole, profile.EMIPrimaryRole,
}

// membership adds what the attribute certificates of a chain say. A chain that
// carries any speaks for itself: what was asserted beside it no longer counts
// for the caller, even if none of the certificates does.
func membership(r *authz.Request, chain *gsi.Chain) {
	if chain.VOMS == nil && len(chain.Ignored) == 0 {
		return
	}
	for _, id := range vomsIDs {
		demote(r, authz.Subject, id)
	}
	if chain.VOMS != nil {
		granted(r, chain.VOMS, chain.Values.VOMSIssuer)
	}
	ignored(r, chain.Ignored)
}

// granted adds the FQANs in the gLite profile, the primary among them, and in
// the EMI profile as groups, and as roles whose issuer is their group.
func granted(r *authz.Request, g *voms.Grant, issuer authz.Value) {
	primary := g.FQANs[0]
	r.Add(authz.Subject, profile.VO, authz.StringValue(g.VO))
	r.Add(authz.Subject, profile.EMIVO, authz.StringValue(g.VO))
	r.Add(authz.Subject, profile.VOMSIssuer, issuer)
	r.Add(authz.Subject, profile.PrimaryFQAN, authz.FQANValue(primary))
	r.Add(authz.Subject, profile.EMIPrimaryGroup, authz.StringValue(primary.Group()))
	addRole(r, profile.EMIPrimaryRole, primary)
	var all, groups []authz.Value
	seen := map[string]bool{}
	for _, f := range g.FQANs {
		all = append(all, authz.FQANValue(f))
		if !seen[f.Group()] {
			seen[f.Group()] = true
			groups = append(groups, authz.StringValue(f.Group()))
		}
		addRole(r, profile.EMIRole, f)
	}
	r.Add(authz.Subject, profile.FQAN, all...)
	r.Add(authz.Subject, profile.EMIGroup, groups...)
}

func addRole(r *authz.Request, id string, f authz.FQAN) {
	if f.Role() != "" {
		r.Attributes = append(r.Attributes, authz.Attribute{
			Category: authz.Subject, ID: id, Issuer: f.Group(), Values: []authz.Value{authz.StringValue(f.Role())}, Standing: authz.Verified,
		})
	}
}

// ignored adds what the certificates that do not count say, which only counts
// against the caller: one bag for each id, however many there are.
func ignored(r *authz.Request, all []gsi.Ignored) {
	bags := map[string][]authz.Value{}
	add := func(v authz.Value, ids ...string) {
		for _, id := range ids {
			bags[id] = append(bags[id], v)
		}
	}
	var odd []authz.Value // not in normal form
	for _, i := range all {
		if i.VO != "" {
			add(authz.StringValue(i.VO), profile.VO, profile.EMIVO)
		}
		for at, text := range i.FQANs {
			f, err := authz.ParseFQAN(text)
			if err != nil {
				odd = append(odd, authz.StringValue(text))
				continue
			}
			add(authz.FQANValue(f), profile.FQAN)
			add(authz.StringValue(f.Group()), profile.EMIGroup)
			if f.Role() != "" {
				add(authz.StringValue(f.Role()), profile.EMIRole)
			}
			if at == 0 {
				add(authz.FQANValue(f), profile.PrimaryFQAN)
			}
		}
	}
	for _, id := range vomsIDs {
		present(r, id, bags[id]...)
	}
	present(r, profile.FQAN, odd...)
}

func present(r *authz.Request, id string, v ...authz.Value) {
	if len(v) > 0 {
		r.Attributes = append(r.Attributes, authz.Attribute{Category: authz.Subject, ID: id, Values: v, Standing: authz.Presented})
	}
}
