// Package batchtest is the suite that every batch.Submitter passes.
package batchtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/batch"
	"github.com/stretchr/testify/require"
)

// Site is a back end under test.
type Site struct {
	Submitter batch.Submitter
	// Job returns a job, under a fresh id, that runs a script with /bin/sh in
	// its sandbox. Its limits are generous.
	Job func(t *testing.T, script string) batch.Job
	// File returns the content of a file in a job's sandbox, "" if there is none.
	File func(t *testing.T, j batch.Job, name string) string
	// Away is a Submitter whose back end does not answer.
	Away batch.Submitter
	// Wait is how long the back end may take to notice what a job does.
	Wait time.Duration
}

// NewID returns a fresh job id.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Run runs the suite. open makes a Site for one test.
func Run(t *testing.T, open func(t *testing.T) Site) {
	tests := map[string]func(t *testing.T, s Site){
		"absent is an answer":         absent,
		"no answer is an error":       noAnswer,
		"a job runs and ends":         runs,
		"a failing job":               fails,
		"submitting twice runs once":  once,
		"an id stands for one job":    conflict,
		"a malformed job is refused":  malformed,
		"cancel":                      cancel,
		"the CPU limit is the job's":  cpuLimit,
		"the wall limit":              wallLimit,
		"list":                        list,
		"a reaped job stays used up":  reap,
		"a dead context is an error":  deadContext,
		"arguments are never a shell": arguments,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func (s Site) wait(t *testing.T, j batch.Job) batch.Exit {
	t.Helper()
	var st batch.Status
	require.Eventually(t, func() bool {
		var err error
		st, err = s.Submitter.Status(t.Context(), j.ID)
		require.NoError(t, err)
		require.Equal(t, j.ID, st.ID)
		require.NotEqual(t, batch.Absent, st.State, "a submitted job is never absent")
		require.NotEmpty(t, st.State)
		require.Equal(t, st.State == batch.Ended, st.Exit != nil)
		return st.State == batch.Ended
	}, s.Wait, 10*time.Millisecond)
	return *st.Exit
}

func (s Site) submit(t *testing.T, script string) batch.Job {
	t.Helper()
	j := s.Job(t, script)
	require.NoError(t, s.Submitter.Submit(t.Context(), j))
	return j
}

// until waits for a file of a job.
func (s Site) until(t *testing.T, j batch.Job, name string) {
	t.Helper()
	require.Eventually(t, func() bool { return s.File(t, j, name) != "" }, s.Wait, 10*time.Millisecond)
}

func absent(t *testing.T, s Site) {
	id := NewID()
	st, err := s.Submitter.Status(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, batch.Status{ID: id, State: batch.Absent}, st)
	require.NoError(t, s.Submitter.Reap(t.Context(), id))
	j := s.Job(t, "true")
	require.ErrorIs(t, s.Submitter.Cancel(t.Context(), j), batch.ErrNoJob)
}

func noAnswer(t *testing.T, s Site) {
	j := s.Job(t, "true")
	st, err := s.Away.Status(t.Context(), j.ID)
	require.ErrorIs(t, err, batch.ErrAway)
	require.Zero(t, st, "no answer must not look like a state")
	require.ErrorIs(t, s.Away.Submit(t.Context(), j), batch.ErrAway)
	require.ErrorIs(t, s.Away.Cancel(t.Context(), j), batch.ErrAway)
	require.ErrorIs(t, s.Away.Reap(t.Context(), j.ID), batch.ErrAway)
	jobs, err := s.Away.List(t.Context())
	require.ErrorIs(t, err, batch.ErrAway)
	require.Nil(t, jobs)
}

func runs(t *testing.T, s Site) {
	j := s.submit(t, "echo hello > f; exit 0")
	exit := s.wait(t, j)
	require.Zero(t, exit.Code)
	require.Empty(t, exit.Cause)
	require.WithinDuration(t, time.Now(), exit.Ended, time.Minute)
	require.Equal(t, "hello\n", s.File(t, j, "f"))
	require.NoError(t, s.Submitter.Cancel(t.Context(), j), "cancelling an ended job is no error")
	require.Empty(t, s.wait(t, j).Cause, "and changes nothing")
}

func fails(t *testing.T, s Site) {
	require.Equal(t, 7, s.wait(t, s.submit(t, "exit 7")).Code)
	exit := s.wait(t, s.submit(t, "kill -SEGV $$"))
	require.Equal(t, -1, exit.Code)
	require.Equal(t, "SIGSEGV", exit.Signal)
}

func once(t *testing.T, s Site) {
	j := s.Job(t, "echo ran >> f; sleep 0.3")
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if err := s.Submitter.Submit(t.Context(), j); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.wait(t, j)
	require.NoError(t, s.Submitter.Submit(t.Context(), j))
	require.Equal(t, batch.Ended, s.state(t, j))
	require.Equal(t, "ran\n", s.File(t, j, "f"))
}

func (s Site) state(t *testing.T, j batch.Job) batch.State {
	t.Helper()
	st, err := s.Submitter.Status(t.Context(), j.ID)
	require.NoError(t, err)
	return st.State
}

func conflict(t *testing.T, s Site) {
	j := s.submit(t, "true")
	other := j
	other.Args = append([]string{}, append(j.Args, "more")...)
	require.ErrorIs(t, s.Submitter.Submit(t.Context(), other), batch.ErrConflict)
	s.wait(t, j)
	require.ErrorIs(t, s.Submitter.Submit(t.Context(), other), batch.ErrConflict)
}

func malformed(t *testing.T, s Site) {
	for name, spoil := range map[string]func(*batch.Job){
		"id":          func(j *batch.Job) { j.ID = "../" + j.ID[3:] },
		"no argument": func(j *batch.Job) { j.Args = nil },
		"no limit":    func(j *batch.Job) { j.CPU = 0 },
		"preload":     func(j *batch.Job) { j.Env = []string{"LD_PRELOAD=/tmp/x.so"} },
		"stdout":      func(j *batch.Job) { j.Stdout = "../x" },
	} {
		j := s.Job(t, "true")
		spoil(&j)
		require.ErrorIs(t, s.Submitter.Submit(t.Context(), j), batch.ErrRefused, name)
	}
	j := s.Job(t, "true")
	j.Digest[0] ^= 1
	require.ErrorIs(t, s.Submitter.Submit(t.Context(), j), batch.ErrRefused, "not the approved executable")
	require.NotEqual(t, batch.Running, s.state(t, j))
}

func cancel(t *testing.T, s Site) {
	j := s.submit(t, "echo up > up; sleep 60")
	s.until(t, j, "up")
	require.Equal(t, batch.Running, s.state(t, j))
	require.NoError(t, s.Submitter.Cancel(t.Context(), j))
	require.Equal(t, batch.Cancelled, s.wait(t, j).Cause)
	require.NoError(t, s.Submitter.Cancel(t.Context(), j))
}

func cpuLimit(t *testing.T, s Site) {
	j := s.Job(t, "for i in 1 2; do sh -c 'while :; do :; done' & done; wait")
	j.CPU = time.Second
	require.NoError(t, s.Submitter.Submit(t.Context(), j))
	require.Equal(t, batch.CPULimit, s.wait(t, j).Cause)
}

func wallLimit(t *testing.T, s Site) {
	j := s.Job(t, "sleep 600")
	j.Wall = time.Second
	require.NoError(t, s.Submitter.Submit(t.Context(), j))
	require.Equal(t, batch.WallLimit, s.wait(t, j).Cause)
}

func list(t *testing.T, s Site) {
	a, b := s.submit(t, "true"), s.submit(t, "sleep 60")
	s.wait(t, a)
	jobs, err := s.Submitter.List(t.Context())
	require.NoError(t, err)
	states := make(map[string]batch.State)
	for _, j := range jobs {
		states[j.ID] = j.State
	}
	require.Equal(t, map[string]batch.State{a.ID: batch.Ended, b.ID: batch.Running}, states)
	require.NoError(t, s.Submitter.Cancel(t.Context(), b))
	s.wait(t, b)
}

func reap(t *testing.T, s Site) {
	j := s.submit(t, "echo up > up; while [ ! -e go ]; do sleep 0.05; done")
	require.ErrorIs(t, s.Submitter.Reap(t.Context(), j.ID), batch.ErrConflict, "it has not ended")
	require.NoError(t, s.Submitter.Cancel(t.Context(), j))
	s.wait(t, j)
	require.NoError(t, s.Submitter.Reap(t.Context(), j.ID))
	require.NoError(t, s.Submitter.Reap(t.Context(), j.ID))
	require.Equal(t, batch.Absent, s.state(t, j))
	require.ErrorIs(t, s.Submitter.Submit(t.Context(), j), batch.ErrConflict, "never run a second time")
}

func deadContext(t *testing.T, s Site) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j := s.Job(t, "echo ran >> f")
	err := s.Submitter.Submit(ctx, j)
	if err == nil { // it may have been quicker
		s.wait(t, j)
	}
	require.NoError(t, s.Submitter.Submit(t.Context(), j), "after an error, submit the same job again")
	s.wait(t, j)
	require.Equal(t, "ran\n", s.File(t, j, "f"))
}

func arguments(t *testing.T, s Site) {
	j := s.Job(t, `printf '%s\n' "$@" > f`)
	odd := []string{"a b", "$(id)", "; rm -rf /", `'"\`, "*", "-n", "two\nlines", "ünï"}
	j.Args = append(j.Args, odd...)
	require.NoError(t, s.Submitter.Submit(t.Context(), j))
	s.wait(t, j)
	require.Equal(t, strings.Join(odd, "\n")+"\n", s.File(t, j, "f"))
}
