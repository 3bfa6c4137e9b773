package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/internal/audit"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/internal/gsi"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/authnprofile"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/trust"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/pep/account"
	"github.com/gatehouse-authz/gatehouse/pep/account/gridmapdir"
	leases "github.com/gatehouse-authz/gatehouse/pep/account/pool"
	"github.com/gatehouse-authz/gatehouse/pep/mapping"
)

// trustReload is how often trust directories and certificates are looked at.
const trustReload = time.Minute

// site is one process: the roles that its configuration names, each built from
// the ones before it and added to a group that starts and stops them in order.
type site struct {
	config Config
	log    *slog.Logger
	now    func() time.Time

	profiles *authnprofile.Directory // of the CAs

	sockets  *daemon.Sockets
	health   *daemon.Health
	group    daemon.Group
	closers  []io.Closer // in the order they were opened
	trust    *trust.Store
	verifier *gsi.Verifier
	// takesToken verifies tokens, for the roles that take them; nil before the
	// first of those.
	takesToken func(string) *authz.Credential
	host       *gsi.Host
	audit      *audit.Log
	recorder   authz.Recorder // audit, counted
	store      store.Store    // of policies and leases
	local      store.Store    // of this machine's jobs; often the same

	pap        *pap.Service
	admins     *pdp.Engine
	seen       *seen                                       // who was here lately
	caller     func(*http.Request) (*authz.Request, error) // who is at the PAP's door
	engine     *pdp.Engine
	follower   *api.Follower // of a PAP elsewhere
	witness    *witness
	enforcer   *pep.Enforcer
	jobs       *job.Service
	pools      *leases.Pools     // nil: no accounts are leased here
	gridmapdir *gridmapdir.Dir   // nil: none
	mapper     *account.Mapper   // nil: the mapping is elsewhere
	confirmer  mapping.Confirmer // of the accounts of jobs

	papAddress, containerAddress, mappingAddress net.Addr
}

// newSite opens everything that the configuration names and starts nothing.
// Whatever was opened is closed again if it fails.
func newSite(ctx context.Context, c Config, log *slog.Logger) (s *site, err error) {
	s = &site{config: c, log: log, now: time.Now}
	if c.clock != nil {
		s.now = c.clock
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
			s = nil
		}
	}()
	s.health = daemon.NewHealth("Gatehouse", version(), s.now)
	s.health.Listed("Warning", "TokenIssuer")
	s.group = daemon.Group{Log: log, Health: s.health, Notify: daemon.Systemd}
	for _, build := range []func(context.Context) error{
		s.openBasics, s.buildStatus, s.buildPAP, s.buildPDP, s.openPools, s.buildMapping, s.buildContainer, s.buildSigner, s.openControl,
	} {
		if err := build(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Run runs the roles until ctx is done.
func (s *site) Run(ctx context.Context) error { return s.group.Run(ctx) }

// Close closes what newSite opened, last first.
func (s *site) Close() error {
	var all []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		all = append(all, s.closers[i].Close())
	}
	s.closers = nil
	return errors.Join(all...)
}

func (s *site) closeLater(c io.Closer) { s.closers = append(s.closers, c) }

// openBasics opens what the roles stand on: data directory, trust, our own
// certificate, audit trail and store.
func (s *site) openBasics(ctx context.Context) (err error) {
	if err := os.MkdirAll(string(s.config.Data), 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if s.sockets, err = daemon.Inherit(); err != nil {
		return err
	}
	if err := s.openTrust(); err != nil {
		return err
	}
	if err := s.openAudit(); err != nil {
		return err
	}
	return s.openStore(ctx)
}

// openTrust reads the trust directory and our own certificate, which a process
// that only signs grants does without.
func (s *site) openTrust() (err error) {
	if !s.config.network() {
		return nil
	}
	s.trust, err = s.config.Trust.open(s.log)
	if err != nil {
		return err
	}
	s.group.Add(daemon.Background("trust", func(ctx context.Context) error {
		s.trust.Follow(ctx, trustReload)
		return nil
	}))
	s.host, err = gsi.LoadHost(string(s.config.Host.Certificate), string(s.config.Host.Key), s.log, s.now)
	if err != nil {
		return err
	}
	s.reportHost()
	return s.openVerifier()
}

func (s *site) buildStatus(context.Context) error {
	if s.config.Status == "" {
		return nil
	}
	_, address := s.config.Status.Split()
	l, err := daemon.ListenLoopback(address)
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	s.closeLater(ignoreClosed{l})
	s.group.Add(daemon.HTTP{Name: "status", Listener: l, Handler: s.health.Handler(), Log: s.log}.Component())
	return nil
}

// listen opens the address of a role, or takes it over from systemd.
func (s *site) listen(name string, a conf.Address) (net.Listener, error) {
	network, address := a.Split()
	l, err := s.sockets.Listen(name, network, address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s.closeLater(ignoreClosed{l})
	return l, nil
}

// papHere and containerHere are what callers on this machine call the roles,
// whatever port they were given.
func (s *site) papHere() string       { return "localhost:" + port(s.papAddress) }
func (s *site) containerHere() string { return "https://localhost:" + port(s.containerAddress) }

func port(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// ignoreClosed closes a listener that its server may have closed already.
type ignoreClosed struct{ net.Listener }

func (l ignoreClosed) Close() error {
	if err := l.Listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
