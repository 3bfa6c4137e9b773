// Package guard checks that files which decide about access can be written,
// and key files read, by nobody but root and the user this process runs as.
package guard

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ErrUnsafe is wrapped by the errors about owners and modes.
var ErrUnsafe = errors.New("unsafe file")

// MaxFile bounds what ReadFile and ReadKey read, in bytes.
const MaxFile = 64 << 20

// ReadFile reads a file that only root or we can change: the file itself and
// the directory that a symbolic link ends in.
func ReadFile(path string) ([]byte, error) { return read(path, 0o022) }

// ReadKey reads a private key that only root or we can read.
func ReadKey(path string) ([]byte, error) { return read(path, 0o077) }

func read(path string, forbidden fs.FileMode) ([]byte, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	if err := Dir(filepath.Dir(real)); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(real, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrUnsafe, path)
	}
	if err := check(path, info, forbidden); err != nil {
		return nil, err
	}
	if info.Size() > MaxFile {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrUnsafe, path, MaxFile)
	}
	return io.ReadAll(io.LimitReader(f, MaxFile))
}

// Dir checks that only root or we can create and replace files in a directory,
// or that it is sticky, as /tmp is.
func Dir(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSticky != 0 {
		return nil
	}
	return check(path, info, 0o022)
}

func check(path string, info fs.FileInfo, forbidden fs.FileMode) error {
	if mode := info.Mode().Perm(); mode&forbidden != 0 {
		return fmt.Errorf("%w: %s has mode %04o: run chmod %04o on it", ErrUnsafe, path, mode, mode&^forbidden)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to uid %d: it must belong to root or to uid %d", ErrUnsafe, path, s.Uid, os.Geteuid())
	}
	return nil
}
