package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/pdp"
	"github.com/gatehouse-authz/gatehouse/pep/account"
)

// SignerConfig runs the mapping side: the process that signs grants for a
// container, which holds no key (DECISIONS 27). It maps by the section
// accounts of its own configuration, and runs as a user of its own.
type SignerConfig struct {
	Socket   conf.Path   `yaml:"socket"`
	Key      conf.Secret `yaml:"key"`
	Launcher string      `yaml:"launcher"` // the name in gatehouse-launch's configuration
	Peers    []uint32    `yaml:"peers"`    // user numbers that may ask: the container's
	// Services and Approved are as in the section of the container: nothing
	// else is started (DECISIONS 28).
	Services conf.Path         `yaml:"services"`
	Approved map[string]string `yaml:"approved"`
	// GroupFloor is the least gid; Privileged adds groups to the built-in list.
	GroupFloor uint32   `yaml:"group-floor"`
	Privileged []string `yaml:"privileged-groups"`
	Rate       float64  `yaml:"rate"` // grants per second; ending a job is not counted
}

// Check refuses what nobody could ask, or everybody.
func (c *SignerConfig) Check() error {
	if len(c.Peers) == 0 {
		return errors.New("peers: missing; list the number of the user that runs the container")
	}
	if c.Rate < 0 {
		return fmt.Errorf("rate: %g: want grants per second", c.Rate)
	}
	return nil
}

func (c *SignerConfig) rules(floor uint32) launch.AccountRules {
	r := launch.DefaultAccountRules()
	r.Floor, r.GroupFloor = max(r.Floor, floor), max(r.GroupFloor, c.GroupFloor)
	r.Privileged = append(r.Privileged, c.Privileged...)
	return r
}

// buildSigner opens the socket at which grants are signed.
func (s *site) buildSigner(ctx context.Context) error {
	c := s.config.Signer
	if c == nil {
		return nil
	}
	pen, err := s.signer()
	if err != nil {
		return err
	}
	pen.engine = s.engine
	if s.engine == nil {
		s.log.Warn("no section pdp: the signer takes the container's word for the revision of the policies")
	}
	// Our own number makes the socket one that several may open, which takes no
	// privilege; the server answers the peers only.
	l, err := launch.Listen(string(c.Socket), append([]uint32{uint32(os.Geteuid())}, c.Peers...))
	if err != nil {
		return fmt.Errorf("signer: %w", err)
	}
	s.closeLater(ignoreClosed{l})
	server := &launch.Server{Granter: pen, Peers: c.Peers, Log: s.log}
	s.group.Add(daemon.Background("signer", func(ctx context.Context) error { return server.Serve(ctx, l) }))
	return nil
}

// signer reads the key and the mapping.
func (s *site) signer() (*signer, error) {
	c := s.config.Signer
	if slices.Contains(c.Peers, uint32(os.Geteuid())) {
		return nil, fmt.Errorf("signer.peers: %d is the user of this process: a container of the same user could read the key; give it another user", os.Geteuid())
	}
	key, err := launch.ReadPrivateKey(string(c.Key))
	if err != nil {
		return nil, fmt.Errorf("signer.key: %w", err)
	}
	pen, err := launch.NewSigner(key, c.Launcher, s.now)
	if err != nil {
		return nil, err
	}
	approved, err := deployed(string(c.Services), c.Approved, 0)
	if err != nil {
		return nil, fmt.Errorf("signer.%w", err)
	}
	executables := make(map[string][sha256.Size]byte, len(approved))
	for _, a := range approved {
		executables[a.Path] = a.Content
	}
	directory, err := s.directory()
	if err != nil {
		return nil, err
	}
	accounts, err := s.accounts()
	if err != nil {
		return nil, err
	}
	return &signer{
		pen: pen, executables: executables, mapping: accounts, names: accountNames{directory}, rules: c.rules(s.config.Accounts.Floor),
		limit: rate.NewLimiter(rate.Limit(c.Rate), int(2*c.Rate)+1), recorder: s.recorder, now: s.now,
	}, nil
}

// signer is the mapping side: it signs a wish if the account is one that its
// own mapping gives and the rules allow, the executable an approved one, the
// revision one that the policies have reached, and the asking not too fast; and
// writes down each answer.
//
// It cannot know whether somebody was permitted to run a job, who, with which
// arguments or limits: it sees what the container says. A container gone bad
// can run approved executables as accounts that people are mapped to, each
// time under its own audit record; it cannot become any other account.
type signer struct {
	pen         launch.Granter
	executables map[string][sha256.Size]byte // approved, by path below the services
	mapping     giver
	names       launch.Accounts
	rules       launch.AccountRules
	engine      *pdp.Engine // nil: revisions are not compared
	limit       *rate.Limiter
	recorder    authz.Recorder
	now         func() time.Time
}

// giver knows which accounts the mapping gives: see account.Mapper.Gives.
type giver interface {
	Gives(ctx context.Context, a authz.Account) error
}

var _ launch.Granter = (*signer)(nil)

// Grant implements launch.Granter. ErrForbidden is final; other errors may go
// away by themselves, and the container asks again.
func (s *signer) Grant(ctx context.Context, w launch.Wish) (launch.Signed, error) {
	start := s.now()
	var signed launch.Signed
	err := s.judge(ctx, w)
	if err == nil {
		signed, err = s.pen.Grant(ctx, w)
	}
	if unwritten := s.record(ctx, w, start, err); unwritten != nil && err == nil {
		return nil, unwritten
	}
	return signed, err
}

func (s *signer) judge(ctx context.Context, w launch.Wish) error {
	// Ending a job takes nothing but its name: neither a locked account nor a
	// flood of other wishes may keep a banned person's job alive. The launcher
	// compares the account with that of the job.
	if w.Order.Operation == launch.Signal {
		return nil
	}
	if !s.limit.AllowN(s.now(), 1) {
		return fmt.Errorf("more than %g grants per second: ask later", float64(s.limit.Limit()))
	}
	// What is left of a job can be removed after its account left the mapping.
	if w.Order.Operation != launch.Remove {
		if err := s.mapped(ctx, w.Account); err != nil {
			return err
		}
	}
	if err := s.allowed(ctx, w.Account); err != nil {
		return err
	}
	if w.Order.Operation != launch.Start {
		return nil
	}
	if content, ok := s.executables[w.Order.Executable]; !ok || content != w.Order.Digest {
		return fmt.Errorf("%w: %s with sha256 %x is not approved: see signer.approved", launch.ErrForbidden, w.Order.Executable, w.Order.Digest)
	}
	return s.reached(ctx, w.Revision)
}

func (s *signer) mapped(ctx context.Context, a authz.Account) error {
	err := s.mapping.Gives(ctx, a)
	if err != nil && final(err) {
		return fmt.Errorf("%w: %w", launch.ErrForbidden, err)
	}
	return err
}

// allowed applies the account rules. That an account could not be looked up is
// no verdict: a job must not fail for good because a directory was away.
func (s *signer) allowed(ctx context.Context, a authz.Account) error {
	names := &attentive{Accounts: s.names}
	err := s.rules.Check(ctx, names, a)
	if err != nil && !names.away {
		return fmt.Errorf("%w: %w", launch.ErrForbidden, err)
	}
	return err
}

// attentive notes whether a look-up went without an answer.
type attentive struct {
	launch.Accounts
	away bool
}

// User implements launch.Accounts.
func (a *attentive) User(ctx context.Context, name string) (uid, gid uint32, err error) {
	uid, gid, err = a.Accounts.User(ctx, name)
	a.away = a.away || err != nil && !errors.Is(err, account.ErrUnknown)
	return uid, gid, err
}

// Group implements launch.Accounts.
func (a *attentive) Group(ctx context.Context, name string) (uint32, error) {
	gid, err := a.Accounts.Group(ctx, name)
	a.away = a.away || err != nil && !errors.Is(err, launch.ErrNoGroup)
	return gid, err
}

// reachWait is how far the container's policies may be ahead of ours.
const reachWait = 3 * time.Second

// reached returns nil once the policies here have come to the revision by
// which the container says that the job was permitted. An older one is fine:
// the container judges waiting jobs again at each change.
func (s *signer) reached(ctx context.Context, permitted authz.Revision) error {
	if s.engine == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reachWait)
	defer cancel()
	for {
		status := s.engine.Status()
		if status.Revision.Lineage == permitted.Lineage && status.Revision.Number >= permitted.Number {
			if !status.Ready {
				return fmt.Errorf("the policies cannot be relied on: %s", status.Cause)
			}
			return nil
		}
		if _, err := s.engine.Changed(ctx, status.Revision); err != nil {
			return fmt.Errorf("the wish says that revision %s permits it; the policies here are at %s", permitted, status.Revision)
		}
	}
}

// record writes one line per wish. Only a permit needs it: without a trail
// nothing is started or read, and jobs are still ended.
func (s *signer) record(ctx context.Context, w launch.Wish, start time.Time, refused error) error {
	r := authz.Record{
		Time: start, Event: authz.EventDecision, ID: w.Decision, Process: "signer", Peer: "container", Action: "grant " + string(w.Order.Operation),
		Resource: launch.Tag(w.Order.Job), Decision: authz.Permit.String(), Revision: w.Revision, Account: w.Account.Name, Duration: s.now().Sub(start),
	}
	if w.Order.Operation == launch.Start {
		r.Message = fmt.Sprintf("%s sha256:%x", w.Order.Executable, w.Order.Digest)
		r.Limits = fmt.Sprintf("cpu=%s wall=%s", w.Order.Limits.CPU, w.Order.Limits.Wall)
	}
	if w.Order.Operation == launch.Signal {
		r.Event, r.Decision = authz.EventJob, ""
	}
	if refused != nil {
		r.Decision, r.Cause = authz.Deny.String(), refused.Error()
	}
	err := s.recorder.Record(ctx, r)
	if w.Order.Operation == launch.Signal {
		return nil
	}
	return err
}
