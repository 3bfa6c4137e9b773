package job_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/batch"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errKilled = errors.New("the process is dead")

// fuse blows at the nth step of a process: the step before or after its
// effect, and everything after it, fails, as if the process had been killed.
type fuse struct {
	mu    sync.Mutex
	steps int // until it blows; negative: never
	after bool
	blown bool
	taken int
}

// step runs a step of the process.
func (f *fuse) step(do func() error) error {
	f.mu.Lock()
	if f.blown {
		f.mu.Unlock()
		return errKilled
	}
	f.taken++
	now := f.taken == f.steps
	f.blown = now
	f.mu.Unlock()
	if now && !f.after {
		return errKilled
	}
	err := do()
	if now {
		return errKilled
	}
	return err
}

func (f *fuse) dead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.blown
}

// fused is a store of a process that may be killed.
type fused struct {
	store.Store
	fuse *fuse
}

func (s fused) View(ctx context.Context, fn func(store.ReadTx) error) error {
	return s.fuse.step(func() error { return s.Store.View(ctx, fn) })
}

func (s fused) Update(ctx context.Context, fn func(store.WriteTx) error) (n uint64, err error) {
	err = s.fuse.step(func() (err error) {
		n, err = s.Store.Update(ctx, fn)
		return err
	})
	return n, err
}

// cluster is a back end that outlives the processes that use it.
type cluster struct {
	mu     sync.Mutex
	jobs   map[string]*batch.Status
	starts map[string]int
	reaped map[string]bool
	hold   bool  // jobs run until told otherwise
	away   error // every call fails with it
	exit   batch.Exit
}

func newCluster() *cluster {
	return &cluster{jobs: map[string]*batch.Status{}, starts: map[string]int{}, reaped: map[string]bool{}}
}

func (c *cluster) set(change func(*cluster)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

func (c *cluster) started(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.starts[id]
}

// door is the cluster as one process sees it.
type door struct {
	*cluster
	fuse *fuse
}

func (d door) locked(do func() error) error {
	return d.fuse.step(func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.away != nil {
			return d.away
		}
		return do()
	})
}

func (d door) Submit(_ context.Context, j batch.Job) error {
	return d.locked(func() error {
		if d.reaped[j.ID] {
			return batch.ErrConflict
		}
		if d.jobs[j.ID] == nil {
			d.jobs[j.ID] = &batch.Status{ID: j.ID, State: batch.Queued}
			d.starts[j.ID]++
		}
		return nil
	})
}

// Status moves the job on by one.
func (d door) Status(_ context.Context, id string) (s batch.Status, err error) {
	err = d.locked(func() error {
		now := d.jobs[id]
		switch {
		case now == nil:
			s = batch.Status{ID: id, State: batch.Absent}
			return nil
		case now.State == batch.Queued:
			now.State, now.Started = batch.Running, time.Now()
		case now.State == batch.Running && !d.hold:
			exit := d.exit
			now.State, now.Exit, now.CPU = batch.Ended, &exit, time.Second
		}
		s = *now
		return nil
	})
	return s, err
}

func (d door) Cancel(_ context.Context, j batch.Job) error {
	return d.locked(func() error {
		now := d.jobs[j.ID]
		if now == nil {
			return batch.ErrNoJob
		}
		if now.State != batch.Ended {
			now.State, now.Exit = batch.Ended, &batch.Exit{Code: -1, Signal: "SIGTERM", Cause: batch.Cancelled}
		}
		return nil
	})
}

func (d door) List(context.Context) ([]batch.Status, error) { return nil, errors.New("not used") }

func (d door) Reap(_ context.Context, id string) error {
	return d.locked(func() error {
		delete(d.jobs, id)
		d.reaped[id] = true
		return nil
	})
}

// nothing is Files without files.
type nothing struct{ fuse *fuse }

func (nothing) List(context.Context, sandbox.Session, string) ([]sandbox.Entry, bool, error) {
	return nil, false, sandbox.ErrPath
}

func (nothing) Stat(context.Context, sandbox.Session, string) (sandbox.Entry, error) {
	return sandbox.Entry{}, sandbox.ErrPath
}

func (nothing) Open(context.Context, sandbox.Session, string) (*os.File, sandbox.Entry, error) {
	return nil, sandbox.Entry{}, sandbox.ErrPath
}

func (n nothing) Remove(context.Context, sandbox.Session) error {
	return n.fuse.step(func() error { return nil })
}

// process is one life of the job service.
type process struct {
	*job.Service
	fuse *fuse
	end  func()
}

// live starts a process on the store at path.
func live(t *testing.T, path string, c *cluster, f *fuse, change ...func(*job.Config)) *process {
	t.Helper()
	state, err := bolt.Open(path, bolt.Options{})
	require.NoError(t, err)
	config := job.Config{
		Store: fused{state, f}, Submitter: door{c, f}, Files: nothing{f},
		Poll: time.Millisecond, Settle: 20 * time.Millisecond, Parallel: 2,
	}
	for _, set := range change {
		set(&config)
	}
	service, err := job.New(config)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = service.Run(ctx) // ends with errKilled when the fuse blows early
	}()
	var once sync.Once
	p := &process{Service: service, fuse: f, end: func() {
		once.Do(func() {
			cancel()
			<-done
			require.NoError(t, state.Close())
		})
	}}
	t.Cleanup(p.end)
	return p
}

func stored(t *testing.T) string { return filepath.Join(t.TempDir(), "jobs.db") }

func submission(owner, key string) job.Submission {
	s := job.Submission{
		Service: "test", Method: "go", Path: "test/go", Arguments: []string{"1"}, Requested: time.Minute, Key: key,
		Granted: job.Granted{
			Account: authz.Account{Name: "grid", UID: 61001, Group: authz.Group{Name: "grid", GID: 61100}},
			CPU:     30 * time.Second, Wall: time.Hour, Revision: authz.Revision{Lineage: "l", Number: 7}, Decision: "d",
		},
		Asked: []job.Attribute{{ID: "x", Type: authz.String, Texts: []string{"y"}, Verified: true}},
	}
	if owner != "" {
		s.Owner = job.Owner{Name: "/CN=" + owner, Key: owner}
	}
	return s
}

// reach waits until a job is in that state.
func (p *process) reach(t *testing.T, id string, state job.State) (j job.Job) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		j, err = p.Find(t.Context(), id)
		return err == nil && j.State == state
	}, 5*time.Second, time.Millisecond, "want %s, is %s", state, j.State)
	return j
}
