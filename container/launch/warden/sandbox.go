package warden

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// sandboxPath is <root>/<first two digits>/<id>. The upper directories are
// mode 0711: the id opens the door, and nobody can list the ids.
func sandboxPath(root, job string) string { return filepath.Join(root, job[:2], job) }

// makeSandbox makes the sandbox of a job and gives it to id. Only root (in
// self mode: this user) can write the directories above, so nobody can slip
// anything in between. One that an earlier, killed start left is taken over.
func makeSandbox(root, job string, id identity) error {
	above := filepath.Dir(sandboxPath(root, job))
	if err := os.Mkdir(above, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("sandbox: %w", err)
	}
	if err := os.Chmod(above, 0o711); err != nil { // whatever the umask
		return fmt.Errorf("sandbox: %w", err)
	}
	if err := os.Mkdir(sandboxPath(root, job), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("sandbox: %w", bare(err))
	}
	fd, err := unix.Open(sandboxPath(root, job), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if st.Uid != uint32(os.Geteuid()) && st.Uid != id.UID {
		return fmt.Errorf("sandbox: belongs to uid %d, not to %d", st.Uid, id.UID)
	}
	if id.Switch {
		if err := unix.Fchown(fd, int(id.UID), int(id.GID)); err != nil {
			return fmt.Errorf("sandbox: %w", err)
		}
	}
	return nil
}

// bare strips the path from an error: the path holds the job's id.
func bare(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return fmt.Errorf("%s: %w", path.Op, path.Err)
	}
	return err
}
