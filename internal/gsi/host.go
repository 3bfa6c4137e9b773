package gsi

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
)

// Host is our own certificate and key, read again when their files change.
type Host struct {
	certFile, keyFile string
	log               *slog.Logger
	now               func() time.Time

	current atomic.Pointer[tls.Certificate]
	looked  atomic.Int64 // when the files were looked at last, Unix nanoseconds
	mu      sync.Mutex
	stamps  [2]time.Time
	trouble atomic.Pointer[string] // why the newest files are not in force
}

// LoadHost reads a certificate chain and its key from PEM files. The key must
// be readable by nobody but root and ourselves. A nil logger discards, a nil
// clock is time.Now.
func LoadHost(certFile, keyFile string, log *slog.Logger, now func() time.Time) (*Host, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	h := &Host{certFile: certFile, keyFile: keyFile, log: log, now: now}
	if err := h.load(); err != nil {
		return nil, err
	}
	return h, nil
}

// lookEvery bounds how often the files are looked at.
const lookEvery = time.Second

// GetCertificate is for tls.Config; the argument is not used. A pair of files
// that does not fit together leaves the one before in force.
func (h *Host) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	now := h.now().UnixNano()
	if last := h.looked.Load(); now-last > int64(lookEvery) && h.looked.CompareAndSwap(last, now) {
		h.report(h.load())
	}
	return h.current.Load(), nil
}

// report logs a reason once.
func (h *Host) report(err error) {
	if err == nil {
		h.trouble.Store(nil)
		return
	}
	text := err.Error()
	if last := h.trouble.Swap(&text); last == nil || *last != text {
		h.log.Warn("the host certificate is not reloaded; the one before stays in force", "file", h.certFile, "error", err)
	}
}

// Trouble returns why the newest files are not in force, nil if they are.
func (h *Host) Trouble() error {
	if text := h.trouble.Load(); text != nil {
		return errors.New(*text)
	}
	return nil
}

// NotAfter returns when the certificate in force ends.
func (h *Host) NotAfter() time.Time { return h.current.Load().Leaf.NotAfter }

// Names returns the DNS names of the certificate in force.
func (h *Host) Names() []string { return h.current.Load().Leaf.DNSNames }

// load reads the files if they changed since they were last taken.
func (h *Host) load() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var stamps [2]time.Time
	for i, path := range []string{h.certFile, h.keyFile} {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("host certificate: %w", err)
		}
		stamps[i] = info.ModTime()
	}
	if stamps == h.stamps {
		return nil
	}
	cert, err := guard.ReadFile(h.certFile)
	if err != nil {
		return fmt.Errorf("host certificate: %w", err)
	}
	key, err := guard.ReadKey(h.keyFile)
	if err != nil {
		return fmt.Errorf("host key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("host certificate %s and key %s: %w", h.certFile, h.keyFile, err)
	}
	h.current.Store(&pair)
	h.stamps = stamps
	return nil
}
