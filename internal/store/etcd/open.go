package etcd

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/backend"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// DefaultPrefix is where a store is kept if nothing else is said.
const DefaultPrefix = "gatehouse/"

// Options say where a store is and who asks.
type Options struct {
	// Endpoints are the client URLs of the members: https://host:2379.
	Endpoints []string
	// Prefix begins every key of the store; a slash is put at its end. Stores
	// of different prefixes know nothing of each other.
	Prefix string
	// TLS holds the CA that the members are believed by and our certificate.
	// Without it, endpoints must be http:// and everything goes in the clear.
	TLS *tls.Config
	// User and Password, where etcd's authentication is by password.
	User, Password string
	// MustExist refuses a prefix that holds no store with fs.ErrNotExist
	// instead of creating one: a store that vanished must not come back empty,
	// without a single ban.
	MustExist bool
	// Patience is how long an operation goes on when no member answers, a
	// change of the leader say; 0 means 15 seconds.
	Patience time.Duration
	Log      *slog.Logger // nil logs nothing
}

// Open opens the store and makes it if it is not there; of several that do so at
// once, one makes the lineage.
//
// Errors: store.ErrForeign, store.ErrNewer, store.ErrCorrupt, fs.ErrNotExist (see
// Options.MustExist), and whatever etcd says, each with prefix and endpoints.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("open store in etcd: %w", err)
	}
	client, err := dial(o)
	if err != nil {
		return nil, fmt.Errorf("open store in etcd at %v: %w", o.Endpoints, explained(err))
	}
	s := newStore(client, o)
	at, err := s.prepare(ctx, o.MustExist)
	if err != nil {
		_ = client.Close()
		return nil, s.named(ctx, "open", err)
	}
	s.start(at)
	return s, nil
}

func dial(o Options) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{
		Endpoints:            o.Endpoints,
		TLS:                  o.TLS,
		Username:             o.User,
		Password:             o.Password,
		DialTimeout:          callLimit,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: callLimit,
		PermitWithoutStream:  true,
		// The client would send a transaction again whose answer it missed; what
		// may be sent twice is decided here (see insist).
		MaxUnaryRetries: 1,
		DialOptions:     []grpc.DialOption{grpc.WithChainUnaryInterceptor(tellWhy)},
		Logger:          zap.NewNop(),
	})
}

func newStore(client *clientv3.Client, o Options) *Store {
	prefix := o.Prefix
	if prefix == "" {
		prefix = DefaultPrefix
	}
	keys := layout(strings.TrimRight(prefix, "/") + "/")
	s := &Store{
		client: client, kv: client.KV, keys: keys, log: o.Log, patience: o.Patience,
		lanes: newLanes(keys.lanes()), turn: make(chan struct{}, 1),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.patience == 0 {
		s.patience = 15 * time.Second
	}
	return s
}

// prepare makes the store if it is not there, and returns the revision of etcd
// from which to watch.
func (s *Store) prepare(ctx context.Context, mustExist bool) (int64, error) {
	if err := s.create(ctx, mustExist); err != nil {
		return 0, err
	}
	st, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	s.bell = backend.NewBell(st.number)
	return st.at, nil
}

// create makes the key meta, unless somebody else has or may not be expected to.
func (s *Store) create(ctx context.Context, mustExist bool) error {
	var lineage store.Lineage
	rand.Read(lineage[:])
	key := s.keys.meta()
	absent := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
	var then []clientv3.Op
	if !mustExist {
		then = append(then, clientv3.OpPut(key, formatMeta(lineage)))
	}
	var got *clientv3.TxnResponse
	err := s.insist(ctx, func(ctx context.Context) (err error) {
		got, err = s.kv.Txn(ctx).If(absent).Then(then...).Else(clientv3.OpGet(key)).Commit()
		return err
	})
	switch {
	case err != nil:
		return err
	case got.Succeeded && mustExist:
		return fmt.Errorf("%w: create it first, or restore a backup", fs.ErrNotExist)
	case got.Succeeded:
		return nil
	}
	_, err = parseMeta(only(got, 0).Value)
	return err
}

// start begins what runs beside the transactions until Close.
func (s *Store) start(at int64) {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.background.Go(func() { s.follow(ctx, at) })
	s.background.Go(func() { s.sweep(ctx) })
}

var errNoEndpoints = errors.New("no endpoints")

// Check refuses options that cannot be meant.
func (o Options) Check() error {
	if len(o.Endpoints) == 0 {
		return errNoEndpoints
	}
	for _, endpoint := range o.Endpoints {
		u, err := url.Parse(endpoint)
		switch {
		case strings.Contains(endpoint, "@"): // it would stand in logs and errors
			return errors.New("an endpoint with a user in it: give user and password apart")
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
			return fmt.Errorf("endpoint %q: want https://host:2379", endpoint)
		case u.Scheme == "http" && o.TLS != nil:
			return fmt.Errorf("endpoint %q is in the clear, but a CA or a certificate is given: want https://", endpoint)
		case u.Scheme == "https" && o.TLS == nil:
			return fmt.Errorf("endpoint %q needs the CA that it is believed by", endpoint)
		}
	}
	if (o.User == "") != (o.Password == "") {
		return errors.New("a user needs a password, and a password a user")
	}
	return nil
}
