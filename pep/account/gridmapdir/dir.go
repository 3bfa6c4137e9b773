package gridmapdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

// Config says which directory to use and how. Path and Directory are needed.
type Config struct {
	Path string
	// Directory looks accounts up and refuses those that are never given away:
	// see account.Guard.
	Directory pool.Directory
	// SecondaryGroups makes the secondary groups part of the name of a lease:
	// useSecondaryGroupNamesForMapping of Argus, which is on by default there.
	SecondaryGroups bool
	Log             *slog.Logger     // nil discards
	Now             func() time.Time // time.Now if nil
}

// Dir is a gridmapdir. It is safe for concurrent use, and other processes may
// use the directory at the same time.
type Dir struct {
	config Config
	root   *os.Root

	mu   sync.Mutex
	uids map[string]uint32 // of accounts looked up
}

// Open opens a gridmapdir, which only root or we may be able to change.
func Open(c Config) (*Dir, error) {
	if c.Directory == nil {
		return nil, errors.New("gridmapdir: no directory of accounts")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	info, err := os.Stat(c.Path)
	if err != nil {
		return nil, fmt.Errorf("gridmapdir: %w", err)
	}
	if info.Mode()&fs.ModeSticky != 0 {
		return nil, fmt.Errorf("gridmapdir: %w: %s: others can create files in it", guard.ErrUnsafe, c.Path)
	}
	if err := guard.Dir(c.Path); err != nil {
		return nil, fmt.Errorf("gridmapdir: %w", err)
	}
	root, err := os.OpenRoot(c.Path)
	if err != nil {
		return nil, fmt.Errorf("gridmapdir: %w", err)
	}
	return &Dir{config: c, root: root, uids: map[string]uint32{}}, nil
}

// Close lets go of the directory.
func (d *Dir) Close() error { return d.root.Close() }

// errUnsafeFile is wrapped when something in the directory is not what this
// package, or Argus, puts there.
var errUnsafeFile = fmt.Errorf("%w in the gridmapdir", guard.ErrUnsafe)

// look returns a file by its name; no link is followed. A nil info is no file.
func (d *Dir) look(name string) (fs.FileInfo, uint64, error) {
	info, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%w: %s is no regular file", errUnsafeFile, name)
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, 0, fmt.Errorf("%w: %s: the owner cannot be known", errUnsafeFile, name)
	}
	if s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return nil, 0, fmt.Errorf("%w: %s belongs to uid %d: it must belong to root or to uid %d", errUnsafeFile, name, s.Uid, os.Geteuid())
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return nil, 0, fmt.Errorf("%w: %s has mode %04o: run chmod go-w on it", errUnsafeFile, name, mode)
	}
	return info, uint64(s.Nlink), nil //nolint:unconvert // 32 bits on other machines
}

// names lists the directory.
func (d *Dir) names() ([]string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// members are the accounts of a pool, in no order, so that several processes
// seldom want the same.
func (d *Dir) members(name string) ([]string, error) {
	all, err := d.names()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(file string) bool { return !pool.IsMember(name, file) })
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all, nil
}

// accounts are those of every pool.
func (d *Dir) accounts() ([]string, error) {
	all, err := d.names()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(file string) bool { return !pool.IsMember(strings.TrimRight(file, "0123456789"), file) }), nil
}

// Has reports whether the directory has accounts of that pool.
func (d *Dir) Has(name string) bool {
	all, err := d.members(name)
	return err == nil && len(all) > 0
}

// PoolOf returns the pool of an account that the directory has.
func (d *Dir) PoolOf(account string) (string, bool) {
	name := strings.TrimRight(account, "0123456789")
	if !pool.IsMember(name, account) {
		return "", false
	}
	if _, err := d.root.Lstat(account); errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	return name, true
}

// Entry is an account of the directory as List shows it.
type Entry struct {
	Account string
	Pool    string
	// Holder and Groups are what the name of the lease says, in small letters;
	// empty if the account is free.
	Holder string
	Groups []string
	Used   time.Time
	// Fault says what is wrong with the account or its lease.
	Fault string
}

// List shows all accounts by name.
func (d *Dir) List(ctx context.Context) ([]Entry, error) {
	all, err := d.names()
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	leases := map[uint64][]string{}
	var entries []Entry
	for _, file := range all {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		info, links, err := d.look(file)
		of := strings.TrimRight(file, "0123456789")
		switch {
		case err == nil && info == nil: // gone meanwhile
		case pool.IsMember(of, file):
			entries = append(entries, entryOf(file, of, info, links, err))
		case err == nil && (strings.HasPrefix(file, "%2f") || strings.HasPrefix(file, hashedPrefix)):
			leases[inode(info)] = append(leases[inode(info)], file)
		}
	}
	for i := range entries {
		d.attach(&entries[i], leases)
	}
	return entries, nil
}

func entryOf(file, of string, info fs.FileInfo, links uint64, err error) Entry {
	e := Entry{Account: file, Pool: of}
	switch {
	case err != nil:
		e.Fault = err.Error()
	case links > 2:
		e.Fault = fmt.Sprintf("%d links: want 1 or 2", links)
	}
	if info != nil && links > 1 {
		e.Used = info.ModTime()
	}
	return e
}

// attach finds the lease of an account among those by inode.
func (d *Dir) attach(e *Entry, leases map[uint64][]string) {
	info, links, err := d.look(e.Account)
	if err != nil || info == nil || links < 2 {
		return
	}
	names := leases[inode(info)]
	if len(names) != 1 {
		e.Fault = fmt.Sprintf("its %d links are those of %d leases", links, len(names))
		return
	}
	full, err := d.fullName(names[0])
	if err != nil {
		e.Fault = err.Error()
		return
	}
	var ok bool
	if e.Holder, e.Groups, ok = decode(full); !ok {
		e.Fault = "the name of its lease cannot be read: " + full
	}
}

func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}
