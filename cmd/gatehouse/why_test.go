package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// startWorld runs a throw-away site until the test ends.
func startWorld(t *testing.T) (*world, *site) {
	t.Helper()
	dir, err := os.MkdirTemp("", "gatehouse-test-") // the accounts of jobs must be able to pass
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o711))
	t.Cleanup(func() { require.NoError(t, removeAll(dir)) })
	w, err := openWorld(dir)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := newSite(ctx, w.config, slog.New(slog.NewTextHandler(io.Discard, nil)))
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, s.Close())
	})
	require.Eventually(t, func() bool { return s.engine.Status().Ready }, 10*time.Second, 10*time.Millisecond)
	return w, s
}

func TestWhy(t *testing.T) {
	w, s := startWorld(t)
	base := "https://localhost" + s.containerAddress.String()[strings.LastIndex(s.containerAddress.String(), ":"):]
	wendy, err := w.caller("wendy", base)
	require.NoError(t, err)
	r, err := refused(wendy.submit(t.Context(), 2*time.Hour, "add", "a=1", "b=2", "seconds=0"))
	require.NoError(t, err)

	ask := func(args ...string) (int, string, string) {
		var out, errs strings.Builder
		code := run(t.Context(), append([]string{"why", "--socket", w.config.controlSocket()}, args...), nil, &out, &errs)
		return code, out.String(), errs.String()
	}
	code, out, errs := ask(r.decision)
	require.Equal(t, exitOK, code, errs)
	for _, want := range []string{"NotApplicable", "Wendy Weak", "enough would be: requested-cpu-time <= 1800", "default.spl:", "| requested-cpu-time <= 30m"} {
		require.Contains(t, out, want)
	}
	t.Log(out)
	code, out, _ = ask("cn = WENDY weak, ou=People, dc=weak, dc=Test")
	require.Equal(t, exitOK, code)
	require.Contains(t, out, r.decision, "a person is found in any spelling")
	code, out, _ = ask(r.decision, "-o", "json")
	require.Equal(t, exitOK, code)
	require.Contains(t, out, `"decision": "NotApplicable"`)

	code, _, errs = ask("no-such-decision")
	require.Equal(t, exitFailure, code)
	require.Contains(t, errs, "remembers no decision")
	require.Equal(t, exitFailure, run(t.Context(), []string{"why", "--socket", w.path("nobody"), "x"}, nil, io.Discard, io.Discard))
}
