package pool

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Lease is an account in somebody's hands.
type Lease struct {
	Key
	Account string    `json:"account"`
	UID     uint32    `json:"uid"` // when it was leased
	Granted time.Time `json:"granted"`
	Used    time.Time `json:"used"`           // last use, to the hour
	Ended   time.Time `json:"ended,omitzero"` // released as idle; its holder may come back for it

	// File names the lease where it is a file of a gridmapdir.
	File string `json:"file,omitempty"`

	// Local is the account as the directory has it now.
	Local authz.Account `json:"-"`

	kept string // record key, where it was read from the store
}

// ID names the lease in messages and to whoever asks again.
func (l Lease) ID() string {
	switch {
	case l.kept != "":
		return idOf(l.Pool, l.kept)
	case l.File == "":
		return l.Key.ID()
	}
	sum := sha256.Sum256([]byte(l.File))
	return fmt.Sprintf("%s-%x", l.Pool, sum[:16])
}

// State is where an account stands. The zero State is none.
type State string

// The states.
const (
	Free        State = "free"
	Leased      State = "leased"
	Quarantined State = "quarantined"
	Reserved    State = "reserved"
)

// Account is one account of a pool.
type Account struct {
	Name  string    `json:"name"`
	Pool  string    `json:"pool"`
	State State     `json:"state"`
	Since time.Time `json:"since"`          // of the last event
	Until time.Time `json:"until,omitzero"` // of the quarantine
	Lease *Lease    `json:"lease,omitempty"`
}

// Cause is why something is done, for the history.
type Cause struct {
	By       string         `json:"by,omitempty"`  // who did it
	Why      string         `json:"why,omitempty"` // in words
	Decision string         `json:"decision,omitempty"`
	Revision authz.Revision `json:"revision,omitzero"` // of the policies that permitted it
}

// Kind is what happened to an account.
type Kind string

// The kinds of events.
const (
	Granted  Kind = "granted"
	Returned Kind = "returned" // to its holder, who came back before the quarantine was over
	Expired  Kind = "expired"  // released as idle
	Released Kind = "released"
	Held     Kind = "reserved"
	Freed    Kind = "freed" // the quarantine is over
)

// Event is a line of the history.
type Event struct {
	Time    time.Time `json:"time"`
	Account string    `json:"account"`
	Kind    Kind      `json:"kind"`
	// Key is whose lease it was; zero if nobody's.
	Key
	Cause
}

// Holds reports whether the account is in the hands of the event's identity
// until the next event.
func (e Event) Holds() bool { return e.Kind == Granted || e.Kind == Returned }

// String is the event as a log line.
func (e Event) String() string {
	s := fmt.Sprintf("%s %s %s", e.Time.UTC().Format(time.RFC3339), e.Account, e.Kind)
	if !e.Identity.IsZero() {
		s += " " + e.Identity.Name
	}
	return s
}
