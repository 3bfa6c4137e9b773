package source

import (
	"fmt"
	"iter"

	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// CheckPerson refuses a person of whom a link is no identity, such as a token's
// subject without its issuer next to it: no ban would ever follow it.
func CheckPerson(p change.Person) error {
	whole := map[change.Name]bool{}
	for _, i := range identitiesOf(p) {
		for _, n := range i {
			whole[n] = true
		}
	}
	for _, n := range p.Links {
		_, known := links[n.Attribute]
		switch {
		case !known:
			return fmt.Errorf("%s does not name one person: link a subject, an oidc-issuer with its oidc-subject, or an account", n.Attribute)
		case !whole[n]:
			return fmt.Errorf("%s %q names nobody without %s next to it", n.Attribute, n.Value, partner[n.Attribute])
		}
	}
	return nil
}

// links are the names that may stand among the links of a person.
var links = map[string]bool{"subject": true, "subject-issuer": true, "oidc-issuer": true, "oidc-subject": true, "account": true}

// Who finds persons by their identities, in any spelling.
type Who struct {
	known map[string][]owner
}

// owner is somebody who has an identity.
type owner struct {
	id string
	identity
}

// NewWho returns the Who of some persons.
func NewWho(persons iter.Seq[change.Person]) *Who {
	w := &Who{known: map[string][]owner{}}
	for p := range persons {
		w.Add(p)
	}
	return w
}

// Add adds a person.
func (w *Who) Add(p change.Person) {
	for _, i := range identitiesOf(p) {
		w.known[i.key()] = append(w.known[i.key()], owner{p.ID, i})
	}
}

// Other returns the id of another person who has an identity of p, and the name
// that both have.
func (w *Who) Other(p change.Person) (id string, shared change.Name, found bool) {
	for _, i := range identitiesOf(p) {
		for _, o := range w.known[i.key()] {
			if o.id != p.ID && o.same(i) {
				return o.id, i[0], true
			}
		}
	}
	return "", change.Name{}, false
}
