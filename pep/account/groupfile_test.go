package account

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
)

func TestGroupFile(t *testing.T) {
	users, err := ParseFile([]byte(accounts))
	require.NoError(t, err)
	g, err := ParseGroupFile([]byte("# local groups\ncms:x:10010:ann,bob\nsgm:x:10040:ann , guest\n\nempty:x:10041:\n"))
	require.NoError(t, err)
	d := g.Over(users)
	ann, err := d.User(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, []authz.Group{{Name: "cms", GID: 10010}, {Name: "sgm", GID: 10040}}, ann.Groups, "each once")
	bob, err := d.User(t.Context(), "bob")
	require.NoError(t, err)
	require.Equal(t, []authz.Group{{Name: "cms", GID: 10010}}, bob.Groups)
	sgm, err := d.Group(t.Context(), "sgm")
	require.NoError(t, err)
	require.EqualValues(t, 10040, sgm.GID)
	_, err = d.Group(t.Context(), "users")
	require.NoError(t, err, "the directory's")
	_, err = d.User(t.Context(), "nobody-known")
	require.ErrorIs(t, err, ErrUnknown)

	// ⚿ the rules hold for what the file adds
	privileged, err := ParseGroupFile([]byte("docker:x:998:bob\n"))
	require.NoError(t, err)
	_, err = Guard(privileged.Over(users), Rules{}).User(t.Context(), "bob")
	require.ErrorIs(t, err, ErrForbidden)
	other, err := ParseGroupFile([]byte("cms:x:4711:bob\n"))
	require.NoError(t, err)
	_, err = other.Over(users).User(t.Context(), "ann")
	require.ErrorContains(t, err, "4711 in the group file and 10010")

	names, err := Names(t.Context(), Cache(d, 1, nil))
	require.NoError(t, err)
	require.Contains(t, names, "ann")
}

func TestGroupFilesThatCannotBe(t *testing.T) {
	for want, text := range map[string]string{
		"line 2: want name:x:number": "\ncms:x:1",
		"is no account name":         "c/m:x:1:",
		"line 1: id \"-1\"":          "cms:x:-1:",
		"is there already":           "cms:x:1:\nsgm:x:1:",
		"\"a b\" is no account name": "cms:x:1:a b",
	} {
		_, err := ParseGroupFile([]byte(text))
		require.ErrorContains(t, err, want)
	}
}

func FuzzGroupFile(f *testing.F) {
	f.Add("cms:x:10010:ann,bob\n")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := ParseGroupFile([]byte(text))
		if err != nil {
			return
		}
		for member, groups := range g.of {
			require.NoError(t, checkName(member))
			require.NotEmpty(t, groups)
		}
	})
}
