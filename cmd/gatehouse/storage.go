package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

// storeName is the store's file in the data directory.
const storeName = "gatehouse.db"

// storeReserve is the space on the disk that is kept for bans and the ends of
// jobs: some thousands.
const storeReserve = 16 << 20

// StoreConfig says where policies, bans and leases are kept. Without it they
// are in a file of the data directory. Jobs always are: they belong to their
// machine.
type StoreConfig struct {
	Etcd *EtcdConfig `yaml:"etcd"`
}

// EtcdConfig is a store that services on several machines share.
type EtcdConfig struct {
	Endpoints []string  `yaml:"endpoints"` // https://host:2379
	Prefix    string    `yaml:"prefix"`    // of every key
	CA        conf.Path `yaml:"ca"`        // PEM: whom the members are believed by
	// Cert and Key are what we show the members, where they want to see it.
	Cert conf.Path   `yaml:"cert"`
	Key  conf.Secret `yaml:"key"`
	// User and PasswordFile are for etcd's authentication by password.
	User         string      `yaml:"user"`
	PasswordFile conf.Secret `yaml:"password-file"`
}

// Check refuses what etcd could not be reached by.
func (c *EtcdConfig) Check() error {
	switch {
	case (c.Cert == "") != (c.Key == ""):
		return errors.New("cert and key belong together")
	case (c.User == "") != (c.PasswordFile == ""):
		return errors.New("user and password-file belong together")
	case c.Cert != "" && c.CA == "":
		return errors.New("ca: missing; a certificate is shown over TLS only, and the members need a CA to be believed by")
	}
	o := etcd.Options{Endpoints: c.Endpoints}
	if c.CA != "" {
		o.TLS = &tls.Config{}
	}
	return o.Check()
}

// openStore opens the store of policies and leases, and the one of this machine's
// jobs, which is the same where there is only one machine.
func (s *site) openStore(ctx context.Context) error {
	c := &s.config
	shared := c.Store.Etcd != nil && (c.PAP != nil || c.Mapping != nil || c.Container != nil && len(c.Accounts.Service) == 0)
	if c.Container != nil || c.PAP != nil && !shared {
		kept, err := bolt.Open(filepath.Join(string(c.Data), storeName), bolt.Options{MustExist: !c.createStore, Reserve: storeReserve})
		if err != nil {
			return err
		}
		s.local = s.watch("store", kept, func() error { return explained(kept.Trouble()) })
		s.store = s.local
	}
	if !shared {
		return nil
	}
	o, err := c.Store.Etcd.options()
	if err != nil {
		return fmt.Errorf("store.etcd: %w", err)
	}
	o.MustExist, o.Log = !c.createStore, s.log
	kept, err := etcd.Open(ctx, o)
	if err != nil {
		return fmt.Errorf("store.etcd: %w", err)
	}
	s.store = distant{s.watch("etcd", kept, kept.Trouble), s.log}
	return nil
}

// distant is a store on other machines. It says what its failures mean in the
// words that administrators and their programs know, and keeps addresses inside.
type distant struct {
	store.Store
	log *slog.Logger
}

// View implements store.Store.
func (d distant) View(ctx context.Context, fn func(store.ReadTx) error) error {
	return d.said(d.Store.View(ctx, fn))
}

// Update implements store.Store.
func (d distant) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	number, err := d.Store.Update(ctx, fn)
	return number, d.said(err)
}

func (d distant) said(err error) error {
	switch {
	case errors.Is(err, store.ErrInDoubt):
		d.log.Error("a change is in doubt", "error", err)
		return &outward{change.ErrInDoubt, err}
	case errors.Is(err, store.ErrAway):
		return &outward{api.ErrUnavailable, err}
	}
	return err
}

// outward is an error whose text may leave the process; /status and the log have
// the rest.
type outward struct{ sentinel, cause error }

// Error returns the outward text.
func (o *outward) Error() string {
	if errors.Is(o.cause, store.ErrAway) {
		return o.sentinel.Error() + ": " + store.ErrAway.Error()
	}
	return o.sentinel.Error()
}

// Unwrap gives errors.Is both.
func (o *outward) Unwrap() []error { return []error{o.sentinel, o.cause} }

// explained says what goes on and what to do on a full disk.
func explained(err error) error {
	if errors.Is(err, store.ErrFull) {
		return fmt.Errorf("%w; only bans and what ends jobs are taken: make room", err)
	}
	return err
}

// watch shows on /status what is wrong with a store, and closes it in the end.
func (s *site) watch(name string, kept store.Store, trouble func() error) store.Store {
	w := &watched{Store: kept}
	s.health.Check(name, func() error {
		if err := w.trouble(); err != nil || trouble == nil {
			return err
		}
		return trouble()
	})
	s.closeLater(kept)
	return w
}

func (c *EtcdConfig) options() (o etcd.Options, err error) {
	o = etcd.Options{Endpoints: c.Endpoints, Prefix: c.Prefix, User: c.User}
	if c.PasswordFile != "" {
		password, err := c.PasswordFile.Read()
		if err != nil {
			return o, fmt.Errorf("password-file: %w", err)
		}
		if o.Password = strings.TrimRight(string(password), "\r\n"); o.Password == "" {
			return o, fmt.Errorf("password-file: %s is empty", c.PasswordFile)
		}
	}
	if c.CA != "" {
		o.TLS, err = c.tls()
	}
	return o, err
}

func (c *EtcdConfig) tls() (*tls.Config, error) {
	text, err := os.ReadFile(string(c.CA))
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca: %s holds no certificate in PEM", c.CA)
	}
	t := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if c.Cert == "" {
		return t, nil
	}
	if _, err := c.certificate(nil); err != nil { // now, rather than at the first connection
		return nil, err
	}
	t.GetClientCertificate = c.certificate
	return t, nil
}

// certificate reads certificate and key anew for each connection, so that a
// renewed pair needs no restart.
func (c *EtcdConfig) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	cert, err := os.ReadFile(string(c.Cert))
	if err != nil {
		return nil, fmt.Errorf("cert: %w", err)
	}
	key, err := c.Key.Read()
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("cert and key: %w", err)
	}
	return &pair, nil
}
