package warden

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"golang.org/x/sys/unix"
)

const (
	grace       = 2 * time.Second // between SIGTERM and SIGKILL
	shortLook   = 20 * time.Millisecond
	longLook    = time.Second
	sweepPause  = 10 * time.Millisecond
	recordPause = time.Second
)

// watch returns when the job's first process has ended.
func (s *supervisor) watch() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-s.signals:
		case <-timer.C:
		}
		s.reap()
		if s.over {
			return
		}
		s.obey()
		timer.Reset(s.judge(time.Now()))
	}
}

// reap collects the dead: the job itself, and what it left to the subreaper.
func (s *supervisor) reap() {
	for {
		var status unix.WaitStatus
		var used unix.Rusage
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, &used)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			break
		}
		if f, ok := s.tree.(*family); ok {
			f.reaped(used)
		}
		if s.child && pid == s.begun.Job.PID {
			s.over, s.status = true, &status
		}
	}
	if !s.child && !s.begun.Job.alive() {
		s.over = true
	}
}

// obey ends the job if somebody asked for it.
func (s *supervisor) obey() {
	var c cancel
	found, err := s.folder.read(cancelFile, &c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if !found {
		return
	}
	if c.Signal == launch.Kill {
		s.stop(launch.Cancelled, 0)
		return
	}
	s.stop(launch.Cancelled, grace)
}

// judge enforces the limits and says when to look again.
func (s *supervisor) judge(now time.Time) time.Duration {
	used, err := s.tree.used()
	if err != nil {
		// A limit that cannot be seen is not a limit: look again at once, and
		// RLIMIT_CPU and the wall limit hold meanwhile.
		fmt.Fprintln(os.Stderr, "cpu time:", err)
	}
	left := s.claim.Order.Limits.CPU - used
	if left <= 0 {
		s.stop(launch.CPULimit, 0)
	}
	wall := s.begun.Deadline.Sub(now)
	if wall <= 0 {
		s.stop(launch.WallLimit, grace)
	}
	if s.cause != "" {
		if !now.Before(s.killAt) {
			s.kill()
			return shortLook
		}
		return min(shortLook, s.killAt.Sub(now))
	}
	// All processors at once cannot overrun the limit by much more than this.
	next := left / time.Duration(2*runtime.NumCPU())
	return min(max(next, shortLook), longLook, max(wall, shortLook))
}

// stop begins to end the job. The first cause is the one that is recorded; a
// later one can only shorten the grace.
func (s *supervisor) stop(cause launch.Cause, within time.Duration) {
	at := time.Now().Add(within)
	if s.cause != "" {
		if at.Before(s.killAt) {
			s.killAt = at
		}
		return
	}
	s.cause, s.killAt = cause, at
	if within > 0 {
		if err := signalAll(s.tree, unix.SIGTERM); err != nil {
			fmt.Fprintln(os.Stderr, "terminate:", err)
		}
	}
}

func (s *supervisor) kill() {
	if err := s.tree.kill(); err != nil {
		fmt.Fprintln(os.Stderr, "kill:", err)
	}
}

// sweep kills what the job left running, until nothing does.
func (s *supervisor) sweep() {
	for {
		list, err := s.tree.members()
		if err == nil && len(list) == 0 {
			break
		}
		s.kill()
		time.Sleep(sweepPause)
		s.reap()
	}
	s.reap()
}

// finish writes how the job ended, as often as it takes: a full disk must not
// turn a job that ended into one that was lost. Only when the records
// themselves were removed is there nobody left to tell.
func (s *supervisor) finish() {
	exit := s.exit()
	for {
		err := s.folder.write(exitFile, exit)
		if err == nil || s.folder.removed() {
			break
		}
		fmt.Fprintln(os.Stderr, err)
		time.Sleep(recordPause)
	}
	if err := s.tree.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func (s *supervisor) exit() launch.Exit {
	used, err := s.tree.used()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cpu time:", err)
	}
	e := launch.Exit{Code: -1, Cause: s.cause, CPU: used, Ended: time.Now(), Error: s.readFailure()}
	if e.Error != "" {
		e.Cause = launch.StartFailed
		return e
	}
	if s.status == nil {
		if e.Cause == "" {
			e.Cause, e.Error = launch.Lost, "its supervisor was killed: the exit status is not known"
		}
		return e
	}
	if s.status.Exited() {
		e.Code = s.status.ExitStatus()
	} else {
		e.Signal = unix.SignalName(s.status.Signal())
	}
	// RLIMIT_CPU may have been quicker than this supervisor; a shell shows it as
	// exit status 152.
	if e.Cause == "" && e.Code != 0 && (used >= s.claim.Order.Limits.CPU || s.status.Signal() == unix.SIGXCPU) {
		e.Cause = launch.CPULimit
	}
	return e
}
