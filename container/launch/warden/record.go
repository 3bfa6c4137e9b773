package warden

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"golang.org/x/sys/unix"
)

// The names of the records: see the package documentation.
const (
	lockFile   = "lock"
	claimFile  = "claim"
	begunFile  = "begun"
	cancelFile = "cancel"
	exitFile   = "exit"
	logFile    = "supervisor.log"
)

// identity is what a job's processes run as. Switch is false when they keep
// the launcher's own.
type identity struct {
	Switch bool     `json:"switch"`
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"`
}

// claim is everything the supervisor needs; it gets nothing any other way.
type claim struct {
	Order     launch.Order   `json:"order"`
	Account   authz.Account  `json:"account"`
	Revision  authz.Revision `json:"revision"`
	Decision  string         `json:"decision,omitzero"`
	Grant     string         `json:"grant"`
	Expires   time.Time      `json:"expires"` // of the grant: not begun later
	Claimed   time.Time      `json:"claimed"`
	Run       identity       `json:"run"`
	Sandboxes string         `json:"sandboxes"`
	Services  string         `json:"services"`
	Trusted   []uint32       `json:"trusted"` // who may own and write services and sandboxes
	Groups    groups         `json:"groups"`
	Files     uint64         `json:"files"`
}

func (c claim) home() string { return sandboxPath(c.Sandboxes, c.Order.Job) }

type begun struct {
	Job        process   `json:"job"`
	Supervisor process   `json:"supervisor"`
	Boot       string    `json:"boot"`
	Group      string    `json:"group,omitzero"` // control group
	Started    time.Time `json:"started"`
	Deadline   time.Time `json:"deadline"` // wall limit
}

type cancel struct {
	Signal string    `json:"signal"`
	At     time.Time `json:"at"`
}

// folder is a job's record directory. All access goes through the descriptor:
// the directory may be renamed when the job is reaped.
type folder struct{ dir *os.File }

// read fills v from the record name. It reports whether there is one.
func (f folder) read(name string, v any) (bool, error) {
	fd, err := unix.Openat(int(f.dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("record %s: %w", name, err)
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return false, fmt.Errorf("record %s: %w", name, err)
	}
	if err := json.Unmarshal(text, v, json.RejectUnknownMembers(true), jsonv1.FormatDurationAsNano(true)); err != nil {
		return false, fmt.Errorf("record %s: %w", name, err)
	}
	return true, nil
}

// has reports whether there is a record name, whatever it says.
func (f folder) has(name string) (bool, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(f.dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("record %s: %w", name, err)
	}
	return true, nil
}

// removed reports whether the directory itself is gone.
func (f folder) removed() bool {
	var st unix.Stat_t
	return unix.Fstat(int(f.dir.Fd()), &st) == nil && st.Nlink == 0
}

// write puts v on the disk as the record name, whole or not at all.
func (f folder) write(name string, v any) error {
	text, err := json.Marshal(v, jsonv1.FormatDurationAsNano(true))
	if err != nil {
		return fmt.Errorf("record %s: %w", name, err)
	}
	if err := f.replace(name, text); err != nil {
		return fmt.Errorf("record %s: %w", name, err)
	}
	return nil
}

func (f folder) replace(name string, text []byte) error {
	at := int(f.dir.Fd())
	beside := name + ".new"
	file, err := f.beside(beside)
	if err != nil {
		return err
	}
	// Cut to its length after the write and not before: see reserve.
	_, err = file.Write(text)
	if err == nil {
		err = file.Truncate(int64(len(text)))
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := unix.Renameat(at, beside, at, name); err != nil {
		return err
	}
	return f.dir.Sync()
}

func (f folder) beside(name string) (*os.File, error) {
	fd, err := unix.Openat(int(f.dir.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// reserved is more than any record but a claim has, in bytes.
const reserved = 4096

// reserve puts space aside for the records that end a job, so that a job which
// filled the disk can be ended all the same. Where the file system cannot
// promise space there is none.
func (f folder) reserve(names ...string) error {
	for _, name := range names {
		file, err := f.beside(name + ".new")
		if err != nil {
			return fmt.Errorf("record %s: %w", name, err)
		}
		err = unix.Fallocate(int(file.Fd()), 0, 0, reserved)
		if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
			err = nil
		}
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("record %s: %w", name, err)
		}
	}
	return nil
}

// lock opens the lock and takes it. It returns nil without an error when
// somebody else holds it.
func (f folder) lock() (*os.File, error) {
	fd, err := unix.Openat(int(f.dir.Fd()), lockFile, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("job lock: %w", err)
	}
	file := os.NewFile(uintptr(fd), lockFile)
	if err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		// A child that this process is forking elsewhere has a copy of every
		// descriptor until its execve; no fork is under way inside ForkLock. (The
		// kernel lets the parent go on a moment before it closes them.)
		syscall.ForkLock.Lock()
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		syscall.ForkLock.Unlock()
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		_ = file.Close()
		return nil, nil
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("job lock: %w", err)
	}
	return file, nil
}
