package main

import (
	"context"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// links answers who is one person from the records of the PAP in this process.
type links struct {
	persons func(context.Context) ([]change.Person, error)
}

var _ pip.Linker = links{}

// linker is nil, which links nobody, where there is no PAP in this process.
func (s *site) linker() pip.Linker {
	if s.pap == nil {
		return nil
	}
	return links{s.pap.Persons}
}

// Linked implements pip.Linker.
func (l links) Linked(ctx context.Context, subject, issuer authz.DN, tokenIssuer, tokenSubject string) (bool, error) {
	all, err := l.persons(ctx)
	if err != nil {
		return false, err
	}
	for _, p := range all {
		if hasName(p.Links, subject, issuer) && hasToken(p.Links, tokenIssuer, tokenSubject) {
			return true, nil
		}
	}
	return false, nil
}

// hasName reports whether a subject, with its issuer if one stands next to it, is
// among the links: in the standard reading, since a link helps.
func hasName(all []change.Name, subject, issuer authz.DN) bool {
	for i, n := range all {
		if n.Attribute != "subject" || !isDN(n.Value, subject) {
			continue
		}
		if ca, found := beside(all, i, "subject-issuer"); !found || isDN(ca, issuer) {
			return true
		}
	}
	return false
}

func hasToken(all []change.Name, issuer, subject string) bool {
	for i, n := range all {
		if n.Attribute == "oidc-subject" && n.Value == subject {
			if found, ok := beside(all, i, "oidc-issuer"); ok && found == issuer {
				return true
			}
		}
	}
	return false
}

// beside is the partner of a link. Pairs are read from the left, so a name that
// a pair before has taken is nobody else's.
func beside(all []change.Name, at int, attribute string) (string, bool) {
	for i := 0; i < len(all); i++ {
		paired := i+1 < len(all) && partners[all[i].Attribute] == all[i+1].Attribute && partners[all[i].Attribute] != ""
		switch {
		case i == at && paired && all[i+1].Attribute == attribute:
			return all[i+1].Value, true
		case paired && i+1 == at && all[i].Attribute == attribute:
			return all[i].Value, true
		}
		if paired {
			i++
		}
	}
	return "", false
}

var partners = map[string]string{
	"subject": "subject-issuer", "subject-issuer": "subject", "oidc-issuer": "oidc-subject", "oidc-subject": "oidc-issuer",
}

func isDN(text string, dn authz.DN) bool {
	parsed, err := authz.ParseDN(text)
	return err == nil && parsed.Equal(dn)
}
