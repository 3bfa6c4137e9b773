package job_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/job"
)

// ⚿ Threats 107: nothing is started as an account on an answer that is too old.
func TestOldAnswersStartNothing(t *testing.T) {
	other := errors.New("the mapping is away")
	for name, c := range map[string]struct {
		confirm func(tries int, a authz.Account) (authz.Account, error)
		want    job.State
		why     string
	}{
		"goes on": {func(_ int, a authz.Account) (authz.Account, error) { return a, nil }, job.Done, ""},
		"nobody knows for a while": {func(tries int, a authz.Account) (authz.Account, error) {
			if tries < 3 {
				return a, other
			}
			return a, nil
		}, job.Done, ""},
		"is over": {func(_ int, a authz.Account) (authz.Account, error) {
			return a, fmt.Errorf("%w: the lease is over", job.ErrAccount)
		}, job.Cancelled, "the lease is over"},
		"became another": {func(_ int, a authz.Account) (authz.Account, error) {
			a.UID++
			return a, nil
		}, job.Cancelled, "not what it was"},
		"nobody to ask": {nil, job.Cancelled, "named too long ago"},
	} {
		t.Run(name, func(t *testing.T) {
			back := newCluster()
			var tries atomic.Int32
			p := live(t, stored(t), back, forever(), func(config *job.Config) {
				if c.confirm == nil {
					return
				}
				config.Confirm = func(_ context.Context, a authz.Account) (authz.Account, error) {
					a, err := c.confirm(int(tries.Add(1)), a)
					a.Expires = time.Now().Add(time.Minute)
					return a, err
				}
			})
			s := submission("ann", "")
			s.Granted.Account.Expires = time.Now().Add(-time.Second)
			j, err := p.Register(t.Context(), s)
			require.NoError(t, err)
			last := p.reach(t, j.ID, c.want)
			require.Equal(t, c.want == job.Done, back.started(j.ID) == 1)
			require.Contains(t, last.Exit.Why, c.why)
		})
	}
}

func TestAccountsInUse(t *testing.T) {
	back := newCluster()
	back.hold = true
	p := live(t, stored(t), back, forever())
	j, err := p.Register(t.Context(), submission("ann", ""))
	require.NoError(t, err)
	mine := j.Granted.Account.Name
	require.NotEmpty(t, mine)
	used, err := p.InUse(t.Context(), []string{"other", mine, "third"})
	require.NoError(t, err)
	require.Equal(t, []string{mine}, used)
	p.reach(t, j.ID, job.Running)
	back.set(func(c *cluster) { c.hold = false })
	p.reach(t, j.ID, job.Done)
	used, err = p.InUse(t.Context(), []string{mine})
	require.NoError(t, err)
	require.Equal(t, []string{mine}, used, "its sandbox is there until it is purged")
	require.NoError(t, p.Purge(t.Context(), j.ID))
	require.Eventually(t, func() bool {
		used, err := p.InUse(t.Context(), []string{mine})
		return err == nil && len(used) == 0
	}, 5*time.Second, 10*time.Millisecond)
}

// ⚿ A container that leases elsewhere keeps the leases of its jobs alive, and
// ends jobs whose account was taken back: somebody else may get it.
func TestRecall(t *testing.T) {
	back := newCluster()
	back.hold = true
	var asked atomic.Int32
	var answer atomic.Pointer[error]
	p := live(t, stored(t), back, forever(), func(config *job.Config) {
		config.Confirm = func(_ context.Context, a authz.Account) (authz.Account, error) {
			asked.Add(1)
			if err := answer.Load(); err != nil {
				return a, *err
			}
			return a, nil
		}
	})
	submit := func(lease string) job.Job {
		s := submission("ann", "")
		s.Granted.Account.Lease = lease
		j, err := p.Register(t.Context(), s)
		require.NoError(t, err)
		p.reach(t, j.ID, job.Running)
		return j
	}
	leased, again, named := submit("cms-1"), submit("cms-1"), submit("")
	require.NoError(t, p.Recall(t.Context()))
	require.EqualValues(t, 1, asked.Load(), "once for each lease, and not for other accounts")
	away := errors.New("the mapping is away")
	answer.Store(&away)
	require.ErrorIs(t, p.Recall(t.Context()), away)
	over := fmt.Errorf("%w: the lease is over", job.ErrAccount)
	answer.Store(&over)
	require.NoError(t, p.Recall(t.Context()))
	require.Contains(t, p.reach(t, leased.ID, job.Cancelled).Exit.Why, "the lease is over")
	p.reach(t, again.ID, job.Cancelled)
	now, err := p.Find(t.Context(), named.ID)
	require.NoError(t, err)
	require.Equal(t, job.Running, now.State, "nobody knowing is no reason, and neither is another lease")
}
