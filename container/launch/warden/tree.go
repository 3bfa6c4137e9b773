package warden

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// tree is all the processes of a job.
type tree interface {
	// add counts pid and everything it will start as the job's.
	add(pid int) error
	// used returns the CPU time of all of them, the dead included.
	used() (time.Duration, error)
	// members returns those that run.
	members() ([]process, error)
	// kill sends SIGKILL to all. New ones may have come meanwhile: repeat until
	// there are no members.
	kill() error
	close() error
}

// plant makes the tree of a new job: a control group named after the job's tag
// (its id is a secret, and /proc/<pid>/cgroup is everybody's), or the
// descendants of this supervisor.
func plant(g groups, tag string) (tree, string, error) {
	if g.Base == "" {
		return &family{root: os.Getpid()}, "", nil
	}
	dir := filepath.Join(g.Base, tag)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, "", err
	}
	return group{dir: dir, version: g.Version}, dir, nil
}

// replant finds the tree of a job that another supervisor began.
func replant(g groups, b begun) tree {
	if b.Group != "" {
		return group{dir: b.Group, version: g.Version}
	}
	return &family{root: b.Job.PID, adopted: b.Job}
}

func signalAll(t tree, sig unix.Signal) error {
	list, err := t.members()
	for _, p := range list {
		err = errors.Join(err, p.signal(sig))
	}
	return err
}

// family is the tree of a supervisor without control groups: being a child
// subreaper, it has every process of the job below it, double-forked or not.
type family struct {
	root    int
	adopted process       // set when the job was begun by another supervisor
	dead    time.Duration // used by the children that were reaped, and by theirs
	last    []stat
}

var _ tree = (*family)(nil)

func (f *family) add(int) error { return nil }

func (f *family) reaped(r unix.Rusage) {
	f.dead += time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func (f *family) stats() ([]stat, error) {
	if f.adopted.PID != 0 && !f.adopted.alive() {
		return f.remembered(), nil
	}
	all, err := allStats()
	if err != nil {
		return nil, err
	}
	f.last = descendants(all, f.root)
	if f.adopted.PID != 0 {
		f.last = withSession(f.last, all, f.adopted)
	}
	return f.last, nil
}

// withSession adds the leader and its session, which orphans keep until they
// leave it.
func withSession(list, all []stat, leader process) []stat {
	seen := make(map[int]bool)
	for _, s := range list {
		seen[s.PID] = true
	}
	for _, s := range all {
		if !seen[s.PID] && s.session == leader.PID && s.Start >= leader.Start {
			list = append(list, s)
		}
	}
	return list
}

// remembered returns what was seen while the leader lived and still runs: once
// the leader is gone its number may lead a stranger's session.
func (f *family) remembered() []stat {
	var list []stat
	for _, old := range f.last {
		if s, err := readStat(old.PID); err == nil && s.Start == old.Start {
			list = append(list, s)
		}
	}
	return list
}

func (f *family) used() (time.Duration, error) {
	list, err := f.stats()
	total := f.dead
	for _, s := range list {
		total += s.own + s.waited
	}
	return total, err
}

func (f *family) members() ([]process, error) {
	stats, err := f.stats()
	var list []process
	for _, s := range stats {
		if !s.zombie {
			list = append(list, s.process)
		}
	}
	return list, err
}

// kill stops all before it kills any: a fork bomb then stands still.
func (f *family) kill() error {
	return errors.Join(signalAll(f, unix.SIGSTOP), signalAll(f, unix.SIGKILL))
}

func (f *family) close() error { return nil }
