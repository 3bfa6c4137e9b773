package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Server is the far end of a socket: of a launcher, or of the mapping side,
// which signs grants for a container that holds no key.
type Server struct {
	Launcher Launcher // nil at the mapping side
	Granter  Granter  // nil at a launcher. It decides: whoever may ask may be a container gone bad
	Peers    []uint32 // user numbers that may ask
	Log      *slog.Logger
}

const (
	serverCalls   = 64               // under way at once; more wait in the socket's queue
	serverRequest = 10 * time.Second // to send a request, and to take the answer
	serverBacklog = 30 * time.Second // for a call to end when the server stops
)

// Listen makes the socket at path, in place of one that a killed launcher
// left behind. With a single peer the socket is that user's alone (0600);
// with several anybody may connect, and the server looks who it is.
func Listen(path string, peers []uint32) (*net.UnixListener, error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("launcher socket %s: something else is there: remove it", path)
	}
	if err == nil {
		if err := removeDead(path); err != nil {
			return nil, err
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("launcher socket: %w", err)
	}
	if err := handOver(path, peers); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("launcher socket: %w", err)
	}
	return l, nil
}

// removeDead removes a socket at which nobody listens any more. A child that a
// killed launcher was just forking has a copy of its listener until the
// child's execve: so ask more than once.
func removeDead(path string) error {
	for range 200 {
		c, err := net.Dial("unix", path)
		if err != nil {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("launcher socket: %w", err)
			}
			return nil
		}
		_ = c.Close()
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("launcher socket %s: another launcher answers there", path)
}

func handOver(path string, peers []uint32) error {
	if len(peers) != 1 {
		return os.Chmod(path, 0o666)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	if int(peers[0]) == os.Geteuid() {
		return nil
	}
	return os.Lchown(path, int(peers[0]), -1)
}

// Serve answers until ctx ends, then waits for the calls under way. It closes
// l.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var calls sync.WaitGroup
	defer calls.Wait()
	slots := make(chan struct{}, serverCalls)
	for {
		conn, err := l.AcceptUnix()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			_ = l.Close()
			return fmt.Errorf("launcher socket: %w", err)
		}
		slots <- struct{}{}
		calls.Go(func() {
			defer func() { <-slots }()
			s.answer(ctx, conn)
		})
	}
}

func (s *Server) answer(ctx context.Context, conn *net.UnixConn) {
	defer conn.Close()
	if err := s.checkPeer(conn); err != nil {
		s.Log.WarnContext(ctx, "refused", "error", err)
		return
	}
	_ = conn.SetDeadline(time.Now().Add(serverRequest))
	var q request
	f, err := readFrame(conn, &q, maxRequest)
	if err == nil && f != nil {
		_ = f.Close()
		err = errors.New("a request with a descriptor")
	}
	var r reply
	var open *os.File
	if err != nil {
		r = reply{Kind: "failed", Error: "request: " + err.Error()}
	} else {
		// What was begun is finished, whoever hangs up or stops meanwhile.
		do, cancel := context.WithTimeout(context.WithoutCancel(ctx), serverBacklog)
		defer cancel()
		r, open = s.serve(do, q)
	}
	if open != nil {
		defer open.Close()
	}
	_ = conn.SetDeadline(time.Now().Add(serverRequest))
	if err := writeFrame(conn, r, open); err != nil {
		s.Log.WarnContext(ctx, "answer not taken", "error", err)
	}
}

func (s *Server) checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	if credErr != nil {
		return fmt.Errorf("peer: %w", credErr)
	}
	if !slices.Contains(s.Peers, cred.Uid) {
		return fmt.Errorf("peer: uid %d (process %d) is not allowed to ask", cred.Uid, cred.Pid)
	}
	return nil
}

func (s *Server) serve(ctx context.Context, q request) (reply, *os.File) {
	r, f, err := s.dispatch(ctx, q)
	if err != nil {
		return reply{Kind: kindOf(err), Error: err.Error()}, nil
	}
	return r, f
}

func (s *Server) dispatch(ctx context.Context, q request) (reply, *os.File, error) {
	if q.Verb == verbGrant {
		return s.grant(ctx, q)
	}
	if s.Launcher == nil {
		return reply{}, nil, fmt.Errorf("%w: this is not a launcher", ErrForbidden)
	}
	switch q.Verb {
	case verbDo:
		result, err := s.Launcher.Do(ctx, q.Grant, q.Order)
		return reply{Status: result.Status, Files: result.Files, Opened: result.File != nil}, result.File, err
	case verbStatus:
		status, err := s.Launcher.Status(ctx, q.Job)
		return reply{Status: status}, nil, err
	case verbJobs:
		jobs, err := s.Launcher.Jobs(ctx)
		return reply{Jobs: jobs}, nil, err
	case verbReap:
		return reply{}, nil, s.Launcher.Reap(ctx, q.Job)
	}
	return reply{}, nil, fmt.Errorf("request: unknown verb %q", q.Verb)
}

func (s *Server) grant(ctx context.Context, q request) (reply, *os.File, error) {
	if s.Granter == nil || q.Wish == nil {
		return reply{}, nil, fmt.Errorf("%w: nothing is granted here", ErrForbidden)
	}
	if err := q.Wish.Order.Check(); err != nil {
		return reply{}, nil, fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	signed, err := s.Granter.Grant(ctx, *q.Wish)
	return reply{Grant: signed}, nil, err
}
