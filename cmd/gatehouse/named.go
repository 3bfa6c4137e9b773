package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// named are those whom the configuration names: by the DN of a certificate, or
// by a token's issuer and subject with a "#" between.
type named struct {
	names  []authz.DN
	tokens []tokenName
}

type tokenName struct{ issuer, subject string }

// readNamed reads the names of a configuration. An issuer has no "#" in it.
func readNamed(texts []string) (all named, err error) {
	for _, text := range texts {
		if issuer, subject, is := strings.Cut(text, "#"); is && strings.HasPrefix(text, "https://") {
			if subject == "" {
				return all, fmt.Errorf("name %q: a token is named as issuer#subject, and the subject is missing", text)
			}
			all.tokens = append(all.tokens, tokenName{issuer, subject})
			continue
		}
		dn, err := authz.ParseDN(text)
		if err != nil {
			return all, fmt.Errorf("name %q: %w", text, err)
		}
		all.names = append(all.names, dn)
	}
	return all, nil
}

// has reports whether the caller, as verified, is among them.
func (n named) has(r *authz.Request) bool {
	subject, _ := r.Verified(authz.Subject, profile.SubjectID)
	if dn, ok := subject.Data().(authz.DN); ok && slices.ContainsFunc(n.names, dn.Equal) {
		return true
	}
	issuer, known := r.Verified(authz.Subject, profile.OIDCIssuer)
	name, ok := r.Verified(authz.Subject, profile.OIDCSubject)
	return known && ok && slices.Contains(n.tokens, tokenName{issuer.Text(), name.Text()})
}
