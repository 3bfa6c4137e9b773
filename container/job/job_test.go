package job_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/batch"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
)

func forever() *fuse { return &fuse{steps: -1} }

// TestKilledAtEveryStep kills the process before and after each of its writes
// and calls, starts another on what is left, and looks whether every job that
// was acknowledged came to its end, having been started once.
func TestKilledAtEveryStep(t *testing.T) {
	for _, after := range []bool{false, true} {
		steps := 1
		for ; ; steps++ {
			f := &fuse{steps: steps, after: after}
			if !t.Run(fmt.Sprintf("step %d after %v", steps, after), func(t *testing.T) { killedAt(t, f) }) {
				return
			}
			if !f.dead() {
				break // the process came to its end before that step
			}
			if testing.Short() {
				steps += 4
			}
		}
		require.Greater(t, steps, 15, "the walk has that many steps at least")
	}
}

func killedAt(t *testing.T, f *fuse) {
	path, c := stored(t), newCluster()
	c.hold = true
	first := live(t, path, c, f)
	var acknowledged []string
	cancelled := map[string]bool{}
	purged := ""
	for i := range 3 {
		j, err := first.Register(t.Context(), submission("ann", fmt.Sprint("key", i)))
		if err == nil {
			acknowledged = append(acknowledged, j.ID)
		}
	}
	if len(acknowledged) == 3 {
		_, err := first.Cancel(t.Context(), acknowledged[1], job.Cancellation{By: "test", Why: "test"})
		cancelled[acknowledged[1]] = err == nil
		waitFor(f, func() bool { j, _ := first.Find(t.Context(), acknowledged[0]); return j.State == job.Running })
		c.set(func(c *cluster) { c.hold = false })
		waitFor(f, func() bool { j, _ := first.Find(t.Context(), acknowledged[0]); return j.State.Final() })
		if first.Purge(t.Context(), acknowledged[0]) == nil {
			purged = acknowledged[0]
		}
	}
	waitFor(f, func() bool { jobs, err := first.Pending(t.Context()); return err == nil && len(jobs) == 0 })
	first.end()
	c.set(func(c *cluster) { c.hold = false })

	second := live(t, path, c, forever())
	for _, id := range acknowledged {
		if id == purged {
			_, err := second.Find(t.Context(), id)
			require.ErrorIs(t, err, job.ErrUnknown)
			continue
		}
		require.Eventually(t, func() bool {
			j, err := second.Find(t.Context(), id)
			if id == acknowledged[0] && errors.Is(err, job.ErrUnknown) {
				return true // the purge took effect, its answer was lost
			}
			require.NoError(t, err)
			return j.State.Final()
		}, 5*time.Second, time.Millisecond, "lost")
		if j, err := second.Find(t.Context(), id); err == nil && cancelled[id] {
			require.Equal(t, job.Cancelled, j.State)
		} else if err == nil && j.Cancel == nil {
			require.Equal(t, job.Done, j.State)
		}
	}
	c.set(func(c *cluster) {
		for id, n := range c.starts {
			require.Equal(t, 1, n, "job %s ran twice", id)
		}
		for _, id := range acknowledged {
			require.True(t, cancelled[id] || id == acknowledged[min(1, len(acknowledged)-1)] || c.starts[id] == 1, "acknowledged and never run")
		}
	})
	// A retry of what may or may not have been acknowledged is the same job.
	for i, id := range acknowledged {
		if i == 0 {
			continue // may be purged
		}
		j, err := second.Register(t.Context(), submission("ann", fmt.Sprint("key", i)))
		require.NoError(t, err)
		require.Equal(t, id, j.ID)
	}
}

func waitFor(f *fuse, done func() bool) {
	for end := time.Now().Add(5 * time.Second); !f.dead() && !done() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

func TestNoAnswerIsNoState(t *testing.T) {
	c := newCluster()
	c.hold = true
	p := live(t, stored(t), c, forever())
	j, err := p.Register(t.Context(), submission("ann", ""))
	require.NoError(t, err)
	p.reach(t, j.ID, job.Running)
	for _, away := range []error{batch.ErrAway, errors.New("squeue: error: Unable to contact slurm controller"), context.DeadlineExceeded} {
		c.set(func(c *cluster) { c.away = away })
		time.Sleep(20 * time.Millisecond)
		now, err := p.Find(t.Context(), j.ID)
		require.NoError(t, err)
		require.Equal(t, job.Running, now.State)
	}
	late, err := p.Register(t.Context(), submission("ann", ""))
	require.NoError(t, err, "what cannot be started now is taken all the same")
	c.set(func(c *cluster) { c.away, c.hold = nil, false })
	p.reach(t, j.ID, job.Done)
	p.reach(t, late.ID, job.Done)
	require.Equal(t, 1, c.started(j.ID))
}

func TestLostByTheBackEndIsNotRunAgain(t *testing.T) {
	c := newCluster()
	c.hold = true
	p := live(t, stored(t), c, forever())
	j, err := p.Register(t.Context(), submission("ann", ""))
	require.NoError(t, err)
	p.reach(t, j.ID, job.Running)
	c.set(func(c *cluster) { delete(c.jobs, j.ID) })
	last := p.reach(t, j.ID, job.Failed)
	require.Contains(t, last.Exit.Why, "not run again")
	require.Equal(t, 1, c.started(j.ID))
}

func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		exit batch.Exit
		want job.State
		why  string
	}{
		"done":    {batch.Exit{}, job.Done, ""},
		"status":  {batch.Exit{Code: 3}, job.Failed, ""},
		"signal":  {batch.Exit{Code: -1, Signal: "SIGSEGV"}, job.Failed, ""},
		"cpu":     {batch.Exit{Code: -1, Signal: "SIGKILL", Cause: batch.CPULimit}, job.Stopped, "CPU time"},
		"wall":    {batch.Exit{Code: -1, Cause: batch.WallLimit}, job.Stopped, "longer"},
		"start":   {batch.Exit{Code: -1, Cause: batch.StartFailed, Error: "no interpreter"}, job.Failed, "no interpreter"},
		"lost":    {batch.Exit{Code: -1, Cause: batch.Lost}, job.Failed, "not run again"},
		"foreign": {batch.Exit{Code: -1, Cause: batch.Cancelled}, job.Cancelled, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := newCluster()
			cluster.exit = c.exit
			p := live(t, stored(t), cluster, forever())
			j, err := p.Register(t.Context(), submission("ann", ""))
			require.NoError(t, err)
			last := p.reach(t, j.ID, c.want)
			require.Equal(t, c.exit.Code, last.Exit.Code)
			require.Equal(t, c.exit.Signal, last.Exit.Signal)
			require.Contains(t, last.Exit.Why, c.why)
			require.Equal(t, time.Second, last.CPU)
			require.False(t, last.Started.IsZero() || last.Ended.IsZero())
			require.Equal(t, uint64(7), last.Granted.Revision.Number)
		})
	}
}

func TestRefusedByTheBackEnd(t *testing.T) {
	c := newCluster()
	c.away = fmt.Errorf("%w: no such account", batch.ErrRefused)
	p := live(t, stored(t), c, forever())
	j, err := p.Register(t.Context(), submission("ann", ""))
	require.NoError(t, err)
	require.Contains(t, p.reach(t, j.ID, job.Failed).Exit.Why, "no such account")
}

// TestCancelWaitsForDoubtfulSubmission: a submission that nobody answered may
// still start the job after the back end denied knowing it.
func TestCancelWaitsForDoubtfulSubmission(t *testing.T) {
	c := newCluster()
	c.away, c.hold = batch.ErrAway, true
	p := live(t, stored(t), c, forever(), func(c *job.Config) { c.Settle = 300 * time.Millisecond })
	j, err := p.Register(t.Context(), submission("ann", ""))
	require.NoError(t, err)
	time.Sleep(20 * time.Millisecond) // some tries
	_, err = p.Cancel(t.Context(), j.ID, job.Cancellation{By: "test", Why: "test"})
	require.NoError(t, err)
	c.set(func(c *cluster) { c.away = nil })
	time.Sleep(100 * time.Millisecond)
	now, err := p.Find(t.Context(), j.ID)
	require.NoError(t, err)
	require.False(t, now.State.Final())
	c.set(func(c *cluster) { // the late submission arrives
		c.jobs[j.ID] = &batch.Status{ID: j.ID, State: batch.Running}
		c.starts[j.ID]++
	})
	p.reach(t, j.ID, job.Cancelled)
	require.Equal(t, batch.Cancelled, c.jobs[j.ID].Exit.Cause, "and is ended there")
}

func TestOwnersAndLists(t *testing.T) {
	p := live(t, stored(t), newCluster(), forever())
	var mine []string
	for _, owner := range []string{"ann", "bob", "ann", "", "ann2"} {
		j, err := p.Register(t.Context(), submission(owner, ""))
		require.NoError(t, err)
		require.Regexp(t, "^[0-9a-f]{32}$", j.ID)
		if owner == "ann" {
			mine = append(mine, j.ID)
		}
		p.reach(t, j.ID, job.Done)
	}
	ann := job.Owner{Key: "ann"}
	jobs, err := p.List(t.Context(), ann, "", 10)
	require.NoError(t, err)
	require.ElementsMatch(t, mine, ids(jobs))
	one, err := p.List(t.Context(), ann, "", 1)
	require.NoError(t, err)
	two, err := p.List(t.Context(), ann, one[0].ID, 1)
	require.NoError(t, err)
	require.ElementsMatch(t, mine, append(ids(one), ids(two)...))
	none, err := p.List(t.Context(), job.Owner{}, "", 10)
	require.NoError(t, err)
	require.Empty(t, none)
	require.NoError(t, p.Purge(t.Context(), mine[0]))
	jobs, err = p.List(t.Context(), ann, "", 10)
	require.NoError(t, err)
	require.Equal(t, mine[1:], ids(jobs))

	require.True(t, job.Owner{}.Owns(job.Owner{}))
	require.True(t, ann.Owns(job.Owner{}), "naming the id is owning it")
	require.False(t, job.Owner{}.Owns(ann))
	require.False(t, job.Owner{Key: "bob"}.Owns(ann))
}

func ids(jobs []job.Job) (list []string) {
	for _, j := range jobs {
		list = append(list, j.ID)
	}
	return list
}

func TestRequestKeys(t *testing.T) {
	p := live(t, stored(t), newCluster(), forever())
	ann, err := p.Register(t.Context(), submission("ann", "k"))
	require.NoError(t, err)
	again, err := p.Register(t.Context(), submission("ann", "k"))
	require.NoError(t, err)
	require.Equal(t, ann.ID, again.ID)
	bob, err := p.Register(t.Context(), submission("bob", "k"))
	require.NoError(t, err)
	require.NotEqual(t, ann.ID, bob.ID, "a key is the owner's own")
	other := submission("ann", "k")
	other.Arguments = []string{"2"}
	_, err = p.Register(t.Context(), other)
	require.ErrorIs(t, err, job.ErrKey)

	_, err = p.Register(t.Context(), submission("", "guessable"))
	require.ErrorIs(t, err, job.ErrKey, "it would lead to somebody else's secret")
	first, err := p.Register(t.Context(), submission("", strings.Repeat("r", 32)))
	require.NoError(t, err)
	second, err := p.Register(t.Context(), submission("", strings.Repeat("r", 32)))
	require.NoError(t, err)
	require.Equal(t, first.ID, second.ID)
	p.reach(t, ann.ID, job.Done)
	require.NoError(t, p.Purge(t.Context(), ann.ID))
	require.Eventually(t, func() bool {
		fresh, err := p.Register(t.Context(), submission("ann", "k"))
		return err == nil && fresh.ID != ann.ID
	}, time.Second, time.Millisecond, "a purged job frees its key")
}

func TestStatesAllow(t *testing.T) {
	c := newCluster()
	c.hold = true
	p := live(t, stored(t), c, forever())
	j, err := p.Register(t.Context(), submission("ann", ""))
	require.NoError(t, err)
	require.ErrorIs(t, p.Purge(t.Context(), j.ID), job.ErrState)
	p.reach(t, j.ID, job.Running)
	for range 2 {
		_, err = p.Cancel(t.Context(), j.ID, job.Cancellation{By: "test", Why: "because"})
		require.True(t, err == nil || errors.Is(err, job.ErrState))
	}
	last := p.reach(t, j.ID, job.Cancelled)
	require.Equal(t, "because", last.Exit.Why)
	_, err = p.Cancel(t.Context(), j.ID, job.Cancellation{})
	require.ErrorIs(t, err, job.ErrState)
	require.NoError(t, p.Purge(t.Context(), j.ID))
	for _, err := range []error{p.Purge(t.Context(), j.ID), p.Purge(t.Context(), "x"), errOf(p.Find(t.Context(), j.ID)), errOf(p.Find(t.Context(), "../x"))} {
		require.ErrorIs(t, err, job.ErrUnknown)
	}
	require.Eventually(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.reaped[j.ID]
	}, time.Second, time.Millisecond)
}

func errOf(_ job.Job, err error) error { return err }

func TestFull(t *testing.T) {
	c := newCluster()
	c.hold = true
	p := live(t, stored(t), c, forever(), func(c *job.Config) { c.Active = 2 })
	for range 2 {
		_, err := p.Register(t.Context(), submission("ann", ""))
		require.NoError(t, err)
	}
	_, err := p.Register(t.Context(), submission("ann", ""))
	require.ErrorIs(t, err, job.ErrFull)
}

func TestRetention(t *testing.T) {
	p := live(t, stored(t), newCluster(), forever(), func(c *job.Config) { c.Retention = 50 * time.Millisecond })
	j, err := p.Register(t.Context(), submission("ann", ""))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := p.Find(t.Context(), j.ID)
		return errors.Is(err, job.ErrUnknown)
	}, 4*time.Second, 10*time.Millisecond)
}

// silent is an audit log that is full.
type silent struct{}

func (silent) Record(context.Context, authz.Record) error { return errors.New("no space left") }

func TestNothingIsRegisteredWithoutTrace(t *testing.T) {
	p := live(t, stored(t), newCluster(), forever(), func(c *job.Config) { c.Recorder = silent{} })
	_, err := p.Register(t.Context(), submission("ann", ""))
	require.ErrorContains(t, err, "no space left")
	jobs, err := p.Pending(t.Context())
	require.NoError(t, err)
	require.Empty(t, jobs)
}

func TestFreezeKeepsWhatDecides(t *testing.T) {
	dn, err := authz.ParseDN("/DC=test/O=a, b+c\\/d/CN=Ann \"x\" O'Neil")
	require.NoError(t, err)
	before := []authz.Attribute{
		{Category: authz.Subject, ID: "s", Issuer: "i", Standing: authz.Verified, Values: []authz.Value{authz.DNValue(dn), authz.StringValue("x")}},
		{Category: authz.Environment, ID: "e", Values: []authz.Value{authz.BigIntegerValue(big.NewInt(7)), authz.BooleanValue(true)}},
	}
	after, err := job.Thaw(job.Freeze(before))
	require.NoError(t, err)
	flat := func(list []authz.Attribute) (all []string) {
		for _, a := range list {
			for _, v := range a.Values {
				all = append(all, fmt.Sprintf("%s %s %s %d %s %s", a.Category, a.ID, a.Issuer, a.Standing, v.Type(), v.Key()))
			}
		}
		return all
	}
	require.Equal(t, flat(before), flat(after))
	_, err = job.Thaw([]job.Attribute{{Type: authz.Integer, Texts: []string{"x"}}})
	require.Error(t, err)
}

// heavy is Files of a sandbox that is full.
type heavy struct{ nothing }

func (heavy) List(context.Context, sandbox.Session, string) ([]sandbox.Entry, bool, error) {
	return []sandbox.Entry{{Name: "core", Size: 1 << 40}}, false, nil
}

func TestQuotaStopsTheJob(t *testing.T) {
	c := newCluster()
	c.hold = true
	p := live(t, stored(t), c, forever(), func(c *job.Config) { c.Files = heavy{c.Files.(nothing)} })
	j, err := p.Register(t.Context(), submission("ann", ""))
	require.NoError(t, err)
	last := p.reach(t, j.ID, job.Stopped)
	require.Contains(t, last.Exit.Why, "more than 10737418240 bytes")
}

// TestCancelOvertakes: a ban does not wait until a thousand jobs have been
// looked at.
func TestCancelOvertakes(t *testing.T) {
	c := newCluster()
	c.hold = true
	slow := func(c *job.Config) {
		c.Parallel, c.Active, c.Store = 1, 1000, mem.New()
		c.Submitter = tired{c.Submitter}
	}
	p := live(t, stored(t), c, forever(), slow)
	var last job.Job
	for range 200 {
		var err error
		last, err = p.Register(t.Context(), submission("ann", ""))
		require.NoError(t, err)
	}
	_, err := p.Cancel(t.Context(), last.ID, job.Cancellation{By: "test"})
	require.NoError(t, err)
	p.reach(t, last.ID, job.Cancelled)
	require.Zero(t, c.started(last.ID), "it was cancelled before it came to be handed over")
	c.set(func(c *cluster) { require.Less(t, len(c.starts), 100, "others waited") })
}

// tired is a back end that takes its time.
type tired struct{ batch.Submitter }

func (s tired) Status(ctx context.Context, id string) (batch.Status, error) {
	time.Sleep(5 * time.Millisecond)
	return s.Submitter.Status(ctx, id)
}
