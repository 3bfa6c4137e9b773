package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/token"
	"github.com/gatehouse-authz/gatehouse/pep/account"
	leases "github.com/gatehouse-authz/gatehouse/pep/account/pool"
	"github.com/gatehouse-authz/gatehouse/pep/mapping"
)

// MappingConfig runs the mapping service: enforcement points elsewhere ask it
// for accounts, which it finds by the section accounts.
type MappingConfig struct {
	Listen conf.Address `yaml:"listen"`
	// Peers are who may ask.
	Peers []MappingPeer `yaml:"peers"`
}

// MappingPeer is an enforcement point (DECISIONS 23).
type MappingPeer struct {
	Subject string `yaml:"subject"` // of its host certificate
	Issuer  string `yaml:"issuer"`  // the CA that issued it
	// Map lets it have accounts leased for identities that it asserts without
	// showing their credential.
	Map bool `yaml:"map"`

	subject, issuer authz.DN
}

// Check refuses a service that nobody may ask.
func (c *MappingConfig) Check() error {
	if len(c.Peers) == 0 {
		return errors.New("peers: missing; name the host certificates that may ask, with their CAs")
	}
	return nil
}

// Check reads the names.
func (p *MappingPeer) Check() (err error) {
	if p.subject, err = authz.ParseDN(p.Subject); err != nil {
		return fmt.Errorf("subject: %w", err)
	}
	if p.issuer, err = authz.ParseDN(p.Issuer); err != nil {
		return fmt.Errorf("issuer: %w; two CAs can certify the same name", err)
	}
	return nil
}

// Requests per second from one address, and at once.
const (
	mappingRate  = 2000
	mappingBurst = 4000
)

// buildMapping opens the mapping service.
func (s *site) buildMapping(context.Context) error {
	c := s.config.Mapping
	if c == nil {
		return nil
	}
	accounts, err := s.accounts()
	if err != nil {
		return err
	}
	enrichers, err := s.mappingEnrichers()
	if err != nil {
		return err
	}
	bearer, err := s.bearer()
	if err != nil {
		return err
	}
	l, err := s.listen("mapping", c.Listen)
	if err != nil {
		return err
	}
	s.mappingAddress = l.Addr()
	handler := mapping.NewHandler(mapping.Options{
		Mapper: accounts, Peer: s.mappingPeer, Verify: verifyAgain(s.verifier, bearer),
		Enrichers: enrichers, Verdict: final, Recorder: s.recorder, Log: s.log, Now: s.now,
	})
	s.group.Add(daemon.HTTP{
		Name: "mapping", Listener: l, TLS: s.verifier.ServerTLS(s.host, false),
		Handler: daemon.LimitRate(handler, nil, mappingRate, mappingBurst, s.now), Log: s.log,
	}.Component())
	return nil
}

// mappingPeer finds out who asks: a host certificate that stands now and that
// the configuration names with its CA. A proxy is no peer.
func (s *site) mappingPeer(r *http.Request) (mapping.Peer, error) {
	if r.TLS == nil {
		return mapping.Peer{}, errors.New("not a TLS connection")
	}
	credential := s.verifier.FromTLS(r.TLS)
	if credential == nil {
		return mapping.Peer{}, errors.New("show a host certificate")
	}
	if err := credential.Verdict(); err != nil {
		return mapping.Peer{}, fmt.Errorf("the host certificate is refused: %w", err)
	}
	chain, ok := gsi.ChainOf(credential)
	if !ok || chain.Path == nil || len(chain.Path.Proxies) > 0 {
		return mapping.Peer{}, errors.New("a proxy is no peer: show a host certificate")
	}
	for i := range s.config.Mapping.Peers {
		if p := &s.config.Mapping.Peers[i]; p.subject.Equal(chain.Subject) && p.issuer.Equal(chain.Issuer) {
			return mapping.Peer{Name: p.Subject, Map: p.Map}, nil
		}
	}
	return mapping.Peer{}, fmt.Errorf("%s, issued by %s, is not among mapping.peers", chain.Subject, chain.Issuer)
}

// verifyAgain verifies what a peer passed along. bearer is nil where no tokens
// are taken.
func verifyAgain(verifier *gsi.Verifier, bearer func(string) *authz.Credential) func(context.Context, [][]byte, string) (*authz.Credential, error) {
	return func(_ context.Context, chain [][]byte, text string) (*authz.Credential, error) {
		var certificate, proof *authz.Credential
		if len(chain) > 0 {
			certs, err := derChain(chain)
			if err != nil {
				return nil, err
			}
			certificate = verifier.Verify(certs)
		}
		if text != "" {
			if bearer == nil {
				return nil, errors.New("the mapping service takes no tokens: it has no section tokens")
			}
			proof = bearer(text)
		}
		return token.Beside(certificate, proof), nil
	}
}

// The limits of a chain (DECISIONS 33), held before anything of it is parsed.
const (
	maxChain      = 10
	maxChainBytes = 64 << 10
)

func derChain(chain [][]byte) (certs []*x509.Certificate, err error) {
	size := 0
	for _, der := range chain {
		size += len(der)
	}
	if len(chain) > maxChain || size > maxChainBytes {
		return nil, fmt.Errorf("a chain of %d certificates and %d bytes, at most %d and %d", len(chain), size, maxChain, maxChainBytes)
	}
	for i, der := range chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the chain: %w", i+1, err)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// present takes out of a credential what the mapping service verifies again.
func present(c *authz.Credential) (chain [][]byte, text string, err error) {
	for ; c != nil; c = c.Beside {
		if certificates, ok := gsi.ChainOf(c); ok {
			for _, cert := range certificates.Certificates {
				chain = append(chain, cert.Raw)
			}
			continue
		}
		own, ok := token.Text(c)
		if !ok || text != "" {
			return nil, "", errors.New("the credential is of a kind that cannot be shown to the mapping service")
		}
		text = own
	}
	return chain, text, nil
}

// final reports that an error of the mapping says no, rather than that nobody
// knows.
func final(err error) bool {
	for _, verdict := range []error{
		account.ErrForbidden, account.ErrUnknown, account.ErrNoHolder, account.ErrNoLogin, account.ErrNoGroup,
		leases.ErrNoPool, leases.ErrExhausted, leases.ErrTooMany, leases.ErrUnusable, leases.ErrNoLease, leases.ErrNoAccount,
		mapping.ErrRefused,
	} {
		if errors.Is(err, verdict) {
			return true
		}
	}
	return false
}

// accountMapper names accounts, by the files of this machine or by asking the
// mapping service.
type accountMapper interface {
	authz.Mapper
	mapping.Namer
	mapping.Confirmer
	// Gives is account.Mapper.Gives.
	Gives(ctx context.Context, a authz.Account) error
}

var (
	_ accountMapper = (*account.Mapper)(nil)
	_ accountMapper = remoteAccounts{}
)

// remoteAccounts asks the mapping service.
type remoteAccounts struct{ *mapping.Client }

// Gives implements accountMapper.
func (r remoteAccounts) Gives(ctx context.Context, a authz.Account) error {
	_, err := r.Confirm(ctx, a)
	return err
}

// mappingTimeout bounds a question to one mapping service.
const mappingTimeout = 5 * time.Second

// remoteAccounts returns the client of the mapping service.
func (s *site) remoteAccounts() (accountMapper, error) {
	if s.verifier == nil || s.host == nil {
		return nil, errors.New("accounts.service: asking it takes the trust directory and the host certificate")
	}
	directory, err := s.directory()
	if err != nil {
		return nil, err
	}
	own := account.Guard(directory, account.Rules{Floor: s.config.Accounts.Floor})
	transport := &http.Transport{
		TLSClientConfig: s.verifier.ClientTLS(s.host), ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64,
		DialContext: (&net.Dialer{Timeout: mappingTimeout}).DialContext, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: mappingTimeout,
	}
	client, err := mapping.NewClient(mapping.ClientOptions{
		Addresses: s.config.Accounts.Service, HTTP: &http.Client{Transport: transport}, Present: present,
		Check: func(ctx context.Context, a authz.Account) error { return sameHere(ctx, own, a) }, Timeout: mappingTimeout, Now: s.now,
	})
	if err != nil {
		return nil, fmt.Errorf("accounts.service: %w", err)
	}
	s.closeLater(client)
	return remoteAccounts{client}, nil
}

// sameHere checks an account that another machine names: it must be one of this
// machine's, with these numbers, and one that the rules here allow.
func sameHere(ctx context.Context, own account.Directory, a authz.Account) error {
	known, err := own.User(ctx, a.Name)
	if err != nil {
		return nobodyKnows(err)
	}
	if known.UID != a.UID {
		return fmt.Errorf("its uid is %d, but here it is %d", a.UID, known.UID)
	}
	for _, g := range append([]authz.Group{a.Group}, a.Groups...) {
		found, err := own.Group(ctx, g.Name)
		if err != nil {
			return nobodyKnows(err)
		}
		if found.GID != g.GID {
			return fmt.Errorf("group %s has the number %d, but here it is %d", g.Name, g.GID, found.GID)
		}
	}
	return nil
}

// nobodyKnows marks an error that says nothing about the account.
func nobodyKnows(err error) error {
	if errors.Is(err, account.ErrForbidden) || errors.Is(err, account.ErrUnknown) {
		return err
	}
	return fmt.Errorf("%w: %w", mapping.ErrUnavailable, err)
}
