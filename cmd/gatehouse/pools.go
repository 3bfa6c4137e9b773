package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/container/job"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/daemon"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/gatehouse-authz/gatehouse/pep/account"
	"github.com/gatehouse-authz/gatehouse/pep/account/gridmapdir"
	leases "github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

// leasesName is the file of the leases in the data directory.
const leasesName = "leases.db"

// PoolConfig is a pool of accounts, which map files and policies name with a
// dot before its name.
type PoolConfig struct {
	Name string `yaml:"name"`
	// Members are accounts or ranges, cms[001-200]; empty takes the accounts of
	// the database that are called as the pool and a number.
	Members []string `yaml:"members"`
}

// LeasesConfig says how long things last that have to do with pool accounts.
type LeasesConfig struct {
	PerIdentity     int           `yaml:"per-identity"`     // accounts of one pool
	SecondaryGroups bool          `yaml:"secondary-groups"` // other secondary groups, another account
	Idle            conf.Duration `yaml:"idle"`             // until an unused lease is released
	Quarantine      conf.Duration `yaml:"quarantine"`       // until a released account may go to somebody else
	History         conf.Duration `yaml:"history"`          // how long it is kept
}

func defaultLeases() LeasesConfig {
	return LeasesConfig{
		PerIdentity: leases.DefaultMostPerIdentity, Idle: conf.Duration(leases.DefaultIdle),
		Quarantine: conf.Duration(leases.DefaultQuarantine), History: conf.Duration(leases.DefaultKeep),
	}
}

// checkPools refuses two ways to get an account out of a pool.
func (c *AccountsConfig) checkPools() error {
	if len(c.Service) > 0 && (len(c.Pools) > 0 || len(c.Tokens) > 0) {
		return errors.New("accounts.service: the mapping service has the pools and the rules for tokens; leave them out here")
	}
	if len(c.Service) > 0 && c.GridMapDir != "" {
		return errors.New("accounts.service: the mapping service has the gridmapdir; leave it out here")
	}
	if c.GridMapDir != "" && len(c.Pools) > 0 {
		return errors.New("accounts.gridmapdir and accounts.pools: one or the other keeps the leases")
	}
	return nil
}

func (c *AccountsConfig) definitions() (all []leases.Definition) {
	for _, p := range c.Pools {
		all = append(all, leases.Definition{Name: p.Name, Members: p.Members})
	}
	return all
}

// openPools opens the leases, in the process that maps.
func (s *site) openPools(ctx context.Context) error {
	c := &s.config
	if len(c.Accounts.Pools) == 0 || c.Mapping == nil && c.Container == nil {
		return nil
	}
	kept, alone, err := s.leaseStore()
	if err != nil {
		return err
	}
	d, err := s.directory()
	if err != nil {
		return err
	}
	l := c.Accounts.Leases
	s.pools, err = leases.Open(ctx, kept, leases.Config{
		Pools: c.Accounts.definitions(), Directory: account.Guard(d, account.Rules{Floor: c.Accounts.Floor}),
		Names: func(ctx context.Context) ([]string, error) { return account.Names(ctx, d) }, Usage: jobsLeft{s},
		SecondaryGroups: l.SecondaryGroups, MostPerIdentity: l.PerIdentity,
		Idle: l.Idle.Std(), Quarantine: l.Quarantine.Std(), Keep: l.History.Std(), Alone: alone, Log: s.log, Now: s.now,
	})
	if err != nil {
		return fmt.Errorf("accounts.pools: %w", err)
	}
	s.reportPools()
	s.group.Add(daemon.Background("leases", s.pools.Run))
	return nil
}

// leaseStore is the store of the leases, and whether it is this process's alone.
func (s *site) leaseStore() (store.Store, bool, error) {
	if s.config.Store.Etcd != nil {
		return s.store, false, nil
	}
	path := filepath.Join(string(s.config.Data), leasesName)
	kept, err := bolt.Open(path, bolt.Options{MustExist: !s.config.createStore})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, fmt.Errorf("accounts.pools: %w: if accounts were leased before, restore it, or people get each other's; if not, start once with --create-store", err)
	}
	if err != nil {
		return nil, false, fmt.Errorf("accounts.pools: %w", err)
	}
	return s.watch("leases", kept, nil), true, nil
}

// jobsLeft knows what jobs of this container leave on an account.
type jobsLeft struct{ *site }

var _ leases.Usage = jobsLeft{}

// InUse implements leases.Usage.
func (u jobsLeft) InUse(ctx context.Context, accounts []string) ([]string, error) {
	switch {
	case u.config.Container == nil:
		return nil, nil
	case u.jobs == nil:
		return nil, errors.New("the jobs are not loaded yet")
	}
	return u.jobs.InUse(ctx, accounts)
}

// reportPools shows how the pools stand, with a warning when one runs out.
func (s *site) reportPools() {
	s.health.Facts(func() []daemon.Fact {
		if err := s.pools.Trouble(); err != nil {
			return []daemon.Fact{{Name: "Warning", Value: err.Error()}}
		}
		return nil
	})
	s.health.Registry().MustRegister(poolMetrics{s.pools})
}

// poolMetrics are the counts of the pools.
type poolMetrics struct{ pools *leases.Pools }

var (
	poolAccounts  = prometheus.NewDesc("gatehouse_pool_accounts", "Accounts of a pool by state: free, leased, quarantined, reserved.", []string{"pool", "state"}, nil)
	poolExhausted = prometheus.NewDesc("gatehouse_pool_exhausted_total", "Requests refused because no account of the pool was free.", []string{"pool"}, nil)
)

// Describe implements prometheus.Collector.
func (poolMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- poolAccounts
	out <- poolExhausted
}

// Collect implements prometheus.Collector.
func (m poolMetrics) Collect(out chan<- prometheus.Metric) {
	for name, c := range m.pools.Counts() {
		for _, state := range []leases.State{leases.Free, leases.Leased, leases.Quarantined, leases.Reserved} {
			out <- prometheus.MustNewConstMetric(poolAccounts, prometheus.GaugeValue, float64(c.States[state]), name, string(state))
		}
		out <- prometheus.MustNewConstMetric(poolExhausted, prometheus.CounterValue, float64(c.Exhausted), name)
	}
}

// confirm asks anew for the account of a job that waited.
func (s *site) confirm(ctx context.Context, a authz.Account) (authz.Account, error) {
	now, err := s.confirmer.Confirm(ctx, a)
	if err != nil && final(err) {
		err = fmt.Errorf("%w: %w", job.ErrAccount, err)
	}
	return now, err
}

// recallEvery is how often a container asks a mapping service about the leases
// of its jobs.
const recallEvery = 10 * time.Minute

// recall keeps the leases of the jobs here in use, where the mapping service
// cannot see the jobs.
func (s *site) recall(ctx context.Context) error {
	tick := time.NewTicker(recallEvery)
	defer tick.Stop()
	for {
		if err := s.jobs.Recall(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("the leases of jobs cannot be confirmed; trying again", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// localAccounts is the mapping by the files and pools here. One that only checks, or
// signs grants, knows which accounts are in pools and leases none.
func (s *site) localAccounts() (*account.Mapper, error) {
	d, err := s.directory()
	if err != nil {
		return nil, err
	}
	c := &s.config.Accounts
	config := account.Config{
		Directory: d, Rules: account.Rules{Floor: c.Floor}, AccountMap: string(c.GridMapfile), GroupMap: string(c.GroupMapfile),
		Prefer: account.Preference{DNForLogin: c.PreferDNForLogin, DNForGroup: c.PreferDNForGroup, GroupRequired: c.GroupRequired}, Tokens: c.Tokens, Community: c.Community, Shared: c.Shared,
		Log: s.log, Now: s.now,
	}
	if err := s.addPools(&config, d); err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	m, err := account.NewMapper(context.Background(), config)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	s.mapper = m
	return m, nil
}

// addPools gives the mapping the pools that the configuration names.
func (s *site) addPools(config *account.Config, d account.Directory) error {
	c := &s.config.Accounts
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	switch {
	case s.pools != nil:
		config.Leases, config.Roster = s.pools, s.pools
	case c.GridMapDir != "":
		if err := s.openGridMapDir(d); err != nil {
			return err
		}
		config.Leases, config.Roster = s.gridmapdir, s.gridmapdir
	case len(c.Pools) > 0:
		roster, err := leases.NewRoster(ctx, c.definitions(), func(ctx context.Context) ([]string, error) { return account.Names(ctx, d) })
		if err != nil {
			return err
		}
		config.Roster = roster
	}
	return nil
}

func (s *site) openGridMapDir(d account.Directory) (err error) {
	if s.gridmapdir != nil {
		return nil
	}
	c := &s.config.Accounts
	s.gridmapdir, err = gridmapdir.Open(gridmapdir.Config{
		Path: string(c.GridMapDir), Directory: account.Guard(d, account.Rules{Floor: c.Floor}),
		SecondaryGroups: c.Leases.SecondaryGroups, Log: s.log, Now: s.now,
	})
	if err == nil {
		s.closeLater(s.gridmapdir)
	}
	return err
}
