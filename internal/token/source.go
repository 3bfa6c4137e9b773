package token

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	fetchTime = 10 * time.Second
	// A failed look at the keys is repeated after retryFirst, then twice that,
	// up to retryLast or Refresh.
	retryFirst = 5 * time.Second
	retryLast  = 5 * time.Minute
	// A token with a key not known makes us look again, as keys rotate, but no
	// more often than this: anybody can invent a kid.
	askAgain = 10 * time.Second
)

// source keeps the keys of one issuer.
type source struct {
	Issuer
	options *Options
	keys    atomic.Pointer[keySet]
	fault   atomic.Pointer[string] // of the last look; nil when it went well
	tried   atomic.Int64           // when, Unix nanoseconds
	wake    chan struct{}
	spent   spent
	one     sync.Mutex // one look at a time: the last to be stored is the last that was begun
}

// follow looks at the keys until ctx is done.
func (s *source) follow(ctx context.Context) {
	for failures := 0; ; {
		wait := s.Refresh
		if err := s.refresh(ctx); err != nil {
			if ctx.Err() != nil {
				return
			}
			wait = min(wait, retryLast, retryFirst<<min(failures, 10))
			wait += rand.N(wait/4 + 1)
			if failures++; failures == 1 {
				s.options.Log.Warn("the keys of a token issuer were not confirmed; those before stay in force for now",
					"issuer", s.Issuer.Issuer, "max-stale", s.MaxStale, "error", err)
			}
		} else {
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-s.wake:
			timer.Stop()
		}
	}
}

// missed tells follow that a key is not known.
func (s *source) missed() {
	last := s.tried.Load()
	if s.options.Now().UnixNano()-last < int64(askAgain) {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// refresh looks at the keys once. What does not hold up changes nothing.
func (s *source) refresh(ctx context.Context) error {
	s.one.Lock()
	defer s.one.Unlock()
	s.tried.Store(s.options.Now().UnixNano())
	data, keys, err := s.look(ctx)
	if err != nil {
		text := err.Error()
		s.fault.Store(&text)
		return err
	}
	now := s.options.Now()
	s.keys.Store(&keySet{keys: keys, confirmed: now})
	s.fault.Store(nil)
	s.keep(data, now)
	return nil
}

func (s *source) look(ctx context.Context) ([]byte, []key, error) {
	from, read := s.JWKS, s.fetch
	if s.JWKSFile != "" {
		from, read = s.JWKSFile, func(context.Context) ([]byte, error) { return s.options.ReadFile(s.JWKSFile) }
	}
	data, err := read(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("key set %s: %w", from, err)
	}
	if len(data) > maxKeySet {
		return nil, nil, fmt.Errorf("key set %s: longer than %d bytes", from, maxKeySet)
	}
	keys, skipped, err := parseKeys(data, s.Algorithms)
	if err != nil {
		return nil, nil, fmt.Errorf("key set %s: %w", from, err)
	}
	for _, why := range skipped {
		s.options.Log.Debug("a key is not used", "issuer", s.Issuer.Issuer, "from", from, "why", why)
	}
	return data, keys, nil
}

// fetch gets the key set. It follows no redirection: configuration says where
// keys come from.
func (s *source) fetch(ctx context.Context) ([]byte, error) {
	trust, err := s.trust()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.JWKS, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %s", response.Status)
	}
	return io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
}

// trust says whom we believe to be the server of the URL: the system's CAs,
// those of a file, or those of the grid.
func (s *source) trust() (*tls.Config, error) {
	switch {
	case s.GridCAs && s.options.Grid == nil:
		return nil, errors.New("grid-cas: there is no trust directory")
	case s.GridCAs:
		return s.options.Grid(), nil
	case s.CA == "":
		return &tls.Config{MinVersion: tls.VersionTLS12}, nil
	}
	text, err := s.options.ReadFile(s.CA)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca: %s holds no certificate in PEM", s.CA)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}

var (
	errNoKeys = errors.New("the keys of its issuer are not known yet: try again later")
	errStale  = errors.New("the keys of its issuer were not confirmed for too long")
)

// current returns the keys in force now.
func (s *source) current(now time.Time) (*keySet, error) {
	set := s.keys.Load()
	switch {
	case set == nil:
		return nil, errNoKeys
	case now.Sub(set.confirmed) > s.MaxStale:
		return nil, errStale
	}
	return set, nil
}
