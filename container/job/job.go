package job

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
)

// The errors that a caller can act on.
var (
	ErrUnknown = errors.New("no such job")
	ErrState   = errors.New("the job's state does not allow it")
	ErrKey     = errors.New("the request key cannot be used")
	ErrFull    = errors.New("too many jobs are not yet done: try again later")
)

// State is where a job stands. The zero State is none.
type State string

// The states; the last four are final.
const (
	Registered State = "registered"
	Submitted  State = "submitted"
	Running    State = "running"
	Done       State = "done"
	Failed     State = "failed"
	Cancelled  State = "cancelled"
	Stopped    State = "stopped"
)

// States returns the states in the order in which a job passes them.
func States() []State {
	return []State{Registered, Submitted, Running, Done, Failed, Cancelled, Stopped}
}

// Final reports whether nothing more will happen to the job.
func (s State) Final() bool {
	return s == Done || s == Failed || s == Cancelled || s == Stopped
}

// Owner is the identity that a job belongs to (DECISIONS 13). The zero Owner is
// anonymous: the job belongs to whoever knows its id.
type Owner struct {
	Name string `json:"name,omitempty"` // for people and audit
	Key  string `json:"key,omitempty"`  // what is compared
}

// Anonymous reports whether the owner is nobody in particular.
func (o Owner) Anonymous() bool { return o.Key == "" }

// String returns the name, or "anonymous".
func (o Owner) String() string {
	if o.Anonymous() {
		return "anonymous"
	}
	return o.Name
}

// Owns reports whether the caller, whose identity is o, owns a job of the
// owner p whose id it has named. Naming the id of an anonymous job is owning it.
func (o Owner) Owns(p Owner) bool { return p.Anonymous() || o.Key == p.Key }

// Granted is what the decision behind a job gave it.
type Granted struct {
	Account  authz.Account  `json:"account"`
	CPU      time.Duration  `json:"cpu_ns"`  // of the whole job
	Wall     time.Duration  `json:"wall_ns"` // elapsed
	Revision authz.Revision `json:"revision"`
	Decision string         `json:"decision"` // its id
}

// Submission is what somebody asked and was granted.
type Submission struct {
	Owner     Owner             `json:"owner,omitzero"`
	Service   string            `json:"service"`
	Method    string            `json:"method"`
	Path      string            `json:"path"`    // executable, below the directory of services
	Content   [sha256.Size]byte `json:"content"` // its SHA-256
	Arguments []string          `json:"arguments"`
	Requested time.Duration     `json:"requested_ns"` // CPU time
	Granted   Granted           `json:"granted"`
	// Asked are the attributes that the decision saw, to judge the job again.
	Asked []Attribute `json:"asked"`
	// Key, if any, is chosen by the client: a second submission of the same
	// owner under one key is the first one again.
	Key string `json:"key,omitempty"`
}

// Cancellation is why a job is to be ended.
type Cancellation struct {
	By       string    `json:"by"`  // who asked: the caller's name, "policy"
	Why      string    `json:"why"` // for the owner to read
	Decision string    `json:"decision,omitempty"`
	Limit    bool      `json:"limit,omitempty"` // the job exceeded one: it ends as Stopped
	At       time.Time `json:"at"`
}

// Exit is how a job ended.
type Exit struct {
	Code   int    `json:"code"`             // exit status; -1 after a signal or when unknown
	Signal string `json:"signal,omitempty"` // "SIGKILL"
	Why    string `json:"why,omitempty"`    // for the owner to read; "" when it ended by itself
}

// Job is the record of a job.
type Job struct {
	ID string `json:"id"`
	Submission
	State      State         `json:"state"`
	Claimed    bool          `json:"claimed,omitempty"` // may have been handed to the back end
	Purging    bool          `json:"purging,omitempty"`
	Registered time.Time     `json:"registered"`
	Started    time.Time     `json:"started,omitzero"`
	Ended      time.Time     `json:"ended,omitzero"`
	CPU        time.Duration `json:"cpu_ns,omitempty"` // used so far
	Exit       *Exit         `json:"exit,omitempty"`
	Cancel     *Cancellation `json:"cancel,omitempty"`
}

// Tag names the job in logs and audit records, where its secret id must not be.
func (j *Job) Tag() string { return Tag(j.ID) }

// Session is what reads the job's sandbox.
func (j *Job) Session() sandbox.Session {
	return sandbox.Session{ID: j.ID, Account: j.Granted.Account, Revision: j.Granted.Revision, Decision: j.Granted.Decision}
}

// Tag names a job without giving away its id.
func Tag(id string) string { return launch.Tag(id) }

// newID returns a session id: 128 random bits.
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

// minAnonymousKey is the length of request key that an anonymous caller must
// choose: its key leads to a session id and must be as hard to guess.
const minAnonymousKey = 32

const maxKey = 256

// CheckKey reports why a request key cannot be used by that owner, with ErrKey.
// No key is fine.
func CheckKey(owner Owner, key string) error {
	if len(key) > maxKey {
		return fmt.Errorf("%w: longer than %d bytes", ErrKey, maxKey)
	}
	if key != "" && owner.Anonymous() && len(key) < minAnonymousKey {
		return fmt.Errorf("%w: an anonymous caller's must be random and of at least %d characters, because whoever knows it gets the job", ErrKey, minAnonymousKey)
	}
	return nil
}
