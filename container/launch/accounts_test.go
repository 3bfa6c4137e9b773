package launch

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/stretchr/testify/require"
)

// fakeAccounts is an account database in memory.
type fakeAccounts struct {
	users  map[string][2]uint32
	groups map[string]uint32
	away   bool
}

func (f fakeAccounts) User(_ context.Context, name string) (uint32, uint32, error) {
	if f.away {
		return 0, 0, fmt.Errorf("%w: the directory server does not answer", ErrAway)
	}
	n, ok := f.users[name]
	if !ok {
		return 0, 0, errors.New("no such user")
	}
	return n[0], n[1], nil
}

func (f fakeAccounts) Group(_ context.Context, name string) (uint32, error) {
	gid, ok := f.groups[name]
	if !ok {
		return 0, ErrNoGroup
	}
	return gid, nil
}

func database() fakeAccounts {
	return fakeAccounts{
		users:  map[string][2]uint32{"alice": {2001, 2100}, "root": {0, 0}, "toor": {0, 2100}, "www": {33, 2100}, "ops": {2003, 998}},
		groups: map[string]uint32{"grid": 2100, "atlas": 2200, "docker": 998, "innocent": 998, "shadow": 42, "root": 0},
	}
}

// ⚿ DECISIONS 26: at use, whatever was granted.
func TestForbiddenAccounts(t *testing.T) {
	grid := authz.Group{Name: "grid", GID: 2100}
	many := make([]authz.Group, MaxGroups+1)
	cases := map[string]struct {
		account authz.Account
		want    string
	}{
		"root":                    {authz.Account{Name: "root", Group: authz.Group{Name: "root"}}, "below the floor"},
		"another name for uid 0":  {authz.Account{Name: "toor", Group: grid}, "below the floor"},
		"system account":          {authz.Account{Name: "www", UID: 33, Group: grid}, "below the floor of 1000"},
		"root under a false uid":  {authz.Account{Name: "root", UID: 2001, Group: grid}, "the system says 0:0"},
		"does not exist":          {authz.Account{Name: "ghost", UID: 2009, Group: grid}, "no such user"},
		"uid changed":             {authz.Account{Name: "alice", UID: 2002, Group: grid}, "the system says 2001:2100"},
		"primary group changed":   {authz.Account{Name: "alice", UID: 2001, Group: authz.Group{Name: "atlas", GID: 2200}}, "the system says"},
		"privileged primary":      {authz.Account{Name: "ops", UID: 2003, Group: authz.Group{Name: "innocent", GID: 998}}, "is docker, which is privileged"},
		"privileged secondary":    {authz.Account{Name: "alice", UID: 2001, Group: grid, Groups: []authz.Group{{Name: "docker", GID: 998}}}, "privileged"},
		"alias of a privileged":   {authz.Account{Name: "alice", UID: 2001, Group: grid, Groups: []authz.Group{{Name: "innocent", GID: 998}}}, "privileged"},
		"group 0":                 {authz.Account{Name: "alice", UID: 2001, Group: grid, Groups: []authz.Group{{Name: "root"}}}, "below the floor"},
		"system group":            {authz.Account{Name: "alice", UID: 2001, Group: grid, Groups: []authz.Group{{Name: "shadow", GID: 42}}}, "below the floor of 100"},
		"unknown group":           {authz.Account{Name: "alice", UID: 2001, Group: grid, Groups: []authz.Group{{Name: "ghosts", GID: 2300}}}, "no such group"},
		"group under a false gid": {authz.Account{Name: "alice", UID: 2001, Group: grid, Groups: []authz.Group{{Name: "docker", GID: 2200}}}, "the system says 998"},
		"too many groups":         {authz.Account{Name: "alice", UID: 2001, Group: grid, Groups: many}, "more than 64"},
	}
	rules := DefaultAccountRules()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { require.ErrorContains(t, rules.Check(t.Context(), database(), c.account), c.want) })
	}
	require.NoError(t, rules.Check(t.Context(), database(), account))
	away := database()
	away.away = true
	require.ErrorContains(t, rules.Check(t.Context(), away, account), "does not answer")
}
