// Package plugintest is the suite that every plug-in passes: it runs the
// program as Gatehouse does, through package plugins.
//
//	func TestPlugin(t *testing.T) {
//		plugintest.Enricher(t, plugintest.Subject{
//			Program: plugintest.Build(t, "./cmd/my-plugin"),
//			Args:    []string{"-file", path},
//			Cases:   []plugintest.Case{{Request: alice, Want: []string{"physics"}}},
//		})
//	}
//
// It checks that the program starts pinned and refuses to run by hand; that it
// answers the cases, one after another and many at once, each with its own
// answer; that it only adds attributes, survives requests that hold nothing or
// more than it expects, and ends when it is told.
package plugintest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/plugins"
)

// Subject is the plug-in under test.
type Subject struct {
	Program string   // absolute path
	Args    []string // after the program's name
	Assert  []plugins.AttributeName
	Cases   []Case // at least two, with different answers
}

// Case is a request and what the plug-in adds to it.
type Case struct {
	Request func() *authz.Request // a new one each time
	// Want is the texts of all values that are added, in any order.
	Want []string
}

// Build builds a program of the module that the test runs in and returns its
// path.
func Build(t *testing.T, pkg string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "plugin")
	out, err := exec.Command("go", "build", "-o", program, pkg).CombinedOutput()
	require.NoError(t, err, string(out))
	require.NoError(t, os.Chmod(program, 0o755))
	require.NoError(t, os.Chmod(filepath.Dir(program), 0o755))
	return program
}

// Config returns the configuration that runs the subject.
func (s Subject) Config(t *testing.T) plugins.Config {
	t.Helper()
	content, err := os.ReadFile(s.Program)
	require.NoError(t, err)
	sum := sha256.Sum256(content)
	return plugins.Config{
		Name: "subject", Path: s.Program, SHA256: hex.EncodeToString(sum[:]),
		Args: s.Args, Assert: s.Assert, Timeout: 5 * time.Second,
	}
}

// Enricher runs the suite on a plug-in of that kind.
func Enricher(t *testing.T, s Subject) {
	require.GreaterOrEqual(t, len(s.Cases), 2, "one case cannot show that answers are not mixed up")
	host, err := plugins.NewHost(plugins.Options{Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, host.Close()) }()
	enricher, err := host.Enricher(s.Config(t))
	require.NoError(t, err)

	t.Run("by hand", func(t *testing.T) { byHand(t, s) })
	t.Run("answers", func(t *testing.T) {
		for _, c := range s.Cases {
			require.NoError(t, c.check(t.Context(), enricher))
		}
	})
	t.Run("at once", func(t *testing.T) { atOnce(t, s, enricher) })
	t.Run("odd requests", func(t *testing.T) { oddRequests(t, s, enricher) })
	t.Run("caller leaves", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, enricher.Enrich(ctx, s.Cases[0].Request()))
		require.NoError(t, s.Cases[0].check(t.Context(), enricher))
	})
	require.Zero(t, enricher.Status().Restarts, "the program was restarted on the way")
	t.Run("ends", func(t *testing.T) {
		begun := time.Now()
		require.NoError(t, host.Close())
		require.Less(t, time.Since(begun), 3*time.Second)
	})
}

// byHand runs the program as a curious person would.
func byHand(t *testing.T, s Subject) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	program := exec.CommandContext(ctx, s.Program, s.Args...)
	program.Env = []string{}
	out, err := program.CombinedOutput()
	require.NoError(t, ctx.Err(), "it does not end")
	require.Error(t, err, "it must not succeed without Gatehouse")
	require.NotEmpty(t, strings.TrimSpace(string(out)), "it must say why")
}

func atOnce(t *testing.T, s Subject, e authz.Enricher) {
	errs := make([]error, 64)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = s.Cases[i%len(s.Cases)].check(t.Context(), e) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// oddRequests may be refused, but the program must live on.
func oddRequests(t *testing.T, s Subject, e authz.Enricher) {
	many := s.Cases[0].Request()
	for i := range 1000 {
		many.Add(authz.Environment, fmt.Sprintf("urn:example:%d", i), authz.IntegerValue(int64(i)))
	}
	hostile := &authz.Request{ID: "\x1b[2J", Peer: strings.Repeat("p", 10_000)}
	for _, text := range []string{"", "/", `\`, "/CN=", strings.Repeat("/CN=x", 1000), "\u202e\x00'; drop table people"} {
		for _, c := range []authz.Category{authz.Subject, authz.Resource, authz.Action, authz.Environment} {
			hostile.Add(c, "urn:oasis:names:tc:xacml:1.0:subject:subject-id", authz.StringValue(text))
		}
	}
	for _, r := range []*authz.Request{{}, many, hostile} {
		_ = e.Enrich(t.Context(), r)
	}
	for _, c := range s.Cases {
		require.NoError(t, c.check(t.Context(), e))
	}
}

func (c Case) check(ctx context.Context, e authz.Enricher) error {
	r := c.Request()
	before := slices.Clone(r.Attributes)
	if err := e.Enrich(ctx, r); err != nil {
		return err
	}
	if len(r.Attributes) < len(before) || fmt.Sprint(before) != fmt.Sprint(r.Attributes[:len(before)]) {
		return fmt.Errorf("the attributes that were there have changed: %v", r.Attributes)
	}
	var got []string
	for _, a := range r.Attributes[len(before):] {
		for _, v := range a.Values {
			got = append(got, v.Text())
		}
	}
	want := slices.Sorted(slices.Values(c.Want))
	if slices.Sort(got); !slices.Equal(got, want) {
		return fmt.Errorf("it adds %q, want %q", got, want)
	}
	return nil
}
