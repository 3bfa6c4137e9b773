package gsi

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/proxy"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/voms"
)

// Verifier verifies chains. It is safe for concurrent use.
type Verifier struct {
	trust *trust.Store
	voms  *voms.Directory // nil if no VOMS server is believed
	log   *slog.Logger
	now   func() time.Time
	cache cache
}

// Option is something that a Verifier can do without.
type Option func(*Verifier)

// WithVOMS lets the attribute certificates of the directory's servers count,
// and tells the log of those that do not, with the reason. A nil logger
// discards.
func WithVOMS(d *voms.Directory, log *slog.Logger) Option {
	return func(v *Verifier) {
		v.voms = d
		if log != nil {
			v.log = log
		}
	}
}

// NewVerifier returns a Verifier that accepts what the authorities vouch for.
// The clock is time.Now if nil. Without [WithVOMS] no attribute certificate
// counts.
func NewVerifier(authorities *trust.Store, now func() time.Time, options ...Option) *Verifier {
	if now == nil {
		now = time.Now
	}
	v := &Verifier{trust: authorities, now: now, log: slog.New(slog.DiscardHandler)}
	for _, o := range options {
		o(v)
	}
	return v
}

// servers returns the VOMS servers in force, nil for none.
func (v *Verifier) servers() *voms.Servers {
	if v.voms == nil {
		return nil
	}
	return v.voms.Current()
}

// Trust returns the authorities.
func (v *Verifier) Trust() *trust.Store { return v.trust }

// FromTLS returns the credential that the peer of a connection presented, nil
// if it presented none. Call it for every request: it is cheap, and yesterday's
// verdict is no verdict.
func (v *Verifier) FromTLS(state *tls.ConnectionState) *authz.Credential {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	return v.Verify(state.PeerCertificates)
}

// Verify returns the credential that a chain is. The caller must know that the
// key of the first certificate is held by whoever presents it; the others may
// come in any order. The result is never nil; its Err says why it is refused.
func (v *Verifier) Verify(certs []*x509.Certificate) *authz.Credential {
	if err := proxy.Size(certs); err != nil {
		return refused(certs, err)
	}
	if s, ok := v.cache.find(certs); ok {
		return s.judge().credential
	}
	digest := Digest(certs)
	s, ok := v.cache.get(digest)
	if !ok {
		s = v.cache.add(digest, newSubject(v, digest, certs))
	}
	return s.judge().credential
}

func refused(certs []*x509.Certificate, err error) *authz.Credential {
	chain := &Chain{Certificates: certs[:min(len(certs), proxy.MaxCerts)]}
	_ = chain.read() // without a path it only collects names
	chain.Ignored = allIgnored(carried(chain.Certificates), errRefused)
	c := &authz.Credential{Digest: Digest(chain.Certificates), Value: chain, Err: err}
	if len(certs) > 0 {
		c.Subject = name.Text(certs[0].RawSubject)
	}
	return c
}

// subject is a chain with what never changes about it and its last verdict.
type subject struct {
	verifier *Verifier
	digest   [32]byte
	chain    Chain
	carried  []attributes
	fault    error // in structure or signatures: for ever
	last     atomic.Pointer[verdict]
	renewal  sync.Mutex
}

func newSubject(v *Verifier, digest [32]byte, certs []*x509.Certificate) *subject {
	s := &subject{verifier: v, digest: digest, chain: Chain{Certificates: slices.Clone(certs)}, carried: carried(certs)}
	var err error
	if s.chain.Path, s.fault = proxy.Arrange(certs, v.trust.Accepts()); s.fault == nil {
		s.fault = s.chain.Path.CheckSignatures()
	}
	if err = s.chain.read(); err != nil && s.fault == nil {
		s.fault = fmt.Errorf("the name of the end entity or of its issuer cannot be read: %w", err)
	}
	return s
}

// judge returns today's verdict: the last one if nothing has changed.
func (s *subject) judge() *verdict {
	now := s.verifier.now()
	if last := s.last.Load(); last.holds(s.verifier.trust.Current(), s.verifier.servers(), now) {
		return last
	}
	s.renewal.Lock()
	defer s.renewal.Unlock()
	anchors, servers := s.verifier.trust.Current(), s.verifier.servers()
	last := s.last.Load()
	if last.holds(anchors, servers, now) {
		return last
	}
	next := s.look(anchors, servers, now)
	s.report(last, next)
	s.last.Store(next)
	return next
}

func (v *verdict) holds(anchors *trust.Anchors, servers *voms.Servers, now time.Time) bool {
	return v != nil && v.anchors == anchors && v.servers == servers && !now.Before(v.from) && !now.After(v.until)
}

// verdictLife bounds how long a verdict is not looked at again, a refusal
// above all: what was not yet valid may have become so.
const verdictLife = time.Minute

func (s *subject) look(anchors *trust.Anchors, servers *voms.Servers, now time.Time) *verdict {
	chain := s.chain
	next := &verdict{anchors: anchors, servers: servers, from: now, until: now.Add(verdictLife)}
	err := s.fault
	if err == nil {
		err = s.verifyAt(anchors, now, &chain, next)
	}
	if err == nil {
		next.endBy(chain.attach(s.carried, servers, anchors, now))
		chain.speak()
	} else {
		chain.Ignored = allIgnored(s.carried, errRefused)
	}
	subject := chain.Subject.Slash()
	if chain.Subject.IsZero() {
		subject = name.Text(s.chain.Certificates[0].RawSubject)
	}
	next.credential = &authz.Credential{Digest: s.digest, Subject: subject, Value: &chain, Err: err}
	if err == nil {
		next.credential.Judge = func() error { return s.judge().credential.Err }
	}
	return next
}

func (s *subject) verifyAt(anchors *trust.Anchors, now time.Time, chain *Chain, next *verdict) error {
	from, to := chain.Path.Validity()
	switch {
	case now.Before(from):
		return fmt.Errorf("a proxy of %s is valid only from %s", chain.Subject.Slash(), from.UTC().Format(time.RFC3339))
	case !to.IsZero() && now.After(to):
		return fmt.Errorf("a proxy of %s ended %s: make a new one", chain.Subject.Slash(), to.UTC().Format(time.RFC3339))
	}
	path, err := anchors.Verify(chain.Path.EndEntity, chain.Path.Above, now, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return err
	}
	chain.vouched(path.Chain)
	next.until = path.Until
	next.endBy(to)
	return nil
}

// endBy lets a verdict end at that time at the latest; zero is never.
func (v *verdict) endBy(t time.Time) {
	if !t.IsZero() && t.Before(v.until) {
		v.until = t
	}
}

// VerifyServer checks the chain of a server against the authorities, their
// signing policies and revocation lists. Who the server is, the caller checks.
func (v *Verifier) VerifyServer(certs []*x509.Certificate) error {
	if err := proxy.Size(certs); err != nil {
		return err
	}
	_, err := v.trust.Current().Verify(certs[0], certs[1:], v.now(), x509.ExtKeyUsageServerAuth)
	return err
}
