package fork

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/batch"
	"github.com/gatehouse-authz/gatehouse/container/launch"
)

// Submitter runs jobs through a launcher.
type Submitter struct {
	launcher launch.Launcher
	granter  launch.Granter
}

var _ batch.Submitter = (*Submitter)(nil)

// New returns a Submitter.
func New(l launch.Launcher, g launch.Granter) *Submitter {
	return &Submitter{launcher: l, granter: g}
}

const (
	startLook = 20 * time.Millisecond
	startWait = 30 * time.Second
)

// Order returns the order that j becomes.
func Order(j batch.Job) launch.Order {
	return launch.Order{
		Operation: launch.Start, Job: j.ID, Executable: j.Executable, Digest: j.Digest, Args: j.Args, Env: j.Env,
		Stdin: j.Stdin, Stdout: j.Stdout, Stderr: j.Stderr, Limits: launch.Limits{CPU: j.CPU, Wall: j.Wall},
	}
}

// Submit returns nil once the job has begun, or has ended.
func (s *Submitter) Submit(ctx context.Context, j batch.Job) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	o := Order(j)
	for {
		r, err := s.do(ctx, j, o)
		if err != nil {
			return err
		}
		st, err := s.settled(ctx, r.Status)
		if err != nil {
			return err
		}
		if st.State != launch.Claimed {
			return nil
		}
		// Whoever was starting it died first: it has not run, start it again.
	}
}

// settled waits while somebody else, a supervisor that an earlier launcher
// left, is starting the job.
func (s *Submitter) settled(ctx context.Context, st launch.Status) (launch.Status, error) {
	for st.State == launch.Starting {
		select {
		case <-ctx.Done():
			return st, fmt.Errorf("%w: the job is still being started: %w", batch.ErrAway, context.Cause(ctx))
		case <-time.After(startLook):
		}
		var err error
		if st, err = s.launcher.Status(ctx, st.Job); err != nil {
			return st, translate(err)
		}
	}
	return st, nil
}

// do has o carried out under a fresh grant.
func (s *Submitter) do(ctx context.Context, j batch.Job, o launch.Order) (launch.Result, error) {
	if err := o.Check(); err != nil {
		return launch.Result{}, fmt.Errorf("%w: %w", batch.ErrRefused, err)
	}
	grant, err := s.granter.Grant(ctx, launch.Wish{Order: o, Account: j.Account, Revision: j.Revision, Decision: j.Decision})
	if errors.Is(err, launch.ErrRefused) { // by the mapping side, which decides
		return launch.Result{}, fmt.Errorf("%w: grant: %w", batch.ErrRefused, err)
	}
	if err != nil {
		return launch.Result{}, translate(fmt.Errorf("grant: %w", err))
	}
	r, err := s.launcher.Do(ctx, grant, o)
	return r, translate(err)
}

// translate keeps the launcher's text under the contract's sentinels. A refused
// grant is not ErrRefused: the next one may do, after a restart of the
// launcher or a while of wrong clocks.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, launch.ErrNoJob):
		return fmt.Errorf("%w: %w", batch.ErrNoJob, err)
	case errors.Is(err, launch.ErrConflict):
		return fmt.Errorf("%w: %w", batch.ErrConflict, err)
	case errors.Is(err, launch.ErrForbidden):
		return fmt.Errorf("%w: %w", batch.ErrRefused, err)
	case errors.Is(err, launch.ErrAway):
		return fmt.Errorf("%w: %w", batch.ErrAway, err)
	}
	return err
}

// Status returns what the launcher says about a job. One that was claimed but
// surely not started, and that only another Submit would start, is Absent.
func (s *Submitter) Status(ctx context.Context, id string) (batch.Status, error) {
	st, err := s.launcher.Status(ctx, id)
	if errors.Is(err, launch.ErrNoJob) {
		return batch.Status{ID: id, State: batch.Absent}, nil
	}
	if err != nil {
		return batch.Status{}, translate(err)
	}
	return status(st)
}

var states = map[launch.State]batch.State{
	launch.Claimed: batch.Absent, launch.Starting: batch.Queued, launch.Running: batch.Running,
	launch.Ended: batch.Ended, launch.Reaped: batch.Absent,
}

var causes = map[launch.Cause]batch.Cause{
	"": "", launch.CPULimit: batch.CPULimit, launch.WallLimit: batch.WallLimit, launch.Cancelled: batch.Cancelled,
	launch.StartFailed: batch.StartFailed, launch.Lost: batch.Lost,
}

// status errors on a word that it does not know: a newer launcher's answer is
// no answer.
func status(st launch.Status) (batch.Status, error) {
	state, ok := states[st.State]
	if !ok {
		return batch.Status{}, fmt.Errorf("%w: it speaks of a state %q", batch.ErrAway, st.State)
	}
	b := batch.Status{ID: st.Job, State: state, Started: st.Started, CPU: st.CPU}
	if st.State != launch.Ended {
		return b, nil
	}
	if st.Exit == nil {
		return batch.Status{}, fmt.Errorf("%w: a job ended without an exit", batch.ErrAway)
	}
	cause, ok := causes[st.Exit.Cause]
	if !ok {
		return batch.Status{}, fmt.Errorf("%w: it speaks of a cause %q", batch.ErrAway, st.Exit.Cause)
	}
	b.Exit = &batch.Exit{Code: st.Exit.Code, Signal: st.Exit.Signal, Cause: cause, Error: st.Exit.Error, Ended: st.Exit.Ended}
	return b, nil
}

// Cancel has the job ended: SIGTERM, and two seconds later SIGKILL.
func (s *Submitter) Cancel(ctx context.Context, j batch.Job) error {
	_, err := s.do(ctx, j, launch.Order{Operation: launch.Signal, Job: j.ID, Signal: launch.Terminate})
	return err
}

// List returns every job that the launcher has begun and not reaped.
func (s *Submitter) List(ctx context.Context) ([]batch.Status, error) {
	jobs, err := s.launcher.Jobs(ctx)
	if err != nil {
		return nil, translate(err)
	}
	list := make([]batch.Status, 0, len(jobs))
	for _, j := range jobs {
		st, err := status(j)
		if err != nil {
			return nil, err
		}
		if st.State != batch.Absent {
			list = append(list, st)
		}
	}
	return list, nil
}

// Reap lets the launcher forget an ended job. Files in the sandbox can be
// neither read nor removed through the launcher afterwards.
func (s *Submitter) Reap(ctx context.Context, id string) error {
	return translate(s.launcher.Reap(ctx, id))
}
