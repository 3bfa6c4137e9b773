package launch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// MaxLife is the longest that a grant may be valid.
const MaxLife = 60 * time.Second

// MaxGroups is the largest number of secondary groups of a granted account.
const MaxGroups = 64

// ID is the nonce of a grant, from crypto/rand.
type ID [16]byte

// String returns the id in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Grant is the permission to carry out one order once.
type Grant struct {
	ID        ID
	Launcher  string // the launcher that may obey; a grant for one machine is worthless on another
	Operation Operation
	Job       string
	Account   authz.Account // Source is not part of a grant
	Order     [sha256.Size]byte
	Revision  authz.Revision // of the policies that permitted it
	Decision  string         // id of that decision: joins the audit records
	Issued    time.Time
	Expires   time.Time // at most MaxLife after Issued
}

// Signed is the canonical encoding of a grant followed by its Ed25519
// signature. It is worthless after a minute, but secret until used.
type Signed []byte

const grantHeader = "gatehouse grant 1\n"

func (g Grant) encode() []byte {
	e := encoder(grantHeader)
	e.bytes(g.ID[:])
	e.text(g.Launcher)
	e.text(string(g.Operation))
	e.text(g.Job)
	e.text(g.Account.Name)
	e.number(uint64(g.Account.UID))
	e.group(g.Account.Group)
	e.number(uint64(len(g.Account.Groups)))
	for _, group := range g.Account.Groups {
		e.group(group)
	}
	e.flag(g.Account.Shared)
	e.bytes(g.Order[:])
	e.text(g.Revision.Lineage)
	e.number(g.Revision.Number)
	e.text(g.Decision)
	e.instant(g.Issued)
	e.instant(g.Expires)
	return e
}

func (e *encoder) group(g authz.Group) {
	e.text(g.Name)
	e.number(uint64(g.GID))
}

func (d *decoder) group() authz.Group { return authz.Group{Name: d.text(), GID: d.small()} }

// ParseGrant reads the canonical encoding of a grant, without a signature. It
// refuses every encoding but the one that the grant itself would produce.
func ParseGrant(b []byte) (Grant, error) {
	rest, ok := bytes.CutPrefix(b, []byte(grantHeader))
	if !ok {
		return Grant{}, errors.New("grant: not a gatehouse grant of version 1")
	}
	d := decoder{rest: rest}
	g := d.grant()
	if d.err != nil {
		return Grant{}, fmt.Errorf("grant: %w", d.err)
	}
	if !bytes.Equal(g.encode(), b) {
		return Grant{}, errors.New("grant: not in canonical form")
	}
	return g, nil
}

func (d *decoder) grant() Grant {
	var g Grant
	copy(g.ID[:], d.bytes())
	g.Launcher = d.text()
	g.Operation = Operation(d.text())
	g.Job = d.text()
	g.Account.Name = d.text()
	g.Account.UID = d.small()
	g.Account.Group = d.group()
	g.Account.Groups = d.groups()
	g.Account.Shared = d.number() == 1
	copy(g.Order[:], d.bytes())
	g.Revision.Lineage = d.text()
	g.Revision.Number = d.number()
	g.Decision = d.text()
	g.Issued = d.instant()
	g.Expires = d.instant()
	return g
}

func (d *decoder) groups() []authz.Group {
	n := d.number()
	if n > MaxGroups {
		d.err = fmt.Errorf("more than %d secondary groups", MaxGroups)
		return nil
	}
	var list []authz.Group
	for range n {
		list = append(list, d.group())
	}
	return list
}
