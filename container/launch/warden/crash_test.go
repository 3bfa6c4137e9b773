package warden_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// record reads a record of a job as a map.
func (s *site) record(job, name string) map[string]any {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.config.State, "jobs", job, name))
	require.NoError(s.t, err)
	var m map[string]any
	require.NoError(s.t, json.Unmarshal(text, &m))
	return m
}

func (s *site) setRecord(job, name string, m map[string]any) {
	s.t.Helper()
	text, err := json.Marshal(m)
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(filepath.Join(s.config.State, "jobs", job, name), text, 0o600))
}

func pid(m map[string]any, key string) int {
	return int(m[key].(map[string]any)["pid"].(float64))
}

// reopen is what a restart of the launcher finds: nothing but the disk.
func (s *site) reopen() {
	s.t.Helper()
	require.NoError(s.t, s.warden.Close())
	s.open()
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return unix.Kill(pid, 0) == unix.ESRCH }, 5*time.Second, time.Millisecond)
}

func TestStartIsIdempotent(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("once", `echo ran >> ran; sleep 0.2; exit 5`)
	o.Stdout, o.Stderr = "", "" // streams that exist would stop a second run too
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := s.run(alice, o)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.wait(o.Job)
	s.start(alice, o)
	s.reopen()
	require.Equal(t, 5, s.start(alice, o).Exit.Code)
	require.Equal(t, 5, s.wait(o.Job).Code)
	require.Equal(t, "ran\n", s.output(alice, o.Job, "ran"))

	other := o
	other.Args = []string{"once", "more"}
	_, err := s.run(alice, other)
	require.ErrorIs(t, err, launch.ErrConflict)
	if os.Geteuid() == 0 {
		_, err = s.run(bob, o)
		require.ErrorIs(t, err, launch.ErrConflict)
	}
}

func TestReap(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("once", `echo ran >> "$1"; sleep 0.1`, filepath.Join(t.TempDir(), "ran"))
	s.start(alice, o)
	require.ErrorIs(t, s.warden.Reap(t.Context(), o.Job), launch.ErrConflict, "it runs")
	s.wait(o.Job)
	require.NoError(t, s.warden.Reap(t.Context(), o.Job))
	require.NoError(t, s.warden.Reap(t.Context(), o.Job))
	s.reopen()
	st, err := s.warden.Status(t.Context(), o.Job)
	require.NoError(t, err)
	require.Equal(t, launch.Reaped, st.State)
	jobs, err := s.warden.Jobs(t.Context())
	require.NoError(t, err)
	require.Empty(t, jobs)
	_, err = s.run(alice, o)
	require.ErrorIs(t, err, launch.ErrConflict, "a reaped job is never run again")

	// Killed between the two steps of a reaping.
	again := s.script("again", "true")
	s.start(alice, again)
	s.wait(again.Job)
	require.NoError(t, os.WriteFile(filepath.Join(s.config.State, "reaped", again.Job), nil, 0o600))
	jobs, err = s.warden.Jobs(t.Context())
	require.NoError(t, err)
	require.Empty(t, jobs)
	require.NoError(t, s.warden.Reap(t.Context(), again.Job))
	require.NoDirExists(t, filepath.Join(s.config.State, "jobs", again.Job))
}

// The launcher died after the claim, before the supervisor.
func TestClaimedAndNotBegun(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	done := s.script("x", `echo ran >> ran`)
	s.start(alice, done)
	s.wait(done.Job)
	claim := s.record(done.Job, "claim")

	o := done
	o.Job = newID()
	claim["order"].(map[string]any)["job"] = o.Job
	require.NoError(t, os.Mkdir(filepath.Join(s.config.State, "jobs", o.Job), 0o700))
	s.setRecord(o.Job, "claim", claim)
	s.reopen()
	st, err := s.warden.Status(t.Context(), o.Job)
	require.NoError(t, err)
	require.Equal(t, launch.Claimed, st.State, "a restart starts nothing by itself: the grant may have expired")
	s.start(alice, o)
	require.Zero(t, s.wait(o.Job).Code)
	require.Equal(t, "ran\n", s.output(alice, o.Job, "ran"))
}

func TestCancelledBeforeItBegan(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("x", `echo ran >> "$HOME/ran"`)
	digest := o.Digest
	o.Digest = [32]byte{1}
	_, err := s.run(alice, o) // claims, does not begin
	require.ErrorIs(t, err, launch.ErrForbidden)
	s.settles(o.Job, launch.Claimed)
	r, err := s.run(alice, launch.Order{Operation: launch.Signal, Job: o.Job, Signal: launch.Terminate})
	require.NoError(t, err)
	require.Equal(t, launch.Ended, r.Status.State)
	require.Equal(t, launch.Cancelled, r.Status.Exit.Cause)
	_, err = s.run(alice, o)
	require.NoError(t, err)
	o.Digest = digest
	_, err = s.run(alice, o)
	require.ErrorIs(t, err, launch.ErrConflict)
	require.NoFileExists(t, s.home(o.Job)+"/ran")
}

func TestEmptyRecordsMeanNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("x", "true")
	require.NoError(t, os.Mkdir(filepath.Join(s.config.State, "jobs", o.Job), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(s.config.State, "jobs", o.Job, "claim.new"), []byte(`{"ord`), 0o600))
	s.reopen()
	_, err := s.warden.Status(t.Context(), o.Job)
	require.ErrorIs(t, err, launch.ErrNoJob)
	s.start(alice, o)
	require.Zero(t, s.wait(o.Job).Code)
}

func TestDamagedRecordIsAnErrorNotAnAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("x", "true")
	s.start(alice, o)
	s.wait(o.Job)
	whole := s.record(o.Job, "claim")
	require.NoError(t, os.WriteFile(filepath.Join(s.config.State, "jobs", o.Job, "claim"), nil, 0o600))
	_, err := s.warden.Status(t.Context(), o.Job)
	require.Error(t, err)
	require.NotErrorIs(t, err, launch.ErrNoJob)
	_, err = s.run(alice, o)
	require.Error(t, err, "nor is it run again")
	_, err = s.warden.Jobs(t.Context())
	require.ErrorContains(t, err, launch.Tag(o.Job), "a list without it would say that it is gone")
	s.reopen() // and the others are still served
	other := s.script("y", "exit 4")
	s.start(alice, other)
	require.Equal(t, 4, s.wait(other.Job).Code)
	s.setRecord(o.Job, "claim", whole)
}

// The supervisor is killed: its job is adopted, and its limits go on.
func TestKilledSupervisorIsReplaced(t *testing.T) {
	t.Parallel()
	accountings(t, func(t *testing.T, s *site) {
		o := s.script("x", `sleep 0.3; echo ran >> ran; sleep 20`)
		o.Limits.Wall = 2 * time.Second
		s.start(alice, o)
		require.NoError(t, unix.Kill(pid(s.record(o.Job, "begun"), "supervisor"), unix.SIGKILL))
		waitGone(t, pid(s.record(o.Job, "begun"), "supervisor"))
		st, err := s.warden.Status(t.Context(), o.Job)
		require.NoError(t, err)
		require.Equal(t, launch.Running, st.State)
		exit := s.wait(o.Job)
		require.Equal(t, launch.WallLimit, exit.Cause)
		require.Equal(t, "ran\n", s.output(alice, o.Job, "ran"))
		require.Empty(t, processesIn(t, s.home(o.Job)))
	})
}

func TestAdoptedJobCanBeCancelled(t *testing.T) {
	t.Parallel()
	accountings(t, func(t *testing.T, s *site) {
		o := s.script("x", `(trap '' TERM; setsid sleep 20) & sleep 20`)
		s.start(alice, o)
		time.Sleep(50 * time.Millisecond)
		b := s.record(o.Job, "begun")
		require.NoError(t, unix.Kill(pid(b, "supervisor"), unix.SIGKILL))
		waitGone(t, pid(b, "supervisor"))
		s.reopen()
		_, err := s.run(alice, launch.Order{Operation: launch.Signal, Job: o.Job, Signal: launch.Kill})
		require.NoError(t, err)
		require.Equal(t, launch.Cancelled, s.wait(o.Job).Cause)
		require.Empty(t, processesIn(t, s.home(o.Job)))
	})
}

// Supervisor and job are both gone: it was begun, so it is never begun again.
func TestLostJobIsLostNotRepeated(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("x", `echo ran >> ran; sleep 20`)
	s.start(alice, o)
	require.Eventually(t, func() bool { _, err := os.Stat(s.home(o.Job) + "/ran"); return err == nil }, 5*time.Second, time.Millisecond)
	b := s.record(o.Job, "begun")
	supervisor := pid(b, "supervisor")
	require.NoError(t, unix.Kill(supervisor, unix.SIGSTOP))
	require.Eventually(t, func() bool {
		left := processesIn(t, s.home(o.Job))
		for _, p := range left {
			n, err := strconv.Atoi(strings.Split(p, "/")[2])
			require.NoError(t, err)
			unix.Kill(n, unix.SIGKILL) // it may have gone by itself
		}
		return len(left) == 0
	}, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, unix.Kill(supervisor, unix.SIGKILL))
	waitGone(t, supervisor)
	exit := s.wait(o.Job)
	require.Equal(t, launch.Lost, exit.Cause)
	require.Equal(t, launch.Ended, s.start(alice, o).State)
	require.Equal(t, "ran\n", s.output(alice, o.Job, "ran"))
}

// The recorded numbers belong to somebody else by now: an innocent process is
// neither adopted nor signalled.
func TestRecycledNumbersAreLeftAlone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(b map[string]any){
		"same boot": func(b map[string]any) {
			b["job"].(map[string]any)["start"] = 1.0
			b["supervisor"].(map[string]any)["start"] = 1.0
		},
		"another boot": func(b map[string]any) { b["boot"] = "another" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, func(c *warden.Config) { c.Groups = warden.NoGroups })
			o := s.script("x", `sleep 20`)
			s.start(alice, o)
			innocent := s.script("innocent", `sleep 20`)
			s.start(alice, innocent)

			b, other := s.record(o.Job, "begun"), s.record(innocent.Job, "begun")
			_, err := s.run(alice, launch.Order{Operation: launch.Signal, Job: o.Job, Signal: launch.Kill})
			require.NoError(t, err)
			s.wait(o.Job)
			// As if the exit had not been written when the machine stopped.
			dir := filepath.Join(s.config.State, "jobs", o.Job)
			require.NoError(t, os.Remove(filepath.Join(dir, "exit")))
			b["job"].(map[string]any)["pid"] = float64(pid(other, "job"))
			b["supervisor"].(map[string]any)["pid"] = float64(pid(other, "supervisor"))
			if name == "another boot" {
				b["job"], b["supervisor"] = other["job"], other["supervisor"]
			}
			change(b)
			s.setRecord(o.Job, "begun", b)
			require.Eventually(t, func() bool {
				r, err := s.run(alice, launch.Order{Operation: launch.Signal, Job: o.Job, Signal: launch.Kill})
				return err == nil && r.Status.State == launch.Ended && r.Status.Exit.Cause == launch.Lost
			}, 5*time.Second, 10*time.Millisecond)
			st, err := s.warden.Status(t.Context(), innocent.Job)
			require.NoError(t, err)
			require.Equal(t, launch.Running, st.State)
		})
	}
}

func TestExpiredGrantIsCheckedAgainAtTheLastMoment(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("x", "true")
	_, err := s.warden.Run(t.Context(), launch.Grant{Operation: launch.Start, Job: o.Job, Account: alice, Expires: time.Now().Add(-time.Second)}, o)
	require.ErrorContains(t, err, "expired")
	s.settles(o.Job, launch.Claimed)
}

func TestOneWardenPerState(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	_, err := warden.Open(t.Context(), s.config)
	require.ErrorContains(t, err, "another launcher works there")
}

func TestUnreachableDirectoriesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	needRoot(t)
	s := newSite(t, nil)
	c := s.config
	c.State += "2"
	c.Sandboxes = filepath.Join(c.Sandboxes, "deep")
	require.NoError(t, os.Chmod(filepath.Dir(c.Sandboxes), 0o700))
	_, err := warden.Open(t.Context(), c)
	require.ErrorContains(t, err, "chmod o+x")
	require.NoError(t, os.Chmod(filepath.Dir(c.Sandboxes), 0o777))
	_, err = warden.Open(t.Context(), c)
	require.ErrorContains(t, err, "lets others write it")
	require.NoError(t, os.Chmod(filepath.Dir(c.Sandboxes), 0o711))
}

// The id of a job is a secret, and these are everybody's to read.
func TestIDIsNotShown(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	require.NoError(t, os.Chmod(s.config.Sandboxes, 0o755))
	s.reopen()
	o := s.script("x", "sleep 20")
	s.start(alice, o)
	b := s.record(o.Job, "begun")
	for _, p := range []int{pid(b, "job"), pid(b, "supervisor")} {
		for _, file := range []string{"cmdline", "cgroup", "comm", "status"} {
			text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p), file))
			require.NoError(t, err)
			require.NotContains(t, string(text), o.Job, file)
		}
	}
	for dir, mode := range map[string]os.FileMode{
		s.config.Sandboxes: 0o711, filepath.Dir(s.home(o.Job)): 0o711, s.home(o.Job): 0o700, s.config.State: 0o700,
	} {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), "others can list or enter it")
	}
}

// Somebody removes everything while a job runs: its supervisor still ends it
// at its limit, and then itself.
func TestSupervisorOutlivesNoRecords(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	o := s.script("x", "sleep 20")
	o.Limits.Wall = time.Second
	s.start(alice, o)
	b := s.record(o.Job, "begun")
	require.NoError(t, os.RemoveAll(filepath.Join(s.config.State, "jobs", o.Job)))
	waitGone(t, pid(b, "job"))
	waitGone(t, pid(b, "supervisor"))
}

// Supervisors and stages are killed at random moments, the first milliseconds
// above all: no job runs twice, and none is said to have ended well that did
// not run.
func TestKilledAnywhereNeverRunsTwice(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	tally := t.TempDir()
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chmod(filepath.Dir(tally), 0o755))
		require.NoError(t, os.Chmod(tally, 0o777))
	}
	jobs := 20
	lost, again := 0, 0
	for i := range jobs {
		o := s.script("x"+strconv.Itoa(i), `echo ran >> "$1"; sleep 0.02; exit 5`, filepath.Join(tally, strconv.Itoa(i)))
		o.Stdout, o.Stderr = "", ""
		stop := make(chan struct{})
		var killer sync.WaitGroup
		killer.Go(func() {
			time.Sleep(time.Duration(rand.IntN(25000)) * time.Microsecond)
			select {
			case <-stop:
			default:
				killOne(launch.Tag(o.Job))
			}
		})
		_, err := s.run(alice, o)
		killer.Wait()
		close(stop)
		for err != nil || s.state(o.Job) == launch.Claimed {
			again++
			_, err = s.run(alice, o)
		}
		exit := s.wait(o.Job)
		text, err := os.ReadFile(filepath.Join(tally, strconv.Itoa(i)))
		switch {
		case exit.Cause == launch.Lost || exit.Cause == launch.StartFailed || exit.Signal == "SIGKILL":
			lost++
			require.Contains(t, []string{"", "ran\n"}, string(text), "at most once")
		default:
			require.Equal(t, 5, exit.Code)
			require.NoError(t, err)
			require.Equal(t, "ran\n", string(text), "exactly once")
		}
	}
	t.Logf("%d jobs: %d starts repeated, %d ended by the killing", jobs, again, lost)
	require.NotZero(t, again+lost, "nothing was ever killed in time")
}

func (s *site) state(job string) launch.State {
	s.t.Helper()
	st, err := s.warden.Status(s.t.Context(), job)
	require.NoError(s.t, err)
	return st.State
}

// killOne kills one process that is called after the job: its supervisor or
// its stage.
func killOne(tag string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	rand.Shuffle(len(dirs), func(i, j int) { dirs[i], dirs[j] = dirs[j], dirs[i] })
	for _, dir := range dirs {
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if strings.HasPrefix(string(line), "gatehouse-") && strings.Contains(string(line), "\x00"+tag+"\x00") {
			if n, err := strconv.Atoi(filepath.Base(dir)); err == nil {
				unix.Kill(n, unix.SIGKILL)
			}
			return
		}
	}
}
