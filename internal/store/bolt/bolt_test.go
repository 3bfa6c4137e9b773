package bolt_test

import (
	"path/filepath"
	"testing"

	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/bolt"
	"github.com/gatehouse-authz/gatehouse/internal/store/storetest"
	"github.com/stretchr/testify/require"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t storetest.T) store.Store {
		return open(t, filepath.Join(t.TempDir(), "gatehouse.db"))
	})
}

// reopening can be closed and opened again.
type reopening struct{ *bolt.Store }

var _ storetest.Reopener = reopening{}

func (r reopening) Reopen(t storetest.T) store.Store {
	require.NoError(t, r.Close())
	return open(t, r.Path())
}

func open(t storetest.T, path string) reopening {
	s, err := bolt.Open(path, bolt.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return reopening{s}
}
