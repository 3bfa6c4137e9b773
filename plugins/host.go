package plugins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Options are what a Host is given.
type Options struct {
	// Dir is where the private directories are made; empty is the system's
	// temporary directory. It must allow execution, and its path must be short:
	// a unix socket's path has at most about 100 bytes.
	Dir string
	Log *slog.Logger // required
	// MinDelay and MaxDelay bound the delay before a plug-in is started again;
	// zero is 100 ms and 30 s.
	MinDelay, MaxDelay time.Duration
}

// maxDir leaves room for the names below it in a unix socket's path.
const maxDir = 56

// dirPrefix begins the name of each host's directory.
const dirPrefix = "gp"

// Host starts plug-ins and keeps them running.
type Host struct {
	dir                string
	lock               *os.File // held while we live
	log                *slog.Logger
	minDelay, maxDelay time.Duration
	ctx                context.Context
	cancel             context.CancelFunc
	supervisors        sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	plugins []*Enricher
}

// NewHost returns a host without plug-ins. Close it.
func NewHost(o Options) (*Host, error) {
	parent := orElse(o.Dir, os.TempDir())
	sweep(parent)
	dir, err := os.MkdirTemp(parent, dirPrefix)
	if err != nil {
		return nil, err
	}
	if len(dir) > maxDir {
		return nil, errors.Join(fmt.Errorf("%s is too long for sockets below it: configure a directory of at most %d bytes", dir, maxDir-12), os.Remove(dir))
	}
	lock, err := claim(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	h := &Host{
		dir: dir, lock: lock, log: o.Log,
		minDelay: orElse(o.MinDelay, 100*time.Millisecond), maxDelay: orElse(o.MaxDelay, 30*time.Second),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h, nil
}

// Close ends every plug-in; their requests fail from then on.
func (h *Host) Close() error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.cancel()
	h.supervisors.Wait()
	return errors.Join(os.RemoveAll(h.dir), ignoreClosed(h.lock.Close()))
}

// ignoreClosed lets Close be called twice.
func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// Enricher checks and starts the plug-in that c names, and keeps it running
// until Close. An error says why it does not start: [ErrUntrusted],
// [ErrChecksum], or what the program did instead of answering. Nothing is left
// running then.
func (h *Host) Enricher(c Config) (*Enricher, error) {
	c, err := c.checked()
	if err != nil {
		return nil, err
	}
	e := &Enricher{config: c, cause: errors.New("it is being started")}
	if err := h.enlist(e); err != nil {
		return nil, err
	}
	live, err := h.start(&e.config)
	if err != nil {
		h.dismiss(e)
		return nil, fmt.Errorf("plug-in %s does not start: %w", c.Name, err)
	}
	e.begin(live)
	h.log.Info("plug-in started", "plugin", c.Name, "path", c.Path, "sha256", c.SHA256, "version", clip(live.info.GetVersion()))
	go h.supervise(e)
	return e, nil
}

// enlist takes the plug-in's name; Close waits for it from now on.
func (h *Host) enlist(e *Enricher) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errors.New("the host of plug-ins is closed")
	}
	for _, other := range h.plugins {
		if other.config.Name == e.config.Name {
			return fmt.Errorf("plug-in %s: there is one of that name already", e.config.Name)
		}
	}
	h.plugins = append(h.plugins, e)
	h.supervisors.Add(1)
	return nil
}

func (h *Host) dismiss(e *Enricher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.plugins = slices.DeleteFunc(h.plugins, func(other *Enricher) bool { return other == e })
	h.supervisors.Done()
}

// Status tells the state of each plug-in, in the order they were started.
func (h *Host) Status() []Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Status, 0, len(h.plugins))
	for _, e := range h.plugins {
		all = append(all, e.Status())
	}
	return all
}

// supervise replaces a plug-in whenever it fails.
func (h *Host) supervise(e *Enricher) {
	defer h.supervisors.Done()
	delay := h.minDelay
	for {
		live := e.live // written by this goroutine only
		started := time.Now()
		select {
		case <-h.ctx.Done():
			e.down(errors.New("the host of plug-ins is closed"), 0)
			live.stop(stopGrace)
			return
		case <-live.failed:
		}
		// Who answered and lasted starts afresh; who starts only to fail waits
		// longer each time.
		if live.served.Load() && time.Since(started) > h.maxDelay {
			delay = h.minDelay
		}
		e.down(live.cause, delay)
		h.log.Error("plug-in failed", "plugin", e.config.Name, "cause", live.cause, "retry_in", delay.String())
		live.stop(0)
		if delay = h.again(e, delay); delay == 0 {
			return
		}
	}
}

// again starts the plug-in after the delay, as often as it takes, and returns
// the next delay; 0 when the host is closed.
func (h *Host) again(e *Enricher, delay time.Duration) time.Duration {
	for {
		select {
		case <-h.ctx.Done():
			e.down(errors.New("the host of plug-ins is closed"), 0)
			return 0
		case <-time.After(delay):
		}
		delay = min(2*delay, h.maxDelay)
		live, err := h.start(&e.config)
		if err == nil {
			e.up(live)
			h.log.Info("plug-in started again", "plugin", e.config.Name, "restarts", e.Status().Restarts)
			return delay
		}
		e.down(fmt.Errorf("it does not start: %w", err), delay)
		h.log.Error("plug-in does not start", "plugin", e.config.Name, "cause", err, "retry_in", delay.String())
	}
}

// Enricher is a running plug-in. While it is down every request fails at once.
type Enricher struct {
	config Config

	mu       sync.RWMutex
	live     *instance // the present or the last one
	cause    error     // why it is down; nil when it is up
	retry    time.Duration
	restarts int
}

var _ authz.Enricher = (*Enricher)(nil)

// Status is the state of a plug-in.
type Status struct {
	Name     string
	Ready    bool
	Cause    string // why it is not ready
	Restarts int
}

// Status tells the state of the plug-in.
func (e *Enricher) Status() Status {
	e.mu.RLock()
	defer e.mu.RUnlock()
	s := Status{Name: e.config.Name, Ready: e.cause == nil, Restarts: e.restarts}
	if e.cause != nil {
		s.Cause = e.cause.Error()
	}
	return s
}

// Enrich adds what the plug-in answers to r. On an error r is unchanged, and
// must be refused.
func (e *Enricher) Enrich(ctx context.Context, r *authz.Request) error {
	live, err := e.current()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, e.config.Timeout)
	defer cancel()
	added, err := live.enrich(ctx, r)
	if err != nil {
		return fmt.Errorf("plug-in %s: %w", e.config.Name, err)
	}
	r.Attributes = append(r.Attributes, added...)
	return nil
}

func (e *Enricher) current() (*instance, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.cause != nil {
		return nil, fmt.Errorf("plug-in %s is down, to be started again within %s: %w", e.config.Name, e.retry, e.cause)
	}
	return e.live, nil
}

func (e *Enricher) down(cause error, retry time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cause, e.retry = cause, retry
}

func (e *Enricher) begin(live *instance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live, e.cause = live, nil
}

func (e *Enricher) up(live *instance) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live, e.cause = live, nil
	e.restarts++
}
