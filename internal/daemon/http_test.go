package daemon_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// serve runs one server and returns how to stop it; stop returns what Run did.
func serve(t *testing.T, h daemon.HTTP) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	up := make(chan struct{})
	var g daemon.Group
	g.Notify = func(s string) error {
		if s == "READY=1" {
			close(up)
		}
		return nil
	}
	g.Add(h.Component())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	<-up
	var err error
	stopped := false
	stop = func() error {
		if !stopped {
			stopped = true
			cancel()
			err = <-done
		}
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := daemon.ListenLoopback("127.0.0.1:0")
	require.NoError(t, err)
	return l
}

func TestStopLetsRequestsEnd(t *testing.T) {
	l := loopback(t)
	entered, release := make(chan struct{}), make(chan struct{})
	stop := serve(t, daemon.HTTP{Name: "x", Listener: l, OnStop: func() { close(release) },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-release
			_, _ = w.Write([]byte("whole"))
		})})
	got := make(chan string, 1)
	go func() {
		r, err := http.Get("http://" + l.Addr().String())
		if err != nil {
			got <- err.Error()
			return
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		got <- string(b)
	}()
	<-entered
	require.NoError(t, stop())
	require.Equal(t, "whole", <-got)
	http.DefaultClient.CloseIdleConnections()
	_, err := net.Dial("tcp", l.Addr().String())
	require.Error(t, err)
}

func TestStopCutsOffWhatNeverEnds(t *testing.T) {
	l := loopback(t)
	entered := make(chan struct{})
	stop := serve(t, daemon.HTTP{Name: "x", Listener: l, Drain: 20 * time.Millisecond,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { close(entered); <-r.Context().Done() })})
	failed := make(chan error, 1)
	go func() {
		_, err := http.Get("http://" + l.Addr().String())
		failed <- err
	}()
	<-entered
	start := time.Now()
	require.NoError(t, stop())
	require.Less(t, time.Since(start), 3*time.Second)
	require.Error(t, <-failed)
}

func TestConnectionCapPerPeer(t *testing.T) {
	l := loopback(t)
	serve(t, daemon.HTTP{Name: "x", Listener: l, ConnsPerPeer: 2, Handler: http.NotFoundHandler()})
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	answers := func(c net.Conn) bool {
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		_, _ = fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		line, err := bufio.NewReader(c).ReadString('\n')
		return err == nil && strings.Contains(line, "404")
	}
	a, b := dial(), dial()
	require.True(t, answers(a))
	require.True(t, answers(b))
	require.False(t, answers(dial()), "the third connection is refused")
	require.NoError(t, a.Close())
	require.Eventually(t, func() bool { return answers(dial()) }, 5*time.Second, 5*time.Millisecond, "a place is free again")
}

func TestHeaderLimits(t *testing.T) {
	l := loopback(t)
	serve(t, daemon.HTTP{Name: "x", Listener: l, Handler: http.NotFoundHandler()})
	r, err := http.NewRequest(http.MethodGet, "http://"+l.Addr().String(), nil)
	require.NoError(t, err)
	r.Header.Set("X-Big", strings.Repeat("x", 2*daemon.MaxHeaderBytes))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err == nil {
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, answer.StatusCode)
		require.NoError(t, answer.Body.Close())
	}
	s := daemon.HTTP{Handler: http.NotFoundHandler()}.Server()
	require.Equal(t, 5*time.Second, s.ReadHeaderTimeout)
	require.Equal(t, 30*time.Second, s.ReadTimeout)
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	l, err := daemon.ListenUnix(path)
	require.NoError(t, err)
	info, err := os.Lstat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	stop := serve(t, daemon.HTTP{Name: "x", Listener: l, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := daemon.PeerOf(r.Context())
		fmt.Fprint(w, ok, p.UID, p.GID, p.PID, " ", daemon.PeerAddress(r) == "")
	})})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}}
	r, err := client.Get("http://local/")
	require.NoError(t, err)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, fmt.Sprint(true, uint32(os.Geteuid()), uint32(os.Getegid()), int32(os.Getpid()), " ", true), string(body))

	_, err = daemon.ListenUnix(path)
	require.ErrorContains(t, err, "in use by another process")
	require.NoError(t, stop())
	_, err = os.Lstat(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestUnixSocketLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	old.SetUnlinkOnClose(false)
	require.NoError(t, old.Close())
	l, err := daemon.ListenUnix(path)
	require.NoError(t, err)
	require.NoError(t, l.Close())

	require.NoError(t, os.WriteFile(path, []byte("a file"), 0o600))
	_, err = daemon.ListenUnix(path)
	require.ErrorContains(t, err, "something else is there")
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "a file", string(kept))
}

func TestNoPeerOverTCP(t *testing.T) {
	l := loopback(t)
	serve(t, daemon.HTTP{Name: "x", Listener: l, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, ok := daemon.PeerOf(r.Context())
		fmt.Fprint(w, ok, daemon.PeerAddress(r))
	})})
	require.Equal(t, "false127.0.0.1/32", fetch(t, "http://"+l.Addr().String(), ""))
}

func fetch(t *testing.T, url, accept string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	r.Header.Set("Accept", accept)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(b)
}

func TestHealth(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h := daemon.NewHealth("Argus PAP", "1.2", func() time.Time { return now })
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "gatehouse_test_total"})
	h.Registry().MustRegister(counter)
	var trouble error
	h.Check("store", func() error { return trouble })
	h.Listed("Warning", "TokenIssuer")
	h.Facts(func() []daemon.Fact {
		return []daemon.Fact{{"NumberOfPolicies", 7}, {"Warning", "one"}, {"Warning", "two"}, {"Odd", "a: b:  c\nStatus: OK\u2028"}}
	})
	l := loopback(t)
	serve(t, daemon.HTTP{Name: "health", Listener: l, Handler: h.Handler()})
	url := "http://" + l.Addr().String()

	require.Equal(t, "ok\n", fetch(t, url+"/healthz", ""))
	require.Contains(t, fetch(t, url+"/readyz", ""), "process: starting")
	h.SetReady(true)
	require.Equal(t, "ok\n", fetch(t, url+"/readyz", ""))
	text := fetch(t, url+"/status", "")
	for _, want := range []string{"Status: OK\n", "Service: Argus PAP\n", "ServiceVersion: 1.2\n", "ServiceStartupTimeMillis: 1767323045000\n", "NumberOfPolicies: 7\n"} {
		require.Contains(t, text, want)
	}
	for line := range strings.Lines(text) {
		require.Len(t, strings.Split(line, ": "), 2, "a probe for Argus must be able to read %q", line)
	}
	require.Contains(t, fetch(t, url+"/metrics", ""), "gatehouse_test_total 0")
	require.Contains(t, fetch(t, url+"/metrics", ""), "go_goroutines")

	trouble = fmt.Errorf("store is closed")
	require.Contains(t, fetch(t, url+"/status", ""), "Status: ERROR\n")
	require.Contains(t, fetch(t, url+"/status", ""), "Trouble: store:store is closed\n")
	require.Contains(t, fetch(t, url+"/readyz", ""), "store: store is closed")
	var status map[string]any
	require.NoError(t, json.Unmarshal([]byte(fetch(t, url+"/status", "application/json")), &status))
	require.Equal(t, "ERROR", status["Status"])
	require.Equal(t, []any{"store: store is closed"}, status["Troubles"])
	require.Equal(t, []any{"one", "two"}, status["Warnings"], "several of one name are a list")
	require.Equal(t, []any{}, status["TokenIssuers"], "also of none")
	require.NotContains(t, status, "Warning")
	require.EqualValues(t, 7, status["NumberOfPolicies"])
}

func TestHealthRefusesOtherNames(t *testing.T) {
	h := daemon.NewHealth("x", "1", time.Now).Handler()
	for host, want := range map[string]int{"localhost": 200, "127.0.0.1:81": 200, "[::1]:81": 200, "::1": 200, "evil.example": 403, "127.0.0.1.evil.example:80": 403, "": 403} {
		r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, host)
	}
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.org:0", "x"} {
		_, err := daemon.ListenLoopback(address)
		require.Error(t, err, address)
	}
}

func TestLimitRate(t *testing.T) {
	now := time.Unix(0, 0)
	h := daemon.LimitRate(http.NotFoundHandler(), nil, 1, 2, func() time.Time { return now })
	ask := func(from string) int {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, []int{404, 404, 429}, []int{ask("192.0.2.1:1"), ask("192.0.2.1:2"), ask("192.0.2.1:3")})
	require.Equal(t, 404, ask("192.0.2.2:1"), "another peer")
	require.Equal(t, []int{404, 404, 429}, []int{ask("[2001:db8::1]:1"), ask("[2001:db8::2]:1"), ask("[2001:db8::3]:1")}, "one /64 is one peer")
	for range 5 {
		require.Equal(t, 404, ask("@"), "a unix socket")
	}
	now = now.Add(time.Second)
	require.Equal(t, []int{404, 429}, []int{ask("192.0.2.1:4"), ask("192.0.2.1:5")})
	for i := range 20000 {
		require.Equal(t, 404, ask(fmt.Sprintf("10.%d.%d.1:1", i/256, i%256)), "memory is bounded, newcomers are served")
	}
}

func TestSystemdSockets(t *testing.T) {
	s, err := daemon.Inherit()
	require.NoError(t, err)
	l, err := s.Listen("api", "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	var none *daemon.Sockets
	l, err = none.Listen("admin", "unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = none.Listen("api", "tcp", "127.0.0.1:none")
	require.ErrorContains(t, err, "listen for api")
}

func TestSystemdNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	require.NoError(t, daemon.Systemd("READY=1"))
	b := make([]byte, 100)
	n, err := c.Read(b)
	require.NoError(t, err)
	require.Equal(t, "READY=1", string(b[:n]))
}
