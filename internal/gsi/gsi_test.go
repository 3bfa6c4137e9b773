package gsi_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
)

// site is a grid, its trust directory, a verifier with a clock that can be
// moved, and an HTTPS server that says what it thinks of its callers.
type site struct {
	grid     *gridtest.Grid
	dir      string
	verifier *gsi.Verifier
	ahead    atomic.Int64 // of the real clock
	url      string
	host     *gsi.Host
}

func newSite(t testing.TB, anonymous bool) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	var err error
	s.grid, err = gridtest.New()
	require.NoError(t, err)
	require.NoError(t, s.grid.WriteTrust(s.dir))
	store, err := trust.Open(trust.Options{Dir: s.dir})
	require.NoError(t, err)
	s.verifier = gsi.NewVerifier(store, s.now)
	e, err := s.grid.Strong.Host("localhost", "127.0.0.1")
	require.NoError(t, err)
	cert, key, err := e.WritePEM(t.TempDir(), "host")
	require.NoError(t, err)
	s.host, err = gsi.LoadHost(cert, key, nil, s.now)
	require.NoError(t, err)
	s.url = serve(t, s.verifier.ServerTLS(s.host, anonymous), s.answer)
	return s
}

// serve is not httptest's: that adds a certificate of its own.
func serve(t testing.TB, config *tls.Config, answer http.HandlerFunc) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: answer, TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, "", "")
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return "https://" + listener.Addr().String()
}

func (s *site) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

func (s *site) answer(w http.ResponseWriter, r *http.Request) {
	c := s.verifier.FromTLS(r.TLS)
	switch {
	case c == nil:
		fmt.Fprint(w, "anonymous")
	case c.Verdict() != nil:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, c.Verdict())
	default:
		fmt.Fprint(w, c.Subject)
	}
	fmt.Fprintf(w, " resumed=%v", r.TLS.DidResume)
}

func (s *site) client(t testing.TB, e *gridtest.Entity, version uint16, keepAlive bool) *http.Client {
	t.Helper()
	c := e.ClientTLS(s.grid.Pool())
	c.MinVersion, c.MaxVersion = version, version
	c.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	tr := &http.Transport{TLSClientConfig: c, DisableKeepAlives: !keepAlive}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 5 * time.Second}
}

func ask(t testing.TB, c *http.Client, s *site) (int, string) {
	t.Helper()
	r, err := c.Get(s.url)
	require.NoError(t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(body)
}

var versions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

func TestCallers(t *testing.T) {
	s := newSite(t, true)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	proxy, err := ann.Proxy(gridtest.ProxySpec{Language: gridtest.Limited})
	require.NoError(t, err)
	other, err := gridtest.NewCA("/DC=test/DC=strong")
	require.NoError(t, err)
	stranger, err := other.User("Ann Other")
	require.NoError(t, err)
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			for who, c := range map[string]struct {
				caller *gridtest.Entity
				code   int
				want   string
			}{
				"anonymous":  {nil, 200, "anonymous"},
				"user":       {ann, 200, "/DC=test/DC=strong/OU=people/CN=Ann Other"},
				"proxy":      {proxy, 200, "/DC=test/DC=strong/OU=people/CN=Ann Other"},
				"unknown CA": {stranger, 403, "did not sign it"},
			} {
				code, body := ask(t, s.client(t, c.caller, version, false), s)
				require.Equal(t, c.code, code, "%s: %s", who, body)
				require.Contains(t, body, c.want, who)
			}
		})
	}
}

func TestAnonymousRefusedWhereACertificateIsRequired(t *testing.T) {
	s := newSite(t, false)
	_, err := s.client(t, nil, tls.VersionTLS13, false).Get(s.url)
	require.Error(t, err)
}

// ⚿ Neither an open connection nor a resumed session outlives the expiry or
// the revocation of what it was opened with (threats 25, 27).
func TestConnectionsDoNotOutliveTheirCredential(t *testing.T) {
	for name, version := range versions {
		for _, keepAlive := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/keep-alive=%v", name, keepAlive), func(t *testing.T) {
				s := newSite(t, true)
				ann, err := s.grid.Strong.User("Ann Other")
				require.NoError(t, err)
				short, err := ann.Proxy(gridtest.ProxySpec{NotAfter: time.Now().Add(time.Hour)})
				require.NoError(t, err)
				user, proxy := s.client(t, ann, version, keepAlive), s.client(t, short, version, keepAlive)
				for _, c := range []*http.Client{user, proxy, user, proxy} {
					code, body := ask(t, c, s)
					require.Equal(t, 200, code, body)
				}
				s.ahead.Store(int64(2 * time.Hour))
				code, body := ask(t, proxy, s)
				require.Equal(t, 403, code, body)
				require.Contains(t, body, "ended")
				require.Contains(t, body, fmt.Sprintf("resumed=%v", !keepAlive), "the test must test what it says")
				code, body = ask(t, user, s)
				require.Equal(t, 200, code, body)

				s.grid.Strong.Revoke(ann)
				require.NoError(t, s.grid.Strong.WriteCRL(s.dir, nil))
				_, err = s.verifier.Trust().Reload()
				require.NoError(t, err)
				code, body = ask(t, user, s)
				require.Equal(t, 403, code, body)
				require.Contains(t, body, "revoked")
				require.Contains(t, body, fmt.Sprintf("resumed=%v", !keepAlive))
			})
		}
	}
}

// ⚿ A revocation list that ends while a connection is open refuses, too.
func TestListEndsMeanwhile(t *testing.T) {
	s := newSite(t, true)
	der, err := s.grid.Strong.CRL(func(l *x509.RevocationList) { l.NextUpdate = time.Now().Add(time.Hour) })
	require.NoError(t, err)
	require.NoError(t, s.grid.Strong.WriteCRL(s.dir, der))
	_, err = s.verifier.Trust().Reload()
	require.NoError(t, err)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	c := s.verifier.Verify(ann.Chain)
	require.NoError(t, c.Verdict())
	s.ahead.Store(int64(61 * time.Minute))
	require.ErrorContains(t, c.Verdict(), "out of date")
	require.NoError(t, s.grid.Strong.WriteCRL(s.dir, nil))
	_, err = s.verifier.Trust().Reload()
	require.NoError(t, err)
	require.NoError(t, c.Verdict(), "the same credential stands again")
	require.NoError(t, s.verifier.Verify(ann.Chain).Verdict())
}

// ⚿ Too many certificates get a readable answer, too many bytes an early end.
func TestHundredCertificates(t *testing.T) {
	s := newSite(t, true)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	e := ann
	for range 99 {
		e, err = e.Proxy(gridtest.ProxySpec{Name: "1"})
		require.NoError(t, err)
	}
	total := 0
	for _, c := range e.Chain {
		total += len(c.Raw)
	}
	if total <= 64<<10 {
		code, body := ask(t, s.client(t, e, tls.VersionTLS13, false), s)
		require.Equal(t, 403, code)
		require.Contains(t, body, "100 certificates")
	}
	small := *ann
	for range 99 {
		small.Chain = append(small.Chain, ann.Cert())
	}
	code, body := ask(t, s.client(t, &small, tls.VersionTLS12, false), s)
	require.Equal(t, 403, code)
	require.Contains(t, body, "100 certificates: at most 10")

	big, err := ann.Proxy(gridtest.ProxySpec{Name: strings.Repeat("x", 8000)})
	require.NoError(t, err)
	for range 9 {
		big.Chain = append(big.Chain, big.Cert())
	}
	_, err = s.client(t, big, tls.VersionTLS12, false).Get(s.url)
	require.Error(t, err)
}

func TestChain(t *testing.T) {
	s := newSite(t, true)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	proxy, err := ann.Proxy(gridtest.ProxySpec{Language: gridtest.Limited})
	require.NoError(t, err)
	c := s.verifier.Verify(proxy.Chain)
	require.NoError(t, c.Verdict())
	chain, ok := gsi.ChainOf(c)
	require.True(t, ok)
	want, err := authz.ParseDN("/DC=test/DC=strong/OU=people/CN=Ann Other")
	require.NoError(t, err)
	require.True(t, want.Equal(chain.Subject))
	require.Equal(t, "/DC=test/DC=strong/CN=CA", chain.Issuer.Slash())
	require.Len(t, chain.Issuers, 1)
	require.Len(t, chain.IssuerKey, 64)
	require.True(t, chain.Limited)
	require.Len(t, chain.Presented, 3)
	require.Equal(t, gsi.Digest(proxy.Chain), c.Digest)

	_, ok = gsi.ChainOf(nil)
	require.False(t, ok)
	require.Nil(t, s.verifier.FromTLS(nil))
	require.Nil(t, s.verifier.FromTLS(&tls.ConnectionState{}))
}

// ⚿ A refused chain still carries its names, for bans to see.
func TestRefusedChainCarriesItsNames(t *testing.T) {
	s := newSite(t, true)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	independent, err := ann.Proxy(gridtest.ProxySpec{Language: gridtest.Independent})
	require.NoError(t, err)
	expired, err := ann.Proxy(gridtest.ProxySpec{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	require.NoError(t, err)
	long := append(append([]*x509.Certificate{}, expired.Chain...), make([]*x509.Certificate, 0)...)
	for range 20 {
		long = append(long, ann.Cert())
	}
	name, err := ann.DN()
	require.NoError(t, err)
	for _, chain := range [][]*x509.Certificate{independent.Chain, expired.Chain, long} {
		c := s.verifier.Verify(chain)
		require.Error(t, c.Verdict())
		value, ok := gsi.ChainOf(c)
		require.True(t, ok)
		found := false
		for _, d := range value.Presented {
			found = found || d.Equal(name)
		}
		require.True(t, found, c.Err)
		require.Empty(t, value.IssuerKey)
	}
	require.Error(t, s.verifier.Verify(nil).Verdict())
}

// A proxy made by a clock that is ahead becomes good by itself.
func TestRefusalIsLookedAtAgain(t *testing.T) {
	s := newSite(t, true)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	early, err := ann.Proxy(gridtest.ProxySpec{NotBefore: time.Now().Add(10 * time.Minute)})
	require.NoError(t, err)
	require.ErrorContains(t, s.verifier.Verify(early.Chain).Verdict(), "valid only from")
	s.ahead.Store(int64(11 * time.Minute))
	require.NoError(t, s.verifier.Verify(early.Chain).Verdict())
}

func TestClientTLS(t *testing.T) {
	s := newSite(t, false)
	own := s.verifier.ClientTLS(s.host)
	get := func(url string) error {
		tr := &http.Transport{TLSClientConfig: own.Clone()}
		defer tr.CloseIdleConnections()
		r, err := (&http.Client{Transport: tr}).Get(url)
		if err == nil {
			r.Body.Close()
		}
		return err
	}
	require.NoError(t, get(s.url))
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.url, "https://"))
	require.NoError(t, err)
	require.NoError(t, get("https://localhost:"+port))
	require.ErrorContains(t, get("https://127.0.0.2:"+port), "127.0.0.2", "the wrong name")

	e, err := s.grid.Strong.Host("localhost", "127.0.0.1")
	require.NoError(t, err)
	cert, key, err := e.WritePEM(t.TempDir(), "next")
	require.NoError(t, err)
	next, err := gsi.LoadHost(cert, key, nil, nil)
	require.NoError(t, err)
	s.grid.Strong.Revoke(e)
	require.NoError(t, s.grid.Strong.WriteCRL(s.dir, nil))
	_, err = s.verifier.Trust().Reload()
	require.NoError(t, err)
	require.ErrorContains(t, get(serve(t, s.verifier.ServerTLS(next, true), http.NotFound)), "revoked", "⚿ a revoked server")
}

func TestHostReload(t *testing.T) {
	grid, err := gridtest.New()
	require.NoError(t, err)
	dir := t.TempDir()
	now := time.Now()
	first, err := grid.Strong.Host("localhost")
	require.NoError(t, err)
	cert, key, err := first.WritePEM(dir, "host")
	require.NoError(t, err)
	h, err := gsi.LoadHost(cert, key, nil, func() time.Time { return now })
	require.NoError(t, err)
	serial := func() string {
		c, err := h.GetCertificate(nil)
		require.NoError(t, err)
		return c.Leaf.SerialNumber.String()
	}
	require.Equal(t, first.Cert().SerialNumber.String(), serial())
	second, err := grid.Strong.Host("localhost")
	require.NoError(t, err)
	chain, keyPEM, err := second.PEM()
	require.NoError(t, err)
	require.NoError(t, gridtest.Replace(cert, chain, 0o644))
	now = now.Add(time.Minute)
	require.Equal(t, first.Cert().SerialNumber.String(), serial(), "half a change is none")
	require.NoError(t, gridtest.Replace(key, keyPEM, 0o600))
	now = now.Add(time.Minute)
	require.Equal(t, second.Cert().SerialNumber.String(), serial())
	require.Equal(t, second.Cert().NotAfter, h.NotAfter())

	require.NoError(t, os.Chmod(key, 0o644))
	_, err = gsi.LoadHost(cert, key, nil, nil)
	require.ErrorContains(t, err, "chmod", "⚿ a key that others can read")
	_, err = gsi.LoadHost(cert, filepath.Join(dir, "absent"), nil, nil)
	require.Error(t, err)
}

func BenchmarkJudge(b *testing.B) {
	s := newSite(b, true)
	e, err := s.grid.Strong.User("Ann Other")
	require.NoError(b, err)
	for range 3 {
		e, err = e.Proxy(gridtest.ProxySpec{})
		require.NoError(b, err)
	}
	b.Run("verdict", func(b *testing.B) {
		c := s.verifier.Verify(e.Chain)
		b.ReportAllocs()
		for b.Loop() {
			if c.Verdict() != nil {
				b.Fatal("refused")
			}
		}
	})
	b.Run("from TLS", func(b *testing.B) {
		state := &tls.ConnectionState{PeerCertificates: e.Chain}
		b.ReportAllocs()
		for b.Loop() {
			if s.verifier.FromTLS(state).Verdict() != nil {
				b.Fatal("refused")
			}
		}
	})
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			v := gsi.NewVerifier(s.verifier.Trust(), nil)
			if v.Verify(e.Chain).Verdict() != nil {
				b.Fatal("refused")
			}
		}
	})
}

// ⚿ What a caller does to its slice afterwards changes nothing that is cached.
func TestChainsAreNotSharedWithTheCaller(t *testing.T) {
	s := newSite(t, true)
	ann, err := s.grid.Strong.User("Ann Other")
	require.NoError(t, err)
	bob, err := s.grid.Strong.User("Bob")
	require.NoError(t, err)
	proxy, err := ann.Proxy(gridtest.ProxySpec{})
	require.NoError(t, err)
	certs := slices.Clone(proxy.Chain)
	require.NoError(t, s.verifier.Verify(certs).Verdict())
	certs[1] = bob.Cert()
	require.Error(t, s.verifier.Verify(certs).Verdict(), "Ann's proxy on Bob's certificate")
}
