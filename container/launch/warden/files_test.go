package warden_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func (s *site) file(a authz.Account, op launch.Operation, job, path string) (launch.Result, error) {
	s.t.Helper()
	return s.run(a, launch.Order{Operation: op, Job: job, Path: path})
}

func TestFilesOfASandbox(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("make", `mkdir -p d/e; echo hello > d/e/f; ln -s /etc/passwd link; mkfifo pipe`)
	s.start(alice, o)
	s.wait(o.Job)

	r, err := s.file(alice, launch.List, o.Job, "")
	require.NoError(t, err)
	names := make(map[string]launch.File)
	for _, f := range r.Files {
		names[f.Name] = f
	}
	require.True(t, names["d"].Dir)
	require.True(t, names["link"].Other)
	require.True(t, names["pipe"].Other)
	require.Contains(t, names, "out")

	r, err = s.file(alice, launch.List, o.Job, "d/e")
	require.NoError(t, err)
	require.Len(t, r.Files, 1)
	require.Equal(t, int64(6), r.Files[0].Size)
	r, err = s.file(alice, launch.Stat, o.Job, "d/e/f")
	require.NoError(t, err)
	require.Equal(t, int64(6), r.Files[0].Size)
	require.WithinDuration(t, time.Now(), r.Files[0].ModTime, time.Minute)
	require.Equal(t, "hello\n", s.output(alice, o.Job, "d/e/f"))
}

// ⚿ Threats 110 and 111.
func TestSandboxTricks(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	outside := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(outside, []byte("top"), 0o644))
	require.NoError(t, os.Chmod(filepath.Dir(filepath.Dir(outside)), 0o755))
	o := s.script("trick", `
		ln -s "$1" link; ln -s / root; ln -s .. up; ln -s link chain
		mkdir d; ln -s "$1" d/link; echo x > d/f; ln -s d inner
		echo x > one; ln one two
		mkfifo pipe
		ln -s /proc/self/root magic`, outside)
	s.start(alice, o)
	exit := s.wait(o.Job)
	require.Zero(t, exit.Code, s.output(alice, o.Job, "err"))
	for _, path := range []string{
		"link", "chain", "d/link", "root/etc/passwd", "up", "up/" + o.Job + "/out", "magic/etc/passwd", "pipe", "one", "two", "d", "absent", "out/x", "inner/f", "inner",
	} {
		t.Run(strings.ReplaceAll(path, "/", "_"), func(t *testing.T) {
			_, err := s.file(alice, launch.Read, o.Job, path)
			require.ErrorIs(t, err, launch.ErrPath)
			_, err = s.file(alice, launch.List, o.Job, path)
			if path != "d" {
				require.ErrorIs(t, err, launch.ErrPath)
			}
		})
	}
}

// A job that exchanges a file for a link, as fast as it can, never gets the
// link's target opened.
func TestSwappedLinkIsNeverFollowed(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	outside := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(outside, []byte("top"), 0o644))
	require.NoError(t, os.Chmod(filepath.Dir(filepath.Dir(outside)), 0o755))
	o := s.script("swap", `echo mine > good; while :; do cp good x; mv x f; ln -s "$1" x; mv -T x f; done`, outside)
	s.start(alice, o)
	opened := 0
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); {
		r, err := s.file(alice, launch.Read, o.Job, "f")
		if err != nil {
			require.ErrorIs(t, err, launch.ErrPath)
			continue
		}
		text, err := io.ReadAll(r.File)
		require.NoError(t, err)
		require.NoError(t, r.File.Close())
		require.NotContains(t, string(text), "top")
		opened++
	}
	require.NotZero(t, opened, "the race was never run")
}

func TestFilesAreJudgedAsTheAccount(t *testing.T) {
	needRoot(t)
	s := newSite(t, nil)
	o := s.script("x", "true")
	s.start(alice, o)
	s.wait(o.Job)
	// Root could read it; alice cannot, so neither can the launcher for her.
	foreign := filepath.Join(s.home(o.Job), "foreign")
	require.NoError(t, os.WriteFile(foreign, []byte("root's"), 0o600))
	_, err := s.file(alice, launch.Read, o.Job, "foreign")
	require.ErrorIs(t, err, launch.ErrPath)
	require.ErrorIs(t, err, unix.EACCES)
	require.NoError(t, os.Chmod(foreign, 0o644))
	_, err = s.file(alice, launch.Read, o.Job, "foreign")
	require.ErrorContains(t, err, "belongs to somebody else")

	for _, op := range []launch.Operation{launch.Read, launch.List, launch.Stat, launch.Remove} {
		_, err = s.file(bob, op, o.Job, "out")
		require.ErrorIs(t, err, launch.ErrRefused, "a grant for bob does not open alice's sandbox")
	}
	_, err = s.run(bob, launch.Order{Operation: launch.Signal, Job: o.Job, Signal: launch.Kill})
	require.ErrorIs(t, err, launch.ErrRefused)
	require.Equal(t, 0, os.Geteuid())
	require.NoError(t, os.WriteFile("/proc/self/comm", []byte("still-root"), 0), "the other threads kept their rights")
}

func TestUnknownJobsHaveNoFiles(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, op := range []launch.Operation{launch.Read, launch.List, launch.Stat, launch.Remove} {
		_, err := s.file(alice, op, newID(), "out")
		require.ErrorIs(t, err, launch.ErrNoJob)
	}
	for _, id := range []string{"", ".", "..", "../jobs", "lock", strings.Repeat("0", 31) + "/", strings.Repeat("A", 32)} {
		_, err := s.warden.Status(t.Context(), id)
		require.ErrorIs(t, err, launch.ErrNoJob)
		require.ErrorIs(t, s.warden.Reap(t.Context(), id), launch.ErrNoJob)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "precious"), nil, 0o666))
	require.NoError(t, os.Chmod(outside, 0o777))
	require.NoError(t, os.Chmod(filepath.Dir(outside), 0o755))
	o := s.script("litter", `
		mkdir -p a/b/c locked/in; echo x > a/b/c/f; echo x > locked/in/f
		ln -s "$1" a/link; ln -s "$1" out-link; mkfifo a/pipe
		chmod 0 locked/in locked; chmod 0500 a/b/c
		: > up; while [ ! -e go ]; do sleep 0.02; done; rm go; chmod 0 .`, outside)
	s.start(alice, o)
	require.Eventually(t, func() bool { _, err := os.Stat(s.home(o.Job) + "/up"); return err == nil }, 5*time.Second, 5*time.Millisecond)
	_, err := s.file(alice, launch.Remove, o.Job, "")
	require.ErrorIs(t, err, launch.ErrConflict, "not while it runs")
	require.NoError(t, os.WriteFile(s.home(o.Job)+"/go", nil, 0o666))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(s.home(o.Job)+"/go", int(alice.UID), -1))
	}
	s.wait(o.Job)
	require.NoError(t, os.Chmod(s.home(o.Job), 0o700))
	_, err = s.file(alice, launch.Remove, o.Job, "a")
	require.NoError(t, err)
	require.NoFileExists(t, s.home(o.Job)+"/a")
	require.FileExists(t, s.home(o.Job)+"/up")
	_, err = s.file(alice, launch.Remove, o.Job, "out-link/precious")
	require.ErrorIs(t, err, launch.ErrPath)
	require.NoError(t, os.Chmod(s.home(o.Job), 0))
	_, err = s.file(alice, launch.Remove, o.Job, "")
	require.NoError(t, err)
	require.NoDirExists(t, s.home(o.Job))
	require.FileExists(t, filepath.Join(outside, "precious"), "what a link points to stays")
	_, err = s.file(alice, launch.Remove, o.Job, "")
	require.NoError(t, err, "again is no error")
}
