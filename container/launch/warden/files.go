package warden

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"golang.org/x/sys/unix"
)

const (
	maxEntries = 10000 // of one directory that is listed
	maxDepth   = 512   // of a tree that is removed: a descriptor each
)

// files carries out an order on a sandbox, as the job's user.
func (w *Warden) files(ctx context.Context, g launch.Grant, o launch.Order) (launch.Result, error) {
	f, c, err := w.claimed(o.Job)
	if err != nil {
		return launch.Result{}, err
	}
	defer f.dir.Close()
	if c.Account.UID != g.Account.UID || c.Account.Name != g.Account.Name {
		return launch.Result{}, fmt.Errorf("%w: the sandbox belongs to %s, not to %s", launch.ErrRefused, c.Account.Name, g.Account.Name)
	}
	if o.Operation == launch.Remove {
		return launch.Result{}, w.remove(ctx, f, c, o)
	}
	home, err := openHome(c)
	if err != nil {
		return launch.Result{}, err
	}
	defer home.Close()
	var result launch.Result
	err = c.Run.as(func() error {
		result, err = show(int(home.Fd()), o, c.Run.UID)
		return err
	})
	return result, err
}

// openHome opens a sandbox. The way to it is root's alone; the sandbox itself
// must still belong to the job's user.
func openHome(c claim) (*os.File, error) {
	fd, err := unix.Open(c.home(), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w: %w", launch.ErrPath, err)
	}
	home := os.NewFile(uintptr(fd), "sandbox")
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Uid != c.Run.UID {
		_ = home.Close()
		return nil, errors.Join(fmt.Errorf("sandbox: belongs to uid %d, not to %d", st.Uid, c.Run.UID), err)
	}
	return home, nil
}

func show(home int, o launch.Order, owner uint32) (launch.Result, error) {
	switch o.Operation {
	case launch.Read:
		return openFile(home, o.Path, owner)
	case launch.List:
		return listDirectory(home, o.Path)
	case launch.Stat:
		return statFile(home, o.Path)
	}
	return launch.Result{}, fmt.Errorf("%w: unknown operation %q", launch.ErrRefused, o.Operation)
}

// beneath opens path below home: no "..", no link on the way or at its end, no
// other file system.
func beneath(home int, path string, flags int) (int, error) {
	if path == "" {
		path = "."
	}
	fd, err := unix.Openat2(home, path, &unix.OpenHow{
		Flags:   uint64(flags | unix.O_NOFOLLOW | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return -1, fmt.Errorf("%w: %w", launch.ErrPath, err)
	}
	return fd, nil
}

// openFile opens a regular file that belongs to the job's user and has one
// name: a hard link could be to a file elsewhere. What is checked is what was
// opened; O_NONBLOCK keeps a pipe from holding us up.
func openFile(home int, path string, owner uint32) (launch.Result, error) {
	fd, err := beneath(home, path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return launch.Result{}, err
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	switch {
	case err != nil:
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		err = fmt.Errorf("%w: not a regular file", launch.ErrPath)
	case st.Nlink > 1:
		err = fmt.Errorf("%w: the file has other names (hard links)", launch.ErrPath)
	case st.Uid != owner:
		err = fmt.Errorf("%w: the file belongs to somebody else", launch.ErrPath)
	}
	if err != nil {
		_ = unix.Close(fd)
		return launch.Result{}, err
	}
	file := os.NewFile(uintptr(fd), "sandbox file")
	return launch.Result{File: file, Files: []launch.File{describe(filepath.Base(path), &st)}}, nil
}

func describe(name string, st *unix.Stat_t) launch.File {
	f := launch.File{Name: strings.ToValidUTF8(name, "\uFFFD"), ModTime: time.Unix(st.Mtim.Unix()).UTC()}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		f.Size = st.Size
	case unix.S_IFDIR:
		f.Dir = true
	default:
		f.Other = true
	}
	return f
}

func statFile(home int, path string) (launch.Result, error) {
	fd, err := beneath(home, path, unix.O_PATH)
	if err != nil {
		return launch.Result{}, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return launch.Result{}, fmt.Errorf("%w: %w", launch.ErrPath, err)
	}
	return launch.Result{Files: []launch.File{describe(filepath.Base(path), &st)}}, nil
}

func listDirectory(home int, path string) (launch.Result, error) {
	fd, err := beneath(home, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
	if err != nil {
		return launch.Result{}, err
	}
	dir := os.NewFile(uintptr(fd), "sandbox directory")
	defer dir.Close()
	names, err := dir.Readdirnames(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return launch.Result{}, fmt.Errorf("%w: %w", launch.ErrPath, bare(err))
	}
	if len(names) > maxEntries {
		return launch.Result{}, fmt.Errorf("%w: the directory has more than %d entries", launch.ErrPath, maxEntries)
	}
	slices.Sort(names)
	var result launch.Result
	for _, name := range names {
		var st unix.Stat_t
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			continue // gone meanwhile
		}
		result.Files = append(result.Files, describe(name, &st))
	}
	return result, nil
}

// remove removes a file or a tree, as the job's user, and for the whole
// sandbox then its directory, which only root can.
func (w *Warden) remove(ctx context.Context, f folder, c claim, o launch.Order) error {
	st, err := w.look(ctx, f, o.Job)
	if err != nil {
		return err
	}
	if st.State != launch.Ended {
		return fmt.Errorf("%w: the job is %s; end it first", launch.ErrConflict, st.State)
	}
	home, err := openHome(c)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer home.Close()
	// Only root can exchange this name, so it still is the directory just checked.
	if err := unix.Chmod(c.home(), 0o700); err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	err = c.Run.as(func() error { return removeBelow(int(home.Fd()), o.Path) })
	if err != nil {
		return fmt.Errorf("remove: %w", bare(err))
	}
	if o.Path != "" {
		return nil
	}
	if err := unix.Rmdir(c.home()); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}

func removeBelow(home int, path string) error {
	if path == "" {
		fd, err := beneath(home, "", unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return empty(fd, maxDepth)
	}
	parent, err := beneath(home, strings.TrimSuffix(filepath.Dir(path), "."), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	return removeEntry(parent, filepath.Base(path), maxDepth)
}

// removeEntry removes what is called name in a directory, and never what a
// link of that name points to.
func removeEntry(dir int, name string, depth int) error {
	err := unix.Unlinkat(dir, name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		return err
	}
	if depth == 0 {
		return fmt.Errorf("more than %d directories deep", maxDepth)
	}
	fd, err := openOwn(dir, name)
	if err != nil {
		return err
	}
	err = empty(fd, depth-1)
	_ = unix.Close(fd)
	if err != nil {
		return err
	}
	return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
}

// openOwn opens a directory, making it accessible first if its owner took that
// away. If that is not to be, the opening or the unlinking says why.
func openOwn(dir int, name string) (int, error) {
	_ = unix.Fchmodat(dir, name, 0o700, unix.AT_SYMLINK_NOFOLLOW)
	return unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

func empty(fd, depth int) error {
	// A second pass sees what was skipped while entries vanished.
	for {
		if _, err := unix.Seek(fd, 0, io.SeekStart); err != nil {
			return err
		}
		names, err := readNames(fd)
		if err != nil || len(names) == 0 {
			return err
		}
		for _, name := range names {
			if err := removeEntry(fd, name, depth); err != nil {
				return err
			}
		}
	}
}

// readNames returns some names; none when the directory is empty.
func readNames(fd int) ([]string, error) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := unix.ReadDirent(fd, buffer)
		if err != nil || n <= 0 {
			return nil, err
		}
		if _, _, names := unix.ParseDirent(buffer[:n], -1, nil); len(names) > 0 {
			return names, nil
		}
	}
}
