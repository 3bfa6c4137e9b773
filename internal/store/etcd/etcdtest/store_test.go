package etcdtest

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/etcd"
	"github.com/gatehouse-authz/gatehouse/internal/store/storetest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(memberVariable); config != "" {
		if err := runMember(config); err != nil {
			fmt.Fprintln(os.Stderr, "member:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if config := os.Getenv(pepVariable); config != "" {
		if err := runPEP(config); err != nil {
			fmt.Fprintln(os.Stderr, "enforcement point:", err)
		}
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func TestStoreOnOneMember(t *testing.T)    { suite(t, startCluster(t, 1)) }
func TestStoreOnThreeMembers(t *testing.T) { suite(t, startCluster(t, 3)) }

func suite(t *testing.T, c *cluster) {
	var n atomic.Int64
	storetest.Run(t, func(t storetest.T) store.Store {
		return open(t, etcd.Options{Endpoints: c.endpoints(), Prefix: fmt.Sprint("suite/", n.Add(1))})
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

// opener is what opening a store needs of a test.
type opener interface {
	require.TestingT
	Cleanup(func())
}

func open(t opener, o etcd.Options) reopening {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := etcd.Open(ctx, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return reopening{s, o}
}
