package voms

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
)

const (
	server = "/DC=org/DC=grid/OU=hosts/CN=voms.example.org"
	ca     = "/DC=org/DC=grid/CN=CA"
	root   = "/DC=org/DC=grid/CN=Root"
)

func names(t *testing.T, all ...string) (path []authz.DN) {
	t.Helper()
	for _, s := range all {
		d, err := authz.ParseDN(s)
		require.NoError(t, err)
		path = append(path, d)
	}
	return path
}

// ⚿ Every name of a list must hold, as a name and not as a pattern (threats
// 33, 34).
func TestLSC(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		path []string
		want bool
	}{
		"server and CA":         {server + "\n" + ca + "\n", []string{server, ca}, true},
		"no last line end":      {server + "\n" + ca, []string{server, ca}, true},
		"CRLF and blanks":       {"\r\n  " + server + " \r\n\r\n" + ca + "\t\r\n\r\n", []string{server, ca}, true},
		"byte order mark":       {"\ufeff" + server + "\n" + ca, []string{server, ca}, true},
		"root not listed":       {server + "\n" + ca + "\n", []string{server, ca, root}, true},
		"root listed":           {server + "\n" + ca + "\n" + root, []string{server, ca, root}, true},
		"pairs":                 {server + "\n" + ca + "\n" + ca + "\n" + root, []string{server, ca, root}, true},
		"another root":          {server + "\n" + ca + "\n" + root, []string{server, ca, "/DC=evil/CN=Root"}, false},
		"more than the path":    {server + "\n" + ca + "\n" + root, []string{server, ca}, false},
		"only the first holds":  {server + "\n" + ca, []string{server, "/DC=evil/CN=CA"}, false},
		"only the second holds": {server + "\n" + ca, []string{"/DC=evil/CN=voms.example.org", ca}, false},
		"next chain":            {"/CN=old\n/CN=CA\n------ NEXT CHAIN ------\r\n" + server + "\n" + ca, []string{server, ca}, true},
		"mixed chains":          {server + "\n/CN=CA\n------ NEXT CHAIN ------\n/CN=old\n" + ca, []string{server, ca}, false},
		"a pattern":             {"/DC=org/DC=grid/OU=hosts/CN=.*\n" + ca, []string{server, ca}, false},
		"a dot":                 {"/DC=org/DC=grid/OU=hosts/CN=voms.example.org\n" + ca, []string{"/DC=org/DC=grid/OU=hosts/CN=vomsXexample.org", ca}, false},
		"start of a name":       {"/DC=org/DC=grid/OU=hosts/CN=voms\n" + ca, []string{server, ca}, false},
		"order of RDNs":         {"/CN=voms.example.org/OU=hosts/DC=grid/DC=org\n" + ca, []string{server, ca}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := parseLSC(c.text)
			require.NoError(t, err)
			path := names(t, c.path...)
			require.Equal(t, c.want, l.lists(path))
			if c.want {
				require.True(t, l.begins(path[0], path[1]), "what is listed is never turned away beforehand")
			}
		})
	}
}

func TestLSCThatSaysNothing(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":                {"", "0 names"},
		"server only":          {server + "\n", "1 names"},
		"empty chain":          {server + "\n" + ca + "\n------ NEXT CHAIN ------\n", "0 names"},
		"no name":              {server + "\nCA\n", "line 2"},
		"comma form":           {"CN=voms,DC=org\n" + ca, "line 1"},
		"a certificate":        {"-----BEGIN CERTIFICATE-----\nMIIB\n", "line 1"},
		"server only, and one": {server + "\n---- NEXT CHAIN ----\n" + server + "\n" + ca, "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseLSC(c.text)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	put := func(path, text string, mode os.FileMode) string {
		path = filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	good := server + "\n" + ca + "\n"
	put("voms-of-old.pem", "not looked at", 0o644)
	put("testvo/README", "not looked at", 0o644)
	put("testvo/VOMS.example.org.lsc", good, 0o644)
	put("badvo/voms.example.org.lsc", "nonsense", 0o644)
	put("openvo/voms.example.org.lsc", good, 0o666)
	d, err := Open(Options{Dir: dir})
	require.NoError(t, err)
	before := d.Current()
	require.Equal(t, 1, before.VOs(), "neither nonsense nor what everybody can write is believed")
	require.Contains(t, before.known["testvo"], "voms.example.org")
	changed, err := d.Reload()
	require.NoError(t, err)
	require.False(t, changed)
	require.Same(t, before, d.Current())

	path := put("testvo/VOMS.example.org.lsc", "half a fi", 0o644)
	_, err = d.Reload()
	require.NoError(t, err)
	require.Equal(t, before.known, d.Current().known, "what cannot be used leaves the file before in force")
	put("testvo/VOMS.example.org.lsc", good+root+"\n", 0o644)
	require.NoError(t, os.Chtimes(path, time.Now(), time.Now().Add(time.Minute)))
	changed, err = d.Reload()
	require.NoError(t, err)
	require.True(t, changed)
	require.Len(t, d.Current().known["testvo"]["voms.example.org"][0], 3)
	require.NoError(t, os.Remove(path))
	_, err = d.Reload()
	require.NoError(t, err)
	require.Zero(t, d.Current().VOs())

	require.NoError(t, os.Chmod(dir, 0o777)) //nolint:gosec // what is tested
	_, err = Open(Options{Dir: dir})
	require.ErrorContains(t, err, "mode 0777")
	_, err = Open(Options{Dir: filepath.Join(dir, "missing")})
	require.Error(t, err)
}
