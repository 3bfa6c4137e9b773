package etcd_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd"
	"github.com/gatehouse-authz/gatehouse/internal/store/storetest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The suite over the etcd that Debian ships, 3.4; that of 3.7 and of three
// members is in etcdtest.
func TestStore(t *testing.T) {
	endpoint := server(t)
	var n atomic.Int64
	storetest.Run(t, func(t storetest.T) store.Store {
		return open(t, etcd.Options{Endpoints: []string{endpoint}, Prefix: fmt.Sprint("suite/", n.Add(1))})
	})
}

// reopening can be closed and opened again.
type reopening struct {
	*etcd.Store
	options etcd.Options
}

var _ storetest.Reopener = reopening{}

func (r reopening) Reopen(t storetest.T) store.Store {
	require.NoError(t, r.Close())
	r.options.MustExist = true
	return open(t, r.options)
}

func open(t storetest.T, o etcd.Options) reopening {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := etcd.Open(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return reopening{s, o}
}

// server starts one member on loopback and returns its client URL.
func server(t *testing.T, flags ...string) string {
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
		"--data-dir", filepath.Join(dir, "data"), "--name", "one", "--unsafe-no-fsync",
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
func freeURL(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return "http://" + l.Addr().String()
}
