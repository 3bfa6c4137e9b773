package account

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

// What Explain says is what Map does, without doing it.
func TestExplain(t *testing.T) {
	s := newSetting(t, "\"/O=x/CN=ann\" ann\n\n\"/cms\" .cms\n", "\"/cms\" cms, users\n\"/O=x/CN=carl\" users\n")
	m, pools := s.withPools(t)
	ann := m.Explain(t.Context(), caller(t, "/O=x/CN=ann"))
	require.Equal(t, "/O=x/CN=ann", ann.Caller)
	require.Equal(t, s.config.AccountMap+":1", ann.Source)
	require.Equal(t, "ann", ann.Account.Name)
	require.Empty(t, ann.Refused)

	carl := verified(t, caller(t, "/O=x/CN=carl", "/cms"), "/O=x/CN=carl", someCA)
	x := m.Explain(t.Context(), carl)
	require.Equal(t, Explained{
		Caller: "/O=x/CN=carl as /cms", Holder: "/O=x/CN=carl", Login: ".cms", Source: s.config.AccountMap + ":3", NewLease: true,
		Groups: []GroupSource{{"users", s.config.GroupMap + ":2"}, {"cms", s.config.GroupMap + ":1"}},
	}, x)
	require.Equal(t, 4, pools.Counts()["cms"].States[pool.Free], "explaining leases nothing")
	mapped, err := m.Map(t.Context(), carl)
	require.NoError(t, err)
	x = m.Explain(t.Context(), carl)
	require.Equal(t, mapped.Name, x.Account.Name)
	require.Equal(t, mapped.Group, x.Account.Group)
	require.Equal(t, mapped.Lease, x.Lease.ID())

	for want, r := range map[string]*authz.Request{
		"no line of the account map matches":                  caller(t, "/O=x/CN=nobody"),
		"an account is leased only for a verified credential": caller(t, "/O=x/CN=carl", "/cms"),
	} {
		x := m.Explain(t.Context(), r)
		require.Contains(t, x.Refused, want)
		require.Nil(t, x.Account)
	}
}
