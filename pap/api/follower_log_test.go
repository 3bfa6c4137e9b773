package api

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A follower that may not follow is told so with a new decision id each time;
// the log says it once, and again when it is something else.
func TestTheSameTroubleIsLoggedOnce(t *testing.T) {
	var log bytes.Buffer
	f := &Follower{o: FollowerOptions{Log: slog.New(slog.NewTextHandler(&log, nil))}}
	f.failed(errors.New("refused: no right to follow on pap:* (decision 1)"))
	f.failed(errors.New("refused: no right to follow on pap:* (decision 2)"))
	require.Equal(t, 1, strings.Count(log.String(), "cannot be followed"), log.String())
	require.Contains(t, log.String(), `since="the start"`)
	f.confirmed = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	f.failed(errors.New("connection refused"))
	require.Equal(t, 2, strings.Count(log.String(), "cannot be followed"))
	require.Contains(t, log.String(), "since=2026-11-22T03:00:00Z")
	require.EqualError(t, f.trouble, "connection refused")
}
