package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/batch"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
	"github.com/gatehouse-authz/gatehouse/internal/store"
)

// Config is what a Service is made of. Store, Submitter and Files are required.
type Config struct {
	Store     store.Store
	Submitter batch.Submitter
	Files     sandbox.Files
	Recorder  authz.Recorder // nil records nothing
	// Confirm asks anew for an account that was named too long ago to start
	// something as it. ErrAccount is its no; other errors say that nobody knows.
	// Without it such a job fails.
	Confirm func(ctx context.Context, a authz.Account) (authz.Account, error)
	Log     *slog.Logger
	Now     func() time.Time

	Poll      time.Duration // between two looks at a job that has been left alone for a while; default 250 ms, longer when there are many
	Retention time.Duration // after its end a job is purged; default 7 days
	Active    int           // jobs that are not final, at most; default 10,000
	Parallel  int           // jobs that are worked on at once; default 8
	Patience  time.Duration // for one call of the back end; default 10 s
	Quota     sandbox.Quota // of each sandbox; see Measure
	Measure   time.Duration // between two looks at the sandbox of a running job; default 10 s
	// Settle is how long a submission whose outcome is unknown may still come
	// into effect: the life of a grant, at least. Default 70 s.
	Settle time.Duration
}

// Service keeps jobs. It is safe for concurrent use. Nothing moves unless Run
// runs.
type Service struct {
	config Config
	wake   chan struct{}

	mu      sync.Mutex
	busy    int               // entries that are worked on
	entries map[string]*entry // of jobs that something is to be done for
}

// entry is what is known of a pending job beside its record.
type entry struct {
	due       time.Time
	busy      bool
	urgent    bool          // to be cancelled
	again     bool          // came due while it was busy
	delay     time.Duration // after the last failure
	pace      time.Duration // between two looks: slower the longer nothing was done to it
	measure   time.Time     // when the sandbox is looked at next
	cpu       time.Duration
	doubtful  time.Time // of the last submission whose outcome is unknown
	lastError string
}

// New returns a Service. Load brings in the jobs of the store; Run does so too.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Submitter == nil || c.Files == nil {
		return nil, errors.New("job: a store, a submitter and the files are required")
	}
	setDefault(&c.Poll, 250*time.Millisecond)
	setDefault(&c.Retention, 7*24*time.Hour)
	setDefault(&c.Active, 10000)
	setDefault(&c.Parallel, 8)
	setDefault(&c.Patience, 10*time.Second)
	setDefault(&c.Measure, 10*time.Second)
	setDefault(&c.Settle, 70*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{config: c, wake: make(chan struct{}, 1), entries: map[string]*entry{}}, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Register makes a job and returns once its record is durable; Run takes it
// from there. With a Key that the owner used before it returns the job of then,
// or ErrKey if the submission differs. ErrFull means that nothing was done.
func (s *Service) Register(ctx context.Context, submission Submission) (Job, error) {
	if err := CheckKey(submission.Owner, submission.Key); err != nil {
		return Job{}, err
	}
	if s.pendingCount() >= s.config.Active {
		return Job{}, ErrFull
	}
	j := Job{ID: newID(), Submission: submission, State: Registered, Registered: s.config.Now().UTC()}
	if err := s.record(ctx, &j, "registered"); err != nil {
		return Job{}, err
	}
	stored := Job{}
	_, err := s.config.Store.Update(ctx, func(tx store.WriteTx) (err error) {
		stored, err = insert(tx, &j)
		return err
	})
	if err != nil {
		return Job{}, fmt.Errorf("job: register: %w", err)
	}
	if !stored.State.Final() {
		s.enter(stored.ID, false)
	}
	return stored, nil
}

// Find returns a job with what is known of it now, or ErrUnknown.
func (s *Service) Find(ctx context.Context, id string) (Job, error) {
	if !sandbox.ValidID(id) {
		return Job{}, ErrUnknown
	}
	j, err := s.view(ctx, id)
	if err == nil && j.Purging {
		return Job{}, ErrUnknown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[id]; e != nil && !j.State.Final() {
		j.CPU = max(j.CPU, e.cpu)
	}
	return j, err
}

// List returns the jobs of an owner in the order of their ids, behind the id
// given ("" for the first), at most that many. An anonymous owner has no list.
func (s *Service) List(ctx context.Context, owner Owner, behind string, most int) (jobs []Job, err error) {
	if owner.Anonymous() {
		return nil, nil
	}
	prefix := ownerPrefix(owner)
	err = s.config.Store.View(ctx, func(tx store.ReadTx) error {
		jobs = jobs[:0]
		for key := range tx.Scan(owners, prefix, prefix+behind) {
			id := key[len(prefix):]
			if len(jobs) == most {
				return nil
			}
			if id == behind {
				continue
			}
			j, err := get(tx, id)
			if err != nil {
				return err
			}
			jobs = append(jobs, j)
		}
		return nil
	})
	return jobs, err
}

// Pending returns the jobs that are not final.
func (s *Service) Pending(ctx context.Context) (jobs []Job, err error) {
	err = s.config.Store.View(ctx, func(tx store.ReadTx) error {
		jobs = jobs[:0]
		for id := range tx.Scan(active, "", "") {
			j, err := get(tx, id)
			if err != nil {
				return err
			}
			if !j.State.Final() {
				jobs = append(jobs, j)
			}
		}
		return nil
	})
	return jobs, err
}

// Cancel records that a job is to be ended and returns it; Run carries it out,
// whatever it takes. Cancelling twice is no error, a final job is ErrState.
func (s *Service) Cancel(ctx context.Context, id string, c Cancellation) (Job, error) {
	c.At = s.config.Now().UTC()
	j, err := s.update(ctx, id, func(j *Job) error {
		if j.State.Final() {
			return fmt.Errorf("%w: it is %s", ErrState, j.State)
		}
		if j.Cancel != nil {
			return errUnchanged
		}
		j.Cancel = &c
		return nil
	})
	if err != nil {
		return Job{}, err
	}
	s.enter(id, true)
	return j, nil
}

// Purge removes a final job, its sandbox and the back end's record of it. It
// returns once the job is gone for everybody; what could not be removed at once
// Run removes. A job that is not final is ErrState.
func (s *Service) Purge(ctx context.Context, id string) error {
	_, err := s.update(ctx, id, func(j *Job) error {
		if j.Purging {
			return ErrUnknown
		}
		if !j.State.Final() {
			return fmt.Errorf("%w: it is %s; cancel it first", ErrState, j.State)
		}
		j.Purging = true
		return nil
	})
	if err != nil {
		return err
	}
	s.enter(id, false)
	return nil
}

func (s *Service) pendingCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

// enter makes a job due now.
func (s *Service) enter(id string, urgent bool) {
	s.mu.Lock()
	e := s.entries[id]
	if e == nil {
		e = &entry{}
		s.entries[id] = e
	}
	e.due, e.again, e.pace, e.urgent = s.config.Now(), e.busy, 0, e.urgent || urgent
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// record writes a line of audit.
func (s *Service) record(ctx context.Context, j *Job, message string) error {
	if s.config.Recorder == nil {
		return nil
	}
	g := j.Granted
	return s.config.Recorder.Record(ctx, authz.Record{
		Time: s.config.Now(), Event: authz.EventJob, ID: g.Decision, Process: "container",
		Owner: j.Owner.String(), Resource: j.Tag(), Action: j.Service + "/" + j.Method, Account: g.Account.Name,
		Revision: g.Revision, Limits: fmt.Sprintf("cpu=%s wall=%s", g.CPU, g.Wall), Message: message,
	})
}

// note is record for what has already happened: it cannot be undone.
func (s *Service) note(ctx context.Context, j *Job, message string) {
	if err := s.record(ctx, j, message); err != nil {
		s.config.Log.Error("audit record lost", "job", j.Tag(), "message", message, "error", err)
	}
}
