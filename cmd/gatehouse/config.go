package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/authnprofile"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd"
	"github.com/gatehouse-authz/gatehouse/pep/account"
	"github.com/gatehouse-authz/gatehouse/pep/pip"
)

// Config is gatehouse.yaml. A role runs if its section is there; every key
// inside a section has a working default.
type Config struct {
	// Data is the directory of the store, the copies of policies and the audit
	// trail.
	Data  conf.Path   `yaml:"data"`
	Host  HostConfig  `yaml:"host"`
	Trust TrustConfig `yaml:"trust"`
	// Status is the loopback address of /healthz, /readyz, /status and /metrics.
	Status conf.Address `yaml:"status"`
	// Administrators may do everything to the PAP. They are named here, in a
	// file that only root writes, and nowhere else (DECISIONS 19).
	Administrators []string `yaml:"administrators"`
	// Strength is the table of DECISIONS 15; the first row that fits counts.
	Strength  []pip.StrengthRule `yaml:"credential-strength"`
	Tokens    *TokensConfig      `yaml:"tokens"`
	PAP       *PAPConfig         `yaml:"pap"`
	PDP       *PDPConfig         `yaml:"pdp"`
	Container *ContainerConfig   `yaml:"container"`
	Signer    *SignerConfig      `yaml:"signer"`
	Mapping   *MappingConfig     `yaml:"mapping"`
	Accounts  AccountsConfig     `yaml:"accounts"`
	Store     StoreConfig        `yaml:"store"`
	Plugins   []PluginConfig     `yaml:"plugins"`
	Audit     AuditConfig        `yaml:"audit"`

	// createStore lets serve begin with an empty store. Otherwise a store that
	// vanished would come back without a single ban.
	createStore bool
	// clock replaces time.Now in tests.
	clock func() time.Time
}

// HostConfig is the certificate that the service shows.
type HostConfig struct {
	Certificate conf.Path   `yaml:"certificate"`
	Key         conf.Secret `yaml:"key"`
}

// TrustConfig says which CAs are believed.
type TrustConfig struct {
	Directory conf.Path `yaml:"directory"` // IGTF layout
	CRL       string    `yaml:"crl"`       // require, if-present or ignore
	// VOMSDirectory names the VOMS servers whose attribute certificates count:
	// <vo>/<host>.lsc, often /etc/grid-security/vomsdir. Empty: none counts.
	VOMSDirectory conf.Path `yaml:"voms-directory"`
	// Accept lets in what is no longer safe: draft-proxies, legacy-proxies,
	// sha1-signatures, md5-signatures, short-keys.
	Accept []string `yaml:"accept"`
	// AuthnProfiles is the pattern of the IGTF profiles in Directory, and
	// VOCAAP the file that says which of them is accepted for whom. Empty:
	// every one for everybody.
	AuthnProfiles string    `yaml:"authn-profiles"`
	VOCAAP        conf.Path `yaml:"vo-ca-ap"`
}

// PAPConfig runs a policy administration point.
type PAPConfig struct {
	Listen conf.Address `yaml:"listen"`
	// Socket is the door that only root on this machine can use.
	Socket conf.Path `yaml:"socket"`
	// Followers are the host certificates and token identities that may follow
	// the feed.
	Followers []string `yaml:"followers"`
	// TokenAudiences are what the PAP is called in tokens, which it takes only if
	// there are any. They are not those of jobs: whoever is handed a token to run
	// a job with must not administer with it.
	TokenAudiences []string `yaml:"token-audiences"`
	// LargeChange is the share, in per cent, of the people seen lately for whom a
	// change may change the answer without being forced (DECISIONS 20).
	LargeChange int `yaml:"large-change"`
	// Policies are SPL files to load into an empty store.
	Policies []conf.Path `yaml:"policies"`
}

// PDPConfig runs a policy decision point.
type PDPConfig struct {
	// Follow are the addresses of one PAP, https://host:8150. Empty follows the
	// PAP in this process.
	Follow []string `yaml:"follow"`
	Name   string   `yaml:"name"`
	// TokenFile holds the bearer token to follow with, in place of the host
	// certificate; it is read for every request.
	TokenFile conf.Secret   `yaml:"token-file"`
	MaxStale  conf.Duration `yaml:"max-stale"`
}

// ContainerConfig runs the SOAP service container.
type ContainerConfig struct {
	Listen    conf.Address `yaml:"listen"`
	URL       string       `yaml:"url"` // what clients call it by; https://<host>:<port> if empty
	Services  conf.Path    `yaml:"services"`
	Sandboxes conf.Path    `yaml:"sandboxes"`
	// Approved maps a service to the SHA-256 that may run (see gatehouse check).
	Approved  map[string]string `yaml:"approved"`
	Anonymous bool              `yaml:"anonymous"` // admit callers without a certificate or token
	Launcher  LauncherConfig    `yaml:"launcher"`
	Retention conf.Duration     `yaml:"retention"` // of ended jobs and their sandboxes
}

// LauncherConfig says who starts jobs: a gatehouse-launch on this machine, on
// grants that a signer signs, or, by an explicit setting, this process itself
// without changing the account.
type LauncherConfig struct {
	Socket conf.Path `yaml:"socket"` // of gatehouse-launch
	Signer conf.Path `yaml:"signer"` // socket of the signer: the container holds no key (DECISIONS 27)
	// RunAsInvokingUser runs every job as the user of this process, or as uid
	// 65534 when that is root. Accounts are then only recorded.
	RunAsInvokingUser bool `yaml:"run-as-invoking-user"`
}

// AccountsConfig says how identities become accounts.
type AccountsConfig struct {
	GridMapfile  conf.Path `yaml:"grid-mapfile"`
	GroupMapfile conf.Path `yaml:"group-mapfile"`
	// Argus's options of these names: whether the line for the DN goes before
	// that for the primary FQAN, and whether a primary group must be found.
	PreferDNForLogin bool `yaml:"prefer-dn-for-login-name"`
	PreferDNForGroup bool `yaml:"prefer-dn-for-primary-group-name"`
	GroupRequired    bool `yaml:"no-primary-group-name-is-error"`
	// Community names the account per credential strength where the
	// grid-mapfile names none.
	Community map[string]string `yaml:"community"`
	// Shared are the accounts that several people may run as at once.
	Shared []string `yaml:"shared"`
	Floor  uint32   `yaml:"floor"` // least uid
	// File replaces the system's account database.
	File conf.Path `yaml:"file"`
	// GroupFile adds local groups, in the form of /etc/group.
	GroupFile conf.Path `yaml:"group-file"`
	// Tokens name accounts for holders of tokens.
	Tokens []account.TokenRule `yaml:"tokens"`
	// GridMapDir leases pool accounts in a directory that Argus or LCMAPS may
	// share, instead of Pools.
	GridMapDir conf.Path `yaml:"gridmapdir"`
	// Pools are accounts that are leased to people.
	Pools  []PoolConfig `yaml:"pools"`
	Leases LeasesConfig `yaml:"leases"`
	// Service asks mapping services over one store, https://host:8155, instead of
	// the files here.
	Service []string `yaml:"service"`
}

// PluginConfig is one plug-in process: an enricher.
type PluginConfig struct {
	Name   string    `yaml:"name"`
	Path   conf.Path `yaml:"path"`
	SHA256 string    `yaml:"sha256"`
	Args   []string  `yaml:"args"`
	// Assert lists attribute ids of the subject that the plug-in vouches for;
	// what else it adds can only count against a caller.
	Assert []string `yaml:"assert"`
}

// AuditConfig says where the audit trail goes.
type AuditConfig struct {
	File conf.Path `yaml:"file"`
}

// defaults is what a configuration says when it says nothing.
func defaults() Config {
	return Config{
		Data:   "/var/lib/gatehouse",
		Host:   HostConfig{Certificate: "/etc/grid-security/hostcert.pem", Key: "/etc/grid-security/hostkey.pem"},
		Trust:  TrustConfig{Directory: "/etc/grid-security/certificates", CRL: "require", AuthnProfiles: authnprofile.DefaultPattern},
		Status: "127.0.0.1:8149",
		Accounts: AccountsConfig{
			Floor: 1000, Leases: defaultLeases(), PreferDNForLogin: true, PreferDNForGroup: true,
		},
	}
}

// loadConfig reads the file and fills what it leaves open.
func loadConfig(path string) (Config, string, error) {
	c := defaults()
	digest, err := conf.File(path, &c)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, "", fmt.Errorf("%w: gatehouse init writes one; if it is elsewhere, name it with --config", err)
	}
	if err != nil {
		return Config{}, "", err
	}
	c.complete()
	return c, digest, nil
}

func (c *Config) complete() {
	data := string(c.Data)
	set(&c.Audit.File, conf.Path(filepath.Join(data, "audit.jsonl")))
	if p := c.PAP; p != nil {
		set(&p.Listen, ":8150")
		set(&p.Socket, conf.Path(filepath.Join(data, "pap.sock")))
		if p.LargeChange == 0 {
			p.LargeChange = 25
		}
	}
	if p := c.PDP; p != nil {
		set(&p.MaxStale, conf.Duration(4*time.Hour))
	}
	if k := c.Container; k != nil {
		set(&k.Listen, ":8443")
		set(&k.Services, conf.Path(filepath.Join(data, "services")))
		set(&k.Sandboxes, conf.Path(filepath.Join(data, "sandboxes")))
		set(&k.Retention, conf.Duration(30*24*time.Hour))
		set(&k.Launcher.Socket, launchSocket)
		set(&k.Launcher.Signer, signSocket)
	}
	if m := c.Mapping; m != nil {
		set(&m.Listen, ":8155")
	}
	if e := c.Store.Etcd; e != nil {
		set(&e.Prefix, etcd.DefaultPrefix)
	}
	if g := c.Signer; g != nil {
		set(&g.Socket, signSocket)
		set(&g.Key, conf.Secret(filepath.Join(data, "grant.key")))
		set(&g.Launcher, launcherName)
		set(&g.Services, conf.Path(filepath.Join(data, "services")))
		if g.Rate == 0 {
			g.Rate = 500
		}
	}
}

func set[T ~string | ~int64](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Check refuses what no role could use.
func (t *TrustConfig) Check() error {
	if !slices.Contains([]string{"require", "if-present", "ignore"}, t.CRL) {
		return fmt.Errorf("crl is %q; want require, if-present or ignore", t.CRL)
	}
	if _, err := weak.Parse(t.Accept); err != nil {
		return fmt.Errorf("accept: %w", err)
	}
	return nil
}

// network reports whether a role talks TLS.
func (c *Config) network() bool {
	return c.PAP != nil || c.PDP != nil || c.Container != nil || c.Mapping != nil || c.Signer != nil && len(c.Accounts.Service) > 0
}

// Check refuses a configuration in which no role would run.
func (c *Config) Check() error {
	switch {
	case c.PAP == nil && c.PDP == nil && c.Container == nil && c.Signer == nil && c.Mapping == nil:
		return fmt.Errorf("no role: add a section pap, pdp, container, mapping or signer")
	case c.Mapping != nil && len(c.Accounts.Service) > 0:
		return fmt.Errorf("accounts.service: a mapping service asks no other; give it a map file or pools")
	case len(c.Accounts.Service) > 0 && (c.Accounts.GridMapfile != "" || c.Accounts.GroupMapfile != "" || len(c.Accounts.Community) > 0):
		return fmt.Errorf("accounts.service: the mapping service has the map files and communities; leave them out here")
	case c.Accounts.checkPools() != nil:
		return c.Accounts.checkPools()
	case c.Container != nil && c.Signer != nil:
		return fmt.Errorf("a container and a signer in one process: the container must not hold the key; run the signer with a configuration and a user of its own")
	case c.Container != nil && c.PDP == nil:
		return fmt.Errorf("the container needs a pdp section: it decides in this process")
	case c.PAP != nil && (c.PAP.LargeChange < 0 || c.PAP.LargeChange > 100):
		return fmt.Errorf("pap.large-change is %d: want a share from 1 to 100 per cent", c.PAP.LargeChange)
	case c.PDP != nil && c.PAP == nil && len(c.PDP.Follow) == 0:
		return fmt.Errorf("the pdp has no PAP to follow: set pdp.follow or add a section pap")
	}
	if _, err := readNamed(c.Administrators); err != nil {
		return fmt.Errorf("administrators: %w", err)
	}
	return c.checkTokens()
}
