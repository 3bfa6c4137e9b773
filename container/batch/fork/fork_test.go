package fork_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/batch"
	"github.com/gatehouse-authz/gatehouse/container/batch/batchtest"
	"github.com/gatehouse-authz/gatehouse/container/batch/fork"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) {
	warden.Stage()
	os.Exit(m.Run())
}

var alice = authz.Account{Name: "alice", UID: 61001, Group: authz.Group{Name: "grid", GID: 61100}}

// accounts is a database that knows alice.
type accounts struct{}

func (accounts) User(_ context.Context, name string) (uint32, uint32, error) {
	if name != alice.Name {
		return 0, 0, errors.New("no such user")
	}
	return alice.UID, alice.Group.GID, nil
}

func (accounts) Group(_ context.Context, name string) (uint32, error) {
	if name != alice.Group.Name {
		return 0, launch.ErrNoGroup
	}
	return alice.Group.GID, nil
}

// site is a real gate and Warden in this process, in self mode, as the demo
// has it; and the way there.
type site struct {
	config warden.Config
	gate   *launch.Gate
	signer *launch.Signer
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "services"), 0o755))
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	s := &site{config: warden.Config{
		State: filepath.Join(dir, "state"), Sandboxes: filepath.Join(dir, "sandbox"), Services: filepath.Join(dir, "services"),
		AsSelf: true, Log: log, Now: time.Now,
	}}
	w, err := warden.Open(t.Context(), s.config)
	require.NoError(t, err)
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s.signer, err = launch.NewSigner(private, "here", time.Now)
	require.NoError(t, err)
	verifier, err := launch.NewVerifier(public, "here")
	require.NoError(t, err)
	memory, err := launch.OpenMemory(filepath.Join(s.config.State, "grants"), "boot", time.Now())
	require.NoError(t, err)
	s.gate = &launch.Gate{
		Verifier: verifier, Memory: memory, Accounts: accounts{}, Rules: launch.DefaultAccountRules(), Runner: w, Log: log, Now: time.Now,
	}
	t.Cleanup(func() {
		s.endAll(t)
		require.NoError(t, memory.Close())
		require.NoError(t, w.Close())
	})
	return s
}

func (s *site) endAll(t *testing.T) {
	f := fork.New(s.gate, s.signer)
	require.Eventually(t, func() bool {
		jobs, err := f.List(context.Background())
		require.NoError(t, err)
		running := 0
		for _, j := range jobs {
			if j.State != batch.Ended {
				running++
				require.NoError(t, f.Cancel(context.Background(), batch.Job{ID: j.ID, Account: alice}))
			}
		}
		return running == 0
	}, 20*time.Second, 50*time.Millisecond)
}

func (s *site) job(t *testing.T, script string) batch.Job {
	t.Helper()
	id := batchtest.NewID()
	text := []byte("#!/bin/sh\n" + script + "\n")
	require.NoError(t, os.WriteFile(filepath.Join(s.config.Services, id), text, 0o755))
	return batch.Job{
		ID: id, Executable: id, Digest: sha256.Sum256(text), Args: []string{"job"}, Stdout: "out", Stderr: "err",
		CPU: time.Minute, Wall: time.Minute, Account: alice,
	}
}

func (s *site) file(t *testing.T, j batch.Job, name string) string {
	t.Helper()
	o := launch.Order{Operation: launch.Read, Job: j.ID, Path: name}
	grant, err := s.signer.Grant(t.Context(), launch.Wish{Order: o, Account: alice})
	require.NoError(t, err)
	r, err := s.gate.Do(t.Context(), grant, o)
	if errors.Is(err, launch.ErrPath) {
		return ""
	}
	require.NoError(t, err)
	defer r.File.Close()
	text, err := io.ReadAll(r.File)
	require.NoError(t, err)
	return string(text)
}

func TestInProcess(t *testing.T) {
	batchtest.Run(t, func(t *testing.T) batchtest.Site { return newSite(t).suite(t, nil) })
}

func TestOverTheSocket(t *testing.T) {
	batchtest.Run(t, func(t *testing.T) batchtest.Site {
		s := newSite(t)
		path := filepath.Join(t.TempDir(), "s")
		peers := []uint32{uint32(os.Geteuid())}
		l, err := launch.Listen(path, peers)
		require.NoError(t, err)
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- (&launch.Server{Launcher: s.gate, Peers: peers, Log: s.config.Log}).Serve(ctx, l) }()
		t.Cleanup(func() {
			stop()
			require.NoError(t, <-done)
		})
		return s.suite(t, launch.NewClient(path, 30*time.Second))
	})
}

func (s *site) suite(t *testing.T, l launch.Launcher) batchtest.Site {
	if l == nil {
		l = s.gate
	}
	nobody := launch.NewClient(filepath.Join(t.TempDir(), "nobody"), time.Second)
	return batchtest.Site{
		Submitter: fork.New(l, s.signer), Job: s.job, File: s.file, Away: fork.New(nobody, s.signer), Wait: 20 * time.Second,
	}
}

// strange answers with words of a later version.
type strange struct{ launch.Launcher }

func (strange) Status(context.Context, string) (launch.Status, error) {
	return launch.Status{State: "frozen"}, nil
}

func (strange) Jobs(context.Context) ([]launch.Status, error) {
	return []launch.Status{{State: launch.Ended, Exit: &launch.Exit{Cause: "moon"}}}, nil
}

func TestUnknownWordsAreNoAnswer(t *testing.T) {
	f := fork.New(strange{}, nil)
	_, err := f.Status(t.Context(), batchtest.NewID())
	require.ErrorIs(t, err, batch.ErrAway)
	_, err = f.List(t.Context())
	require.ErrorIs(t, err, batch.ErrAway)
}

// refuser grants nothing.
type refuser struct{}

func (refuser) Grant(context.Context, launch.Wish) (launch.Signed, error) {
	return nil, fmt.Errorf("%w: banned", launch.ErrRefused)
}

func TestWithoutAGrantNothingHappens(t *testing.T) {
	s := newSite(t)
	f := fork.New(s.gate, refuser{})
	j := s.job(t, "true")
	err := f.Submit(t.Context(), j)
	require.ErrorIs(t, err, batch.ErrRefused)
	require.ErrorContains(t, err, "banned")
	away := launch.NewClient(filepath.Join(t.TempDir(), "nobody"), time.Second)
	require.ErrorIs(t, fork.New(s.gate, away).Submit(t.Context(), j), batch.ErrAway, "no mapping side is no refusal")
	st, err := f.Status(t.Context(), j.ID)
	require.NoError(t, err)
	require.Equal(t, batch.Absent, st.State)
}
