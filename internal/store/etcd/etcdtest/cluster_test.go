package etcdtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// memberVariable makes a process of this program a member instead of a test.
const memberVariable = "GATEHOUSE_ETCD_MEMBER"

// memberConfig is what a member is told in that variable.
type memberConfig struct {
	Name, Dir, Client, Peer, Cluster string
	Compaction                       string // how many revisions are kept; empty: all
	MaxTxnOps                        uint
	Sync                             bool // fsync, for figures that mean something
}

// runMember runs one member until it is told to stop.
func runMember(text string) error {
	var m memberConfig
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return err
	}
	c := embed.NewConfig()
	c.Name, c.Dir, c.InitialCluster = m.Name, m.Dir, m.Cluster
	c.ListenClientUrls, c.AdvertiseClientUrls = one(m.Client), one(m.Client)
	c.ListenPeerUrls, c.AdvertisePeerUrls = one(m.Peer), one(m.Peer)
	c.UnsafeNoFsync = !m.Sync // the machine does not lose power in a test
	c.LogLevel, c.LogOutputs = "fatal", []string{"stderr"}
	if m.Compaction != "" {
		c.AutoCompactionMode, c.AutoCompactionRetention = "revision", m.Compaction
	}
	if m.MaxTxnOps != 0 {
		c.MaxTxnOps = m.MaxTxnOps
	}
	server, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	defer server.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	select {
	case <-stop:
		return nil
	case err := <-server.Err():
		return err
	}
}

func one(text string) []url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return []url.URL{*u}
}

// cluster is some members on loopback.
type cluster struct {
	t       testing.TB
	members []*member
}

type member struct {
	config memberConfig
	cmd    *exec.Cmd // nil while it is not running
}

// startCluster starts n members and waits until they have a leader.
func startCluster(t testing.TB, n int, adjust ...func(*memberConfig)) *cluster {
	t.Helper()
	c := &cluster{t: t}
	initial := ""
	for i := range n {
		m := &member{config: memberConfig{Name: fmt.Sprint("m", i), Dir: filepath.Join(t.TempDir(), "data"), Client: freeURL(t), Peer: freeURL(t)}}
		for _, f := range adjust {
			f(&m.config)
		}
		c.members = append(c.members, m)
		initial += "," + m.config.Name + "=" + m.config.Peer
	}
	t.Cleanup(c.killAll)
	for i, m := range c.members {
		m.config.Cluster = initial[1:]
		c.start(i)
	}
	c.leader()
	return c
}

func freeURL(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return "http://" + l.Addr().String()
}

func (c *cluster) endpoints() (all []string) {
	for _, m := range c.members {
		all = append(all, m.config.Client)
	}
	return all
}

// start starts a member that is not running.
func (c *cluster) start(i int) {
	c.t.Helper()
	m := c.members[i]
	config, err := json.Marshal(m.config)
	require.NoError(c.t, err)
	m.cmd = exec.Command(os.Args[0])
	m.cmd.Env = append(os.Environ(), memberVariable+"="+string(config))
	m.cmd.Stderr = os.Stderr
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(c.t, m.cmd.Start())
}

// kill ends a member without warning.
func (c *cluster) kill(i int) {
	if m := c.members[i]; m.cmd != nil {
		_ = m.cmd.Process.Kill()
		_ = m.cmd.Wait()
		m.cmd = nil
	}
}

func (c *cluster) killAll() {
	for i := range c.members {
		c.kill(i)
	}
}

// freeze stops a member without closing its connections; thaw wakes it again.
func (c *cluster) freeze(i int) { _ = c.members[i].cmd.Process.Signal(syscall.SIGSTOP) }
func (c *cluster) thaw(i int)   { _ = c.members[i].cmd.Process.Signal(syscall.SIGCONT) }

// leader waits until the members that run agree on a leader, and returns it.
func (c *cluster) leader() int {
	c.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for i := range c.members {
			if c.leads(i) {
				return i
			}
		}
	}
	require.FailNow(c.t, "no leader")
	return -1
}

func (c *cluster) leads(i int) bool {
	m := c.members[i]
	if m.cmd == nil {
		return false
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{m.config.Client}, Logger: zap.NewNop()})
	if err != nil {
		return false
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	status, err := client.Status(ctx, m.config.Client)
	return err == nil && status.Leader == status.Header.MemberId
}

// client is a bare client of the cluster.
func (c *cluster) client() *clientv3.Client {
	c.t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: c.endpoints(), Logger: zap.NewNop()})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}
