package launch

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Wish is what the container asks the mapping side to grant.
type Wish struct {
	Order    Order          `json:"order"`
	Account  authz.Account  `json:"account"`
	Revision authz.Revision `json:"revision"`
	Decision string         `json:"decision,omitzero"` // id of the decision that permits it
}

// Granter turns wishes into grants: [Signer] on the mapping side, or [Client],
// which carries a wish there. It errors rather than grant what was not decided.
type Granter interface {
	Grant(ctx context.Context, w Wish) (Signed, error)
}

// Launcher carries out granted orders: [Gate] in process, [Client] over the
// socket. An error says nothing about a job: it may have been started. Ask
// again; a Start is idempotent per job id, with a fresh grant each time.
type Launcher interface {
	// Do carries out o. It returns [ErrRefused] when the grant does not allow
	// it, [ErrForbidden] when no grant would, [ErrNoJob], [ErrConflict] or
	// [ErrPath] when it cannot be done.
	Do(ctx context.Context, grant Signed, o Order) (Result, error)
	// Status returns what became of a job, [ErrNoJob] if it was never claimed.
	Status(ctx context.Context, job string) (Status, error)
	// Jobs returns every job that was claimed and not yet reaped.
	Jobs(ctx context.Context) ([]Status, error)
	// Reap forgets an ended job. Its id can never be started again. Reaping a
	// job that is not there is no error; one that has not ended is ErrConflict.
	Reap(ctx context.Context, job string) error
}

// Runner does what a Gate let pass. It trusts the grant.
type Runner interface {
	Run(ctx context.Context, g Grant, o Order) (Result, error)
	Status(ctx context.Context, job string) (Status, error)
	Jobs(ctx context.Context) ([]Status, error)
	Reap(ctx context.Context, job string) error
}

// The causes that a caller can act on.
var (
	ErrRefused   = errors.New("refused")                                // ask for a new grant, or give up
	ErrForbidden = errors.New("forbidden")                              // the account or the executable is not allowed here
	ErrNoJob     = errors.New("no such job")                            // this launcher never claimed it
	ErrConflict  = errors.New("the job's state does not allow it")      // running, ended, reaped, or started with another order
	ErrPath      = errors.New("no such file, or not one that is shown") // absent, not regular, a link, not the owner's
	ErrAway      = errors.New("the launcher does not answer")           // nothing is known: ask again
)

// Result is the outcome of an order.
type Result struct {
	Status Status   // after Start and Signal
	Files  []File   // the entries of a List, the one file of a Stat or Read
	File   *os.File // the open file of a Read; the caller closes it
}

// File describes an entry of a sandbox.
type File struct {
	Name    string    `json:"name"`
	Dir     bool      `json:"dir,omitzero"`
	Other   bool      `json:"other,omitzero"` // a link, pipe or device: shown, never opened
	Size    int64     `json:"size,omitzero"`
	ModTime time.Time `json:"mod_time"`
}

// State is where a job stands. There is no state for "no answer": that is an
// error.
type State string

// The states, in the order in which a job passes them.
const (
	Claimed  State = "claimed"  // recorded; surely not started, and only a new Start would start it
	Starting State = "starting" // a supervisor is at work
	Running  State = "running"
	Ended    State = "ended" // see Exit
	Reaped   State = "reaped"
)

// Cause is why the launcher ended a job, or what else is to be said about its
// end. The empty Cause means that it ended by itself.
type Cause string

// The causes.
const (
	CPULimit    Cause = "cpu-limit"
	WallLimit   Cause = "wall-limit"
	Cancelled   Cause = "cancelled"
	StartFailed Cause = "start-failed" // the program never ran; Exit.Error says why
	Lost        Cause = "lost"         // it was begun, its supervisor died: how it ended cannot be known
)

// Exit is how a job ended.
type Exit struct {
	Code   int           `json:"code"`            // exit status; -1 after a signal or when unknown
	Signal string        `json:"signal,omitzero"` // the signal that ended it, "SIGKILL"
	Cause  Cause         `json:"cause,omitzero"`
	Error  string        `json:"error,omitzero"`
	CPU    time.Duration `json:"cpu_ns"` // of the whole job
	Ended  time.Time     `json:"ended"`
}

// Status is what the launcher knows about a job.
type Status struct {
	Job     string        `json:"job"`
	State   State         `json:"state"`
	Account authz.Account `json:"account"` // as granted
	UID     uint32        `json:"uid"`     // as run: differs from Account only in self mode
	Limits  Limits        `json:"limits"`
	Claimed time.Time     `json:"claimed"`
	Started time.Time     `json:"started,omitzero"`
	CPU     time.Duration `json:"cpu_ns"` // used so far, where it can be seen
	Exit    *Exit         `json:"exit,omitzero"`
}
