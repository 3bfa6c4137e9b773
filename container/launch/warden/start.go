package warden

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"golang.org/x/sys/unix"
)

// start claims the job and has a supervisor begin it. A job that was claimed
// by the same order is started if, and only if, it has not begun.
func (w *Warden) start(ctx context.Context, g launch.Grant, o launch.Order) (launch.Status, error) {
	if reaped, err := w.reaped(o.Job); err != nil || reaped {
		return launch.Status{}, errors.Join(fmt.Errorf("%w: the job was run and reaped before", launch.ErrConflict), err)
	}
	f, err := w.makeFolder(o.Job)
	if err != nil {
		return launch.Status{}, err
	}
	defer f.dir.Close()
	if err := w.startDue(ctx, f, g, o); err != nil {
		return launch.Status{}, err
	}
	return w.look(ctx, f, o.Job)
}

func (w *Warden) startDue(ctx context.Context, f folder, g launch.Grant, o launch.Order) error {
	lock, err := f.lock()
	if err != nil {
		return err
	}
	if lock != nil {
		defer lock.Close() // this copy; the supervisor's holds on
	}
	due, err := w.due(f, lock, g, o)
	if err != nil || !due {
		return err
	}
	if err := f.reserve(cancelFile, exitFile); err != nil {
		return err
	}
	if err := f.write(claimFile, w.claim(g, o)); err != nil {
		return err
	}
	return w.supervise(ctx, f, lock, nameSupervisor, o.Job)
}

// makeFolder makes or opens the records of a job. A folder without a claim
// means nothing, so no sync is needed before the claim's.
func (w *Warden) makeFolder(job string) (folder, error) {
	err := os.Mkdir(w.jobPath(job), 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return folder{}, fmt.Errorf("job records: %w", bare(err))
	}
	if err == nil {
		if err := syncDirectory(w.jobPath("")); err != nil {
			return folder{}, fmt.Errorf("job records: %w", err)
		}
	}
	return w.open(job)
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// due reports whether the job is to be started: the lock is free and it has
// not begun. It errors when the id stands for another order.
func (w *Warden) due(f folder, lock *os.File, g launch.Grant, o launch.Order) (bool, error) {
	var old claim
	found, err := f.read(claimFile, &old)
	if err != nil {
		return false, err
	}
	if found && (old.Order.Hash() != o.Hash() || old.Account.UID != g.Account.UID) {
		return false, fmt.Errorf("%w: this id was claimed by another order", launch.ErrConflict)
	}
	if lock == nil {
		return false, nil // a supervisor is at work
	}
	for _, name := range []string{begunFile, exitFile, cancelFile} {
		if there, err := f.has(name); err != nil || there {
			return false, err
		}
	}
	return true, nil
}

func (w *Warden) claim(g launch.Grant, o launch.Order) claim {
	return claim{
		Order: o, Account: g.Account, Revision: g.Revision, Decision: g.Decision, Grant: g.ID.String(), Expires: g.Expires,
		Claimed: w.config.Now(), Run: w.identity(g.Account), Sandboxes: w.config.Sandboxes, Services: w.config.Services,
		Trusted: w.trusted, Groups: w.groups, Files: w.config.Files,
	}
}

// supervise starts a supervisor, which inherits the lock, and waits until it
// has begun the job or says why not.
func (w *Warden) supervise(ctx context.Context, f folder, lock *os.File, as, job string) error {
	said, report, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	defer said.Close()
	defer report.Close()
	fd, err := unix.Openat(int(f.dir.Fd()), logFile, unix.O_WRONLY|unix.O_CREAT|unix.O_APPEND|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	log := os.NewFile(uintptr(fd), logFile)
	defer log.Close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{as, launch.Tag(job)}, Env: []string{"GOMAXPROCS=2"}, Dir: "/",
		Stderr: log, ExtraFiles: []*os.File{f.dir, lock, report},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	go w.bury(cmd, job)
	_ = report.Close()
	return heard(ctx, said)
}

// bury waits for a supervisor so that it does not stay a zombie. What it has
// to say is in the records.
func (w *Warden) bury(cmd *exec.Cmd, job string) {
	if err := cmd.Wait(); err != nil {
		w.config.Log.Error("supervisor failed", "job", launch.Tag(job), "error", err)
	}
}

// heard reads a supervisor's report: that it has begun, or why not.
func heard(ctx context.Context, said *os.File) error {
	deadline := time.Now().Add(beginWait)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = said.SetReadDeadline(deadline)
	text, err := io.ReadAll(io.LimitReader(said, 64<<10))
	switch {
	case err != nil:
		return fmt.Errorf("supervisor: no report yet: %w; ask again", err)
	case string(text) == begunOK:
		return nil
	case len(text) == 0:
		return errors.New("supervisor: ended without a report; ask again")
	}
	if why, ok := strings.CutPrefix(string(text), saidForbidden); ok {
		return fmt.Errorf("%w: not started: %s", launch.ErrForbidden, why)
	}
	return fmt.Errorf("not started: %s", text)
}
