package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// Component is one part of a process.
type Component struct {
	Name string
	// Run works until ctx is done, then puts its affairs in order and returns.
	// It calls ready, once, when others may rely on it; calls after the first do
	// nothing. Returning before ctx is done, with an error or without, ends the
	// whole group.
	Run func(ctx context.Context, ready func()) error
}

// Background is a Component that others need not wait for.
func Background(name string, run func(context.Context) error) Component {
	return Component{Name: name, Run: func(ctx context.Context, ready func()) error {
		ready()
		return run(ctx)
	}}
}

// Default times of a Group.
const (
	DefaultStart = 60 * time.Second
	DefaultDrain = 20 * time.Second
)

// Group runs components: each starts when the one before it is ready, and they
// stop in the opposite order, each when the one after it has returned.
type Group struct {
	Log    *slog.Logger
	Health *Health            // told of readiness; nil for none
	Notify func(string) error // told of states as systemd writes them; nil for none
	Start  time.Duration      // how long one component may take to get ready
	Drain  time.Duration      // how long all of them together may take to stop

	components []Component
}

// Add appends a component. It must not be called once Run has been.
func (g *Group) Add(c ...Component) { g.components = append(g.components, c...) }

// running is a component at work.
type running struct {
	name   string
	cancel context.CancelFunc
	ready  chan struct{}
	done   chan struct{}
	err    error // valid when done is closed
}

// Run runs the components until ctx is done or one of them ends, stops all, and
// returns nil if that was asked for and went well. Otherwise the error names the
// components and says what went wrong. A component that does not stop in time is
// named and left behind: its goroutine still runs, and the process should end.
func (g *Group) Run(ctx context.Context) error {
	ended := make(chan *running, len(g.components))
	at, err := g.start(ctx, ended)
	if err == nil && ctx.Err() == nil {
		g.notify("READY=1")
		err = g.wait(ctx, ended)
	}
	g.setReady(false)
	g.notify("STOPPING=1")
	return errors.Join(err, g.stop(at))
}

// start starts the components in order and returns those it did start. A ctx
// that is done meanwhile ends it without an error.
func (g *Group) start(ctx context.Context, ended chan<- *running) ([]*running, error) {
	var at []*running
	for _, c := range g.components {
		r := g.launch(ctx, c, ended)
		at = append(at, r)
		late := time.NewTimer(orElse(g.Start, DefaultStart))
		select {
		case <-r.ready:
		case <-r.done:
			late.Stop()
			return at, unexpected(r)
		case <-ctx.Done():
			late.Stop()
			return at, nil
		case <-late.C:
			return at, fmt.Errorf("%s is not ready after %s", c.Name, orElse(g.Start, DefaultStart))
		}
		late.Stop()
		g.log().Debug("component is ready", "component", c.Name)
	}
	g.setReady(true)
	return at, nil
}

// launch runs a component with a context of its own: the end of ctx reaches it
// only by way of stop, in its turn.
func (g *Group) launch(ctx context.Context, c Component, ended chan<- *running) *running {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{name: c.Name, cancel: cancel, ready: make(chan struct{}), done: make(chan struct{})}
	var once sync.Once
	go func() {
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
			close(r.done)
			ended <- r
		}()
		r.err = c.Run(own, func() { once.Do(func() { close(r.ready) }) })
	}()
	return r
}

func unexpected(r *running) error {
	if r.err == nil {
		return fmt.Errorf("%s ended without being asked to", r.name)
	}
	return fmt.Errorf("%s: %w", r.name, r.err)
}

// wait returns when ctx is done or a component has ended.
func (g *Group) wait(ctx context.Context, ended <-chan *running) error {
	var beat <-chan time.Time
	if every := watchdog(); every > 0 && g.Notify != nil {
		ticker := time.NewTicker(every / 2)
		defer ticker.Stop()
		beat = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-ended:
			return unexpected(r)
		case <-beat:
			g.notify("WATCHDOG=1")
		}
	}
}

// stop ends the components in reverse.
func (g *Group) stop(at []*running) error {
	drained := time.NewTimer(orElse(g.Drain, DefaultDrain))
	defer drained.Stop()
	var errs []error
	late := false
	for i := len(at) - 1; i >= 0; i-- {
		r := at[i]
		stopped := isDone(r)
		r.cancel()
		if !late && !stopped {
			select {
			case <-r.done:
			case <-drained.C:
				late = true
			}
		}
		switch {
		case stopped: // what ended by itself has been reported
		case !isDone(r):
			errs = append(errs, fmt.Errorf("%s did not stop within %s", r.name, orElse(g.Drain, DefaultDrain)))
		case r.err != nil && !errors.Is(r.err, context.Canceled):
			errs = append(errs, fmt.Errorf("stopping %s: %w", r.name, r.err))
		}
	}
	return errors.Join(errs...)
}

func isDone(r *running) bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (g *Group) setReady(ready bool) {
	if g.Health != nil {
		g.Health.SetReady(ready)
	}
}

func (g *Group) notify(state string) {
	if g.Notify == nil {
		return
	}
	if err := g.Notify(state); err != nil {
		g.log().Warn("cannot notify the service manager", "state", state, "error", err)
	}
}

func (g *Group) log() *slog.Logger {
	if g.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return g.Log
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// UntilSignal returns a context that ends with SIGINT or SIGTERM. After the
// first one the signals have their usual effect again, so that a second one
// ends a process that does not want to stop.
func UntilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
