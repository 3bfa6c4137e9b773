// Package etcdserver starts the etcd of this machine, such as Debian's package
// etcd-server, for the tests of what stores state in it.
package etcdserver

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Start starts one member on loopback, with further flags, and returns its client
// URL. Where there is no etcd the test is skipped.
func Start(t testing.TB, flags ...string) string { t.Helper(); return start(t, "http", flags) }

// StartTLS is Start for a member whose clients talk TLS, as the flags say.
func StartTLS(t testing.TB, flags ...string) string { t.Helper(); return start(t, "https", flags) }

func start(t testing.TB, scheme string, flags []string) string {
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("no etcd on this machine: apt-get install etcd-server")
	}
	client, peer := freeURL(t, scheme), freeURL(t, "http")
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	cmd := exec.Command(program, append([]string{
		"--data-dir", filepath.Join(dir, "data"), "--name", "one", "--unsafe-no-fsync", "--heartbeat-interval", "20", "--election-timeout", "200",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "one=" + peer,
	}, flags...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("etcd: %s", text[max(0, len(text)-4000):])
		}
	})
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if text, err := os.ReadFile(log.Name()); err == nil && strings.Contains(string(text), "ready to serve client requests") {
			return client
		}
	}
	require.FailNow(t, "etcd does not start")
	return ""
}

// freeURL is a port that nobody listens on at the moment.
func freeURL(t testing.TB, scheme string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return scheme + "://" + l.Addr().String()
}
