package bolt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// put writes n random bytes; ctx says how urgent that is.
func put(ctx context.Context, s *Store, key string, n int) error {
	value := make([]byte, n)
	rand.Read(value)
	_, err := s.Update(ctx, func(tx store.WriteTx) error {
		tx.Put("bans", key, value)
		tx.Append([]byte(key))
		return nil
	})
	return err
}

func has(t *testing.T, s *Store, key string) (found bool) {
	t.Helper()
	require.NoError(t, s.View(context.Background(), func(tx store.ReadTx) error {
		_, found = tx.Get("bans", key)
		return nil
	}))
	return found
}

var soon = store.Urgent(context.Background())

// ⚿ On a disk that is really full, ordinary updates are refused and change
// nothing, urgent ones go on in the reserve, and when there is room again all
// goes on without a restart; what was acknowledged is there after one.
func TestUrgentUpdatesOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a small file system here: %s", out)
	}
	defer func() { _ = exec.Command("umount", "-l", dir).Run() }()
	path := filepath.Join(dir, "gatehouse.db")
	s, err := Open(path, Options{Reserve: 1 << 20})
	require.NoError(t, err)
	ctx := context.Background()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.GreaterOrEqual(t, info.Sys().(*syscall.Stat_t).Blocks*512, int64(1<<20), "the blocks are there before the first update")
	require.NoError(t, put(ctx, s, "before", 100))
	require.NoError(t, s.Trouble())
	filler := filepath.Join(dir, "jobs")
	fill(t, filler)

	full := false
	for n := 0; n < 400 && !full; n++ { // first what was set aside ahead of the reserve
		err := put(ctx, s, fmt.Sprint("ordinary", n), 10<<10)
		if full = err != nil; full {
			require.ErrorIs(t, err, store.ErrFull)
			require.NotErrorIs(t, err, store.ErrBroken)
			require.False(t, has(t, s, fmt.Sprint("ordinary", n)))
		}
	}
	require.True(t, full, "the test must fill the disk")
	require.ErrorIs(t, s.Trouble(), store.ErrFull)
	bans := 0
	for ; bans < 200; bans++ {
		require.NoError(t, put(soon, s, fmt.Sprint("ban", bans), 500), "ban %d", bans)
		require.ErrorIs(t, put(ctx, s, "ordinary", 10), store.ErrFull)
	}
	// Too large for the reserve itself: refused, and harms nothing.
	require.ErrorIs(t, put(soon, s, "huge", 6<<20), store.ErrFull)
	require.NoError(t, put(soon, s, "after", 500))

	require.NoError(t, os.Remove(filler))
	require.NoError(t, put(ctx, s, "again", 10<<10), "there is room again")
	require.NoError(t, s.Trouble())
	require.NoError(t, s.Close())
	s, err = Open(path, Options{MustExist: true, Verify: true})
	require.NoError(t, err)
	defer s.Close()
	for _, key := range []string{"before", "ban0", fmt.Sprint("ban", bans-1), "after", "again"} {
		require.True(t, has(t, s, key), key)
	}
	for _, key := range []string{"ordinary", "huge"} {
		require.False(t, has(t, s, key), key)
	}
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	require.ErrorIs(t, err, unix.ENOSPC)
}

// Urgent updates beside ordinary ones of the same group are not refused with
// them.
func TestUrgentAmongOthers(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "gatehouse.db"), Options{Reserve: 1 << 20})
	require.NoError(t, err)
	defer s.Close()
	s.room.allocate = func(*os.File, int64, int64) error { return unix.ENOSPC }
	s.room.allocated = 0
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			if err := put(soon, s, fmt.Sprint("urgent", n), 10); err != nil {
				t.Errorf("urgent: %v", err)
			}
		})
		wg.Go(func() {
			if err := put(context.Background(), s, fmt.Sprint("ordinary", n), 10); !errors.Is(err, store.ErrFull) {
				t.Errorf("ordinary: %v", err)
			}
		})
	}
	wg.Wait()
	require.True(t, has(t, s, "urgent19"))
	require.False(t, has(t, s, "ordinary19"))
}

func TestRoom(t *testing.T) {
	var asked []int64
	var answer error
	r := newRoom(nil, 100)
	r.allocate = func(_ *os.File, from, n int64) error {
		asked = append(asked, from, n)
		return answer
	}
	require.NoError(t, r.ensure(50))
	require.Equal(t, []int64{0, 250}, asked)
	require.NoError(t, r.ensure(150))
	require.Len(t, asked, 2, "it is there")
	answer, asked = unix.EDQUOT, nil
	require.ErrorIs(t, r.ensure(151), store.ErrFull)
	require.Equal(t, []int64{250, 101, 250, 1}, asked, "less will do")
	require.NotNil(t, r.trouble.Load())
	require.NoError(t, r.ensure(150), "the store has shrunk")
	require.Nil(t, r.trouble.Load())
	answer = unix.EOPNOTSUPP
	require.NoError(t, r.ensure(1000))
	require.NoError(t, r.ensure(2000), "a file system without promises")
	require.NoError(t, newRoom(nil, 0).ensure(1<<40))
}
