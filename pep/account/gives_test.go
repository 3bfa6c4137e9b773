package account

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// ⚿ DECISIONS 27: whoever signs grants signs only for accounts that the
// mapping gives somebody.
func TestGives(t *testing.T) {
	s := newSetting(t, "\"/O=x/CN=ann\" ann\n\"/cms\" guest\n", "\"/cms\" cms\n")
	s.config.Shared = []string{"guest"}
	m, err := NewMapper(t.Context(), s.config)
	require.NoError(t, err)
	ann, err := m.Map(t.Context(), caller(t, "/O=x/CN=ann"))
	require.NoError(t, err)
	guest, err := m.Map(t.Context(), caller(t, "/O=x/CN=carl", "/cms"))
	require.NoError(t, err)
	require.NoError(t, m.Gives(t.Context(), ann))
	require.NoError(t, m.Gives(t.Context(), guest), "with its group of the group map")

	for name, change := range map[string]func(*authz.Account){
		"an account that nobody is mapped to": func(a *authz.Account) { a.Name = "bob" },
		"one that there is not":               func(a *authz.Account) { a.Name = "ghost" },
		"root":                                func(a *authz.Account) { *a = authz.Account{Name: "root"} },
		"another uid":                         func(a *authz.Account) { a.UID++ },
		"uid 0 under a good name":             func(a *authz.Account) { a.UID = 0 },
		"a group that it does not have":       func(a *authz.Account) { a.Groups = []authz.Group{{Name: "atlas", GID: 10020}} },
		"a group under a false number":        func(a *authz.Account) { a.Group.GID++ },
		"a mapped group under a false number": func(a *authz.Account) { a.Groups = []authz.Group{{Name: "cms", GID: 0}} },
	} {
		t.Run(name, func(t *testing.T) {
			a := ann
			change(&a)
			require.ErrorIs(t, m.Gives(t.Context(), a), ErrForbidden)
		})
	}

	m.directory = silent{}
	err = m.Gives(t.Context(), ann)
	require.ErrorIs(t, err, errSilent)
	require.NotErrorIs(t, err, ErrForbidden, "no answer is neither yes nor no")
}

var errSilent = errors.New("the directory does not answer")

// silent is a directory that is down.
type silent struct{}

func (silent) User(context.Context, string) (authz.Account, error) { return authz.Account{}, errSilent }
func (silent) Group(context.Context, string) (authz.Group, error)  { return authz.Group{}, errSilent }
