package pip

import (
	"context"
	"slices"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// KeyInfo makes the chain of certificates in a request's key-info attribute,
// which an enforcement point asserts that may, the credential of the request.
// Run it before [X509], which then adds what the chain says in place of what
// was asserted beside it.
//
// A chain that is only presented, or that comes with another credential, does
// not count: its names are there for bans. A key-info that cannot be read
// refuses the request, and one with a private key is taken out of it, so that
// nothing can write it down.
type KeyInfo struct{ Verifier KeyInfoVerifier }

// KeyInfoVerifier verifies the values of a key-info attribute; a gsi.Verifier
// does.
type KeyInfoVerifier interface {
	FromKeyInfo(values []string) *authz.Credential
}

var (
	_ authz.Enricher  = KeyInfo{}
	_ KeyInfoVerifier = (*gsi.Verifier)(nil)
)

// Enrich implements authz.Enricher.
func (k KeyInfo) Enrich(_ context.Context, r *authz.Request) error {
	for _, standing := range []authz.Standing{authz.Presented, authz.Verified} {
		values := keyInfo(r, standing)
		if len(values) == 0 {
			continue
		}
		credential := k.Verifier.FromKeyInfo(values)
		chain, _ := gsi.ChainOf(credential)
		unread := chain == nil || len(chain.Certificates) == 0
		if unread {
			forget(r, standing)
		}
		if standing == authz.Verified && r.Credential == nil {
			r.Credential = credential
		} else if !unread {
			against(r, chain)
		}
	}
	return nil
}

// keyInfo returns the different values of that standing.
func keyInfo(r *authz.Request, standing authz.Standing) []string {
	var all []string
	for a, v := range r.Values(authz.Subject, profile.KeyInfo) {
		if a.Standing == standing && !slices.Contains(all, v.Text()) {
			all = append(all, v.Text())
		}
	}
	return all
}

// forget takes the values out of the request: there may be a key in them.
func forget(r *authz.Request, standing authz.Standing) {
	r.Attributes = slices.DeleteFunc(r.Attributes, func(a authz.Attribute) bool {
		return a.Category == authz.Subject && a.ID == profile.KeyInfo && a.Standing == standing
	})
}

// against adds the names of a chain for bans only.
func against(r *authz.Request, chain *gsi.Chain) {
	for _, id := range nameIDs {
		present(r, id, values(chain.Presented)...)
	}
	present(r, profile.CAKey, texts(append(slices.Clone(chain.Keys), chain.PresentedKeys...)...)...)
	all := chain.Ignored
	if g := chain.VOMS; g != nil {
		granted := gsi.Ignored{VO: g.VO}
		for _, f := range g.FQANs {
			granted.FQANs = append(granted.FQANs, f.String())
		}
		all = append(slices.Clone(all), granted)
	}
	ignored(r, all)
}
