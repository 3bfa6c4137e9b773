package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/stretchr/testify/require"
	bbolt "go.etcd.io/bbolt"
)

// sample writes a store of some pages and returns its path.
func sample(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	s, err := bolt.Open(path, bolt.Options{})
	require.NoError(t, err)
	_, err = s.Update(context.Background(), func(tx store.WriteTx) error {
		for i := range 2000 {
			tx.Put("bans", string(binary.BigEndian.AppendUint32(nil, uint32(i))), make([]byte, 100))
		}
		tx.Append([]byte("entry"))
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return path
}

func TestOpenCreatesPrivately(t *testing.T) {
	info, err := os.Stat(sample(t))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
}

func TestOpenRefusesUsed(t *testing.T) {
	path := sample(t)
	s, err := bolt.Open(path, bolt.Options{})
	require.NoError(t, err)
	_, err = bolt.Open(path, bolt.Options{Wait: 100 * time.Millisecond})
	require.ErrorIs(t, err, store.ErrInUse)
	require.ErrorContains(t, err, path)
	require.NoError(t, s.Close())
	s, err = bolt.Open(path, bolt.Options{MustExist: true})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// TestOpenMustExist: a store that vanished does not come back without its bans.
func TestOpenMustExist(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	_, err := bolt.Open(path, bolt.Options{MustExist: true})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoFileExists(t, path)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = bolt.Open(path, bolt.Options{MustExist: true})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, path)
}

func TestOpenRefusesForeign(t *testing.T) {
	bucket := func(t *testing.T, path string, fill func(*bbolt.Tx) error) {
		db, err := bbolt.Open(path, 0o600, nil)
		require.NoError(t, err)
		require.NoError(t, db.Update(fill))
		require.NoError(t, db.Close())
	}
	format := func(value string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			require.NoError(t, os.Rename(sample(t), path))
			bucket(t, path, func(tx *bbolt.Tx) error {
				return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte(value))
			})
		}
	}
	write := func(text []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, text, 0o600)) }
	}
	for name, c := range map[string]struct {
		make func(*testing.T, string)
		want error
	}{
		"short text": {write([]byte("resource \"a\" {}\n")), store.ErrForeign},
		"long text":  {write(make([]byte, 1<<20)), store.ErrForeign},
		"directory":  {func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o700)) }, store.ErrForeign},
		"another bbolt file": {func(t *testing.T, path string) {
			bucket(t, path, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
		}, store.ErrForeign},
		"newer format":   {format("2"), store.ErrNewer},
		"mangled format": {format("one"), store.ErrCorrupt},
		"missing bucket": {func(t *testing.T, path string) {
			require.NoError(t, os.Rename(sample(t), path))
			bucket(t, path, func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("journal")) })
		}, store.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "gatehouse.db")
			c.make(t, path)
			_, err := bolt.Open(path, bolt.Options{Wait: time.Second})
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, path)
		})
	}
}

// TestOpenCutOff cuts the file at every page: whatever is left is refused with
// the name of the file, and its lock is let go.
func TestOpenCutOff(t *testing.T) {
	path := sample(t)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	used, _ := pages(t, path)
	page := os.Getpagesize()
	for size := page; size < used*page; size += page {
		require.NoError(t, os.WriteFile(path, whole[:size], 0o600))
		_, err := bolt.Open(path, bolt.Options{Wait: 100 * time.Millisecond})
		require.Error(t, err, "cut at %d of %d", size, used*page)
		require.NotErrorIs(t, err, store.ErrInUse, "a refused open kept the lock")
		require.ErrorContains(t, err, path)
	}
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	s, err := bolt.Open(path, bolt.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// TestOpenTornPages overwrites each page in turn: Open never panics nor keeps the
// lock, and with Verify no torn page in use goes unnoticed.
func TestOpenTornPages(t *testing.T) {
	path := sample(t)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()
	size, free := pages(t, path)
	good, torn := make([]byte, os.Getpagesize()), bytes.Repeat([]byte{0xa5}, os.Getpagesize())
	refused := 0
	for page := range size {
		at := int64(page * os.Getpagesize())
		_, err := file.ReadAt(good, at)
		require.NoError(t, err)
		_, err = file.WriteAt(torn, at)
		require.NoError(t, err)
		for _, verify := range []bool{false, true} {
			s, err := bolt.Open(path, bolt.Options{Wait: 100 * time.Millisecond, Verify: verify})
			if err == nil {
				require.NoError(t, s.Close())
				// Page 0 and 1 stand in for each other.
				require.False(t, verify && page > 1 && !free[page], "torn page %d of %d goes unnoticed", page, size)
				continue
			}
			refused++
			require.ErrorContains(t, err, path)
			require.NotErrorIs(t, err, store.ErrInUse, "a refused open kept the lock")
		}
		_, err = file.WriteAt(good, at)
		require.NoError(t, err)
	}
	require.Positive(t, refused)
}

// pages returns how many pages the file uses and which of them are free.
func pages(t *testing.T, path string) (int, map[int]bool) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	defer db.Close()
	tx, err := db.Begin(false)
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()
	size, free := int(tx.Size())/os.Getpagesize(), map[int]bool{}
	for i := 0; i < size; {
		info, err := tx.Page(i)
		require.NoError(t, err)
		free[i] = info.Type == "free"
		for range info.OverflowCount {
			i++ // a later part of a long value has no head to check
			free[i] = true
		}
		i++
	}
	return size, free
}
