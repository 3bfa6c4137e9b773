package container

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/job"
)

// Watch judges the jobs that are not done again, after each change of the
// policies and, because rules begin and end with time, now and then. It returns
// nil when ctx is done.
func (c *Container) Watch(ctx context.Context) error {
	changes := make(chan struct{}, 1)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		c.follow(ctx, changes)
	}()
	tick := time.NewTicker(c.config.Judge)
	defer tick.Stop()
	for {
		if err := c.Rejudge(ctx); err != nil && ctx.Err() == nil {
			c.config.Log.Error("jobs cannot be judged again", "error", err)
		}
		select {
		case <-ctx.Done():
			<-stopped
			return nil
		case <-changes:
		case <-tick.C:
		}
	}
}

// follow sends on changes whenever the Decider says that answers may differ.
func (c *Container) follow(ctx context.Context, changes chan<- struct{}) {
	watcher, ok := c.config.Decider.(authz.Watcher)
	var at authz.Revision
	for ok && ctx.Err() == nil {
		next, err := watcher.Changed(ctx, at)
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		at = next
		// Before the jobs are enumerated: see catchUp.
		c.mu.Lock()
		c.seen = next
		c.mu.Unlock()
		select {
		case changes <- struct{}{}:
		default:
		}
	}
}

// Rejudge asks about every job that is not done, and cancels those whose owner
// is refused now.
func (c *Container) Rejudge(ctx context.Context) error {
	jobs, err := c.config.Jobs.Pending(ctx)
	if err != nil {
		return err
	}
	doubts := doubts{since: make(map[string]time.Time)}
	var group errgroup.Group
	group.SetLimit(parallel)
	for i := range jobs {
		if j := &jobs[i]; j.Cancel == nil {
			group.Go(func() error {
				c.rejudge(ctx, j, &doubts)
				return nil
			})
		}
	}
	_ = group.Wait() // rejudge reports for itself
	c.mu.Lock()
	c.doubted = doubts.since
	c.mu.Unlock()
	return nil
}

// catchUp judges a job that was just registered, if the policies have changed
// since it was permitted: the jobs may have been judged again without it.
// Either they were enumerated after it was registered, or seen is newer than
// its decision by now.
func (c *Container) catchUp(ctx context.Context, j *job.Job) {
	c.mu.Lock()
	seen, decided := c.seen, j.Granted.Revision
	c.mu.Unlock()
	if seen == (authz.Revision{}) || seen.Lineage == decided.Lineage && seen.Number <= decided.Number {
		return
	}
	// The client may be gone; its job is not.
	c.rejudge(context.WithoutCancel(ctx), j, &doubts{since: map[string]time.Time{}})
}

// parallel is how many jobs are judged at once: cancellations that arrive
// together share one write to the disk.
const parallel = 32

// doubts are the jobs to which no rule applies now, and since when.
type doubts struct {
	mu    sync.Mutex
	since map[string]time.Time
}

func (d *doubts) keep(id string, since time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since[id] = since
}

func (c *Container) rejudge(ctx context.Context, j *job.Job, doubts *doubts) {
	response, err := c.judgement(ctx, j)
	if err != nil {
		// No answer is none: a decision point that is down must not be a way
		// to end everybody's jobs.
		c.config.Log.Warn("job not judged again", "job", j.Tag(), "error", err)
		return
	}
	switch response.Decision {
	case authz.Deny:
	case authz.NotApplicable:
		if since := c.doubtedSince(j.ID); c.config.Now().Sub(since) < c.config.Grace {
			doubts.keep(j.ID, since)
			return
		}
	default:
		return
	}
	why := "cancelled: the policies no longer let its owner run it"
	if r := response.Reason; r != nil && r.Because != "" {
		why += ": " + r.Because
	}
	_, err = c.config.Jobs.Cancel(ctx, j.ID, job.Cancellation{By: "policy", Why: why})
	if errors.Is(err, job.ErrState) {
		return // it has ended meanwhile
	}
	if err != nil {
		c.config.Log.Error("job not cancelled", "job", j.Tag(), "error", err)
		return
	}
	c.recordCancel(ctx, j, response)
}

// judgement asks the question of the submission again.
func (c *Container) judgement(ctx context.Context, j *job.Job) (authz.Response, error) {
	attributes, err := job.Thaw(j.Asked)
	if err != nil {
		return authz.Response{}, err
	}
	return c.config.Decider.Decide(ctx, &authz.Request{ID: j.Granted.Decision, Attributes: attributes})
}

// doubtedSince is when no rule applied to the job for the first time.
func (c *Container) doubtedSince(id string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if since, found := c.doubted[id]; found {
		return since
	}
	return c.config.Now()
}

func (c *Container) recordCancel(ctx context.Context, j *job.Job, response authz.Response) {
	if c.config.Recorder == nil {
		return
	}
	err := c.config.Recorder.Record(ctx, authz.Record{
		Time: c.config.Now(), Event: authz.EventJob, ID: j.Granted.Decision, Process: "container",
		Owner: j.Owner.String(), Resource: j.Tag(), Action: j.Service + "/" + j.Method,
		Decision: response.Decision.String(), Reason: response.Reason, Revision: response.Revision,
		Account: j.Granted.Account.Name, Message: fmt.Sprintf("judged again while %s: cancelled", j.State),
	})
	if err != nil {
		c.config.Log.Error("audit record lost", "error", err)
	}
}
