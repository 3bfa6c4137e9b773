package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/batch"
	"github.com/gatehouse-authz/gatehouse/internal/store"
)

const (
	mostDelay = 30 * time.Second      // the longest between two tries of what fails
	quickest  = 10 * time.Millisecond // between two looks at a job that something was just done to
)

// Load brings in the jobs of the store that something is still to be done for.
func (s *Service) Load(ctx context.Context) error {
	ids, err := s.pending(ctx)
	if err != nil {
		return fmt.Errorf("job: recover: %w", err)
	}
	now := s.config.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if s.entries[id] == nil {
			// What the process before us sent may still arrive.
			s.entries[id] = &entry{due: now, doubtful: now}
		}
	}
	return nil
}

// Run moves jobs until ctx is done: hands them over, follows them, cancels and
// purges. It begins with the jobs of the store, whatever the process before it
// left undone. It returns nil after the last call in progress.
func (s *Service) Run(ctx context.Context) error {
	if err := s.Load(ctx); err != nil {
		return err
	}
	var workers sync.WaitGroup
	defer workers.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	purge := time.NewTicker(min(time.Minute, s.config.Retention))
	defer purge.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-s.wake:
		case <-purge.C:
			s.purgeOverdue(ctx)
		}
		for _, id := range s.takeDue() {
			workers.Go(func() { s.work(ctx, id) })
		}
		timer.Reset(s.untilDue())
	}
}

// takeDue marks as many due jobs as busy as may be worked on, and returns them.
// Those that are to be cancelled come first: a ban must not wait behind a
// thousand jobs that are started or merely looked at.
func (s *Service) takeDue() (ids []string) {
	now := s.config.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, e := range s.entries {
		if !e.busy && !e.due.After(now) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		x, y := s.entries[a], s.entries[b]
		switch {
		case x.urgent == y.urgent:
			return x.due.Compare(y.due)
		case x.urgent:
			return -1
		}
		return 1
	})
	ids = ids[:min(len(ids), s.config.Parallel-s.busy)]
	for _, id := range ids {
		e := s.entries[id]
		e.busy, e.again, e.urgent = true, false, false
	}
	s.busy += len(ids)
	return ids
}

// untilDue is how long nothing is to be done, unless something wakes Run: a
// job that is entered, or the end of the work on another.
func (s *Service) untilDue() time.Duration {
	now := s.config.Now()
	wait := time.Minute
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy == s.config.Parallel {
		return wait
	}
	for _, e := range s.entries {
		if !e.busy {
			wait = min(wait, max(e.due.Sub(now), time.Millisecond))
		}
	}
	return wait
}

// work does the next step of one job and says when it is due again.
func (s *Service) work(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Patience)
	defer cancel()
	finished, err := s.step(ctx, id)
	s.mu.Lock()
	e := s.entries[id]
	e.busy = false
	s.busy--
	switch {
	case err != nil:
		e.delay = min(max(2*e.delay, s.config.Poll), mostDelay)
		e.due = s.config.Now().Add(e.delay)
	case finished && !e.again:
		delete(s.entries, id)
	default:
		e.delay = 0
		e.pace = min(max(2*e.pace, quickest), s.config.Poll*time.Duration(1+len(s.entries)/256))
		e.due = s.config.Now().Add(e.pace)
	}
	if e.again {
		e.due = s.config.Now()
	}
	loud := err != nil && e.lastError != err.Error()
	e.lastError = errorText(err)
	s.mu.Unlock()
	if loud && ctx.Err() == nil {
		s.config.Log.Warn("job waits for the back end", "job", Tag(id), "error", err)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// step brings one job forward and reports whether nothing more is to be done.
// Only one step of a job runs at a time.
func (s *Service) step(ctx context.Context, id string) (finished bool, err error) {
	j, err := s.view(ctx, id)
	switch {
	case errors.Is(err, ErrUnknown):
		return true, nil
	case err != nil:
		return false, err
	case j.Purging:
		return true, s.purge(ctx, &j)
	case j.State.Final():
		return true, nil
	case j.Cancel != nil:
		return s.cancel(ctx, &j)
	case j.State == Registered:
		return s.submit(ctx, &j)
	}
	status, err := s.config.Submitter.Status(ctx, id)
	if err != nil {
		return false, err
	}
	if status.State == batch.Running {
		s.lookAtSandbox(ctx, &j)
	}
	return s.apply(ctx, &j, status)
}

// submit claims a job, hands it over and looks what became of it.
func (s *Service) submit(ctx context.Context, j *Job) (bool, error) {
	if !j.Claimed {
		claimed, err := s.update(ctx, j.ID, func(j *Job) error {
			j.Claimed = true
			return nil
		})
		// Cancelled meanwhile: cancel tells whether it was handed over.
		if err != nil || claimed.Cancel != nil {
			return false, err
		}
	}
	if err := s.confirm(ctx, j); err != nil {
		return false, s.without(ctx, j, err)
	}
	err := s.config.Submitter.Submit(ctx, j.batch())
	switch {
	case errors.Is(err, batch.ErrRefused):
		return s.finish(ctx, j, Failed, Exit{Code: -1, Why: "the back end refused the job: " + err.Error()}, 0)
	case errors.Is(err, batch.ErrConflict):
		return s.finish(ctx, j, Failed, Exit{Code: -1, Why: "the back end has another job under this id"}, 0)
	case err != nil:
		s.doubt(j.ID, s.config.Now())
		return false, err
	}
	s.doubt(j.ID, time.Time{})
	status, err := s.config.Submitter.Status(ctx, j.ID)
	if err != nil {
		status = batch.Status{ID: j.ID, State: batch.Queued}
	}
	return s.apply(ctx, j, status)
}

// batch is the job as the back end takes it: the same on each try.
func (j *Job) batch() batch.Job {
	return batch.Job{
		ID: j.ID, Executable: j.Path, Digest: j.Content,
		Args:   append([]string{j.Path}, j.Arguments...),
		Stdout: "stdout", Stderr: "stderr",
		CPU: j.Granted.CPU, Wall: j.Granted.Wall,
		Account: j.Granted.Account, Revision: j.Granted.Revision, Decision: j.Granted.Decision,
	}
}

// apply writes down what the back end says, if it is news. The job has been
// accepted by the back end.
func (s *Service) apply(ctx context.Context, j *Job, status batch.Status) (bool, error) {
	s.mu.Lock()
	if e := s.entries[j.ID]; e != nil {
		e.cpu = status.CPU
	}
	s.mu.Unlock()
	switch status.State {
	case batch.Queued:
		return false, s.advance(ctx, j, Submitted, time.Time{})
	case batch.Running:
		return false, s.advance(ctx, j, Running, status.Started)
	case batch.Absent:
		return s.finish(ctx, j, Failed, Exit{Code: -1, Why: "the back end has lost the job; it is not run again"}, 0)
	case batch.Ended:
		if status.Exit == nil {
			return false, fmt.Errorf("the back end says that the job ended, and not how")
		}
		state, exit := outcome(status.Exit)
		return s.finish(ctx, j, state, exit, status.CPU, status.Started, status.Exit.Ended)
	}
	return false, fmt.Errorf("the back end answers with the unknown state %q", status.State)
}

// advance moves a job forward, never back.
func (s *Service) advance(ctx context.Context, j *Job, to State, started time.Time) error {
	if j.State == to || j.State == Running {
		return nil
	}
	moved, err := s.update(ctx, j.ID, func(j *Job) error {
		if j.State.Final() {
			return errUnchanged
		}
		j.State = to
		j.Started = started
		return nil
	})
	if err == nil && to == Running {
		s.note(ctx, &moved, "started")
	}
	return err
}

// outcome translates the back end's words.
func outcome(e *batch.Exit) (State, Exit) {
	exit := Exit{Code: e.Code, Signal: e.Signal, Why: e.Error}
	switch e.Cause {
	case batch.CPULimit:
		exit.Why = "stopped: it used the CPU time that it was granted"
		return Stopped, exit
	case batch.WallLimit:
		exit.Why = "stopped: it ran longer than it was granted"
		return Stopped, exit
	case batch.Cancelled:
		return Cancelled, exit
	case batch.StartFailed:
		exit.Why = "could not be started: " + e.Error
		return Failed, exit
	case batch.Lost:
		exit.Why = "was begun, and how it ended cannot be known; it is not run again"
		return Failed, exit
	}
	if e.Code == 0 && e.Signal == "" {
		return Done, exit
	}
	return Failed, exit
}

// finish makes a job final. times are its start and its end, as far as known.
func (s *Service) finish(ctx context.Context, j *Job, state State, exit Exit, cpu time.Duration, times ...time.Time) (bool, error) {
	now := s.config.Now().UTC()
	final, err := s.update(ctx, j.ID, func(j *Job) error {
		if j.State.Final() {
			return errUnchanged
		}
		j.State, j.Exit, j.Ended = state, &exit, now
		j.CPU = max(j.CPU, cpu)
		if state == Cancelled && j.Cancel != nil {
			exit.Why = j.Cancel.Why
		}
		if state == Cancelled && j.Cancel != nil && j.Cancel.Limit {
			j.State = Stopped
		}
		if len(times) == 2 && !times[0].IsZero() {
			j.Started = times[0].UTC()
		}
		if len(times) == 2 && !times[1].IsZero() {
			j.Ended = times[1].UTC()
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	s.note(ctx, &final, fmt.Sprintf("%s: exit %d %s %s, cpu %s", final.State, exit.Code, exit.Signal, exit.Why, final.CPU))
	return !final.Purging, nil
}

// cancel carries out a recorded cancellation.
func (s *Service) cancel(ctx context.Context, j *Job) (bool, error) {
	if !j.Claimed {
		return s.finish(ctx, j, Cancelled, Exit{Code: -1}, 0)
	}
	err := s.config.Submitter.Cancel(ctx, j.batch())
	if errors.Is(err, batch.ErrNoJob) {
		return s.cancelAbsent(ctx, j)
	}
	if err != nil {
		return false, err
	}
	status, err := s.config.Submitter.Status(ctx, j.ID)
	if err != nil || status.State != batch.Ended {
		return false, err
	}
	return s.apply(ctx, j, status)
}

// cancelAbsent ends a job that the back end does not have. A submission that
// nobody answered may still be under way, and must not start a job that was
// reported as cancelled.
func (s *Service) cancelAbsent(ctx context.Context, j *Job) (bool, error) {
	s.mu.Lock()
	var doubtful time.Time
	if e := s.entries[j.ID]; e != nil {
		doubtful = e.doubtful
	}
	s.mu.Unlock()
	if !doubtful.IsZero() && s.config.Now().Sub(doubtful) < s.config.Settle {
		return false, nil
	}
	return s.finish(ctx, j, Cancelled, Exit{Code: -1}, 0)
}

func (s *Service) doubt(id string, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[id]; e != nil {
		e.doubtful = since
	}
}

// purge removes the sandbox, the back end's record and ours, in this order: a
// crash between them leaves a job that is purged again.
func (s *Service) purge(ctx context.Context, j *Job) error {
	if err := s.config.Files.Remove(ctx, j.Session()); err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	if err := s.config.Submitter.Reap(ctx, j.ID); err != nil {
		return fmt.Errorf("purge: %w", err)
	}
	_, err := s.config.Store.Update(store.Urgent(ctx), func(tx store.WriteTx) error {
		erase(tx, j)
		return nil
	})
	if err == nil {
		s.note(ctx, j, "purged")
	}
	return err
}

// purgeOverdue purges what ended longer ago than Retention.
func (s *Service) purgeOverdue(ctx context.Context) {
	ids, err := s.overdue(ctx, s.config.Now().Add(-s.config.Retention))
	for _, id := range ids {
		if e := s.Purge(ctx, id); e != nil && !errors.Is(e, ErrUnknown) {
			err = errors.Join(err, e)
		}
	}
	if err != nil && ctx.Err() == nil {
		s.config.Log.Error("purging old jobs", "error", err)
	}
}
