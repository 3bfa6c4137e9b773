package warden

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"golang.org/x/sys/unix"
)

const maxExecutable = 1 << 30

// checkDirectory resolves dir and reports who else could exchange what is in
// it: every directory from the root on must belong to a trusted user and be
// writable by nobody else, or be sticky and hold something of a trusted user.
func checkDirectory(dir string, trusted []uint32) (string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(real) {
		return "", fmt.Errorf("%s: want an absolute path", dir)
	}
	parts := strings.Split(strings.TrimPrefix(real, "/"), "/")
	for i := range len(parts) + 1 {
		path := "/" + strings.Join(parts[:i], "/")
		info, err := os.Lstat(path)
		if err != nil {
			return "", err
		}
		if !info.IsDir() {
			return "", fmt.Errorf("%s: not a directory", path)
		}
		last := i == len(parts)
		if err := checkOwner(path, info, trusted, !last); err != nil {
			return "", err
		}
	}
	return real, nil
}

// checkOwner refuses what a user who is not trusted owns or can write. In a
// sticky directory others can add entries, but not exchange those of a trusted
// user; the walk sees to it that the next entry belongs to one.
func checkOwner(path string, info fs.FileInfo, trusted []uint32, sticky bool) error {
	sys := info.Sys().(*syscall.Stat_t)
	if !slices.Contains(trusted, sys.Uid) {
		return fmt.Errorf("%s: belongs to uid %d; only %v may own it", path, sys.Uid, trusted)
	}
	if info.Mode().Perm()&0o022 != 0 && !(sticky && info.Mode()&fs.ModeSticky != 0) {
		return fmt.Errorf("%s: mode %#o lets others write it", path, info.Mode().Perm())
	}
	return nil
}

// checkExecutable returns the path of the approved executable. Its content and
// every directory on the way can be changed by trusted users only, so the path
// still names what was hashed when the stage executes it.
func checkExecutable(services, relative string, digest [sha256.Size]byte, trusted []uint32) (string, error) {
	path := filepath.Join(services, relative)
	dir, err := checkDirectory(filepath.Dir(path), trusted)
	if err != nil {
		return "", fmt.Errorf("executable: %w: %w", launch.ErrForbidden, err)
	}
	if dir != services && !strings.HasPrefix(dir, services+"/") {
		return "", fmt.Errorf("executable %s: %w: leads out of the service directory", relative, launch.ErrForbidden)
	}
	path = filepath.Join(dir, filepath.Base(path))
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("executable %s: %w: %w", relative, launch.ErrForbidden, err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if err := checkProgram(f, digest, trusted); err != nil {
		return "", fmt.Errorf("executable %s: %w: %w", relative, launch.ErrForbidden, err)
	}
	return path, nil
}

func checkProgram(f *os.File, digest [sha256.Size]byte, trusted []uint32) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return errors.New("not an executable file")
	}
	if err := checkOwner(f.Name(), info, trusted, false); err != nil {
		return err
	}
	hash := sha256.New()
	if n, err := io.Copy(hash, io.LimitReader(f, maxExecutable)); err != nil || n == maxExecutable {
		return errors.Join(err, fmt.Errorf("cannot hash %d bytes", info.Size()))
	}
	if [sha256.Size]byte(hash.Sum(nil)) != digest {
		return fmt.Errorf("its SHA-256 is %x, approved was %x: approve it again if you changed it", hash.Sum(nil), digest)
	}
	return nil
}
