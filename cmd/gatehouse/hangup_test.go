package main

import (
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// A rotated audit trail is opened anew on SIGHUP; nothing is lost between.
func TestHangUp(t *testing.T) {
	_, s := startWorld(t)
	path := string(s.config.Audit.File)
	require.NoError(t, s.recorder.Record(t.Context(), authz.Record{Event: authz.EventJob, ID: "before"}))
	require.NoError(t, os.Rename(path, path+".1"))
	// The component that listens may not have started yet, so ask until it has;
	// until then the signal must not end the test.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	require.Eventually(t, func() bool {
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
		_, err := os.Stat(path)
		return err == nil
	}, 5*time.Second, 20*time.Millisecond)
	require.NoError(t, s.recorder.Record(t.Context(), authz.Record{Event: authz.EventJob, ID: "after"}))
	old, err := os.ReadFile(path + ".1")
	require.NoError(t, err)
	require.Contains(t, string(old), `"before"`)
	fresh, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(fresh), `"after"`)
}
