// Package change holds the nouns of administration: what an administrator
// writes, what the store keeps of it and what a follower is told. Units of
// text, bans, PAPs, attribute rows and persons are records; a [Set] of edits to
// them takes the store from one revision to the next and is what the journal
// keeps and the feed of updates carries. Text is the source: the policy tree
// is made from these records and never stored.
//
// The package has no behaviour beyond naming and comparing; package pap
// changes the records, policies/source turns them into policies.
package change

import (
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// DefaultPAP is the alias of the PAP that always exists.
const DefaultPAP = "default"

// AdminPAP is the reserved PAP that says who may administer: a snapshot and an
// engine of its own, never exported, out of reach of the right to write policy.
const AdminPAP = "admin"

// PAP is a namespace of policies with its place in the order of precedence.
type PAP struct {
	Alias   string `json:"alias"`
	Place   string `json:"place"` // among the PAPs; see policies.Between
	Enabled bool   `json:"enabled"`
	Public  bool   `json:"public"` // its policies may be handed to other PAPs
	// Origin is the endpoint of a remote PAP; "" for a local one.
	Origin string `json:"origin,omitempty"`
	// DN is the certificate name that the remote must show.
	DN string `json:"dn,omitempty"`
}

// Format names the language of a unit's text, with its version.
type Format string

// The formats.
const (
	SPL        Format = "spl/1"
	SPLTwo     Format = "spl/2"
	XACMLTwo   Format = "xacml/2.0"
	XACMLThree Format = "xacml/3.0"
	Rego       Format = "rego/1"
)

// Kind says what a unit is.
type Kind string

// The kinds of units.
const (
	KindResource Kind = "resource" // SPL: the header of a resource, its description and obligations
	KindAction   Kind = "action"   // SPL: the header of an action; Parent is a resource
	KindRule     Kind = "rule"     // SPL: one rule; Parent is an action
	KindDocument Kind = "document" // XACML or Rego: a whole document
)

// Unit is the smallest piece of policy text that is kept, moved and removed by
// itself. The texts of a resource, its actions and their rules, in the order
// of their places, are the policy as its author wrote it.
type Unit struct {
	ID     string `json:"id"`
	PAP    string `json:"pap"`
	Parent string `json:"parent,omitempty"` // id of the enclosing unit
	Kind   Kind   `json:"kind"`
	Place  string `json:"place"`
	Format Format `json:"format"`
	// Text is what the author wrote. Of a header it is the part before the
	// first child and needs no closing brace.
	Text string `json:"text"`
	// Comments are the lines before the unit, as written.
	Comments string `json:"comments,omitempty"`
	// File, Line and Column say where the text was loaded from.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// Name is one identity attribute of a ban: SPL name and value as written.
type Name struct {
	Attribute string `json:"attribute"` // subject, subject-issuer, vo, fqan, oidc-issuer, …
	Value     string `json:"value"`
}

// Ban refuses everybody who carries all of its names, whatever any policy
// permits (DECISIONS 10). It is a record of its own, not a rule at a place.
type Ban struct {
	ID       string    `json:"id"`
	PAP      string    `json:"pap"`
	Names    []Name    `json:"names"`
	Resource string    `json:"resource,omitempty"` // anchored RE2; "" is everywhere
	Action   string    `json:"action,omitempty"`   // anchored RE2; "" is everything
	Author   string    `json:"author"`
	Time     time.Time `json:"time"`
	Until    time.Time `json:"until,omitzero"` // lifted then, as a revision of its own
	Reason   string    `json:"reason,omitempty"`
	Ticket   string    `json:"ticket,omitempty"`
	Private  bool      `json:"private,omitempty"` // not handed to other PAPs
	// Alone refuses what the names say and no other identity of the same
	// person: the ban does not follow links (DECISIONS 14).
	Alone bool `json:"alone,omitempty"`
}

// Row adds a site's own attribute to the names that SPL knows.
type Row struct {
	Name     string         `json:"name"`
	ID       string         `json:"id"`
	Category authz.Category `json:"category"`
	Type     authz.DataType `json:"type"`
	Match    string         `json:"match"` // function id
}

// Person links the identities of one human being: a ban on one follows to all.
type Person struct {
	ID       string `json:"id"`
	Links    []Name `json:"links"` // subject with subject-issuer, oidc-issuer with oidc-subject, account
	Comment  string `json:"comment,omitempty"`
	Imported string `json:"imported,omitempty"` // file it came from
}

// Edit puts or removes one record. Exactly one of the record fields is set;
// with Remove only its identifying fields need be.
type Edit struct {
	Remove bool    `json:"remove,omitempty"`
	PAP    *PAP    `json:"pap,omitempty"`
	Unit   *Unit   `json:"unit,omitempty"`
	Ban    *Ban    `json:"ban,omitempty"`
	Row    *Row    `json:"row,omitempty"`
	Person *Person `json:"person,omitempty"`
}

// Set takes the records from one revision to another. With Whole the edits are
// all the records there are, and what a follower had before is dropped.
type Set struct {
	From  authz.Revision `json:"from,omitzero"`
	To    authz.Revision `json:"to"`
	Whole bool           `json:"whole,omitempty"`
	Edits []Edit         `json:"edits"`
}

// Author is who asks for a change and how they came in.
type Author struct {
	Name string `json:"name"`           // DN, token identity, or "root" at the local socket
	Via  string `json:"via,omitempty"`  // "tls", "socket", "expiry", "import"
	Peer string `json:"peer,omitempty"` // network address
}

// Entry is one line of history: a revision, who made it and what it changed.
type Entry struct {
	Revision authz.Revision `json:"revision"`
	Time     time.Time      `json:"time"`
	Author   Author         `json:"author"`
	Message  string         `json:"message,omitempty"`
	Summary  string         `json:"summary"`        // "ban subject …", "add 3 rules to default"
	Edits    []Edit         `json:"edits"`          // what was done
	Undo     []Edit         `json:"undo"`           // what brings back the revision before
	File     string         `json:"file,omitempty"` // a loaded file, whole and as written
}

// Follower is one consumer of updates and how far it has come.
type Follower struct {
	Name     string         `json:"name"`
	Identity string         `json:"identity"` // of its certificate
	Applied  authz.Revision `json:"applied"`  // in force in the follower itself
	Settled  authz.Revision `json:"settled"`  // in force in the follower and in its own followers
	Seen     time.Time      `json:"seen"`
	Legacy   bool           `json:"legacy,omitempty"` // polls in Argus's way; never waited for
}
