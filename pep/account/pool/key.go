package pool

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Identity is who holds a lease (DECISIONS 13): the end entity's name with its
// issuer's, or a token's subject with its issuer.
type Identity struct {
	Name string `json:"name"` // for people
	Key  string `json:"key"`  // what is compared
	// Subject is the name of a certificate's holder; zero for a token's.
	Subject authz.DN `json:"-"`
}

var errNobody = errors.New("an identity needs a name and who issued it")

// Certificate is the identity of a certificate's end entity. Spellings of one
// name are one identity, and so are two keys of one CA.
func Certificate(subject, issuer authz.DN) (Identity, error) {
	if subject.IsZero() || issuer.IsZero() {
		return Identity{}, errNobody
	}
	name, by := subject.Key(), issuer.Key()
	return Identity{Name: subject.Slash(), Key: fmt.Sprintf("x509 %d %s %s", len(name), name, by), Subject: subject}, nil
}

// Token is the identity of a token: its claims iss and sub, to the letter.
func Token(issuer, subject string) (Identity, error) {
	if issuer == "" || subject == "" {
		return Identity{}, errNobody
	}
	return Identity{Name: issuer + "#" + subject, Key: fmt.Sprintf("token %d %s %s", len(issuer), issuer, subject)}, nil
}

// IsZero reports whether i is nobody.
func (i Identity) IsZero() bool { return i.Key == "" }

// Key is what one account belongs to.
type Key struct {
	Pool     string   `json:"pool"` // without the "." of a map file
	Identity Identity `json:"identity"`
	Group    string   `json:"group,omitempty"`  // primary group
	Groups   []string `json:"groups,omitempty"` // secondary groups: a set
}

// String names the key for people.
func (k Key) String() string {
	s := k.Identity.Name
	if groups := append([]string{k.Group}, k.Groups...); k.Group != "" || len(k.Groups) > 0 {
		s += " with " + strings.Join(groups, ":")
	}
	return s + " in pool " + k.Pool
}

// normal is the key as it is kept.
func (k Key) normal(secondary bool) Key {
	if !secondary {
		k.Groups = nil
	}
	if !isSet(k.Groups, k.Group) {
		k.Groups = slices.Compact(slices.Sorted(slices.Values(k.Groups)))
		k.Groups = slices.DeleteFunc(k.Groups, func(g string) bool { return g == k.Group })
	}
	return k
}

// isSet reports whether groups are in order, each once, and without the primary.
func isSet(groups []string, primary string) bool {
	for i, g := range groups {
		if g == primary || i > 0 && groups[i-1] >= g {
			return false
		}
	}
	return true
}

// check refuses what could be taken for another key.
func (k Key) check() error {
	switch {
	case k.Pool == "" || strings.ContainsRune(k.Pool, 0):
		return fmt.Errorf("%w: %q", ErrNoPool, k.Pool)
	case k.Identity.IsZero():
		return errNobody
	}
	return nil
}

// same reports whether two normal keys are one.
func (k Key) same(o Key) bool {
	return k.Pool == o.Pool && k.Identity.Key == o.Identity.Key && k.Group == o.Group && slices.Equal(k.Groups, o.Groups)
}

// ID names the lease of a normal key in messages and to whoever asks again: the
// pool, 96 bits of a hash of the identity and 32 of one of the groups.
func (k Key) ID() string { return idOf(k.Pool, k.record()) }

func idOf(pool, record string) string {
	const of, groups = 12, 4
	hashes := record[len(pool)+1:]
	return pool + "-" + hex.EncodeToString([]byte(hashes[:of]+hashes[sha256.Size:sha256.Size+groups]))
}

// ofIdentity begins the record keys of all leases of an identity in a pool.
func (k Key) ofIdentity() string {
	sum := sha256.Sum256([]byte(k.Identity.Key))
	return k.Pool + "\x00" + string(sum[:])
}

// record is the key of the lease in the store.
func (k Key) record() string {
	text := binary.AppendUvarint(make([]byte, 0, 128), uint64(len(k.Group)))
	text = append(text, k.Group...)
	for _, g := range k.Groups {
		text = append(binary.AppendUvarint(text, uint64(len(g))), g...)
	}
	sum := sha256.Sum256(text)
	return k.ofIdentity() + string(sum[:])
}
