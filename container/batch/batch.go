package batch

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Submitter runs jobs. It is safe for concurrent use. A context that ends
// while a call is under way is an error, and then nothing is known.
type Submitter interface {
	// Submit hands j over. When it returns nil the job has been recorded by the
	// back end and will run, or has run, exactly once. ErrConflict means that
	// the id was used for another job, ErrRefused that it will never be run.
	// After any other error, submit the same job again.
	Submit(ctx context.Context, j Job) error
	// Status returns what the back end says about a job. Absent is an answer:
	// it is not there and was not started. An error means that nothing is
	// known.
	Status(ctx context.Context, id string) (Status, error)
	// Cancel ends the job and everything it started. It returns when the back
	// end has recorded that; the job's status follows. Only ID, Account,
	// Revision and Decision of j are looked at. Cancelling an ended job is no
	// error; an absent one is ErrNoJob.
	Cancel(ctx context.Context, j Job) error
	// List returns every job that the back end knows, in no order.
	List(ctx context.Context) ([]Status, error)
	// Reap lets the back end forget an ended job. The id stays used up. An
	// absent job is no error; one that has not ended is ErrConflict.
	Reap(ctx context.Context, id string) error
}

// The errors that a caller can act on.
var (
	ErrAway     = errors.New("the back end does not answer")          // nothing is known: try again
	ErrNoJob    = errors.New("no such job")                           // never submitted here
	ErrConflict = errors.New("the job's state does not allow it")     // other job under that id; not ended
	ErrRefused  = errors.New("the back end refuses the job for good") // say why to the user, and end it
)

// Job is what is to be run, for whom, and within which limits.
type Job struct {
	ID         string   // session id: 32 lower-case hexadecimal digits, a secret
	Executable string   // below the service directory, "sleepyAdd/run"
	Digest     [32]byte // SHA-256 of its content, as approved
	Args       []string // the whole vector; Args[0] is the program's name. Never a shell line
	Env        []string // NAME=value
	Stdin      string   // file names in the sandbox, "" for none
	Stdout     string
	Stderr     string
	CPU        time.Duration // of the whole job, at least a second
	Wall       time.Duration // elapsed, at least a second

	Account  authz.Account
	Revision authz.Revision // of the policies that permitted it
	Decision string         // id of that decision; who signs grants may ask for it
}

// State is where a job stands with the back end. The zero State is none.
type State string

// The states.
const (
	Absent  State = "absent"  // the back end answers that it has no such job and runs none
	Queued  State = "queued"  // recorded, not begun
	Running State = "running" // begun
	Ended   State = "ended"   // see Exit
)

// Cause is why a job ended; empty if by itself.
type Cause string

// The causes.
const (
	CPULimit    Cause = "cpu-limit"    // it used the CPU time it was granted
	WallLimit   Cause = "wall-limit"   // it ran longer than allowed
	Cancelled   Cause = "cancelled"    // somebody asked for it
	StartFailed Cause = "start-failed" // the program never ran; Exit.Error says why
	Lost        Cause = "lost"         // it was begun and is over; how it ended cannot be known. Never run it again
)

// Exit is how a job ended.
type Exit struct {
	Code   int    // exit status; -1 after a signal or when unknown
	Signal string // "SIGKILL"
	Cause  Cause
	Error  string
	Ended  time.Time
}

// Status is the back end's answer about one job.
type Status struct {
	ID      string
	Handle  string // the back end's own name for it, if it has one
	State   State
	Started time.Time
	CPU     time.Duration // used so far, where the back end can see it
	Exit    *Exit         // when Ended
}
