package main

import (
	"context"
	"sync"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// links answers who is one person, from the records of a PAP. It reads them
// again when they may have changed.
type links struct {
	persons census

	mu    sync.Mutex
	at    authz.Revision
	index map[[2]string][]change.Person // by issuer and subject of a token
}

// census is the persons of a PAP, in this process or followed.
type census interface {
	// Revision is a mark that changes when the persons do.
	Revision(context.Context) (authz.Revision, error)
	Persons(context.Context) ([]change.Person, error)
}

var (
	_ pip.Linker = (*links)(nil)
	_ census     = (*pap.Service)(nil)
	_ census     = followed{}
)

// followed are the persons that a follower has.
type followed struct {
	follower interface {
		Persons() ([]change.Person, authz.Revision, error)
	}
}

// Revision implements census.
func (f followed) Revision(context.Context) (authz.Revision, error) {
	_, at, err := f.follower.Persons()
	return at, err
}

// Persons implements census.
func (f followed) Persons(context.Context) ([]change.Person, error) {
	all, _, err := f.follower.Persons()
	return all, err
}

// linker is nil, which links nobody, where there is no PAP, here or followed.
func (s *site) linker() pip.Linker {
	switch {
	case s.pap != nil:
		return &links{persons: s.pap}
	case s.follower != nil:
		return &links{persons: followed{s.follower}}
	}
	return nil
}

// Linked implements pip.Linker.
func (l *links) Linked(ctx context.Context, subject, issuer authz.DN, tokenIssuer, tokenSubject string) (bool, error) {
	index, err := l.current(ctx)
	if err != nil {
		return false, err
	}
	for _, p := range index[[2]string{tokenIssuer, tokenSubject}] {
		if hasName(p.Links, subject, issuer) {
			return true, nil
		}
	}
	return false, nil
}

// current returns the index of the persons there are now.
func (l *links) current(ctx context.Context) (map[[2]string][]change.Person, error) {
	at, err := l.persons.Revision(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.index != nil && l.at == at {
		return l.index, nil
	}
	all, err := l.persons.Persons(ctx) // as of at, or later: then they are read once more
	if err != nil {
		return nil, err
	}
	index := map[[2]string][]change.Person{}
	for _, p := range all {
		for i, n := range p.Links {
			if n.Attribute != "oidc-subject" {
				continue
			}
			if issuer, ok := beside(p.Links, i, "oidc-issuer"); ok {
				index[[2]string{issuer, n.Value}] = append(index[[2]string{issuer, n.Value}], p)
			}
		}
	}
	l.at, l.index = at, index
	return index, nil
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
