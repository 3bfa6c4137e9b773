package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The limits of every HTTP server here (DECISIONS 33).
const (
	HeaderTimeout  = 5 * time.Second // also bounds the TLS handshake
	BodyTimeout    = 30 * time.Second
	AnswerTimeout  = 90 * time.Second
	IdleTimeout    = 2 * time.Minute
	MaxHeaderBytes = 64 << 10
)

// HTTP describes a server. The zero values of the limits are the defaults.
//
// A handler that holds a request longer than BodyTimeout or AnswerTimeout must
// move the deadlines with an http.ResponseController.
type HTTP struct {
	Name     string
	Listener net.Listener
	Handler  http.Handler
	// TLS makes it an HTTPS server, HTTP/2 included. Where GetConfigForClient
	// returns another configuration, that one must name "h2" in NextProtos.
	TLS *tls.Config
	Log *slog.Logger
	// OnStop is called when stopping begins, to end what is held open.
	OnStop func()
	// Drain bounds the wait for requests under way; the rest are cut off.
	Drain time.Duration
	// Conns and ConnsPerPeer cap connections, in all and from one address.
	Conns, ConnsPerPeer int
}

// Component serves until its context is done, then takes no more connections,
// lets requests under way end, and returns. It is ready at once: the listener
// is open.
func (h HTTP) Component() Component { return Component{Name: h.Name, Run: h.run} }

func (h HTTP) run(ctx context.Context, ready func()) error {
	s := h.Server()
	l := LimitConns(h.Listener, orElse(h.Conns, DefaultConns), orElse(h.ConnsPerPeer, DefaultConnsPerPeer))
	served := make(chan error, 1)
	go func() {
		if s.TLSConfig != nil {
			served <- s.ServeTLS(l, "", "")
			return
		}
		served <- s.Serve(l)
	}()
	ready()
	select {
	case err := <-served:
		return fmt.Errorf("serve on %s: %w", h.Listener.Addr(), errors.Join(err, s.Close()))
	case <-ctx.Done():
	}
	err := h.shutdown(s)
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// shutdown lets requests end, but not for ever.
func (h HTTP) shutdown(s *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), orElse(h.Drain, DefaultDrain/2))
	defer cancel()
	if h.OnStop != nil {
		h.OnStop()
	}
	if err := s.Shutdown(ctx); err != nil {
		if h.Log != nil {
			h.Log.Warn("requests were cut off while stopping", "server", h.Name, "error", err)
		}
		return s.Close()
	}
	return nil
}

// Server returns the server that Component runs, for tests and for callers that
// serve it themselves.
func (h HTTP) Server() *http.Server {
	s := &http.Server{
		Handler:           h.Handler,
		ReadHeaderTimeout: HeaderTimeout,
		ReadTimeout:       BodyTimeout,
		WriteTimeout:      AnswerTimeout,
		IdleTimeout:       IdleTimeout,
		MaxHeaderBytes:    MaxHeaderBytes,
		ConnContext:       withPeer,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 100,
			SendPingTimeout:      30 * time.Second,
			PingTimeout:          15 * time.Second,
			WriteByteTimeout:     30 * time.Second,
		},
	}
	if h.TLS != nil {
		s.TLSConfig = h.TLS.Clone()
	}
	if h.Log != nil {
		// What comes in here are handshakes that failed and the like: any
		// scanner causes them.
		s.ErrorLog = slog.NewLogLogger(h.Log.With("server", h.Name).Handler(), slog.LevelDebug)
	}
	return s
}
