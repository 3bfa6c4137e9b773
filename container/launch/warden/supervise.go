package warden

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"golang.org/x/sys/unix"
)

// What a supervisor inherits: the job's records, the lock on them, and a pipe
// on which it says "ok" or why the job was not begun.
const (
	superviseFolder = 3
	superviseLock   = 4
	superviseReport = 5
)

// The report of a supervisor is begunOK, or why the job was not begun, after
// saidForbidden when no other try would help.
const (
	begunOK       = "ok"
	saidForbidden = "forbidden\n"
)

// supervise is the main of a supervisor. It keeps the lock, which it never
// touches otherwise, until its process ends.
func supervise(adopt bool) int {
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil {
		fmt.Fprintln(os.Stderr, "close_range:", err)
		return 1
	}
	f := folder{dir: os.NewFile(superviseFolder, "job")}
	report := os.NewFile(superviseReport, "report")
	s, err := newSupervisor(f)
	if err == nil && adopt {
		err = s.adopt()
	} else if err == nil {
		err = s.begin()
	}
	if err != nil {
		if errors.Is(err, launch.ErrForbidden) {
			fmt.Fprint(report, saidForbidden)
		}
		fmt.Fprint(report, err)
		return 1
	}
	// The launcher may be gone; then nobody reads this, and nobody needs to.
	fmt.Fprint(report, begunOK)
	_ = report.Close()
	s.watch()
	s.sweep()
	s.finish()
	return 0
}

// supervisor watches over one job.
type supervisor struct {
	folder  folder
	claim   claim
	begun   begun
	tree    tree
	child   bool             // the job is this process's child
	over    bool             // the job's first process has ended
	status  *unix.WaitStatus // how, when that can be known
	cause   launch.Cause     // why it is being ended
	killAt  time.Time        // end of the grace given
	failure string           // why the stage could not become the job
	failed  *os.File         // the pipe on which it says so
	signals chan os.Signal
}

func newSupervisor(f folder) (*supervisor, error) {
	s := &supervisor{folder: f, signals: make(chan os.Signal, 16)}
	// Handled and dropped rather than ignored: the job must not inherit that.
	// A supervisor ends when its job has ended, not when the machine asks.
	signal.Notify(s.signals, unix.SIGCHLD, unix.SIGUSR1, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGPIPE)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("child subreaper: %w", err)
	}
	found, err := f.read(claimFile, &s.claim)
	if err == nil && !found {
		err = errors.New("no claim")
	}
	return s, err
}

// begin starts the job. Until begun is on the disk every failure means that it
// has not run and that another try may be made.
func (s *supervisor) begin() error {
	c := s.claim
	if begun, err := s.folder.has(begunFile); err != nil || begun {
		return errors.Join(errors.New("begun before"), err)
	}
	path, err := checkExecutable(c.Services, c.Order.Executable, c.Order.Digest, c.Trusted)
	if err != nil {
		return err
	}
	if err := makeSandbox(c.Sandboxes, c.Order.Job, c.Run); err != nil {
		return err
	}
	var dir string
	if s.tree, dir, err = plant(c.Groups, launch.Tag(c.Order.Job)); err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	pid, orders, err := s.fork()
	if err != nil {
		return errors.Join(err, s.tree.close())
	}
	defer orders.Close() // before "go": the stage then ends
	if err := s.enter(pid, dir); err != nil {
		_ = orders.Close()
		return errors.Join(err, s.abandon(pid))
	}
	if err := writeInstructions(orders, c.instructions(path)); err != nil {
		// begun is on the disk: from here on it is a job that ended early.
		s.failure = err.Error()
	}
	return nil
}

// fork makes the stage, already as the job's user and in a new session.
func (s *supervisor) fork() (int, *os.File, error) {
	ordersIn, orders, err := os.Pipe()
	if err != nil {
		return 0, nil, err
	}
	defer ordersIn.Close()
	failed, failedIn, err := os.Pipe()
	if err != nil {
		_ = orders.Close()
		return 0, nil, err
	}
	defer failedIn.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		_ = orders.Close()
		return 0, nil, err
	}
	defer null.Close()
	attr := &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"GOMAXPROCS=1"},
		Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), ordersIn.Fd(), failedIn.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	if id := s.claim.Run; id.Switch {
		attr.Sys.Credential = &syscall.Credential{Uid: id.UID, Gid: id.GID, Groups: id.Groups}
	}
	pid, err := syscall.ForkExec("/proc/self/exe", []string{nameStage, launch.Tag(s.claim.Order.Job)}, attr)
	if err != nil {
		_ = orders.Close()
		_ = failed.Close()
		return 0, nil, fmt.Errorf("stage: %w; can everybody execute this program's file?", err)
	}
	s.child, s.failed = true, failed
	return pid, orders, nil
}

// enter puts the waiting stage into its tree and begun on the disk.
func (s *supervisor) enter(pid int, dir string) error {
	if err := s.tree.add(pid); err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	job, err := readStat(pid)
	if err != nil {
		return err
	}
	self, err := readStat(os.Getpid())
	if err != nil {
		return err
	}
	boot, err := launch.BootID()
	if err != nil {
		return err
	}
	if cancelled, err := s.folder.has(cancelFile); err != nil || cancelled {
		return errors.Join(errors.New("cancelled before it began"), err)
	}
	now := time.Now()
	if !now.Before(s.claim.Expires) {
		return fmt.Errorf("%w: the grant expired at %s, before the job began", launch.ErrRefused, s.claim.Expires.Format(time.RFC3339))
	}
	s.begun = begun{
		Job: job.process, Supervisor: self.process, Boot: boot, Group: dir,
		Started: now, Deadline: now.Add(s.claim.Order.Limits.Wall),
	}
	return s.folder.write(begunFile, s.begun)
}

// abandon ends a stage that was never told to become the job. When the disk
// failed while begun was written, begun may be there all the same: it must go,
// or the job would count as begun.
func (s *supervisor) abandon(pid int) error {
	err := unix.Kill(pid, unix.SIGKILL) // an unreaped child: the number is its own
	if _, werr := unix.Wait4(pid, nil, 0, nil); werr != nil {
		err = errors.Join(err, werr)
	}
	uerr := unix.Unlinkat(int(s.folder.dir.Fd()), begunFile, 0)
	if !errors.Is(uerr, unix.ENOENT) {
		err = errors.Join(err, uerr, s.folder.dir.Sync())
	}
	return errors.Join(err, s.tree.close())
}

// adopt takes over a job whose supervisor was killed.
func (s *supervisor) adopt() error {
	found, err := s.folder.read(begunFile, &s.begun)
	if err != nil || !found {
		return errors.Join(err, errors.New("nothing to adopt"))
	}
	self, err := readStat(os.Getpid())
	if err != nil {
		return err
	}
	s.begun.Supervisor = self.process
	if err := s.folder.write(begunFile, s.begun); err != nil {
		return err
	}
	s.tree = replant(s.claim.Groups, s.begun)
	return nil
}

func (c claim) instructions(path string) instructions {
	home := c.home()
	env := append([]string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + home, "PWD=" + home,
		"USER=" + c.Account.Name, "LOGNAME=" + c.Account.Name, "SHELL=/bin/sh",
	}, c.Order.Env...)
	files := c.Files
	if c.Order.Limits.Files > 0 {
		files = min(files, c.Order.Limits.Files)
	}
	return instructions{
		Path: path, Args: c.Order.Args, Env: env, Home: home, Run: c.Run, CPU: c.Order.Limits.CPU, Files: files,
		Stdin: c.Order.Stdin, Stdout: c.Order.Stdout, Stderr: c.Order.Stderr,
	}
}

// readFailure returns what the stage said before it gave up: nothing, if it
// became the job.
func (s *supervisor) readFailure() string {
	if s.failed == nil {
		return s.failure
	}
	defer s.failed.Close()
	_ = s.failed.SetReadDeadline(time.Now().Add(time.Second))
	text, err := io.ReadAll(io.LimitReader(s.failed, 4096))
	if err != nil && len(text) == 0 && s.failure == "" {
		return ""
	}
	return s.failure + string(text)
}
