package authz

import "time"

// Event is the kind of an audit record.
type Event string

// The events.
const (
	EventDecision Event = "decision" // an enforcement point answered
	EventChange   Event = "change"   // an administrator changed something
	EventJob      Event = "job"      // a job was registered, started, stopped or ended
	EventRefused  Event = "refused"  // refused before any decision: bad credential, bad input
)

// Record is one line of the audit trail: who did what, from where, what was
// answered and why. Never put a secret, a token or a session id in it.
type Record struct {
	Time       time.Time     `json:"time"`
	Event      Event         `json:"event"`
	ID         string        `json:"id,omitempty"`      // decision id: joins the lines of one request
	Process    string        `json:"process,omitempty"` // the role that writes: pep, pap, container
	Peer       string        `json:"peer,omitempty"`    // network address or peer name
	Subject    string        `json:"subject,omitempty"`
	Issuer     string        `json:"issuer,omitempty"`
	Strength   string        `json:"strength,omitempty"`
	Action     string        `json:"action,omitempty"`
	Resource   string        `json:"resource,omitempty"`
	Owner      string        `json:"owner,omitempty"`    // owner of the job or sandbox acted on
	Decision   string        `json:"decision,omitempty"` // what was enforced
	Reason     *Reason       `json:"reason,omitempty"`
	Cause      string        `json:"cause,omitempty"` // error behind a refusal
	Revision   Revision      `json:"revision,omitzero"`
	Account    string        `json:"account,omitempty"`
	Limits     string        `json:"limits,omitempty"`
	Message    string        `json:"message,omitempty"`
	Duration   time.Duration `json:"duration_ns,omitempty"`
	Suppressed int           `json:"suppressed,omitempty"` // equal records folded into this one
}
