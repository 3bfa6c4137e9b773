package etcd_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd/etcdserver"
	"github.com/stretchr/testify/require"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Members believe our certificate, and we theirs; without one there is no store.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, err := gridtest.NewCA("/DC=test/DC=etcd")
	require.NoError(t, err)
	roots := filepath.Join(dir, "ca.pem")
	require.NoError(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Cert.Raw}), 0o600))
	host, err := ca.Host("127.0.0.1", "localhost")
	require.NoError(t, err)
	cert, key, err := host.WritePEM(dir, "host")
	require.NoError(t, err)
	endpoint := etcdserver.StartTLS(t, "--cert-file", cert, "--key-file", key, "--client-cert-auth", "--trusted-ca-file", roots)

	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	user, err := ca.User("Gatehouse")
	require.NoError(t, err)
	ours := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{user.TLS()}}
	s := open(t, etcd.Options{Endpoints: []string{endpoint}, TLS: ours})
	update(t, s, func(tx store.WriteTx) { tx.Put("a", "k", nil) })

	stranger, err := gridtest.NewCA("/DC=test/DC=stranger")
	require.NoError(t, err)
	other, err := stranger.User("Gatehouse")
	require.NoError(t, err)
	strange := x509.NewCertPool()
	strange.AddCert(stranger.Cert)
	for name, c := range map[string]*tls.Config{
		"no certificate":     {RootCAs: pool},
		"of another CA":      {RootCAs: pool, Certificates: []tls.Certificate{other.TLS()}},
		"a member not known": {RootCAs: strange, Certificates: []tls.Certificate{user.TLS()}},
	} {
		_, err := etcd.Open(t.Context(), etcd.Options{Endpoints: []string{endpoint}, TLS: c, Patience: 300 * time.Millisecond})
		require.ErrorIs(t, err, store.ErrAway, name)
		if c.RootCAs == strange { // of the others, the member may just hang up
			require.ErrorContains(t, err, "certificate", name)
		}
	}
}

// A user with a password has its prefix and nothing else, goes on when the users
// change, and its password is in no error and no log.
func TestUserAndPassword(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	root, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	require.NoError(t, err)
	ctx := t.Context()
	must := func(_ any, err error) { t.Helper(); require.NoError(t, err) }
	must(root.UserAdd(ctx, "root", "r"))
	must(root.UserGrantRole(ctx, "root", "root"))
	must(root.RoleAdd(ctx, "gatehouse"))
	must(root.RoleGrantPermission(ctx, "gatehouse", "site/", clientv3.GetPrefixRangeEnd("site/"), clientv3.PermissionType(clientv3.PermReadWrite)))
	must(root.UserAdd(ctx, "gatehouse", "sesame-open"))
	must(root.UserGrantRole(ctx, "gatehouse", "gatehouse"))
	must(root.AuthEnable(ctx))
	require.NoError(t, root.Close())

	var log bytes.Buffer
	o := etcd.Options{
		Endpoints: []string{endpoint}, Prefix: "site", User: "gatehouse", Password: "sesame-open",
		Patience: time.Second, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	s := open(t, o)
	update(t, s, func(tx store.WriteTx) { tx.Put("a", "k", []byte("v")); tx.Append(nil) })

	admin, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Username: "root", Password: "r", Logger: zap.NewNop()})
	require.NoError(t, err)
	defer func() { require.NoError(t, admin.Close()) }()
	must(admin.UserAdd(ctx, "somebody", "else")) // every pass is now of an old revision
	update(t, s, func(tx store.WriteTx) { tx.Put("a", "k", []byte("w")); tx.Append(nil) })

	errs := ""
	for name, spoil := range map[string]func(*etcd.Options){
		"wrong password": func(o *etcd.Options) { o.Password = "sesame-shut" },
		"nobody":         func(o *etcd.Options) { o.User, o.Password = "", "" },
		"another prefix": func(o *etcd.Options) { o.Prefix = "elsewhere" },
	} {
		bad := o
		spoil(&bad)
		_, err := etcd.Open(t.Context(), bad)
		require.Error(t, err, name)
		errs += err.Error()
	}
	require.Contains(t, errs, "grant-permission")
	require.NoError(t, s.Close())
	require.NotContains(t, log.String()+errs, "sesame")
}

// ⚿ A store that is not there is not made anew where it must be, and one whose
// keys have vanished is not read as an empty one: it would hold no ban.
func TestAVanishedStoreIsNoEmptyOne(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	o := etcd.Options{Endpoints: []string{endpoint}, MustExist: true}
	_, err := etcd.Open(t.Context(), o)
	require.ErrorIs(t, err, fs.ErrNotExist)
	o.MustExist = false
	s := open(t, o)
	update(t, s, func(tx store.WriteTx) { tx.Put("a", "ban", nil); tx.Append(nil) })
	root, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	require.NoError(t, err)
	defer func() { require.NoError(t, root.Close()) }()
	_, err = root.Delete(t.Context(), "", clientv3.WithPrefix())
	require.NoError(t, err)
	require.ErrorIs(t, s.View(t.Context(), func(store.ReadTx) error { require.Fail(t, "read"); return nil }), store.ErrCorrupt)
	_, err = s.Update(t.Context(), func(store.WriteTx) error { require.Fail(t, "written"); return nil })
	require.ErrorIs(t, err, store.ErrCorrupt)
}

func TestForeignAndNewerStores(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	root, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	require.NoError(t, err)
	defer func() { require.NoError(t, root.Close()) }()
	for value, want := range map[string]error{
		"something else": store.ErrForeign,
		"gatehouse-store 2 0123456789abcdef0123456789abcdef": store.ErrNewer,
		"gatehouse-store 1 short":                            store.ErrCorrupt,
	} {
		_, err := root.Put(context.Background(), "gatehouse/meta", value)
		require.NoError(t, err)
		_, err = etcd.Open(t.Context(), etcd.Options{Endpoints: []string{endpoint}})
		require.ErrorIs(t, err, want, value)
	}
}

func TestOptionsThatCannotBeMeant(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]etcd.Options{
		"no endpoint":        {},
		"no scheme":          {Endpoints: []string{"127.0.0.1:2379"}},
		"TLS in the clear":   {Endpoints: []string{"http://127.0.0.1:2379"}, TLS: &tls.Config{}},
		"https and no CA":    {Endpoints: []string{"https://127.0.0.1:2379"}},
		"a user alone":       {Endpoints: []string{"http://127.0.0.1:2379"}, User: "u"},
		"one in the clear":   {Endpoints: []string{"https://127.0.0.1:2379", "http://127.0.0.1:2379"}, TLS: &tls.Config{}},
		"a password alone":   {Endpoints: []string{"http://127.0.0.1:2379"}, Password: "p"},
		"a password in it":   {Endpoints: []string{"https://u:sesame@127.0.0.1:2379"}, TLS: &tls.Config{}},
		"a file as endpoint": {Endpoints: []string{"file:///etc/passwd"}},
	} {
		_, err := etcd.Open(t.Context(), o)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "sesame")
	}
}
