package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/batch"
	"github.com/gatehouse-authz/gatehouse/container/batch/batchtest"
	"github.com/gatehouse-authz/gatehouse/container/batch/fork"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// service is gatehouse-launch as a process of its own, killed and started at
// will. As root it runs jobs as nobody's account through the real account
// database; otherwise in self mode.
type service struct {
	t       *testing.T
	dir     string
	file    string
	account authz.Account
	fork    *fork.Submitter
	signer  *launch.Signer
	stderr  *os.File // of all the launchers
	process *exec.Cmd
}

func newService(t *testing.T, peers ...int) *service {
	t.Helper()
	s := &service{t: t}
	list := []string{strconv.Itoa(os.Geteuid())}
	for _, uid := range peers {
		list = append(list, strconv.Itoa(uid))
	}
	lines := []string{fmt.Sprintf("peers: [%s]", strings.Join(list, ", "))}
	name := "nobody"
	if os.Geteuid() != 0 {
		lines = append(lines, "run-jobs-as-self: true")
		me, err := user.Current()
		require.NoError(t, err)
		name = me.Username
	}
	s.account = lookUp(t, name)
	s.dir, s.file = place(t, lines...)
	key, err := launch.ReadPrivateKey(filepath.Join(s.dir, "key"))
	require.NoError(t, err)
	s.signer, err = launch.NewSigner(key, "ce1", time.Now)
	require.NoError(t, err)
	s.fork = fork.New(launch.NewClient(filepath.Join(s.dir, "socket"), 10*time.Second), s.signer)
	s.stderr, err = os.Create(filepath.Join(s.dir, "stderr"))
	require.NoError(t, err)
	s.up()
	t.Cleanup(s.down)
	return s
}

func lookUp(t *testing.T, name string) authz.Account {
	t.Helper()
	u, err := user.Lookup(name)
	require.NoError(t, err)
	g, err := user.LookupGroupId(u.Gid)
	require.NoError(t, err)
	number := func(s string) uint32 {
		n, err := strconv.ParseUint(s, 10, 32)
		require.NoError(t, err)
		return uint32(n)
	}
	return authz.Account{Name: name, UID: number(u.Uid), Group: authz.Group{Name: g.Name, GID: number(u.Gid)}}
}

// up starts the launcher and does not wait for it.
func (s *service) up() {
	s.t.Helper()
	s.process = &exec.Cmd{Path: "/proc/self/exe", Args: []string{"gatehouse-launch", "-config", s.file}, Env: []string{asCommand + "=1", "PATH=/usr/bin:/bin"}, Stderr: s.stderr}
	require.NoError(s.t, s.process.Start())
}

func (s *service) kill() {
	s.t.Helper()
	require.NoError(s.t, s.process.Process.Kill())
	err := s.process.Wait()
	require.ErrorContains(s.t, err, "killed", "it must have served until then: %s", s.said())
}

// said returns what the launchers had to say.
func (s *service) said() string {
	text, err := os.ReadFile(s.stderr.Name())
	require.NoError(s.t, err)
	return string(text)
}

// down ends every job that is left, then the launcher, politely.
func (s *service) down() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.Eventually(s.t, func() bool {
		jobs, err := s.fork.List(ctx)
		require.NoError(s.t, err, s.said())
		ended := true
		for _, j := range jobs {
			if j.State != batch.Ended {
				ended = false
				require.NoError(s.t, s.fork.Cancel(ctx, batch.Job{ID: j.ID, Account: s.account}))
			}
		}
		return ended
	}, 30*time.Second, 20*time.Millisecond)
	require.NoError(s.t, s.process.Process.Signal(unix.SIGTERM))
	require.NoError(s.t, s.process.Wait(), s.said())
}

// job is a short job that leaves one line each time it is run.
func (s *service) job() batch.Job {
	s.t.Helper()
	text := []byte("#!/bin/sh\necho ran >> ran\nsleep 0.0$(($$ % 10))\nexit 5\n")
	path := filepath.Join(s.dir, "services", "short")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		require.NoError(s.t, os.WriteFile(path, text, 0o755))
	}
	return batch.Job{
		ID: batchtest.NewID(), Executable: "short", Digest: sha256.Sum256(text), Args: []string{"short"},
		CPU: time.Minute, Wall: time.Minute, Account: s.account, Revision: authz.Revision{Lineage: "l", Number: 42},
	}
}

// insist submits until the back end says that it has the job, as a container
// does after any failure.
func (s *service) insist(ctx context.Context, j batch.Job) error {
	for {
		one, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := s.fork.Submit(one, j)
		cancel()
		if err == nil || ctx.Err() != nil || errors.Is(err, batch.ErrConflict) || errors.Is(err, batch.ErrRefused) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// ⚿ The launcher is killed with SIGKILL at random moments while jobs are
// submitted: none is lost, none runs twice. GATEHOUSE_SOAK=1 runs the full 300
// jobs and 20 kills.
func TestKilledLauncherLosesNothingAndRepeatsNothing(t *testing.T) {
	count, kills := 60, 6
	if os.Getenv("GATEHOUSE_SOAK") != "" {
		count, kills = 300, 20
	}
	s := newService(t)
	var jobs []batch.Job
	for range count {
		jobs = append(jobs, s.job())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var submitters sync.WaitGroup
	var submitted atomic.Int64
	next := make(chan batch.Job)
	for range 6 {
		submitters.Go(func() {
			for j := range next {
				if err := s.insist(ctx, j); err != nil {
					t.Error(err)
				}
				submitted.Add(1)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, j := range jobs {
			next <- j
		}
		close(next)
		submitters.Wait()
	}()
	for k := range kills {
		// Somewhere in each part of the jobs, wherever the launcher is just then.
		for submitted.Load() < int64(count*k/kills) && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
		s.kill()
		s.up()
	}
	<-done
	s.kill()
	s.up()
	for _, j := range jobs {
		s.checkRanOnce(ctx, j)
	}
}

func (s *service) checkRanOnce(ctx context.Context, j batch.Job) {
	s.t.Helper()
	var st batch.Status
	require.Eventually(s.t, func() bool {
		var err error
		st, err = s.fork.Status(ctx, j.ID)
		if err != nil {
			require.ErrorIs(s.t, err, batch.ErrAway) // it may still be starting
			return false
		}
		require.NotEqual(s.t, batch.Absent, st.State, "acknowledged, and lost")
		return st.State == batch.Ended
	}, 30*time.Second, 5*time.Millisecond)
	require.Equal(s.t, batch.Exit{Code: 5, Ended: st.Exit.Ended}, *st.Exit)
	text, err := os.ReadFile(filepath.Join(s.dir, "sandbox", j.ID[:2], j.ID, "ran"))
	require.NoError(s.t, err)
	require.Equal(s.t, "ran\n", string(text), "exactly one line: run once")
}

// A grant that a killed launcher used is used up for the next one.
func TestReplayAfterARestart(t *testing.T) {
	s := newService(t)
	client := launch.NewClient(filepath.Join(s.dir, "socket"), 10*time.Second)
	j := s.job()
	require.NoError(t, s.insist(t.Context(), j))
	o := launch.Order{Operation: launch.Signal, Job: j.ID, Signal: launch.Kill}
	grant, err := s.signer.Grant(t.Context(), launch.Wish{Order: o, Account: s.account})
	require.NoError(t, err)
	_, err = client.Do(t.Context(), grant, o)
	require.NoError(t, err)
	s.kill()
	s.up()
	require.Eventually(t, func() bool {
		_, err = client.Do(t.Context(), grant, o)
		return !errors.Is(err, launch.ErrAway)
	}, 10*time.Second, 10*time.Millisecond)
	require.ErrorIs(t, err, launch.ErrRefused)
	require.ErrorContains(t, err, "used before")
}

// ⚿ The kernel says who asks; only the listed are answered.
func TestPeers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("asks as other users: needs root")
	}
	s := newService(t, 61998)
	require.NoError(t, s.insist(t.Context(), s.job())) // it is up
	ask := func(uid uint32) string {
		cmd := &exec.Cmd{
			Path: "/proc/self/exe", Args: []string{"peer"}, Env: []string{asPeer + "=" + filepath.Join(s.dir, "socket")},
			SysProcAttr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}},
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err)
		return string(out)
	}
	require.Equal(t, "<nil>", ask(61998))
	require.Contains(t, ask(61999), launch.ErrAway.Error())
	require.Contains(t, s.said(), "uid 61999")
}

// With a single peer nobody else can even connect.
func TestSinglePeerOwnsTheSocket(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("gives a socket away: needs root")
	}
	path := filepath.Join(t.TempDir(), "socket")
	l, err := launch.Listen(path, []uint32{61998})
	require.NoError(t, err)
	defer l.Close()
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.Equal(t, uint32(61998), info.Sys().(*syscall.Stat_t).Uid)
}
