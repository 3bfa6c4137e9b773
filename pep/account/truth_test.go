package account

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// The table that Argus's own suites hold it to ("bug 69197 case 1..8a",
// argus.md 5.5): an account map with a pool for the VO and an account for the
// name, a group map with a group for the VO and, in the first rows, one for the
// name; asked with a plain certificate and with a VOMS proxy.
func TestTruthTable(t *testing.T) {
	const none = "" // Indeterminate: "Failed to map subject"
	for _, row := range []struct {
		named                  bool // the name is in the group map
		login, group, required bool // DNForLogin, DNForGroup, GroupRequired
		plain, proxy           string
	}{
		{true, true, true, true, "dnuser/dngroup", "dnuser/dngroup"},
		{true, false, true, true, "dnuser/dngroup", ".vo/dngroup"},
		{true, true, false, true, "dnuser/dngroup", "dnuser/vo"},
		{true, false, false, true, "dnuser/dngroup", ".vo/vo"},
		{false, true, true, true, none, "dnuser/vo"},
		{false, true, true, false, "dnuser/", "dnuser/vo"},
		{false, false, true, true, none, ".vo/vo"},
		{false, false, true, false, "dnuser/", ".vo/vo"},
		{false, true, false, true, none, "dnuser/vo"},
		{false, true, false, false, "dnuser/", "dnuser/vo"},
		{false, false, false, true, none, ".vo/vo"},
		{false, false, false, false, "dnuser/", ".vo/vo"},
	} {
		accounts, err := ParseMapFile([]byte("\"/vo\" .vo\n\"/O=x/CN=user\" dnuser\n"))
		require.NoError(t, err)
		text := "\"/vo\" vo\n"
		if row.named {
			text += "\"/O=x/CN=user\" dngroup\n"
		}
		groups, err := ParseMapFile([]byte(text))
		require.NoError(t, err)
		user, err := authz.ParseDN("/O=x/CN=user")
		require.NoError(t, err)
		vo, err := authz.ParseFQAN("/vo")
		require.NoError(t, err)
		prefer := Preference{DNForLogin: row.login, DNForGroup: row.group, GroupRequired: row.required}
		for want, id := range map[string]Identity{"plain " + row.plain: {Name: user}, "proxy " + row.proxy: {Name: user, Primary: vo, FQANs: []authz.FQAN{vo}}} {
			kind := want[:len("plain ")]
			c, err := Choose(accounts, groups, id, prefer)
			got := c.Login + "/"
			if len(c.Groups) > 0 {
				got += c.Groups[0]
			}
			if err != nil {
				require.ErrorIs(t, err, ErrNoGroup)
				got = none
			}
			require.Equal(t, want, kind+got, "%+v", row)
		}
	}
}
