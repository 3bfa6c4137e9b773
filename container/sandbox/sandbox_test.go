package sandbox_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
)

const (
	mine   = "0123456789abcdef0123456789abcdef"
	theirs = "01ffffffffffffffffffffffffffffff"
)

var session = sandbox.Session{ID: mine, Account: authz.Account{Name: "grid", UID: 61001}, Decision: "d"}

// tree makes two sandboxes with a secret beside them.
func tree(t *testing.T) (*sandbox.Local, string) {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, sandbox.Dir(mine))
	for _, d := range []string{filepath.Join(dir, "sub"), filepath.Join(root, sandbox.Dir(theirs))} {
		require.NoError(t, os.MkdirAll(d, 0o755))
	}
	for path, text := range map[string]string{
		"secret": "secret", sandbox.Dir(theirs) + "/file": "secret", sandbox.Dir(mine) + "/file": "0123456789", sandbox.Dir(mine) + "/sub/file": "inner",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(root, path), []byte(text), 0o644))
	}
	local, err := sandbox.OpenLocal(root)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, local.Close()) })
	return local, dir
}

func read(files sandbox.Files, path string) (string, error) {
	f, _, err := files.Open(context.Background(), session, path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	return string(text), err
}

func TestLocal(t *testing.T) {
	local, _ := tree(t)
	for path, want := range map[string]string{"file": "0123456789", "sub/file": "inner", "/sub/file": "inner"} {
		got, err := read(local, path)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	entries, more, err := local.List(t.Context(), session, "")
	require.NoError(t, err)
	require.False(t, more)
	require.Len(t, entries, 2)
	require.Equal(t, []any{"file", false, int64(10)}, []any{entries[0].Name, entries[0].Dir, entries[0].Size})
	require.Equal(t, []any{"sub", true, int64(0)}, []any{entries[1].Name, entries[1].Dir, entries[1].Size})
	_, err = read(local, "sub")
	require.ErrorIs(t, err, sandbox.ErrPath)
	require.NoError(t, local.Remove(t.Context(), session))
	require.NoError(t, local.Remove(t.Context(), session), "already gone")
	_, _, err = local.List(t.Context(), session, "")
	require.ErrorIs(t, err, sandbox.ErrPath)
	require.ErrorIs(t, local.Remove(t.Context(), sandbox.Session{ID: "../secret"}), sandbox.ErrName)
}

// TestNothingPlantedIsFollowed plants what a hostile job can make.
func TestNothingPlantedIsFollowed(t *testing.T) {
	local, dir := tree(t)
	for name, target := range map[string]string{
		"out": "/etc/passwd", "up": "../../secret", "near": "file", "dir": "sub", "etc": "/etc", "next": "../" + theirs, "loop": "loop", "dangling": "nowhere",
	} {
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	require.NoError(t, os.Link(filepath.Join(dir, "..", theirs, "file"), filepath.Join(dir, "hard")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644))
	for _, path := range []string{"out", "up", "near", "dir/file", "etc/passwd", "next/file", "loop", "dangling", "hard", "pipe", "file/x", strings.Repeat("n", 300)} {
		done := make(chan error, 1)
		go func() {
			_, err := read(local, path)
			done <- err
		}()
		select {
		case err := <-done:
			require.ErrorIs(t, err, sandbox.ErrPath, path)
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: opening it hangs", path)
		}
	}
	for _, path := range []string{"dir", "etc", "next", "out"} {
		_, _, err := local.List(t.Context(), session, path)
		require.ErrorIs(t, err, sandbox.ErrPath, path)
	}
	entries, _, err := local.List(t.Context(), session, "")
	require.NoError(t, err)
	for _, e := range entries {
		require.Equal(t, e.Name != "file" && e.Name != "sub", e.Other, e.Name)
		require.True(t, !e.Other || e.Size == 0)
	}
	for _, path := range []string{"..", "../" + theirs + "/file", "sub/../../" + theirs + "/file", "./file", "sub//file", "a\x00b", "a\\b", ".", "sub/.", "\xff"} {
		_, err := read(local, path)
		require.ErrorIs(t, err, sandbox.ErrName, path)
	}
	for _, id := range []string{"", "..", strings.ToUpper(mine), mine + "0", "../" + mine[3:], mine[:31] + "/"} {
		_, _, err := local.List(t.Context(), sandbox.Session{ID: id}, "")
		require.ErrorIs(t, err, sandbox.ErrName, id)
	}
	require.NoError(t, local.Remove(t.Context(), session))
	_, err = os.Stat("/etc/passwd")
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "..", theirs, "file"))
	require.NoError(t, err)
	require.Equal(t, "secret", string(text), "removing follows no link either")
}

// TestSwapWhileOpening swaps names for links as fast as it can: whatever is
// read is the job's own.
func TestSwapWhileOpening(t *testing.T) {
	local, dir := tree(t)
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swap := func(name, target string, make func(string) error) {
		defer swapping.Done()
		path := filepath.Join(dir, name)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			next := fmt.Sprintf("%s.%s.%d", filepath.Join(dir, ".."), name, i%2)
			if i%2 == 0 {
				_ = os.Symlink(target, next)
			} else {
				_ = make(next)
			}
			_ = os.RemoveAll(path)
			_ = os.Rename(next, path)
		}
	}
	swapping.Add(3)
	linked, other := filepath.Join(dir, "linked"), filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(linked, []byte("mine"), 0o644))
	require.NoError(t, os.Symlink("sub/file", other))
	require.NoError(t, unix.Renameat2(unix.AT_FDCWD, linked, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE))
	go func() {
		defer swapping.Done()
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, linked, unix.AT_FDCWD, other, unix.RENAME_EXCHANGE)
			}
		}
	}()
	go swap("swapped", "../"+theirs+"/file", func(p string) error { return os.WriteFile(p, []byte("mine"), 0o644) })
	go swap("swappedDir", "../"+theirs, func(p string) error { return os.Mkdir(p, 0o755) })
	opened := 0
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		for _, path := range []string{"swapped", "swappedDir/file", "linked", "linked", "linked", "linked"} {
			text, err := read(local, path)
			require.Contains(t, []string{"", "mine"}, text)
			if err == nil {
				opened++
			}
		}
	}
	close(stop)
	swapping.Wait()
	require.NotZero(t, opened, "the test must open the file now and then, or it shows nothing")
}

func TestClean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.String().Draw(t, "path")
		clean, err := sandbox.Clean(path)
		if err != nil {
			require.ErrorIs(t, err, sandbox.ErrName)
			return
		}
		require.True(t, clean == "" || filepath.IsLocal(clean) && filepath.Clean(clean) == clean)
		require.Equal(t, strings.Trim(path, "/"), clean, "nothing is repaired")
	})
}

func TestQuota(t *testing.T) {
	local, dir := tree(t)
	for name, c := range map[string]struct {
		quota sandbox.Quota
		want  string
	}{
		"defaults": {sandbox.Quota{}, ""},
		"exact":    {sandbox.Quota{Bytes: 15, Files: 3, Depth: 2}, ""},
		"bytes":    {sandbox.Quota{Bytes: 14}, "more than 14 bytes"},
		"files":    {sandbox.Quota{Files: 2}, "more than 2 files"},
		"depth":    {sandbox.Quota{Depth: 1}, "deeper than 1"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.quota.Check(t.Context(), local, session)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, sandbox.ErrQuota)
			require.ErrorContains(t, err, c.want)
		})
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, strings.Repeat("d/", sandbox.MaxDepth)), 0o755))
	require.ErrorIs(t, sandbox.Quota{Depth: 1000}.Check(t.Context(), local, session), sandbox.ErrQuota)
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, sandbox.Quota{}.Check(t.Context(), local, session), "not yet made")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a\\b"), nil, 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "c\\d"), 0o755))
	require.ErrorIs(t, sandbox.Quota{}.Check(t.Context(), local, session), sandbox.ErrQuota, "where we cannot look, nothing may be kept")
}

// runner is a launcher that shows one directory of this machine.
type runner struct {
	dir  string
	last launch.Order
	err  error
}

func (l *runner) Do(_ context.Context, grant launch.Signed, o launch.Order) (launch.Result, error) {
	l.last = o
	if l.err != nil || len(grant) == 0 {
		return launch.Result{}, l.err
	}
	switch o.Operation {
	case launch.List:
		return launch.Result{Files: []launch.File{{Name: "z"}, {Name: "a", Size: 1}, {Name: "l", Other: true}}}, nil
	case launch.Stat:
		return launch.Result{Files: []launch.File{{Name: o.Path, Size: 1}}}, nil
	case launch.Read:
		f, err := os.Open(filepath.Join(l.dir, o.Path))
		return launch.Result{Files: []launch.File{{Name: o.Path, Size: 1}}, File: f}, err
	}
	return launch.Result{}, nil
}

func (*runner) Status(context.Context, string) (launch.Status, error) {
	return launch.Status{}, launch.ErrNoJob
}

func (*runner) Jobs(context.Context) ([]launch.Status, error) { return nil, nil }

func (*runner) Reap(context.Context, string) error { return nil }

func TestLaunched(t *testing.T) {
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	signer, err := launch.NewSigner(private, "here", time.Now)
	require.NoError(t, err)
	l := &runner{dir: t.TempDir()}
	require.NoError(t, os.WriteFile(filepath.Join(l.dir, "file"), []byte("text"), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(l.dir, "dir"), 0o755))
	files := &sandbox.Launched{Granter: signer, Launcher: l}

	entries, _, err := files.List(t.Context(), session, "/sub/")
	require.NoError(t, err)
	require.Equal(t, launch.Order{Operation: launch.List, Job: mine, Path: "sub"}, l.last)
	require.Equal(t, []string{"a", "l", "z"}, []string{entries[0].Name, entries[1].Name, entries[2].Name})
	f, entry, err := files.Open(t.Context(), session, "file")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Equal(t, int64(4), entry.Size, "the size of what was opened, not of what was said")
	_, _, err = files.Open(t.Context(), session, "dir")
	require.ErrorIs(t, err, sandbox.ErrPath, "a descriptor that is no regular file is not passed on")
	_, _, err = files.Open(t.Context(), session, "../x")
	require.ErrorIs(t, err, sandbox.ErrName)
	l.err = launch.ErrPath
	_, err = files.Stat(t.Context(), session, "file")
	require.ErrorIs(t, err, sandbox.ErrPath)
	require.NoError(t, files.Remove(t.Context(), session))
	l.err = launch.ErrAway
	require.ErrorIs(t, files.Remove(t.Context(), session), launch.ErrAway, "no answer is no success")
	_, err = files.Stat(t.Context(), session, "file")
	require.False(t, errors.Is(err, sandbox.ErrPath), "no answer is no absence")
}

func get(local sandbox.Files, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "https://localhost/s/"+(&url.URL{Path: path}).EscapedPath(), nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	if err := sandbox.Serve(w, r, local, session, path); err != nil {
		w.Code = http.StatusTeapot
		w.Body.WriteString(err.Error())
	}
	return w
}

func TestServe(t *testing.T) {
	local, dir := tree(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "<b>&\"x.html"), []byte("<script>alert(1)</script>"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "raw"), []byte{0, 1, 2, 0xff}, 0o644))

	w := get(local, "file")
	require.Equal(t, "0123456789", w.Body.String())
	for key, want := range map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "private, no-store",
	} {
		require.Equal(t, want, w.Header().Get(key))
	}
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "sandbox")
	w = get(local, "file", "Range", "bytes=2-4")
	require.Equal(t, 206, w.Code)
	require.Equal(t, "234", w.Body.String())
	require.Equal(t, 416, get(local, "file", "Range", "bytes=90-").Code)
	require.Equal(t, "application/octet-stream", get(local, "raw").Header().Get("Content-Type"))
	w = get(local, "<b>&\"x.html")
	require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"), "what a job writes does not run in a browser")

	page := get(local, "")
	require.NotContains(t, page.Body.String(), "<b>")
	require.Contains(t, page.Body.String(), `href="./%3Cb%3E&amp;%22x.html"`)
	require.Contains(t, page.Body.String(), `href="./sub/"`)
	require.Equal(t, 301, get(local, "sub").Code)
	require.Contains(t, get(local, "sub", "Accept", "application/json").Body.String(), `"name":"file"`)
	require.Equal(t, http.StatusTeapot, get(local, "nothing").Code)
}
