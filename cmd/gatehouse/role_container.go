package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container"
	"github.com/gatehouse-authz/gatehouse/container/batch/fork"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
	"github.com/gatehouse-authz/gatehouse/container/sandbox"
	"github.com/gatehouse-authz/gatehouse/container/service"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/pep"
	"github.com/gatehouse-authz/gatehouse/pep/obligation"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// launchTimeout bounds one call to the launcher.
const launchTimeout = 10 * time.Second

// buildContainer builds the enforcement point, the job service and the SOAP
// host over them.
func (s *site) buildContainer(ctx context.Context) error {
	c := s.config.Container
	if c == nil {
		return nil
	}
	services, err := s.services()
	if err != nil {
		return err
	}
	if err := s.buildEnforcer(ctx); err != nil {
		return err
	}
	bearer, err := s.bearer()
	if err != nil {
		return err
	}
	launcher, granter, err := s.launcher(ctx)
	if err != nil {
		return err
	}
	files := &sandbox.Launched{Granter: granter, Launcher: launcher}
	jobs, err := job.New(job.Config{
		Store: s.local, Submitter: fork.New(launcher, granter), Files: files, Recorder: s.recorder, Log: s.log, Now: s.now,
		Retention: c.Retention.Std(), Confirm: s.confirm,
	})
	if err != nil {
		return err
	}
	s.jobs = jobs
	l, err := s.listen("container", c.Listen)
	if err != nil {
		return err
	}
	s.containerAddress = l.Addr()
	host, err := container.New(container.Config{
		Services: services, Jobs: jobs, Files: files, Enforcer: s.enforcer, Decider: s.engine, Recorder: s.recorder,
		Log: s.log, Now: s.now, Credential: s.verifier.FromTLS, Bearer: bearer, Named: !c.Anonymous, Address: c.URL,
	})
	if err != nil {
		return err
	}
	if len(s.config.Accounts.Service) > 0 {
		s.group.Add(daemon.Background("leases of jobs", s.recall))
	}
	s.group.Add(
		daemon.Background("jobs", jobs.Run),
		daemon.Background("judge", host.Watch),
		s.containerServer(l, host),
	)
	return nil
}

// containerServer asks for a certificate; where there are tokens, the container
// itself refuses who presents nothing.
func (s *site) containerServer(l net.Listener, host *container.Container) daemon.Component {
	optional := s.config.Container.Anonymous || s.config.Tokens != nil
	return daemon.HTTP{
		Name: "container", Listener: l, TLS: s.verifier.ServerTLS(s.host, optional), Handler: host, Log: s.log,
	}.Component()
}

// services loads every service that an administrator approved. One that is
// there but not approved is left out and named in the log; one that is approved
// but not there, or changed, stops the start.
func (s *site) services() ([]*service.Deployed, error) {
	all, err := deployed(string(s.config.Container.Services), s.config.Container.Approved, s.serviceOwner())
	if err != nil {
		return nil, fmt.Errorf("container.%w", err)
	}
	return all, nil
}

func deployed(dir string, approved map[string]string, owner uint32) (all []*service.Deployed, err error) {
	for name, text := range approved {
		digest, err := service.ParseDigest(text)
		if err != nil {
			return nil, fmt.Errorf("approved.%s: %w", name, err)
		}
		deployed, err := service.Load(filepath.Join(dir, name), []service.Digest{digest}, owner)
		if err != nil {
			return nil, fmt.Errorf("approved.%s: %w", name, err)
		}
		all = append(all, deployed)
	}
	return all, nil
}

// serviceOwner is who may write services: root, and without a launcher of its
// own also the user of this process.
func (s *site) serviceOwner() uint32 {
	if s.config.Container.Launcher.RunAsInvokingUser {
		return uint32(os.Geteuid())
	}
	return 0
}

// buildEnforcer introduces enrichers, engine, fulfillers and audit to each
// other.
func (s *site) buildEnforcer(ctx context.Context) error {
	enrichers, err := s.enrichers()
	if err != nil {
		return err
	}
	external, err := s.plugins(ctx)
	if err != nil {
		return err
	}
	accounts, err := s.accounts()
	if err != nil {
		return err
	}
	s.confirmer = accounts
	s.witness = &witness{Decider: s.engine, now: s.now, seen: s.seen}
	s.enforcer = &pep.Enforcer{
		Process: "container", Enrichers: append(enrichers, external...), Decider: s.witness,
		Fulfillers: obligations(accounts), Recorder: s.recorder, Describe: pip.Describe, Clock: s.now,
	}
	return nil
}

func obligations(accounts accountMapper) map[string]authz.Fulfiller {
	mapped := obligation.Map{Mapper: accounts}
	return map[string]authz.Fulfiller{
		profile.ObligationMap:        mapped,
		profile.ObligationEMIMap:     mapped,
		profile.ObligationMapAccount: obligation.MapAccount{Accounts: accounts},
		profile.ObligationCPUTime:    obligation.CPUTime{},
	}
}

// launcher is whoever starts jobs and whoever signs the grants for that: the
// gatehouse-launch and the signer of this machine, or this process without
// changing accounts.
func (s *site) launcher(ctx context.Context) (launch.Launcher, launch.Granter, error) {
	c := s.config.Container.Launcher
	if c.RunAsInvokingUser {
		return s.ownLauncher(ctx)
	}
	return launch.NewClient(string(c.Socket), launchTimeout), launch.NewClient(string(c.Signer), launchTimeout), nil
}

// ownLauncher runs jobs as the user of this process. The grants are as real as
// with a launcher of its own; only their account is not put on.
func (s *site) ownLauncher(ctx context.Context) (launch.Launcher, launch.Granter, error) {
	s.log.Warn("jobs run as the user of this process (run-as-invoking-user): accounts are recorded and not used")
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, nil, err
	}
	directory, err := s.directory()
	if err != nil {
		return nil, nil, err
	}
	signer, err := launch.NewSigner(private, launcherName, s.now)
	if err != nil {
		return nil, nil, err
	}
	verifier, err := launch.NewVerifier(public, launcherName)
	if err != nil {
		return nil, nil, err
	}
	boot, err := launch.BootID()
	if err != nil {
		return nil, nil, err
	}
	state := filepath.Join(string(s.config.Data), "launch")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, nil, err
	}
	memory, err := launch.OpenMemory(filepath.Join(state, "grants"), boot, s.now())
	if err != nil {
		return nil, nil, err
	}
	s.closeLater(memory)
	runner, err := warden.Open(ctx, warden.Config{
		State: state, Sandboxes: string(s.config.Container.Sandboxes), Services: string(s.config.Container.Services),
		AsSelf: true, Log: s.log, Now: s.now,
	})
	if err != nil {
		return nil, nil, err
	}
	s.closeLater(runner)
	return &launch.Gate{Verifier: verifier, Memory: memory, Accounts: accountNames{directory}, Rules: launch.DefaultAccountRules(), Runner: runner, Log: s.log, Now: s.now}, signer, nil
}
