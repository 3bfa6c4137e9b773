package warden

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"golang.org/x/sys/unix"
)

// Config says where a Warden works and how.
type Config struct {
	State     string // records; made if absent, root's alone
	Sandboxes string // made if absent; only root may write it
	Services  string // executables; only root may write it or anything below
	// AsSelf runs jobs as the invoking user, or as 65534 when that is root,
	// instead of the granted account: see "Without root".
	AsSelf bool
	// Groups is the directory in which control groups are made. Empty means to
	// look for one, NoGroups to count in /proc.
	Groups string
	Files  uint64 // most open files per process of a job; 0 means 1024
	Log    *slog.Logger
	Now    func() time.Time
}

// NoGroups in Config.Groups turns control groups off.
const NoGroups = "none"

const (
	nobody       = 65534
	defaultFiles = 1024
	beginWait    = 20 * time.Second // for a supervisor to begin its job
)

// Warden keeps the records of jobs and starts their supervisors.
type Warden struct {
	config  Config
	boot    string
	lock    *os.File
	groups  groups
	trusted []uint32
	seed    maphash.Seed
	locks   [64]sync.Mutex // by job: one order at a time
}

var _ launch.Runner = (*Warden)(nil)

// Open takes the state directory, and settles what was left there when the
// last Warden or the machine went down.
func Open(ctx context.Context, c Config) (*Warden, error) {
	if !c.AsSelf && os.Geteuid() != 0 {
		return nil, errors.New("jobs run under other accounts only when the launcher is root; AsSelf runs them as this user")
	}
	w := &Warden{config: c, seed: maphash.MakeSeed(), trusted: []uint32{0}}
	if c.AsSelf && os.Geteuid() != 0 {
		w.trusted = append(w.trusted, uint32(os.Geteuid()))
	}
	if w.config.Files == 0 {
		w.config.Files = defaultFiles
	}
	var err error
	if w.boot, err = launch.BootID(); err != nil {
		return nil, err
	}
	if err := w.prepare(); err != nil {
		return nil, err
	}
	w.groups = chooseGroups(c.Groups)
	if _, err := w.Jobs(ctx); err != nil {
		// One job's damaged records must not keep the others from being served.
		c.Log.ErrorContext(ctx, "cannot say what became of every job", "error", err)
	}
	return w, nil
}

func (w *Warden) prepare() error {
	if err := os.MkdirAll(w.config.State, 0o700); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	if err := os.MkdirAll(w.config.Sandboxes, 0o711); err != nil {
		return fmt.Errorf("sandbox root: %w", err)
	}
	for name, dir := range map[string]*string{"state": &w.config.State, "sandbox": &w.config.Sandboxes, "service": &w.config.Services} {
		real, err := checkDirectory(*dir, w.trusted)
		if err != nil {
			return fmt.Errorf("%s directory: %w", name, err)
		}
		*dir = real
	}
	if err := os.Chmod(w.config.State, 0o700); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	// To pass, not to list: the names in it are the ids of jobs, which are secret.
	if err := os.Chmod(w.config.Sandboxes, 0o711); err != nil {
		return fmt.Errorf("sandbox root: %w", err)
	}
	for _, name := range []string{"jobs", "reaped"} {
		if err := os.Mkdir(filepath.Join(w.config.State, name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("state directory: %w", err)
		}
	}
	if w.identity(authz.Account{}).Switch {
		for _, dir := range []string{w.config.Sandboxes, w.config.Services} {
			if err := passable(dir); err != nil {
				return err
			}
		}
	}
	return w.takeState()
}

// passable refuses a directory that the jobs' accounts cannot reach, rather
// than let every job fail.
func passable(dir string) error {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("%s: mode %#o keeps the accounts of the jobs out: chmod o+x", dir, info.Mode().Perm())
		}
		if dir == "/" {
			return nil
		}
	}
}

// takeState makes sure that one Warden works in a state directory. A killed
// one's lock goes with it; a child between fork and execve may keep it for a
// moment.
func (w *Warden) takeState() error {
	f, err := os.OpenFile(filepath.Join(w.config.State, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	for range 200 {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			w.lock = f
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.Join(fmt.Errorf("state directory %s: another launcher works there: %w", w.config.State, err), f.Close())
}

func chooseGroups(dir string) groups {
	switch dir {
	case NoGroups:
		return groups{}
	case "":
		return findGroups()
	}
	for _, version := range []int{2, 1} {
		if g := (groups{Base: dir, Version: version}); g.usable() {
			return g
		}
	}
	return groups{}
}

// Accounting says how CPU time is counted: "cgroup v2", "cgroup v1" or "proc".
func (w *Warden) Accounting() string {
	if w.groups.Base == "" {
		return "proc"
	}
	return fmt.Sprintf("cgroup v%d", w.groups.Version)
}

// Close gives the state directory back. Jobs and their supervisors go on.
func (w *Warden) Close() error { return w.lock.Close() }

// identity says what an account's jobs really run as.
func (w *Warden) identity(a authz.Account) identity {
	if !w.config.AsSelf {
		id := identity{Switch: true, UID: a.UID, GID: a.Group.GID}
		for _, g := range a.Groups {
			id.Groups = append(id.Groups, g.GID)
		}
		return id
	}
	if os.Geteuid() == 0 {
		return identity{Switch: true, UID: nobody, GID: nobody}
	}
	return identity{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

// guard serialises what is done with one job in this process.
func (w *Warden) guard(job string) *sync.Mutex {
	return &w.locks[maphash.String(w.seed, job)%uint64(len(w.locks))]
}

func (w *Warden) jobPath(job string) string    { return filepath.Join(w.config.State, "jobs", job) }
func (w *Warden) reapedPath(job string) string { return filepath.Join(w.config.State, "reaped", job) }

// open opens the records of a job: ErrNoJob if there are none.
func (w *Warden) open(job string) (folder, error) {
	if !launch.ValidJob(job) {
		return folder{}, fmt.Errorf("%w: not a job id", launch.ErrNoJob)
	}
	dir, err := os.Open(w.jobPath(job))
	if errors.Is(err, fs.ErrNotExist) {
		return folder{}, launch.ErrNoJob
	}
	if err != nil {
		return folder{}, fmt.Errorf("job records: %w", bare(err))
	}
	return folder{dir: dir}, nil
}

// claimed opens the records of a job and reads its claim.
func (w *Warden) claimed(job string) (folder, claim, error) {
	f, err := w.open(job)
	if err != nil {
		return folder{}, claim{}, err
	}
	var c claim
	found, err := f.read(claimFile, &c)
	if err == nil && !found {
		err = launch.ErrNoJob
	}
	if err != nil {
		_ = f.dir.Close()
		return folder{}, claim{}, err
	}
	return f, c, nil
}

// Run carries out a granted order.
func (w *Warden) Run(ctx context.Context, g launch.Grant, o launch.Order) (launch.Result, error) {
	m := w.guard(o.Job)
	m.Lock()
	defer m.Unlock()
	switch o.Operation {
	case launch.Start:
		status, err := w.start(ctx, g, o)
		return launch.Result{Status: status}, err
	case launch.Signal:
		status, err := w.signal(ctx, g, o)
		return launch.Result{Status: status}, err
	}
	return w.files(ctx, g, o)
}
