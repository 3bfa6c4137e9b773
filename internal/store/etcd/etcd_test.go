package etcd_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd/etcdserver"
	"github.com/gatehouse-authz/gatehouse/internal/store/storetest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The suite over the etcd that Debian ships, 3.4; that of 3.7 and of three
// members is in etcdtest.
func TestStore(t *testing.T) {
	t.Parallel()
	endpoint := etcdserver.Start(t)
	var n atomic.Int64
	storetest.Run(t, func(t storetest.T) store.Store {
		return open(t, etcd.Options{Endpoints: []string{endpoint}, Prefix: fmt.Sprint("suite/", n.Add(1))})
	})
}

// reopening can be closed and opened again.
type reopening struct {
	*etcd.Store
	options etcd.Options
}

var _ storetest.Reopener = reopening{}

func (r reopening) Reopen(t storetest.T) store.Store {
	require.NoError(t, r.Close())
	r.options.MustExist = true
	return open(t, r.options)
}

func open(t storetest.T, o etcd.Options) reopening {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := etcd.Open(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return reopening{s, o}
}
