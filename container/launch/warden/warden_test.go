package warden_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	warden.Stage()
	if os.Getenv(openAndTell) != "" {
		_, err := warden.Open(context.Background(), warden.Config{})
		fmt.Print(err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// openAndTell in the environment makes this program open a Warden that is not
// in self mode, and print the error.
const openAndTell = "GATEHOUSE_TEST_OPEN"

// site is a Warden over temporary directories.
type site struct {
	t      *testing.T
	config warden.Config
	warden *warden.Warden
}

var (
	alice = authz.Account{Name: "alice", UID: 61001, Group: authz.Group{Name: "grid", GID: 61100}, Groups: []authz.Group{{Name: "atlas", GID: 61200}}}
	bob   = authz.Account{Name: "bob", UID: 61002, Group: authz.Group{Name: "grid", GID: 61100}}
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("runs jobs under other accounts: needs root")
	}
}

func newSite(t *testing.T, change func(*warden.Config)) *site {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755)) // the testing package keeps others out
	require.NoError(t, os.Mkdir(filepath.Join(dir, "services"), 0o755))
	s := &site{t: t, config: warden.Config{
		State: filepath.Join(dir, "state"), Sandboxes: filepath.Join(dir, "sandbox"), Services: filepath.Join(dir, "services"),
		AsSelf: os.Geteuid() != 0, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now,
	}}
	if change != nil {
		change(&s.config)
	}
	s.open()
	t.Cleanup(func() {
		s.endAll()
		require.NoError(t, s.warden.Close())
	})
	return s
}

func (s *site) open() {
	s.t.Helper()
	w, err := warden.Open(s.t.Context(), s.config)
	require.NoError(s.t, err)
	s.warden = w
}

// endAll kills what a test left running.
func (s *site) endAll() {
	ctx := context.Background()
	jobs, err := s.warden.Jobs(ctx)
	require.NoError(s.t, err)
	for _, j := range jobs {
		if j.State != launch.Ended {
			_, err := s.run(j.Account, launch.Order{Operation: launch.Signal, Job: j.Job, Signal: launch.Kill})
			require.NoError(s.t, err)
			require.Eventually(s.t, func() bool {
				st, err := s.warden.Status(ctx, j.Job)
				return err == nil && (st.State == launch.Ended || st.State == launch.Claimed)
			}, 10*time.Second, 10*time.Millisecond)
		}
	}
}

func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// script makes an executable and returns its order.
func (s *site) script(name, text string, args ...string) launch.Order {
	s.t.Helper()
	text = "#!/bin/sh\n" + text + "\n"
	require.NoError(s.t, os.WriteFile(filepath.Join(s.config.Services, name), []byte(text), 0o755))
	return launch.Order{
		Operation: launch.Start, Job: newID(), Executable: name, Digest: sha256.Sum256([]byte(text)),
		Args: append([]string{name}, args...), Stdout: "out", Stderr: "err",
		Limits: launch.Limits{CPU: 30 * time.Second, Wall: 30 * time.Second},
	}
}

func (s *site) run(a authz.Account, o launch.Order) (launch.Result, error) {
	s.t.Helper()
	require.NoError(s.t, o.Check())
	return s.warden.Run(context.Background(), launch.Grant{Operation: o.Operation, Job: o.Job, Account: a, Order: o.Hash(), Expires: time.Now().Add(time.Minute)}, o)
}

func (s *site) start(a authz.Account, o launch.Order) launch.Status {
	s.t.Helper()
	r, err := s.run(a, o)
	require.NoError(s.t, err)
	return r.Status
}

// wait returns the exit of a job.
func (s *site) wait(job string) launch.Exit {
	s.t.Helper()
	var st launch.Status
	require.Eventually(s.t, func() bool {
		var err error
		st, err = s.warden.Status(s.t.Context(), job)
		require.NoError(s.t, err)
		return st.State == launch.Ended
	}, 20*time.Second, 5*time.Millisecond, "the job does not end")
	return *st.Exit
}

// settles waits for a state: a supervisor that gave up may still be ending.
func (s *site) settles(job string, want launch.State) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		st, err := s.warden.Status(s.t.Context(), job)
		require.NoError(s.t, err)
		return st.State == want
	}, 5*time.Second, 5*time.Millisecond, "the job is not %s", want)
}

// output reads a file of a sandbox through the Warden.
func (s *site) output(a authz.Account, job, path string) string {
	s.t.Helper()
	r, err := s.run(a, launch.Order{Operation: launch.Read, Job: job, Path: path})
	require.NoError(s.t, err)
	defer r.File.Close()
	text, err := io.ReadAll(r.File)
	require.NoError(s.t, err)
	return string(text)
}

func (s *site) home(job string) string {
	return filepath.Join(s.config.Sandboxes, job[:2], job)
}

func TestJobRunsAndEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("hello", `echo "$# $1|$2|$HOME"; echo oops >&2; exit 3`, "a b", `$(id); 'x'`)
	o.Env = []string{"FLAVOUR=sour"}
	st := s.start(alice, o)
	require.Contains(t, []launch.State{launch.Running, launch.Ended}, st.State)
	require.Equal(t, "alice", st.Account.Name)
	exit := s.wait(o.Job)
	require.Equal(t, 3, exit.Code)
	require.Empty(t, exit.Cause)
	require.Empty(t, exit.Error)
	require.Equal(t, "2 a b|$(id); 'x'|"+s.home(o.Job)+"\n", s.output(alice, o.Job, "out"))
	require.Equal(t, "oops\n", s.output(alice, o.Job, "err"))
}
