package groupfile_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/plugins/groupfile"
)

const subjectID = "urn:oasis:names:tc:xacml:1.0:subject:subject-id"

func dn(t *testing.T, s string) authz.Value {
	t.Helper()
	d, err := authz.ParseDN(s)
	require.NoError(t, err)
	return authz.DNValue(d)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func TestGroups(t *testing.T) {
	path := filepath.Join(t.TempDir(), "groups")
	write(t, path, "# people\n\n\"/DC=org/CN=Alice\" physics, shift\n\"CN=Alice,DC=org\" more\n\"/DC=org/CN=Q \\\"X\\\"\" odd\n")
	f, err := groupfile.Open(path, groupfile.DefaultAttribute)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		value    authz.Value
		standing authz.Standing
		want     []string
	}{
		"verified":            {dn(t, "/DC=org/CN=Alice"), authz.Verified, []string{"physics", "shift", "more"}},
		"presented":           {dn(t, "/DC=org/CN=Alice"), authz.Presented, []string{"physics", "shift", "more"}},
		"presented reversed":  {dn(t, "/CN=Alice/DC=org"), authz.Presented, []string{"physics", "shift", "more"}},
		"presented as string": {authz.StringValue("cn=alice, dc=ORG"), authz.Presented, []string{"physics", "shift", "more"}},
		"verified reversed":   {dn(t, "/CN=Alice/DC=org"), authz.Verified, nil},
		"quotes":              {dn(t, `/DC=org/CN=Q "X"`), authz.Verified, []string{"odd"}},
		"unknown":             {dn(t, "/DC=org/CN=Bob"), authz.Verified, nil},
	} {
		r := &authz.Request{Attributes: []authz.Attribute{
			{Category: authz.Subject, ID: subjectID, Values: []authz.Value{c.value}, Standing: c.standing},
		}}
		require.NoError(t, f.Enrich(t.Context(), r), name)
		var got []string
		for a, v := range r.Values(authz.Subject, groupfile.DefaultAttribute) {
			require.Equal(t, c.standing, a.Standing, name)
			got = append(got, v.Text())
		}
		require.Equal(t, c.want, got, name)
	}
}

// A string that was verified as something else than a DN proves no DN.
func TestStringIsNoVerifiedName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "groups")
	write(t, path, "\"/DC=org/CN=Alice\" physics\n")
	f, err := groupfile.Open(path, groupfile.DefaultAttribute)
	require.NoError(t, err)
	r := &authz.Request{}
	r.Add(authz.Subject, subjectID, authz.StringValue("/DC=org/CN=Alice"))
	require.NoError(t, f.Enrich(t.Context(), r))
	_, ok := r.Verified(authz.Subject, groupfile.DefaultAttribute)
	require.False(t, ok)
}

func TestChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "groups")
	write(t, path, "\"/CN=Alice\" old\n")
	f, err := groupfile.Open(path, groupfile.DefaultAttribute)
	require.NoError(t, err)
	group := func() (string, error) {
		r := &authz.Request{}
		r.Add(authz.Subject, subjectID, dn(t, "/CN=Alice"))
		err := f.Enrich(t.Context(), r)
		v, _ := r.Verified(authz.Subject, groupfile.DefaultAttribute)
		return v.Text(), err
	}
	g, err := group()
	require.NoError(t, err)
	require.Equal(t, "old", g)

	write(t, path, "\"/CN=Alice\" new\n")
	require.NoError(t, os.Chtimes(path, time.Now(), time.Now().Add(time.Second)))
	g, err = group()
	require.NoError(t, err)
	require.Equal(t, "new", g)

	write(t, path, "\"/CN=Alice\" new\n/CN=Bob new\n")
	g, err = group()
	require.ErrorContains(t, err, path+":2: want")
	require.Empty(t, g, "what was true before a bad edit is not")

	require.NoError(t, os.Remove(path))
	_, err = group()
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestBadLines(t *testing.T) {
	for content, want := range map[string]string{
		`"/CN=A"`:               ":1: want",
		`"/CN=A" `:              ":1: want",
		"\n\"/CN=A\" a,,b":      ":2: \"\" is no group name",
		`"/CN=A" a b`:           "no group name",
		`"nobody" g`:            ":1: ",
		`"/CN=A" g "/CN=B" h`:   ":1: want",
		`"/CN=A\q" g`:           ":1: want",
		"\"/CN=A\" g\x00\n":     "no group name",
		`"/CN=A" ` + "gr\tüppe": "no group name",
	} {
		path := filepath.Join(t.TempDir(), "groups")
		write(t, path, content)
		_, err := groupfile.Open(path, groupfile.DefaultAttribute)
		require.ErrorContains(t, err, want, content)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add("\"/DC=org/CN=Alice\" physics, shift\n# x\n")
	f.Add("\"CN=\\\"x\\\\\" a")
	f.Fuzz(func(t *testing.T, content string) {
		path := filepath.Join(t.TempDir(), "groups")
		write(t, path, content)
		file, err := groupfile.Open(path, groupfile.DefaultAttribute)
		if err == nil {
			require.NoError(t, file.Enrich(t.Context(), &authz.Request{}))
		}
	})
}
