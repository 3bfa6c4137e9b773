package guard_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
)

func write(t *testing.T, dir, name string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	require.NoError(t, os.Chmod(path, mode))
	return path
}

// ⚿ A key that others can read, a file that others can write, and a link into
// a directory where others can write are refused (threats 30).
func TestUnsafeFilesAreRefused(t *testing.T) {
	dir, open := t.TempDir(), t.TempDir()
	_, err := guard.ReadKey(write(t, dir, "key", 0o600))
	require.NoError(t, err)
	_, err = guard.ReadFile(write(t, dir, "map", 0o644))
	require.NoError(t, err)
	for _, mode := range []os.FileMode{0o604, 0o640, 0o622} {
		_, err := guard.ReadKey(write(t, dir, "loose", mode))
		require.ErrorIs(t, err, guard.ErrUnsafe, "%o", mode)
	}
	for _, mode := range []os.FileMode{0o646, 0o664} {
		_, err := guard.ReadFile(write(t, dir, "loose", mode))
		require.ErrorIs(t, err, guard.ErrUnsafe, "%o", mode)
	}
	target := write(t, open, "key", 0o600)
	require.NoError(t, os.Chmod(open, 0o777))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(target, link))
	_, err = guard.ReadKey(link)
	require.ErrorIs(t, err, guard.ErrUnsafe)
	_, err = guard.ReadKey(filepath.Join(dir, "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestOnlyRegularFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := guard.ReadKey(path) // must not block
	require.ErrorIs(t, err, guard.ErrUnsafe)
}

func TestForeignOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := write(t, t.TempDir(), "key", 0o600)
	require.NoError(t, os.Chown(path, 65534, 65534))
	_, err := guard.ReadKey(path)
	require.ErrorIs(t, err, guard.ErrUnsafe)
}
