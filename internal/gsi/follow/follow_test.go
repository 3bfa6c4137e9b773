package follow_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/follow"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
)

var errBad = errors.New("it says bad")

func read(path string) (string, error) {
	text, err := guard.ReadFile(path)
	if err == nil && bytes.HasPrefix(text, []byte("bad")) {
		err = errBad
	}
	return string(text), err
}

func put(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}

func TestRefresh(t *testing.T) {
	dir := t.TempDir()
	good, worse, gone := filepath.Join(dir, "good"), filepath.Join(dir, "worse"), filepath.Join(dir, "gone")
	all := []string{good, worse, gone}
	put(t, good, "one")
	put(t, worse, "bad from the start")
	var files follow.Files[string]
	first, changed := files.Refresh(all, read)
	require.True(t, changed)
	require.Equal(t, "one", first[good].Content)
	require.False(t, first[worse].Known)
	require.ErrorIs(t, first[worse].Err, errBad)
	require.Equal(t, []follow.Trouble{{Path: gone, Err: first[gone].Err}, {Path: worse, Err: errBad}}, first.Troubles())

	same, changed := first.Refresh(all, read)
	require.False(t, changed)
	for path := range first {
		require.Same(t, first[path], same[path])
	}

	put(t, good, "bad now")
	put(t, worse, "two")
	put(t, gone, "come")
	next, changed := first.Refresh(all, read)
	require.True(t, changed)
	require.Equal(t, "one", next[good].Content, "what it held before stays")
	require.True(t, next[good].Known)
	require.ErrorIs(t, next[good].Err, errBad)
	require.Equal(t, "two", next[worse].Content)
	require.Equal(t, "come", next[gone].Content)
	require.NoError(t, first[good].Err, "the files of before are as they were")

	var log bytes.Buffer
	first.Report(next, slog.New(slog.NewTextHandler(&log, nil)))
	require.Contains(t, log.String(), "what it held before stays in force")
	require.NotContains(t, log.String(), worse)
	log.Reset()
	next.Report(next, slog.New(slog.NewTextHandler(&log, nil)))
	require.Empty(t, log.String(), "each trouble is told once")

	fewer, changed := next.Refresh(all[:2], read)
	require.True(t, changed)
	require.Len(t, fewer, 2)
}

// ⚿ A file that becomes writable for everybody is looked at again, and so is one
// that is put right, though nobody wrote to it.
func TestModesAreSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "one")
	var none follow.Files[string]
	first, _ := none.Refresh([]string{path}, read)
	require.NoError(t, first[path].Err)
	require.NoError(t, os.Chmod(path, 0o666)) //nolint:gosec // what is tested
	second, changed := first.Refresh([]string{path}, read)
	require.True(t, changed)
	require.ErrorIs(t, second[path].Err, guard.ErrUnsafe)
	require.NoError(t, os.Chmod(path, 0o600))
	third, changed := second.Refresh([]string{path}, read)
	require.True(t, changed)
	require.NoError(t, third[path].Err)
}

// What the system would not let us read for once is tried again.
func TestTriedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, "one")
	busy := true
	reader := func(path string) (string, error) {
		if busy {
			return "", &os.PathError{Op: "open", Path: path, Err: os.ErrDeadlineExceeded}
		}
		return read(path)
	}
	var none follow.Files[string]
	first, _ := none.Refresh([]string{path}, reader)
	second, changed := first.Refresh([]string{path}, reader)
	require.False(t, changed)
	require.Same(t, first[path], second[path])
	busy = false
	third, changed := second.Refresh([]string{path}, reader)
	require.True(t, changed)
	require.Equal(t, "one", third[path].Content)
}

func TestLoop(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(t.Context())
	var count atomic.Int32
	var log bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		follow.Loop(ctx, time.Millisecond, func() (bool, error) {
			count.Add(1)
			return false, errBad
		}, slog.New(slog.NewTextHandler(&log, nil)))
	}()
	require.Eventually(t, func() bool { return count.Load() > 2 }, 5*time.Second, time.Millisecond)
	cancel()
	<-done
	require.Contains(t, log.String(), "what is in force stays")
}
