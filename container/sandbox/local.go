package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Local is Files of a tree that this process may read: sandboxes of jobs that
// run under its own uid, or on a file system shared for that purpose.
type Local struct{ root *os.Root }

// OpenLocal opens the tree of sandboxes at dir. Close it when done.
func OpenLocal(dir string) (*Local, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("sandboxes: %w", err)
	}
	return &Local{root: root}, nil
}

// Close closes the tree.
func (l *Local) Close() error { return l.root.Close() }

// List implements Files.
func (l *Local) List(_ context.Context, s Session, path string) ([]Entry, bool, error) {
	dir, err := l.enter(s, path)
	if err != nil {
		return nil, false, err
	}
	defer dir.Close()
	f, err := dir.Open(".")
	if err != nil {
		return nil, false, hide(err)
	}
	defer f.Close()
	names, err := f.Readdirnames(MaxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, hide(err)
	}
	more := len(names) > MaxEntries
	entries := make([]Entry, 0, len(names))
	for _, name := range names[:min(len(names), MaxEntries)] {
		if info, err := dir.Lstat(name); err == nil {
			entries = append(entries, describe(info))
		}
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return entries, more, nil
}

// Stat implements Files.
func (l *Local) Stat(_ context.Context, s Session, path string) (Entry, error) {
	dir, name, err := l.parent(s, path)
	if err != nil {
		return Entry{}, err
	}
	defer dir.Close()
	info, err := dir.Lstat(name)
	if err != nil {
		return Entry{}, hide(err)
	}
	return describe(info), nil
}

// Open implements Files.
func (l *Local) Open(_ context.Context, s Session, path string) (*os.File, Entry, error) {
	dir, name, err := l.parent(s, path)
	if err != nil {
		return nil, Entry{}, err
	}
	defer dir.Close()
	seen, err := dir.Lstat(name)
	if err != nil {
		return nil, Entry{}, hide(err)
	}
	if !plain(seen) {
		return nil, Entry{}, ErrPath
	}
	// O_NONBLOCK: should a pipe take the file's place now, opening must not wait.
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, Entry{}, hide(err)
	}
	opened, err := f.Stat()
	if err != nil || !plain(opened) || !os.SameFile(seen, opened) {
		return nil, Entry{}, errors.Join(ErrPath, f.Close())
	}
	return f, describe(opened), nil
}

// Remove implements Files.
func (l *Local) Remove(_ context.Context, s Session) error {
	if !ValidID(s.ID) {
		return ErrName
	}
	return l.root.RemoveAll(Dir(s.ID))
}

// parent opens the directory in which path stands.
func (l *Local) parent(s Session, path string) (*os.Root, string, error) {
	path, err := Clean(path)
	if err != nil {
		return nil, "", err
	}
	if path == "" {
		dir, err := l.enter(s, "")
		return dir, ".", err
	}
	i := strings.LastIndexByte(path, '/')
	dir, err := l.enter(s, path[:max(i, 0)])
	return dir, path[i+1:], err
}

// enter walks down to a directory, name by name. os.Root follows links that
// stay inside, which lead from one session to another or from a name that was
// checked to one that was not; so each step must land where Lstat looked.
func (l *Local) enter(s Session, path string) (*os.Root, error) {
	if !ValidID(s.ID) {
		return nil, ErrName
	}
	clean, err := Clean(path)
	if err != nil {
		return nil, err
	}
	names := strings.Split(Dir(s.ID), "/")
	if clean != "" {
		names = append(names, strings.Split(clean, "/")...)
	}
	at := l.root
	for _, name := range names {
		next, err := step(at, name)
		if at != l.root {
			err = errors.Join(err, at.Close())
		}
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

func step(at *os.Root, name string) (*os.Root, error) {
	seen, err := at.Lstat(name)
	if err != nil {
		return nil, hide(err)
	}
	if !seen.IsDir() {
		return nil, ErrPath
	}
	next, err := at.OpenRoot(name)
	if err != nil {
		return nil, hide(err)
	}
	landed, err := next.Stat(".")
	if err != nil || !os.SameFile(seen, landed) {
		return nil, errors.Join(ErrPath, next.Close())
	}
	return next, nil
}

// hide turns what a job can bring about into ErrPath, and leaves the faults of
// the machine (EIO, ENFILE) as they are.
func hide(err error) error {
	for _, cause := range []error{fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid, syscall.ELOOP, syscall.ENOTDIR, syscall.ENXIO, syscall.ENAMETOOLONG} {
		if errors.Is(err, cause) {
			return ErrPath
		}
	}
	return err
}

func describe(info fs.FileInfo) Entry {
	e := Entry{Name: info.Name(), Dir: info.IsDir(), Modified: info.ModTime().UTC()}
	if plain(info) {
		e.Size = info.Size()
	}
	e.Other = !e.Dir && !plain(info)
	return e
}

// plain reports whether a file may be opened: regular, and under no second
// name, which could be that of a file elsewhere.
func plain(info fs.FileInfo) bool {
	if !info.Mode().IsRegular() {
		return false
	}
	status, ok := info.Sys().(*syscall.Stat_t)
	return ok && status.Nlink == 1
}

var _ Files = (*Local)(nil)
