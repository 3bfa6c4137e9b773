// Package etcdserver starts the etcd of this machine, such as Debian's package
// etcd-server, for the tests of what stores state in it.
package etcdserver

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Start starts one member on loopback, with further flags, and returns its client
// URL. Where there is no etcd the test is skipped.
func Start(t testing.TB, flags ...string) string {
	t.Helper()
	program, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("no etcd on this machine: apt-get install etcd-server")
	}
	client, peer := freeURL(t), freeURL(t)
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
	return client
}

// freeURL is a port that nobody listens on at the moment.
func freeURL(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return "http://" + l.Addr().String()
}
