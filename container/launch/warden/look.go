package warden

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"golang.org/x/sys/unix"
)

// Status returns what became of a job. Looking settles: see the table in the
// package documentation.
func (w *Warden) Status(ctx context.Context, job string) (launch.Status, error) {
	if !launch.ValidJob(job) {
		return launch.Status{}, fmt.Errorf("%w: not a job id", launch.ErrNoJob)
	}
	m := w.guard(job)
	m.Lock()
	defer m.Unlock()
	return w.status(ctx, job)
}

func (w *Warden) status(ctx context.Context, job string) (launch.Status, error) {
	if reaped, err := w.reaped(job); err != nil || reaped {
		return launch.Status{Job: job, State: launch.Reaped}, err
	}
	f, err := w.open(job)
	if err != nil {
		return launch.Status{}, err
	}
	defer f.dir.Close()
	return w.look(ctx, f, job)
}

// look reads the records of a job and settles it if its supervisor was killed.
func (w *Warden) look(ctx context.Context, f folder, job string) (launch.Status, error) {
	st, _, err := w.read(f, job)
	if err != nil || st.State == launch.Ended {
		return st, err
	}
	lock, err := f.lock()
	for try := 0; err == nil && lock == nil && st.State == launch.Claimed && try < 5; try++ {
		// A supervisor that begins nothing is just ending, or a child of ours has
		// not got round to closing its copy: do not call that starting at once.
		time.Sleep(2 * time.Millisecond)
		lock, err = f.lock()
	}
	if err != nil {
		return launch.Status{}, err
	}
	if lock == nil { // a supervisor is at work
		if st.State == launch.Claimed {
			st.State = launch.Starting
		}
		return st, nil
	}
	defer lock.Close()
	// It may have ended between the reading and the locking; now nobody writes.
	st, b, err := w.read(f, job)
	switch {
	case err != nil || st.State == launch.Ended:
		return st, err
	case st.State == launch.Claimed:
		err = w.settleClaimed(f)
	default:
		err = w.settle(ctx, f, lock, b, job)
	}
	if err != nil {
		return launch.Status{}, err
	}
	st, _, err = w.read(f, job)
	return st, err
}

// read says what the records say, without the lock.
func (w *Warden) read(f folder, job string) (launch.Status, begun, error) {
	var c claim
	var b begun
	var e launch.Exit
	found, err := f.read(claimFile, &c)
	if err != nil {
		return launch.Status{}, b, err
	}
	if !found {
		return launch.Status{}, b, launch.ErrNoJob
	}
	st := launch.Status{
		Job: job, State: launch.Claimed, Account: c.Account, UID: c.Run.UID, Limits: c.Order.Limits, Claimed: c.Claimed,
	}
	// The exit first: what is read before it cannot be newer.
	ended, err := f.read(exitFile, &e)
	if err != nil {
		return launch.Status{}, b, err
	}
	begun, err := f.read(begunFile, &b)
	if err != nil {
		return launch.Status{}, b, err
	}
	if begun {
		st.State, st.Started = launch.Running, b.Started
	}
	if ended {
		st.State, st.Exit, st.CPU = launch.Ended, &e, e.CPU
	} else if b.Group != "" && b.Boot == w.boot {
		st.CPU, _ = group{dir: b.Group, version: c.Groups.Version}.used() // gone just now: the next look sees the exit
	}
	return st, b, nil
}

// settle deals with a begun job that nobody watches. The caller holds the lock.
func (w *Warden) settle(ctx context.Context, f folder, lock *os.File, b begun, job string) error {
	var c claim
	if _, err := f.read(claimFile, &c); err != nil {
		return err
	}
	left, err := w.survivors(c, b)
	if err != nil {
		return err
	}
	if left {
		w.config.Log.WarnContext(ctx, "adopting a job whose supervisor was killed", "job", launch.Tag(job))
		return w.supervise(ctx, f, lock, nameAdopter, job)
	}
	w.config.Log.ErrorContext(ctx, "a job was lost with its supervisor", "job", launch.Tag(job))
	e := launch.Exit{Code: -1, Cause: launch.Lost, Ended: w.config.Now(), Error: "its supervisor was killed and nothing of it runs: how it ended is not known"}
	if b.Boot == w.boot && b.Group != "" {
		t := group{dir: b.Group, version: c.Groups.Version}
		e.CPU, _ = t.used()
		defer func() { _ = t.close() }() // an empty directory that stays harms nobody
	}
	return f.write(exitFile, e)
}

// settleClaimed writes the exit of a job that was cancelled and has not begun:
// it never will. The caller holds the lock.
func (w *Warden) settleClaimed(f folder) error {
	var c cancel
	if found, err := f.read(cancelFile, &c); err != nil || !found {
		return err
	}
	return f.write(exitFile, launch.Exit{Code: -1, Cause: launch.Cancelled, Ended: w.config.Now(), Error: "cancelled before it began"})
}

// survivors reports whether anything of the job still runs.
func (w *Warden) survivors(c claim, b begun) (bool, error) {
	if b.Boot != w.boot {
		return false, nil // the numbers are another boot's: never look at them
	}
	list, err := replant(c.Groups, b).members()
	return len(list) > 0 || b.Job.alive(), err
}

// Jobs returns every job that was claimed and not yet reaped. When a job's
// records cannot be read there is an error and no list: one with a job missing
// would read as "that job is gone". All the others are looked at all the same.
func (w *Warden) Jobs(ctx context.Context) ([]launch.Status, error) {
	dir, err := os.Open(w.jobPath(""))
	if err != nil {
		return nil, fmt.Errorf("job records: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("job records: %w", err)
	}
	var list []launch.Status
	var bad error
	for _, name := range names {
		st, err := w.Status(ctx, name)
		if errors.Is(err, launch.ErrNoJob) {
			continue // made, but never claimed
		}
		if err != nil {
			bad = errors.Join(bad, fmt.Errorf("%s: %w", launch.Tag(name), err))
			continue
		}
		if st.State != launch.Reaped {
			list = append(list, st)
		}
	}
	if bad != nil {
		return nil, bad
	}
	return list, nil
}

// signal has a job ended. A job that has not begun never will.
func (w *Warden) signal(ctx context.Context, g launch.Grant, o launch.Order) (launch.Status, error) {
	f, c, err := w.claimed(o.Job)
	if err != nil {
		return launch.Status{}, err
	}
	defer f.dir.Close()
	if c.Account.UID != g.Account.UID || c.Account.Name != g.Account.Name {
		return launch.Status{}, fmt.Errorf("%w: the job runs as %s, not as %s", launch.ErrRefused, c.Account.Name, g.Account.Name)
	}
	st, b, err := w.read(f, o.Job)
	if err != nil || st.State == launch.Ended {
		return st, err
	}
	if err := f.write(cancelFile, cancel{Signal: o.Signal, At: w.config.Now()}); err != nil {
		return launch.Status{}, err
	}
	if b.Boot == w.boot {
		if err := b.Supervisor.signal(unix.SIGUSR1); err != nil {
			w.config.Log.WarnContext(ctx, "the supervisor will see the cancel within a second", "error", err)
		}
	}
	return w.look(ctx, f, o.Job)
}

// Reap forgets an ended job. What stays is its id, so that it is never run
// again.
func (w *Warden) Reap(ctx context.Context, job string) error {
	if !launch.ValidJob(job) {
		return fmt.Errorf("%w: not a job id", launch.ErrNoJob)
	}
	m := w.guard(job)
	m.Lock()
	defer m.Unlock()
	st, err := w.status(ctx, job)
	if errors.Is(err, launch.ErrNoJob) {
		return nil
	}
	if err != nil {
		return err
	}
	if st.State != launch.Ended && st.State != launch.Reaped {
		return fmt.Errorf("%w: the job is %s; end it first", launch.ErrConflict, st.State)
	}
	return w.bequeath(job)
}

func (w *Warden) reaped(job string) (bool, error) {
	_, err := os.Lstat(w.reapedPath(job))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, bare(err)
}

// bequeath leaves an empty file with the job's name, then removes the records.
func (w *Warden) bequeath(job string) error {
	// Remaking the file does no harm: a reaping that was killed half-way goes on.
	f, err := os.OpenFile(w.reapedPath(job), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("reap: %w", bare(err))
	}
	if err := errors.Join(f.Close(), syncDirectory(w.reapedPath(""))); err != nil {
		return fmt.Errorf("reap: %w", err)
	}
	if err := os.RemoveAll(w.jobPath(job)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reap: %w", bare(err))
	}
	return nil
}
