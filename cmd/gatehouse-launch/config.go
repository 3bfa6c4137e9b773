package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gatehouse-authz/gatehouse/container/launch"
	"github.com/gatehouse-authz/gatehouse/container/launch/warden"
	"github.com/gatehouse-authz/gatehouse/internal/conf"
)

// config is the file of gatehouse-launch.
type config struct {
	// Name is what grants call this launcher: one per machine and mapping side.
	Name string `yaml:"name"`
	// Socket is where the container asks; Peers are the user numbers that may.
	Socket    conf.Path `yaml:"socket"`
	Peers     []uint32  `yaml:"peers"`
	PublicKey conf.Path `yaml:"public-key"` // of the mapping side

	Services  conf.Path `yaml:"services"` // executables: only root may write there
	Sandboxes conf.Path `yaml:"sandboxes"`
	State     conf.Path `yaml:"state"` // records of jobs, root's alone

	// UIDFloor and GIDFloor are the lowest numbers that jobs run as; they can
	// only be raised. Privileged adds groups to the built-in list.
	UIDFloor   uint32   `yaml:"uid-floor"`
	GIDFloor   uint32   `yaml:"gid-floor"`
	Privileged []string `yaml:"privileged-groups"`

	// Cgroup is the directory for the control groups of jobs. Absent: below this
	// process's own. "none": count in /proc.
	Cgroup    string `yaml:"cgroup"`
	OpenFiles uint64 `yaml:"open-files"` // most per process of a job

	// RunJobsAsSelf gives up the separation of accounts: every job runs as the
	// user who started this service, or as 65534 when that is root.
	RunJobsAsSelf bool `yaml:"run-jobs-as-self"`
}

func defaults() config {
	rules := launch.DefaultAccountRules()
	return config{
		Socket: "/run/gatehouse/launch.sock", PublicKey: "/etc/gatehouse/grant.pub", Services: "/etc/gatehouse/services",
		Sandboxes: "/var/lib/gatehouse/sandbox", State: "/var/lib/gatehouse/launch",
		UIDFloor: rules.Floor, GIDFloor: rules.GroupFloor, OpenFiles: 1024,
	}
}

// load reads and checks the configuration and the key that it names.
func load(file string) (config, ed25519.PublicKey, error) {
	c := defaults()
	if _, err := conf.File(file, &c); err != nil {
		return config{}, nil, err
	}
	if err := c.check(); err != nil {
		return config{}, nil, fmt.Errorf("%s: %w", file, err)
	}
	key, err := launch.ReadPublicKey(string(c.PublicKey))
	return c, key, err
}

func (c config) check() error {
	rules := launch.DefaultAccountRules()
	switch {
	case c.Name == "":
		return errors.New("name: missing; it must be the one that the mapping side puts into its grants")
	case len(c.Peers) == 0:
		return errors.New("peers: missing; list the user numbers that may ask, the container's for one")
	case c.UIDFloor < rules.Floor:
		return fmt.Errorf("uid-floor: %d: it can only be raised above %d", c.UIDFloor, rules.Floor)
	case c.GIDFloor < rules.GroupFloor:
		return fmt.Errorf("gid-floor: %d: it can only be raised above %d", c.GIDFloor, rules.GroupFloor)
	case c.Cgroup != "" && c.Cgroup != warden.NoGroups && !filepath.IsAbs(c.Cgroup):
		return fmt.Errorf("cgroup: %q: want an absolute path or %q", c.Cgroup, warden.NoGroups)
	case !c.RunJobsAsSelf && os.Geteuid() != 0:
		return errors.New("not started by root: jobs can run as their accounts only then; run-jobs-as-self: true runs them as this user")
	}
	return nil
}

func (c config) rules() launch.AccountRules {
	rules := launch.DefaultAccountRules()
	rules.Floor, rules.GroupFloor = c.UIDFloor, c.GIDFloor
	rules.Privileged = append(rules.Privileged, c.Privileged...)
	return rules
}
