package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// asCommand in the environment makes this program the command itself.
const asCommand = "GATEHOUSE_LAUNCH_COMMAND"

// asPeer names the socket that this program asks for jobs, printing the error.
const asPeer = "GATEHOUSE_LAUNCH_PEER"

func TestMain(m *testing.M) {
	warden.Stage()
	if socket := os.Getenv(asPeer); socket != "" {
		_, err := launch.NewClient(socket, 5*time.Second).Jobs(context.Background())
		fmt.Print(err)
		os.Exit(0)
	}
	if os.Getenv(asCommand) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
		code := run(ctx, os.Args[1:], os.Stderr)
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// place is a directory with a key pair and a configuration in it.
func place(t *testing.T, lines ...string) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "services"), 0o755))
	var stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"keys", "-private", filepath.Join(dir, "key"), "-public", filepath.Join(dir, "pub")}, &stderr), stderr.String())
	file = filepath.Join(dir, "launch.yaml")
	text := strings.Join(append([]string{
		"name: ce1", "socket: socket", "public-key: pub", "services: services", "sandboxes: sandbox", "state: state",
	}, lines...), "\n") + "\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	return dir, file
}

func TestCheck(t *testing.T) {
	self := "run-jobs-as-self: true"
	cases := map[string]struct {
		lines []string
		want  string
	}{
		"good":              {[]string{self, "peers: [1234]"}, ""},
		"no peers":          {[]string{self}, "peers: missing"},
		"unknown key":       {[]string{self, "peers: [1]", "setuid: true"}, "setuid"},
		"name twice":        {[]string{self, "peers: [1]", "name: x"}, "name"},
		"low floor":         {[]string{self, "peers: [1]", "uid-floor: 500"}, "can only be raised above 1000"},
		"low group floor":   {[]string{self, "peers: [1]", "gid-floor: 0"}, "can only be raised above 100"},
		"relative cgroup":   {[]string{self, "peers: [1]", "cgroup: jobs"}, "absolute path"},
		"key of a stranger": {[]string{self, "peers: [1]", "#"}, "make it 0644"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir, file := place(t, c.lines...)
			if name == "key of a stranger" {
				require.NoError(t, os.Chmod(filepath.Join(dir, "pub"), 0o666))
			}
			var stderr bytes.Buffer
			code := run(t.Context(), []string{"check", "-config", file}, &stderr)
			if c.want == "" {
				require.Zero(t, code, stderr.String())
				return
			}
			require.Equal(t, 1, code)
			require.Contains(t, stderr.String(), c.want)
		})
	}
}

func TestConfigurationOfOthersIsRefused(t *testing.T) {
	_, file := place(t, "peers: [1]", "run-jobs-as-self: true")
	require.NoError(t, os.Chmod(file, 0o666))
	var stderr bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"check", "-config", file}, &stderr))
	require.Contains(t, stderr.String(), file)
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"check"}, {"keys", "-private", "x"}, {"-config", "x", "more"}, {"-colour"}, {"start"}} {
		var stderr bytes.Buffer
		require.Equal(t, 2, run(t.Context(), args, &stderr), args)
		require.Contains(t, stderr.String(), "usage:")
	}
	var stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, &stderr))
	require.Contains(t, stderr.String(), "Examples:")
	require.Contains(t, stderr.String(), "Exit code 0")
}
