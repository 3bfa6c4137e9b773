package source

import (
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// identity is one way in which a person is known: a subject, maybe with its
// issuer, a token's issuer and subject, an account, or a person's id.
type identity []change.Name

// partner is the name that, next to it, makes one identity with a name.
var partner = map[string]string{
	"subject": "subject-issuer", "subject-issuer": "subject",
	"oidc-issuer": "oidc-subject", "oidc-subject": "oidc-issuer",
}

// identitiesOf returns the identities that a person's links stand for, with the
// person's own id. Half an identity, such as an issuer alone, is none.
func identitiesOf(p change.Person) []identity {
	all := []identity{{{Attribute: "person", Value: p.ID}}}
	for _, n := range p.Links {
		last := &all[len(all)-1]
		if len(*last) == 1 && partner[n.Attribute] != "" && (*last)[0].Attribute == partner[n.Attribute] {
			*last = append(*last, n)
			continue
		}
		all = append(all, identity{n})
	}
	return slices.DeleteFunc(all, func(i identity) bool { return i.key() == "" })
}

// whom parts a ban's names into the identity that they name and the rest.
func whom(names []change.Name) (identity, []change.Name) {
	for _, wanted := range [][]string{{"person"}, {"subject", "subject-issuer"}, {"oidc-issuer", "oidc-subject"}, {"account"}} {
		var i identity
		var rest []change.Name
		for _, n := range names {
			// Of two subjects that must both hold, the second is a condition.
			if slices.Contains(wanted, n.Attribute) && i.value(n.Attribute) == "" {
				i = append(i, n)
			} else {
				rest = append(rest, n)
			}
		}
		if i.key() != "" {
			return i, rest
		}
	}
	return nil, names
}

func (i identity) value(attribute string) string {
	for _, n := range i {
		if n.Attribute == attribute {
			return n.Value
		}
	}
	return ""
}

// key is what two spellings of an identity share, whoever issued the subject;
// "" if it names nobody.
func (i identity) key() string {
	subject, issuer, sub := i.value("subject"), i.value("oidc-issuer"), i.value("oidc-subject")
	switch {
	case subject != "":
		return "subject\x00" + authz.BanKey(subject)
	case issuer != "" && sub != "":
		return "oidc\x00" + foldURI(issuer) + "\x00" + strings.TrimSpace(sub)
	case i.value("account") != "":
		return "account\x00" + strings.TrimSpace(i.value("account"))
	case i.value("person") != "":
		return "person\x00" + strings.TrimSpace(i.value("person"))
	}
	return ""
}

// foldURI is how profile.FunctionBanURI reads an issuer.
func foldURI(s string) string {
	return strings.TrimRight(strings.ToLower(strings.TrimSpace(s)), "/")
}

// same reports whether two identities of one key may be the same person: they
// are not if both say who issued the subject, and say otherwise.
func (i identity) same(j identity) bool {
	a, b := i.value("subject-issuer"), j.value("subject-issuer")
	return a == "" || b == "" || authz.BanKey(a) == authz.BanKey(b)
}

// people finds persons by any of their identities.
type people map[string][][]identity

func (p people) add(one change.Person) {
	known := identitiesOf(one)
	for _, i := range known {
		p[i.key()] = append(p[i.key()], known)
	}
}

// Keys are what Records find a person by: one text for each identity of theirs,
// the same for every spelling of it.
func Keys(p change.Person) []string {
	var keys []string
	for _, i := range identitiesOf(p) {
		keys = append(keys, i.key())
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// also returns the other identities of whoever has this one.
func (p people) also(i identity) []identity {
	var others []identity
	for _, known := range p[i.key()] {
		if !slices.ContainsFunc(known, func(k identity) bool { return k.key() == i.key() && k.same(i) }) {
			continue
		}
		for _, k := range known {
			if k.key() != i.key() {
				others = append(others, k)
			}
		}
	}
	return others
}

// anyIdentity makes the disjunction of identities, each under any of its
// readings.
func (m *maker) anyIdentity(identities []identity) (policies.AnyOf, error) {
	var anyOf policies.AnyOf
	for _, i := range identities {
		ways := []policies.AllOf{{}}
		for _, n := range i {
			one, err := m.name(n, &banned{})
			if err != nil {
				return anyOf, err
			}
			ways = cross(ways, one.AllOf)
		}
		anyOf.AllOf = append(anyOf.AllOf, ways...)
	}
	return anyOf, nil
}

// cross joins each way of the one with each of the other.
func cross(a, b []policies.AllOf) []policies.AllOf {
	var all []policies.AllOf
	for _, x := range a {
		for _, y := range b {
			all = append(all, policies.AllOf{Matches: slices.Concat(x.Matches, y.Matches)})
		}
	}
	return all
}

// personEdits makes anew the bans of those whose links differ.
func (m *maker) personEdits(differences []change.Difference) []policies.Edit {
	touched := map[string]bool{}
	for _, d := range differences {
		for _, e := range []*change.Edit{d.Was, d.Is} {
			if e == nil || e.Person == nil {
				continue
			}
			for _, i := range identitiesOf(*e.Person) {
				touched[i.key()] = true
			}
		}
	}
	if len(touched) == 0 {
		return nil
	}
	var edits []policies.Edit
	for p := range m.records.PAPs() {
		if !m.enabled(p.Alias) {
			continue
		}
		for b := range m.records.Bans(p.Alias) {
			if i, _ := whom(b.Names); i != nil && !b.Alone && touched[i.key()] {
				rule, err := m.ban(b)
				m.note(err)
				edits = append(edits, policies.PutRule(rule, policies.BansID))
			}
		}
	}
	return edits
}
