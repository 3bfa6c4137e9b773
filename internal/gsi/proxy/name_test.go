package proxy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gridtest"
)

func rawName(t *testing.T, s string) []byte {
	t.Helper()
	d, err := authz.ParseDN(s)
	require.NoError(t, err)
	der, err := gridtest.EncodeName(d, 0)
	require.NoError(t, err)
	return der
}
