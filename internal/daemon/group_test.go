package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary notes what happens, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.lines...)
}

func (d *diary) component(name string) daemon.Component {
	return daemon.Component{Name: name, Run: func(ctx context.Context, ready func()) error {
		d.note("%s starts", name)
		time.Sleep(5 * time.Millisecond)
		d.note("%s ready", name)
		ready()
		ready()
		<-ctx.Done()
		time.Sleep(5 * time.Millisecond)
		d.note("%s stopped", name)
		return ctx.Err()
	}}
}

func TestGroupStartsInOrderAndStopsInReverse(t *testing.T) {
	var d diary
	health := daemon.NewHealth("x", "1", time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	g := daemon.Group{Health: health, Notify: func(s string) error {
		d.note("%s", s)
		if s == "READY=1" {
			require.Empty(t, health.Troubles())
			cancel()
		}
		return nil
	}}
	g.Add(d.component("a"), d.component("b"), d.component("c"))
	require.NotEmpty(t, health.Troubles())
	require.NoError(t, g.Run(ctx))
	require.Equal(t, []string{
		"a starts", "a ready", "b starts", "b ready", "c starts", "c ready", "READY=1",
		"STOPPING=1", "c stopped", "b stopped", "a stopped",
	}, d.read())
	require.NotEmpty(t, health.Troubles())
}

func TestGroupEndsWithAComponent(t *testing.T) {
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		run  func(context.Context, func()) error
		want string
	}{
		"error":        {func(_ context.Context, ready func()) error { ready(); return broken }, "x: broken"},
		"no error":     {func(_ context.Context, ready func()) error { ready(); return nil }, "x ended without being asked to"},
		"before ready": {func(context.Context, func()) error { return broken }, "x: broken"},
		"panic":        {func(context.Context, func()) error { panic("ouch") }, "panic: ouch"},
		"never ready":  {func(ctx context.Context, _ func()) error { <-ctx.Done(); return nil }, "x is not ready after 50ms"},
		"bad stop":     {func(ctx context.Context, ready func()) error { ready(); return errors.Join(broken) }, "broken"},
	} {
		var d diary
		g := daemon.Group{Start: 50 * time.Millisecond}
		g.Add(d.component("a"), daemon.Component{Name: "x", Run: c.run})
		err := g.Run(t.Context())
		require.ErrorContains(t, err, c.want, name)
		require.Equal(t, "a stopped", d.read()[len(d.read())-1], name)
	}
}

func TestGroupNamesWhoDoesNotStop(t *testing.T) {
	var d diary
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	g := daemon.Group{Drain: 30 * time.Millisecond, Notify: func(s string) error {
		if s == "READY=1" {
			cancel()
		}
		return nil
	}}
	g.Add(d.component("a"), daemon.Background("stubborn", func(context.Context) error { <-release; return nil }))
	start := time.Now()
	err := g.Run(ctx)
	close(release)
	require.ErrorContains(t, err, "stubborn did not stop within 30ms")
	require.Less(t, time.Since(start), 2*time.Second)
	require.Eventually(t, func() bool { l := d.read(); return l[len(l)-1] == "a stopped" }, time.Second, time.Millisecond,
		"the others are told all the same")
}

func TestGroupReportsErrorWhileStopping(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var g daemon.Group
	g.Add(daemon.Background("x", func(ctx context.Context) error { cancel(); <-ctx.Done(); return errors.New("lost a byte") }))
	require.ErrorContains(t, g.Run(ctx), "stopping x: lost a byte")
}

func TestGroupCancelledWhileStarting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var g daemon.Group
	g.Add(daemon.Component{Name: "slow", Run: func(ctx context.Context, _ func()) error { cancel(); <-ctx.Done(); return nil }})
	require.NoError(t, g.Run(ctx))
}

func TestUntilSignal(t *testing.T) {
	ctx, stop := daemon.UntilSignal(t.Context())
	defer stop()
	require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGTERM))
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
		t.Fatal("SIGTERM did not end the context")
	}
}

func TestWatchdog(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", fmt.Sprint(syscall.Getpid()))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	beats := 0
	g := daemon.Group{Notify: func(s string) error {
		if s == "WATCHDOG=1" {
			if beats++; beats == 3 {
				cancel()
			}
		}
		return nil
	}}
	g.Add(daemon.Background("x", func(ctx context.Context) error { <-ctx.Done(); return nil }))
	require.NoError(t, g.Run(ctx))
	require.Equal(t, 3, beats)
}
