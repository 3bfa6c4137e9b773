package plugins_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/plugins"
	v1 "github.com/gatehouse-authz/gatehouse/plugins/proto/v1"
)

const group = "https://gatehouse-authz.github.io/xacml/attribute/group"

// bad is the program of testdata/bad.
var bad string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bad")
	if err == nil {
		bad = filepath.Join(dir, "bad")
		build := exec.Command("go", "build", "-ldflags=-s -w", "-o", bad, "./testdata/bad")
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot build testdata/bad:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

func sum(t *testing.T, path string) string {
	t.Helper()
	program, err := os.ReadFile(path)
	require.NoError(t, err)
	digest := sha256.Sum256(program)
	return hex.EncodeToString(digest[:])
}

func host(t *testing.T) *plugins.Host {
	t.Helper()
	h, err := plugins.NewHost(plugins.Options{Log: slog.New(slog.DiscardHandler), MinDelay: 50 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, h.Close()) })
	return h
}

func config(t *testing.T, args ...string) plugins.Config {
	c := plugins.Config{
		Name: args[0], Path: bad, SHA256: sum(t, bad), Args: args,
		Timeout: 2 * time.Second, StartTimeout: 10 * time.Second,
	}
	if args[0] == "hangs" {
		c.Timeout = 500 * time.Millisecond
	}
	return c
}

// calm is a request that no plug-in misbehaves on, provocation one that it does.
func calm() *authz.Request {
	r := &authz.Request{ID: "d1"}
	r.Add(authz.Subject, "urn:oasis:names:tc:xacml:1.0:subject:subject-id", authz.StringValue("alice"))
	return r
}

func provocation(with string) *authz.Request {
	r := calm()
	r.Add(authz.Environment, "go", authz.StringValue(with))
	return r
}

func TestEnrich(t *testing.T) {
	e, err := host(t).Enricher(config(t, "well"))
	require.NoError(t, err)
	r := calm()
	require.NoError(t, e.Enrich(t.Context(), r))
	require.Len(t, r.Attributes, 2)
	require.Equal(t, authz.Attribute{
		Category: authz.Subject, ID: group, Issuer: "plugin:well", Values: []authz.Value{authz.StringValue("calm")},
	}, r.Attributes[1], "what a plug-in may not assert is its own word, and only presented")
	require.Equal(t, plugins.Status{Name: "well", Ready: true}, e.Status())
}

// permit decides what an enforcement point would if nothing went wrong.
type permit struct{}

func (permit) Decide(context.Context, *authz.Request) (authz.Response, error) {
	return authz.Response{Decision: authz.Permit}, nil
}
func (permit) Record(context.Context, authz.Record) error { return nil }

// Each way to misbehave refuses the request in time, at an enforcement point
// whose policy would permit it, leaves the request as it was and the other
// plug-ins alone; afterwards the plug-in is there again.
func TestBadPlugin(t *testing.T) {
	h := host(t)
	other, err := h.Enricher(config(t, "well"))
	require.NoError(t, err)
	for mode, why := range map[string]string{
		"crashes":          "Unavailable",
		"panics":           "at the disco",
		"hangs":            "DeadlineExceeded",
		"removes":          "may only add",
		"eats":             "Unavailable",
		"floods-stdout":    "",
		"other-call":       "another request's call",
		"foreign-type":     "urn:example:unheard-of",
		"foreign-category": "none of XACML's",
		"bad-value":        "not a integer",
		"empty":            "no values",
		"blank-id":         "want an id",
		"many":             "65 attributes",
		"values":           "more than 1024 values",
		"long":             "16385 bytes",
		"huge":             "ResourceExhausted",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			c := config(t, mode)
			c.Memory = 256 << 20
			if mode == "eats" {
				c.Timeout = 5 * time.Second
			}
			e, err := h.Enricher(c)
			require.NoError(t, err)
			require.NoError(t, pluginWorks(e, mode))

			r := provocation("now")
			before := fmt.Sprint(r.Attributes)
			begun := time.Now()
			err = e.Enrich(t.Context(), r)
			require.ErrorContains(t, err, why)
			require.Less(t, time.Since(begun), c.Timeout+time.Second)
			require.Equal(t, before, fmt.Sprint(r.Attributes))

			enforcer := &pep.Enforcer{Enrichers: []authz.Enricher{e}, Decider: permit{}, Recorder: permit{}}
			require.False(t, enforcer.Enforce(t.Context(), provocation("again")).Permit)
			require.NoError(t, other.Enrich(t.Context(), calm()))
			require.Eventually(t, func() bool { return pluginWorks(e, mode) == nil }, 10*time.Second, 20*time.Millisecond)
		})
	}
}

// pluginWorks makes a request that the plug-in can answer; those that break
// the wire's rules in every answer can only be there.
func pluginWorks(e *plugins.Enricher, mode string) error {
	switch mode {
	case "crashes", "panics", "hangs", "removes", "eats", "floods-stdout":
		return e.Enrich(context.Background(), calm())
	}
	if s := e.Status(); !s.Ready {
		return fmt.Errorf("%s", s.Cause)
	}
	return nil
}

// The control: the same enforcement point permits when the plug-in is well.
func TestEnforcerPermitsWithPlugin(t *testing.T) {
	e, err := host(t).Enricher(config(t, "well"))
	require.NoError(t, err)
	enforcer := &pep.Enforcer{Enrichers: []authz.Enricher{e}, Decider: permit{}, Recorder: permit{}}
	require.True(t, enforcer.Enforce(t.Context(), calm()).Permit)
}

func TestDoesNotStart(t *testing.T) {
	for mode, why := range map[string]string{
		"exits":       "ended with exit status 3",
		"sleeps":      "not ready within",
		"babbles":     "Unrecognized remote plugin message",
		"elsewhere":   "own directory",
		"over-tcp":    "own directory",
		"no-kind":     `want "enricher"`,
		"without-tls": "first answer",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			h := host(t)
			c := config(t, mode)
			c.StartTimeout = time.Second
			begun := time.Now()
			_, err := h.Enricher(c)
			require.ErrorContains(t, err, "plug-in "+mode+" does not start")
			require.ErrorContains(t, err, why)
			require.Less(t, len(err.Error()), 1000)
			require.Less(t, time.Since(begun), 4*time.Second)
			require.Empty(t, h.Status())
		})
	}
}

// A plug-in that says no is well: the request is refused, and nothing else.
func TestRefusal(t *testing.T) {
	e, err := host(t).Enricher(config(t, "refuses"))
	require.NoError(t, err)
	for range 10 {
		err := e.Enrich(t.Context(), provocation("now"))
		require.ErrorContains(t, err, "the directory is away")
		require.NotContains(t, err.Error(), "\n", "its words cannot forge a line of a log")
	}
	require.NoError(t, e.Enrich(t.Context(), calm()))
	require.Zero(t, e.Status().Restarts)
}

// What a plug-in does to the attributes that it was sent stays with it.
func TestCannotWeaken(t *testing.T) {
	e, err := host(t).Enricher(config(t, "weakens"))
	require.NoError(t, err)
	r := provocation("now")
	before := fmt.Sprint(r.Attributes)
	require.NoError(t, e.Enrich(t.Context(), r))
	require.Equal(t, before, fmt.Sprint(r.Attributes))
}

// Only configuration makes a plug-in's word count for a caller.
func TestAssert(t *testing.T) {
	h := host(t)
	plain, err := h.Enricher(config(t, "asserts"))
	require.NoError(t, err)
	c := config(t, "asserts")
	c.Name, c.Assert = "trusted", []plugins.AttributeName{{Category: authz.Subject, ID: group}}
	trusted, err := h.Enricher(c)
	require.NoError(t, err)

	r := provocation("now")
	require.NoError(t, plain.Enrich(t.Context(), r))
	require.Len(t, r.Attributes, 4)
	for _, a := range r.Attributes[2:] {
		require.Equal(t, authz.Presented, a.Standing)
		require.Equal(t, "plugin:asserts", a.Issuer)
	}

	r = provocation("now")
	require.NoError(t, trusted.Enrich(t.Context(), r))
	require.Len(t, r.Attributes, 4)
	require.Equal(t, authz.Verified, r.Attributes[2].Standing)
	require.Equal(t, "plugin:trusted", r.Attributes[2].Issuer)
	require.Equal(t, "/CN=the real issuer", r.Attributes[3].Issuer)
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("GATEHOUSE_SECRET", "hunter2")
	e, err := host(t).Enricher(config(t, "environment"))
	require.NoError(t, err)
	r := provocation("now")
	require.NoError(t, e.Enrich(t.Context(), r))
	require.Greater(t, len(r.Attributes), 4)
	for _, a := range r.Attributes[2:] {
		name := a.Values[0].Text()
		require.True(t, strings.HasPrefix(name, "PLUGIN_") || name == "GATEHOUSE_PLUGIN", "%s reached the plug-in", name)
	}
}

// While a plug-in is down its requests fail at once, and later each time.
func TestCircuitOpens(t *testing.T) {
	h, err := plugins.NewHost(plugins.Options{Log: slog.New(slog.DiscardHandler), MinDelay: time.Minute})
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close()) }()
	e, err := h.Enricher(config(t, "hangs"))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { require.Error(t, e.Enrich(t.Context(), provocation("now"))) })
	}
	wg.Wait()
	require.Eventually(t, func() bool { return !e.Status().Ready }, time.Second, time.Millisecond)
	begun := time.Now()
	require.ErrorContains(t, e.Enrich(t.Context(), calm()), "is down, to be started again within 1m0s")
	require.Less(t, time.Since(begun), 100*time.Millisecond)
	require.Contains(t, h.Status()[0].Cause, "3 requests in a row went unanswered")
}

// A request that is too large to send, or whose caller leaves, is no fault of
// the plug-in: nobody can shut it down for the others that way.
func TestCallersCannotOpenTheCircuit(t *testing.T) {
	e, err := host(t).Enricher(config(t, "hangs"))
	require.NoError(t, err)
	for range 5 {
		require.ErrorContains(t, e.Enrich(t.Context(), provocation(strings.Repeat("x", 2<<20))), "are the most")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		require.ErrorContains(t, e.Enrich(ctx, provocation("now")), "Canceled")
	}
	require.NoError(t, e.Enrich(t.Context(), calm()))
	require.Zero(t, e.Status().Restarts)
}

// A child that a plug-in leaves behind goes with it and holds up nothing.
func TestForks(t *testing.T) {
	e, err := host(t).Enricher(config(t, "forks"))
	require.NoError(t, err)
	pidFile := filepath.Join(t.TempDir(), "pid")
	require.Error(t, e.Enrich(t.Context(), provocation(pidFile)))
	require.Eventually(t, func() bool { return e.Enrich(t.Context(), calm()) == nil }, 5*time.Second, 20*time.Millisecond)
	pid, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + string(pid) + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, 2*time.Second, 10*time.Millisecond, "the child outlived the plug-in")
}

func TestNotTrusted(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	content, err := os.ReadFile(bad)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, content, 0o755))
	digest := sum(t, program)
	for name, c := range map[string]struct {
		spoil func(t *testing.T)
		want  error
		text  string
	}{
		"replaced": {func(t *testing.T) {
			require.NoError(t, os.WriteFile(program, append(content, 0), 0o755))
			t.Cleanup(func() { _ = os.WriteFile(program, content, 0o755) })
		}, plugins.ErrChecksum, "put the new checksum"},
		"world-writable file": {func(t *testing.T) { chmod(t, program, 0o757, 0o755) }, plugins.ErrUntrusted, "chmod go-w " + program},
		"group-writable file": {func(t *testing.T) { chmod(t, program, 0o775, 0o755) }, plugins.ErrUntrusted, "chmod go-w " + program},
		"world-writable dir":  {func(t *testing.T) { chmod(t, dir, 0o777, 0o755) }, plugins.ErrUntrusted, "chmod go-w " + dir},
		"sticky dir":          {func(t *testing.T) { chmod(t, dir, 0o777|os.ModeSticky, 0o755) }, plugins.ErrUntrusted, dir},
		"foreign owner": {func(t *testing.T) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			require.NoError(t, os.Chown(program, 65534, 65534))
			t.Cleanup(func() { _ = os.Chown(program, 0, 0) })
		}, plugins.ErrUntrusted, "uid 65534"},
		"absent": {func(t *testing.T) {
			require.NoError(t, os.Rename(program, program+".away"))
			t.Cleanup(func() { _ = os.Rename(program+".away", program) })
		}, os.ErrNotExist, program},
	} {
		t.Run(name, func(t *testing.T) {
			c.spoil(t)
			config := plugins.Config{Name: "p", Path: program, SHA256: digest, Args: []string{"well"}}
			_, err := host(t).Enricher(config)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
			require.ErrorIs(t, config.Check(), c.want)
		})
	}
	e, err := host(t).Enricher(plugins.Config{Name: "p", Path: program, SHA256: digest, Args: []string{"well"}})
	require.NoError(t, err, "the control: the same program, put right")
	require.NoError(t, plugins.Config{Name: "p", Path: program, SHA256: digest}.Check())
	require.NoError(t, e.Enrich(t.Context(), calm()))
}

// A program replaced behind a running plug-in is not started when that ends.
func TestReplacedWhileRunning(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	content, err := os.ReadFile(bad)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, content, 0o755))
	c := config(t, "crashes")
	c.Path = program
	e, err := host(t).Enricher(c)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, append(content, 0), 0o755))
	require.NoError(t, e.Enrich(t.Context(), calm()), "what runs is the copy that was checked")
	require.Error(t, e.Enrich(t.Context(), provocation("now")))
	require.Eventually(t, func() bool { return strings.Contains(e.Status().Cause, plugins.ErrChecksum.Error()) },
		3*time.Second, 10*time.Millisecond)
	require.ErrorContains(t, e.Enrich(t.Context(), calm()), "is down")
}

func chmod(t *testing.T, path string, to, back os.FileMode) {
	t.Helper()
	require.NoError(t, os.Chmod(path, to))
	t.Cleanup(func() { _ = os.Chmod(path, back) })
}

func TestConfig(t *testing.T) {
	good := config(t, "well")
	for want, change := range map[string]func(c *plugins.Config){
		`name "A b"`:            func(c *plugins.Config) { c.Name = "A b" },
		"want an absolute path": func(c *plugins.Config) { c.Path = "bin/../bad" },
		"64 hexadecimal digits": func(c *plugins.Config) { c.SHA256 = "abc" },
		"XACML's categories":    func(c *plugins.Config) { c.Assert = []plugins.AttributeName{{ID: group}} },
		"negative":              func(c *plugins.Config) { c.Timeout = -1 },
	} {
		c := good
		change(&c)
		_, err := host(t).Enricher(c)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, c.Check(), want)
	}
	h := host(t)
	_, err := h.Enricher(good)
	require.NoError(t, err)
	_, err = h.Enricher(good)
	require.ErrorContains(t, err, "one of that name already")
}

// After Close nothing runs, is left on disk, or permits.
func TestClose(t *testing.T) {
	dir := t.TempDir()
	h, err := plugins.NewHost(plugins.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	e, err := h.Enricher(config(t, "well"))
	require.NoError(t, err)
	sockets, err := filepath.Glob(filepath.Join(dir, "*", "*", "plugin-dir*"))
	require.NoError(t, err)
	require.Len(t, sockets, 1)
	info, err := os.Stat(sockets[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	require.NoError(t, h.Close())
	require.ErrorContains(t, e.Enrich(t.Context(), calm()), "closed")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = h.Enricher(config(t, "well"))
	require.ErrorContains(t, err, "closed")
}

// What a killed host left is removed by the next; what lives is not, nor what
// was never a host's.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	o := plugins.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)}
	living, err := plugins.NewHost(o)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "gp1", "p1"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gp1", "lock"), nil, 0o600))
	for _, name := range []string{"gp-without-lock", "gp-shared", "other"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gp-shared", "lock"), nil, 0o600))
	require.NoError(t, os.Chmod(filepath.Join(dir, "gp-shared"), 0o755))
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "gp-link")))

	next, err := plugins.NewHost(o)
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(dir, "gp1"))
	for _, name := range []string{"gp-without-lock", "gp-shared", "other", "gp-link/other"} {
		require.DirExists(t, filepath.Join(dir, name))
	}
	_, err = living.Enricher(config(t, "well"))
	require.NoError(t, err)
	require.NoError(t, living.Close())
	require.NoError(t, next.Close())
	require.NoError(t, next.Close(), "twice is once")
}

// Nobody else talks to a plug-in, not even who can reach its socket: it wants
// the certificate that was made for this start.
func TestSocketIsOurs(t *testing.T) {
	dir := t.TempDir()
	h, err := plugins.NewHost(plugins.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Close()) }()
	e, err := h.Enricher(config(t, "well"))
	require.NoError(t, err)
	sockets, err := filepath.Glob(filepath.Join(dir, "*", "*", "plugin-dir*", "plugin*"))
	require.NoError(t, err)
	require.Len(t, sockets, 1)
	for name, theirs := range map[string]credentials.TransportCredentials{
		"without TLS":         insecure.NewCredentials(),
		"without certificate": credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}), // the attacker does not care
	} {
		connection, err := grpc.NewClient("unix://"+sockets[0], grpc.WithTransportCredentials(theirs))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err = v1.NewEnricherClient(connection).Enrich(ctx, &v1.EnrichRequest{Call: "x"})
		require.Equal(t, codes.Unavailable, status.Code(err), name)
		cancel()
		require.NoError(t, connection.Close())
	}
	require.NoError(t, e.Enrich(t.Context(), calm()))
}
