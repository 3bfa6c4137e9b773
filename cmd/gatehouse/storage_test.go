package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/internal/conf"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd/etcdserver"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies/change"
)

func TestStoreConfigurations(t *testing.T) {
	load := func(text string) error {
		c := defaults()
		return conf.Load("gatehouse.yaml", []byte("pap: {}\n"+text), &c)
	}
	require.NoError(t, load(`store: {etcd: {endpoints: ["http://127.0.0.1:2379"]}}`))
	require.NoError(t, load(`store: {etcd: {endpoints: ["https://a:2379", "https://b:2379"], prefix: site/, ca: ca.pem, cert: c.pem, key: k.pem, user: u, password-file: p}}`))
	for text, want := range map[string]string{
		`store: {etcd: {}}`:                                                    "no endpoints",
		`store: {etcd: {endpoints: ["a:2379"]}}`:                               "want https://host:2379",
		`store: {etcd: {endpoints: ["https://a:2379"]}}`:                       "needs the CA",
		`store: {etcd: {endpoints: ["http://a:2379"], ca: ca.pem}}`:            "in the clear",
		`store: {etcd: {endpoints: ["http://a:2379"], cert: c.pem}}`:           "cert and key belong together",
		`store: {etcd: {endpoints: ["https://a:1"], cert: c.pem, key: k.pem}}`: "ca: missing",
		`store: {etcd: {endpoints: ["http://a:2379"], user: u}}`:               "user and password-file belong together",
		`store: {etcd: {endpoints: ["http://a:2379"], password: secret}}`:      "password",
		`mapping: {}`:                          "peers: missing",
		`mapping: {peers: [{subject: /CN=a}]}`: "issuer",
		`mapping: {peers: [{subject: nonsense, issuer: /CN=CA}]}`:                                         "subject",
		"mapping: {peers: [{subject: /CN=a, issuer: /CN=CA}]}\naccounts: {service: [\"https://m:8155\"]}": "asks no other",
		"accounts: {service: [\"https://m:8155\"], grid-mapfile: g}":                                      "leave them out here",
	} {
		require.ErrorContains(t, load(text), want, text)
	}
}

// A pair of certificate and key that is renewed is shown at the next connection,
// and files that others could read are refused.
func TestStoreOverTLS(t *testing.T) {
	dir := t.TempDir()
	ca, err := gridtest.NewCA("/DC=test/DC=etcd")
	require.NoError(t, err)
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(path("ca.pem"), encodePEM("CERTIFICATE", ca.Cert.Raw), 0o644))
	host, err := ca.Host("127.0.0.1", "localhost")
	require.NoError(t, err)
	cert, key, err := host.WritePEM(dir, "host")
	require.NoError(t, err)
	endpoint := etcdserver.StartTLS(t, "--cert-file", cert, "--key-file", key, "--client-cert-auth", "--trusted-ca-file", path("ca.pem"))
	user, err := ca.User("Gatehouse")
	require.NoError(t, err)
	_, _, err = user.WritePEM(dir, "user")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path("password"), []byte("sesame\n"), 0o600))

	c := EtcdConfig{
		Endpoints: []string{endpoint}, Prefix: "site/", CA: conf.Path(path("ca.pem")),
		Cert: conf.Path(path("user-cert.pem")), Key: conf.Secret(path("user-key.pem")), User: "u", PasswordFile: conf.Secret(path("password")),
	}
	require.NoError(t, c.Check())
	o, err := c.options()
	require.NoError(t, err)
	require.Equal(t, "sesame", o.Password)
	o.User, o.Password = "", ""
	s, err := etcd.Open(t.Context(), o)
	require.NoError(t, err)
	_, err = s.Update(t.Context(), func(tx store.WriteTx) error { tx.Append(nil); return nil })
	require.NoError(t, err)
	require.NoError(t, s.Close())

	for name, spoil := range map[string]func() error{
		"password for all to read": func() error { return os.Chmod(path("password"), 0o644) },
		"an empty password":        func() error { return os.WriteFile(path("password"), []byte("\n"), 0o600) },
		"key for all to read":      func() error { c.User, c.PasswordFile = "", ""; return os.Chmod(path("user-key.pem"), 0o644) },
		"no CA":                    func() error { c.Cert, c.Key = "", ""; return os.WriteFile(path("ca.pem"), []byte("none"), 0o644) },
	} {
		kept := c
		require.NoError(t, spoil())
		_, err := c.options()
		require.Error(t, err, name)
		c = kept
	}
}

// A process that may not create its store refuses an empty prefix.
func TestStoreInEtcdMustExist(t *testing.T) {
	endpoint := etcdserver.Start(t)
	w, err := openWorld(filepath.Join(t.TempDir(), "site"))
	require.NoError(t, err)
	w.config.Store.Etcd = &EtcdConfig{Endpoints: []string{endpoint}}
	w.config.Container = nil
	w.config.createStore = false
	s, err := newSite(context.Background(), w.config, newLog(os.Stderr, 12))
	require.Nil(t, s)
	require.ErrorContains(t, err, "restore a backup")
}

// check looks at the files behind the sections for several machines, and asks
// nobody.
func TestCheckOfSeveralMachines(t *testing.T) {
	w, err := openWorld(filepath.Join(t.TempDir(), "site"))
	require.NoError(t, err)
	c := w.config
	c.PAP, c.PDP = nil, &PDPConfig{Follow: []string{"https://127.0.0.1:1"}}
	c.Accounts = AccountsConfig{File: c.Accounts.File, Floor: 1000, Service: []string{"https://127.0.0.1:1"}}
	c.Store.Etcd = &EtcdConfig{Endpoints: []string{"http://127.0.0.1:1"}}
	require.NoError(t, examine(t.Context(), c, os.Stderr))
	c.Accounts.Service = []string{"http://127.0.0.1:1"}
	c.Store.Etcd.User, c.Store.Etcd.PasswordFile = "u", conf.Secret(w.path("nothing"))
	err = examine(t.Context(), c, os.Stderr)
	require.ErrorContains(t, err, "no address of a mapping service")
	require.ErrorContains(t, err, "password-file")
	c.Host.Key = conf.Secret(w.path("nothing"))
	require.ErrorContains(t, examine(t.Context(), c, os.Stderr), "accounts.service: asking it takes")
}

// What goes wrong with etcd reaches an administrator as what it means, without
// addresses.
func TestDistantStore(t *testing.T) {
	away := fmt.Errorf("write store in etcd at [https://etcd1:2379]: %w", store.ErrAway)
	doubt := fmt.Errorf("write store in etcd at [https://etcd1:2379]: %w", store.ErrInDoubt)
	for _, c := range []struct{ err, want, not error }{{away, api.ErrUnavailable, change.ErrInDoubt}, {doubt, change.ErrInDoubt, api.ErrUnavailable}} {
		got := distant{log: slog.New(slog.DiscardHandler)}.said(c.err)
		require.ErrorIs(t, got, c.want)
		require.NotErrorIs(t, got, c.not)
		require.ErrorIs(t, got, c.err)
		require.NotContains(t, got.Error(), "etcd1")
	}
	other := errors.New("other")
	require.Equal(t, other, distant{}.said(other))
	require.NoError(t, distant{}.said(nil))
}
