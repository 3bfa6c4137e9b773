package change

import (
	"errors"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Errors of administration that callers tell apart with errors.Is, whether the
// administration point is in this process or behind a wire; what is returned
// says more.
var (
	// ErrNotFound: no PAP, unit, ban, follower or revision of that name.
	ErrNotFound = errors.New("not found")
	// ErrExists: a PAP of that alias is already there.
	ErrExists = errors.New("already exists")
	// ErrInvalid: an argument that can never be right.
	ErrInvalid = errors.New("invalid")
	// ErrPolicy: a text does not parse, or what it makes does not compile. The
	// chain holds the errors of the language with file, line and column.
	ErrPolicy = errors.New("policy refused")
	// ErrConflict: the revision is not the one that Request.IfMatch asks for, or
	// Request.Key was used for something else.
	ErrConflict = errors.New("conflict")
	// ErrLarge: the change would leave no ban in force, or change the answer for
	// too many (DECISIONS 20), and was not forced.
	ErrLarge = errors.New("large change needs force")
	// ErrNoRoom: the disk under the store is full. Nothing was changed; bans are
	// still taken.
	ErrNoRoom = errors.New("no room on the disk of the administration point: nothing but bans is accepted")
	// ErrInDoubt: the administration point keeps its policies on other machines,
	// which ceased to answer in the middle of the change.
	ErrInDoubt = errors.New("nobody knows whether the change was made: look before trying again")
	// ErrNotAllowed: what must stay as it is, such as the PAP "default".
	ErrNotAllowed = errors.New("is not allowed")
)

// Request says who asks for a change, why, and under what conditions.
type Request struct {
	Author  Author
	Message string
	// IfMatch makes the change fail with ErrConflict at any other revision.
	// The zero Revision asks for nothing.
	IfMatch authz.Revision
	// Key is an idempotency key, up to 256 bytes, private to the author. A
	// repetition within a day returns the first Result; the key with another
	// change is ErrConflict.
	Key string
	// Force lets a large change pass (DECISIONS 20).
	Force bool
}

// Result is what a change came to.
type Result struct {
	// Revision holds after the change: a new one if Changed.
	Revision authz.Revision `json:"revision"`
	// IDs are the records concerned, in the order of the arguments.
	IDs []string `json:"ids"`
	// Already are those of IDs that were there before and stay as they were.
	Already []string `json:"already,omitempty"`
	// Missing are the bans to lift that were not there, by their id.
	Missing []string `json:"missing,omitempty"`
	Changed bool     `json:"changed"`
	// Repeated: the answer to an earlier request with the same key.
	Repeated bool `json:"repeated,omitempty"`
	// Pending are the followers that had not settled the revision when the
	// wait that was asked for ended. Only a wire that waits sets it.
	Pending []Follower `json:"pending,omitempty"`
}

// File is a text to load, and the name under which errors speak of it.
type File struct {
	Name   string `json:"name"`
	Format Format `json:"format,omitempty"` // "" is SPL, of the version that the text names
	Text   string `json:"text"`
}

// At says where new units go. The zero At is the place that the method names.
type At struct {
	Resource string `json:"resource,omitempty"` // id of the resource that receives the file's actions
	Before   string `json:"before,omitempty"`   // id of the sibling to stand before
	After    string `json:"after,omitempty"`    // id of the sibling to stand behind
	Bottom   bool   `json:"bottom,omitempty"`
}

// Rule is a rule to add by its parts, as pap-admin add-policy does.
type Rule struct {
	Permit bool   `json:"permit"`
	Names  []Name `json:"names"` // conditions that must all hold
	// Resource and Action are the exact texts of the headers that the rule goes
	// below, made if they are missing. ActionID names the action instead.
	Resource string `json:"resource,omitempty"`
	Action   string `json:"action,omitempty"`
	ActionID string `json:"action-id,omitempty"`
	// Before and After are the id of the rule of ActionID to stand next to.
	Before     string `json:"before,omitempty"`
	After      string `json:"after,omitempty"`
	Bottom     bool   `json:"bottom,omitempty"`     // below what is there, not above
	Obligation string `json:"obligation,omitempty"` // id of an obligation for the header named by Scope
	Scope      Scope  `json:"scope,omitempty"`
}

// Scope is the header that receives the obligation of a Rule.
type Scope string

// The scopes; the zero value is ScopeAction.
const (
	ScopeAction   Scope = "action"
	ScopeResource Scope = "resource"
)

// Query asks for a part of the history, newest first.
type Query struct {
	Before uint64 // only revisions below; 0 is all
	Limit  int    // at most so many; 0 is 100
	// PAP picks the entries that change one PAP, and of them only its edits.
	// "" is every PAP but "admin", which must be asked for by name.
	PAP string
}

// Difference is one record that differs between two revisions. Was is nil if it
// is new, Is if it is gone.
type Difference struct {
	Was *Edit `json:"was,omitempty"`
	Is  *Edit `json:"is,omitempty"`
}

// Restore says what a rollback brings back.
type Restore struct {
	To uint64 `json:"to"` // the revision whose state shall hold again
	// Bans also restores the bans of that revision, and so lifts later ones.
	// Without it bans stay as they are. A ban whose time is over stays lifted.
	Bans bool `json:"bans,omitempty"`
	// Admin restores the PAP "admin", and nothing else.
	Admin bool `json:"admin,omitempty"`
}
