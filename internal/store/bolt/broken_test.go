package bolt

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func write(s *Store, key string) (uint64, error) {
	return s.Update(context.Background(), func(tx store.WriteTx) error {
		tx.Put("bans", key, []byte(key))
		tx.Append([]byte(key))
		return nil
	})
}

// failDisk puts a device in the place of the store's file. /dev/null takes every
// write and fails to make it durable.
func failDisk(t *testing.T, path, device string) {
	t.Helper()
	full, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no %s here: %v", device, err)
	}
	defer full.Close()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no /proc here: %v", err)
	}
	found := false
	for _, entry := range entries {
		if target, _ := os.Readlink("/proc/self/fd/" + entry.Name()); target == path {
			var fd int
			for _, digit := range entry.Name() {
				fd = fd*10 + int(digit-'0')
			}
			require.NoError(t, unix.Dup3(int(full.Fd()), fd, unix.O_CLOEXEC))
			found = true
		}
	}
	require.True(t, found, "the store's file is not among the open ones")
}

// TestFailedCommit: after one failed fsync nothing is acknowledged any more,
// even if the disk would take it, while reads go on; opened again, the store
// holds exactly what was acknowledged.
func TestFailedCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	s, err := Open(path, Options{})
	require.NoError(t, err)
	_, err = write(s, "kept")
	require.NoError(t, err)
	failDisk(t, path, "/dev/null")

	_, err = write(s, "lost")
	require.ErrorIs(t, err, store.ErrBroken)
	require.ErrorContains(t, err, path)
	_, err = write(s, "later")
	require.ErrorIs(t, err, store.ErrBroken)

	check := func(s *Store) {
		require.NoError(t, s.View(context.Background(), func(tx store.ReadTx) error {
			_, kept := tx.Get("bans", "kept")
			_, lost := tx.Get("bans", "lost")
			require.True(t, kept)
			require.False(t, lost)
			require.EqualValues(t, 1, tx.Revision())
			return nil
		}))
	}
	require.ErrorIs(t, s.Trouble(), store.ErrBroken)
	check(s)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err = s.Watch(ctx, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded, "a failed update wakes nobody")
	_ = s.Close() // complains: its descriptor is another one by now

	s, err = Open(path, Options{MustExist: true})
	require.NoError(t, err)
	check(s)
	number, err := write(s, "more")
	require.NoError(t, err)
	require.EqualValues(t, 2, number)
	require.NoError(t, s.Close())
}

// TestFailedGroup: every member of a group that could not be committed is told.
func TestFailedGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	s, err := Open(path, Options{})
	require.NoError(t, err)
	failDisk(t, path, "/dev/null")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			number, err := write(s, "k")
			if err == nil || number != 0 {
				t.Errorf("acknowledged revision %d on a disk that takes nothing: %v", number, err)
			}
		})
	}
	wg.Wait()
	_ = s.Close()
}

// TestGroupsShareSync: writers that wait for each other's fsync are written
// together. Counted in transactions of bbolt, not in time.
func TestGroupsShareSync(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "gatehouse.db"), Options{})
	require.NoError(t, err)
	defer s.Close()
	const writers = 40
	var started, wg sync.WaitGroup
	started.Add(1)
	wg.Go(func() { // holds the queue until the others stand in line
		_, _ = s.Update(context.Background(), func(tx store.WriteTx) error {
			started.Done()
			for s.writes.waiting.Load() < writers {
				time.Sleep(time.Millisecond)
			}
			tx.Append(nil)
			return nil
		})
	})
	started.Wait()
	before := s.db.Stats()
	for range writers {
		wg.Go(func() { _, _ = write(s, "k") })
	}
	wg.Wait()
	after := s.db.Stats()
	spent := after.TxStats.GetWrite() - before.TxStats.GetWrite()
	require.Less(t, spent, int64(writers), "%d page writes for %d updates", spent, writers+1)
	require.NoError(t, s.View(context.Background(), func(tx store.ReadTx) error {
		require.EqualValues(t, writers+1, tx.Revision())
		return nil
	}))
}
