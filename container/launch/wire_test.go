package launch

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serveGate serves a gate over a socket and returns its path.
func serveGate(t *testing.T, gate Launcher, peers ...uint32) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path, peers)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&Server{Launcher: gate, Peers: peers, Log: quiet()}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return path
}

func self() uint32 { return uint32(os.Geteuid()) }

func TestBothEndsOfTheSocket(t *testing.T) {
	gate, runner, signer := newGate(t)
	client := NewClient(serveGate(t, gate, self()), 5*time.Second)
	o := startOrder()
	o.Args = append(o.Args, "ünï \"quoted\"\n")
	grant, err := signer.Grant(t.Context(), wish(o))
	require.NoError(t, err)
	runner.result.Status = Status{Job: jobID, State: Running, Account: account, Limits: o.Limits}
	r, err := client.Do(t.Context(), grant, o)
	require.NoError(t, err)
	require.Equal(t, runner.result.Status, r.Status)
	require.Equal(t, []Order{o}, runner.orders)

	_, err = client.Do(t.Context(), grant, o)
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "used before", "the cause crosses the wire")

	st, err := client.Status(t.Context(), jobID)
	require.NoError(t, err)
	require.Equal(t, "SIGXCPU", st.Exit.Signal)
	require.Equal(t, 5*time.Second, st.CPU)
	jobs, err := client.Jobs(t.Context())
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	require.NoError(t, client.Reap(t.Context(), jobID))
	for _, sentinel := range []error{ErrRefused, ErrForbidden, ErrNoJob, ErrConflict, ErrPath} {
		runner.err = fmt.Errorf("because: %w", sentinel)
		_, err = client.Status(t.Context(), jobID)
		require.ErrorIs(t, err, sentinel)
		require.NotErrorIs(t, err, ErrAway)
	}
}

func TestFileCrossesTheSocket(t *testing.T) {
	gate, runner, signer := newGate(t)
	client := NewClient(serveGate(t, gate, self()), 5*time.Second)
	path := filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.WriteFile(path, []byte("42\n"), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	runner.result = Result{File: f, Files: []File{{Name: "out", Size: 3}}}
	o := Order{Operation: Read, Job: jobID, Path: "out"}
	grant, err := signer.Grant(t.Context(), wish(o))
	require.NoError(t, err)
	r, err := client.Do(t.Context(), grant, o)
	require.NoError(t, err)
	defer r.File.Close()
	text, err := io.ReadAll(r.File)
	require.NoError(t, err)
	require.Equal(t, "42\n", string(text))
	flags, err := unix.FcntlInt(r.File.Fd(), unix.F_GETFD, 0)
	require.NoError(t, err)
	require.NotZero(t, flags&unix.FD_CLOEXEC, "the next child must not inherit it")
}

// decided grants only what was decided.
type decided struct{ signer *Signer }

func (d decided) Grant(ctx context.Context, w Wish) (Signed, error) {
	if w.Decision != "d1" {
		return nil, fmt.Errorf("%w: no such decision", ErrRefused)
	}
	return d.signer.Grant(ctx, w)
}

// ⚿ DECISIONS 27: the container holds no key; it asks the mapping side.
func TestGrantsFromTheMappingSide(t *testing.T) {
	gate, runner, signer := newGate(t)
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path, []uint32{self()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- (&Server{Granter: decided{signer}, Peers: []uint32{self()}, Log: quiet()}).Serve(ctx, l)
	}()
	client := NewClient(path, 5*time.Second)
	o := startOrder()
	grant, err := client.Grant(t.Context(), wish(o))
	require.NoError(t, err)
	_, err = gate.Do(t.Context(), grant, o)
	require.NoError(t, err)
	require.Equal(t, []Order{o}, runner.orders)

	undecided := wish(o)
	undecided.Decision = "d2"
	_, err = client.Grant(t.Context(), undecided)
	require.ErrorIs(t, err, ErrRefused)
	malformed := wish(o)
	malformed.Order.Args = nil
	_, err = client.Grant(t.Context(), malformed)
	require.ErrorIs(t, err, ErrForbidden)
	_, err = client.Jobs(t.Context())
	require.ErrorContains(t, err, "not a launcher")
	_, err = NewClient(serveGate(t, gate, self()), 5*time.Second).Grant(t.Context(), wish(o))
	require.ErrorContains(t, err, "nothing is granted here")
	cancel()
	require.NoError(t, <-done)
	_, err = client.Grant(t.Context(), wish(o))
	require.ErrorIs(t, err, ErrAway)
}

// ⚿ DECISIONS 27: the peer's uid is checked.
func TestStrangersAreNotAnswered(t *testing.T) {
	gate, _, _ := newGate(t)
	path := serveGate(t, gate, self()+1, self()+2)
	_, err := NewClient(path, 5*time.Second).Jobs(t.Context())
	require.ErrorIs(t, err, ErrAway)
	conn, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer conn.Close()
	answer, _ := io.ReadAll(conn)
	require.Empty(t, answer)
}

func TestNoAnswerIsAway(t *testing.T) {
	client := NewClient(filepath.Join(t.TempDir(), "nobody"), time.Second)
	_, err := client.Status(t.Context(), jobID)
	require.ErrorIs(t, err, ErrAway)
	require.NotErrorIs(t, err, ErrNoJob, "no answer must never read as: no such job")

	path := filepath.Join(t.TempDir(), "deaf")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = NewClient(path, time.Minute).Status(ctx, jobID)
	require.ErrorIs(t, err, ErrAway)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestBadFramesAreRefused(t *testing.T) {
	gate, runner, _ := newGate(t)
	path := serveGate(t, gate, self())
	frame := func(body string) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	cases := map[string]struct {
		bytes []byte
		want  string
	}{
		"duplicate key":  {frame(`{"verb":"jobs","verb":"reap"}`), "duplicate"},
		"unknown key":    {frame(`{"verb":"jobs","as":"root"}`), "unknown"},
		"unknown verb":   {frame(`{"verb":"exec"}`), "unknown verb"},
		"two documents":  {frame(`{"verb":"jobs"}{}`), "invalid character"},
		"not JSON":       {frame(`GET / HTTP/1.1`), "invalid"},
		"too long":       {[]byte{0xff, 0xff, 0xff, 0xff}, "at most"},
		"other spelling": {frame(`{"Verb":"jobs"}`), "unknown"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("unix", path)
			require.NoError(t, err)
			defer conn.Close()
			_, err = conn.Write(c.bytes)
			require.NoError(t, err)
			answer, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.Contains(t, string(answer), c.want)
		})
	}
	require.Empty(t, runner.orders)
}

func TestRequestWithDescriptorsIsRefused(t *testing.T) {
	gate, runner, _ := newGate(t)
	path := serveGate(t, gate, self())
	for n := 1; n <= 3; n++ {
		conn, err := net.Dial("unix", path)
		require.NoError(t, err)
		rights := unix.UnixRights(make([]int, n)...)
		body := []byte(`{"verb":"jobs"}`)
		_, _, err = conn.(*net.UnixConn).WriteMsgUnix(binary.BigEndian.AppendUint32(nil, uint32(len(body))), rights, nil)
		require.NoError(t, err)
		conn.Write(body)              // may be cut off: the server does not read on
		answer, _ := io.ReadAll(conn) // likewise
		if len(answer) > 0 {
			require.Contains(t, string(answer), "descriptor")
		}
		require.NoError(t, conn.Close())
	}
	require.Empty(t, runner.orders)
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path, []uint32{self()})
	require.NoError(t, err)
	_, err = Listen(path, []uint32{self()})
	require.ErrorContains(t, err, "another launcher answers")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	l.SetUnlinkOnClose(false) // as when killed
	require.NoError(t, l.Close())
	l, err = Listen(path, []uint32{1, 2})
	require.NoError(t, err, "a dead socket is replaced")
	require.NoError(t, l.Close())

	file := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(file, []byte("precious"), 0o600))
	_, err = Listen(file, []uint32{self()})
	require.ErrorContains(t, err, "something else is there")
	require.FileExists(t, file)
}

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	private, public := filepath.Join(dir, "grant.key"), filepath.Join(dir, "grant.pub")
	require.NoError(t, WriteKeys(private, public))
	require.Error(t, WriteKeys(private, public), "never overwritten")
	key, err := ReadPrivateKey(private)
	require.NoError(t, err)
	pub, err := ReadPublicKey(public)
	require.NoError(t, err)
	require.Equal(t, key.Public(), pub)
	_, err = ReadPrivateKey(public)
	require.ErrorContains(t, err, "PRIVATE KEY")
	_, err = ReadPublicKey(private)
	require.ErrorContains(t, err, "PUBLIC KEY")
	require.NoError(t, os.Chmod(private, 0o640))
	_, err = ReadPrivateKey(private)
	require.ErrorContains(t, err, "make it 0600")
	require.NoError(t, os.Chmod(public, 0o666))
	_, err = ReadPublicKey(public)
	require.ErrorContains(t, err, "make it 0644")
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x0f{\"verb\":\"jobs\"}"))
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var q request
		if len(b) < 4 {
			return
		}
		if err := readBody(bytes.NewReader(b[4:]), b[:4], 4, &q, maxRequest); err == nil {
			require.False(t, strings.Contains(string(b[4:]), `"verb":"do","verb"`))
		}
	})
}
