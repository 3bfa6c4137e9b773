package authz_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// ⚿ Of two credentials in one request neither stands unless both do.
func TestVerdict(t *testing.T) {
	bad, worse := errors.New("bad"), errors.New("worse")
	judged := func(err error) func() error { return func() error { return err } }
	for _, c := range []struct {
		credential authz.Credential
		want       error
	}{
		{authz.Credential{}, nil},
		{authz.Credential{Err: bad}, bad},
		{authz.Credential{Judge: judged(bad)}, bad},
		{authz.Credential{Err: bad, Judge: judged(nil)}, bad},
		{authz.Credential{Judge: judged(nil), Beside: &authz.Credential{}}, nil},
		{authz.Credential{Judge: judged(nil), Beside: &authz.Credential{Judge: judged(worse)}}, worse},
		{authz.Credential{Err: bad, Beside: &authz.Credential{}}, bad},
	} {
		require.Equal(t, c.want, c.credential.Verdict())
	}
}
