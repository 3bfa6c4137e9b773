package authnprofile_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/authnprofile"
)

const classicCA, iotaCA = "/DC=org/O=Test, Inc./OU=http://ca.test/CN=Classic CA", "/DC=org/CN=Iota CA"

func profile(alias string, cas ...string) string {
	text := "# " + alias + "\nalias = " + alias + "\nversion = 1\nrequires = a = 1, \\\n  b = 2\nsubjectdn = "
	for i, ca := range cas {
		if i > 0 {
			text += ", \\\n    "
		}
		text += `"` + ca + `"`
	}
	return text + "\nobsoletes = x, \\\n  y\n"
}

// policyText keeps Iota for testvo.
const policyText = `# comment
/testvo  file:policy-classic.info, \
         file:policy-iota.info
/*       file:policy-classic.info   # others
"-"      file:policy-classic.info`

func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
	require.NoError(t, os.Rename(path+".new", path))
	return path
}

func dn(t *testing.T, text string) authz.DN {
	t.Helper()
	d, err := authz.ParseDN(text)
	require.NoError(t, err)
	return d
}

func newDirectory(t *testing.T) (dir string, o authnprofile.Options) {
	t.Helper()
	dir = t.TempDir()
	put(t, dir, "policy-classic.info", profile("policy-classic", classicCA))
	put(t, dir, "policy-iota.info", profile("policy-iota", iotaCA))
	return dir, authnprofile.Options{Dir: dir, Policy: put(t, t.TempDir(), "vo-ca-ap", policyText)}
}

func TestAccepted(t *testing.T) {
	_, o := newDirectory(t)
	d, err := authnprofile.Open(o)
	require.NoError(t, err)
	p := d.Current()
	require.True(t, p.Gates())
	require.Equal(t, 2, p.Len())
	for _, c := range []struct{ ca, vo, want string }{
		{classicCA, "testvo", "policy-classic"},
		{classicCA, "other", "policy-classic"},
		{classicCA, "", "policy-classic"},
		{iotaCA, "testvo", "policy-iota"},
		{iotaCA, "other", ""},
		{iotaCA, "", ""},
		{"/CN=Unlisted", "testvo", ""},
	} {
		alias, ok := p.Accepted(dn(t, c.ca), c.vo)
		require.Equal(t, c.want, alias, "%s for %q", c.ca, c.vo)
		require.Equal(t, c.want != "", ok)
	}
	require.Equal(t, []string{"policy-iota"}, p.Of(dn(t, iotaCA)))

	o.Policy = ""
	d, err = authnprofile.Open(o)
	require.NoError(t, err)
	require.False(t, d.Current().Gates())
	require.Equal(t, []string{"policy-classic"}, d.Current().Of(dn(t, classicCA)))
	d, err = authnprofile.Open(authnprofile.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	require.Zero(t, d.Current().Len())
}

// A virtual organization that the policy does not name, in a policy without
// "/*", has nothing, and so has nobody at all without "-".
func TestNothingIsImplied(t *testing.T) {
	dir, o := newDirectory(t)
	put(t, filepath.Dir(o.Policy), "vo-ca-ap", "/testvo file:policy-classic.info\n")
	d, err := authnprofile.Open(o)
	require.NoError(t, err)
	for vo, want := range map[string]bool{"testvo": true, "other": false, "": false, "-": false, "*": false} {
		_, ok := d.Current().Accepted(dn(t, classicCA), vo)
		require.Equal(t, want, ok, vo)
	}
	_ = dir
}

// ⚿ What does not hold together leaves what is in force, and is named.
func TestReload(t *testing.T) {
	dir, o := newDirectory(t)
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	d, err := authnprofile.Open(o)
	require.NoError(t, err)
	first := d.Current()
	changed, err := d.Reload()
	require.NoError(t, err)
	require.False(t, changed)

	policyDir := filepath.Dir(o.Policy)
	for name, c := range map[string]struct{ dir, file, text, trouble string }{
		"nonsense in the policy":  {policyDir, "vo-ca-ap", "nonsense", "vo-ca-ap"},
		"an empty policy":         {policyDir, "vo-ca-ap", "# nothing\n", "vo-ca-ap"},
		"an unknown profile":      {policyDir, "vo-ca-ap", "/* file:policy-none.info\n", "vo-ca-ap"},
		"nonsense in a profile":   {dir, "policy-iota.info", "nonsense", "policy-iota.info"},
		"a profile of a CA less":  {dir, "policy-iota.info", "alias = policy-iota\nsubjectdn =\n", "policy-iota.info"},
		"a profile by other name": {dir, "policy-iota.info", profile("policy-classic", iotaCA), "policy-iota.info"},
	} {
		before, err := os.ReadFile(filepath.Join(c.dir, c.file))
		require.NoError(t, err)
		put(t, c.dir, c.file, c.text)
		_, _ = d.Reload()
		alias, _ := d.Current().Accepted(dn(t, iotaCA), "testvo")
		require.Equal(t, "policy-iota", alias, name)
		require.Equal(t, filepath.Join(c.dir, c.file), d.Troubles()[0].Path, name)
		require.True(t, d.Troubles()[0].Kept)
		put(t, c.dir, c.file, string(before))
		_, err = d.Reload()
		require.NoError(t, err, name)
		require.Empty(t, d.Troubles())
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "policy-iota.info")))
	_, err = d.Reload()
	require.ErrorContains(t, err, "names the profile policy-iota.info for /testvo")
	_, ok := d.Current().Accepted(dn(t, iotaCA), "testvo")
	require.True(t, ok)
	put(t, policyDir, "vo-ca-ap", "/* file:policy-classic.info\n")
	changed, err = d.Reload()
	require.NoError(t, err)
	require.True(t, changed)
	_, ok = d.Current().Accepted(dn(t, iotaCA), "testvo")
	require.False(t, ok)
	_, ok = first.Accepted(dn(t, iotaCA), "testvo")
	require.True(t, ok, "what was in force does not change")
}

func TestRefusedAtTheStart(t *testing.T) {
	_, o := newDirectory(t)
	for name, change := range map[string]func(o *authnprofile.Options){
		"no directory":   func(o *authnprofile.Options) { o.Dir = filepath.Join(o.Dir, "none") },
		"no policy":      func(o *authnprofile.Options) { o.Policy += ".none" },
		"empty policy":   func(o *authnprofile.Options) { o.Policy = put(t, t.TempDir(), "p", "") },
		"unknown":        func(o *authnprofile.Options) { o.Policy = put(t, t.TempDir(), "p", "/x file:policy-x.info") },
		"no pattern":     func(o *authnprofile.Options) { o.Pattern = "[" },
		"pattern a path": func(o *authnprofile.Options) { o.Pattern = "../*.info" },
		"open to all": func(o *authnprofile.Options) {
			o.Policy = put(t, t.TempDir(), "p", policyText)
			require.NoError(t, os.Chmod(o.Policy, 0o666)) //nolint:gosec // what is tested
		},
	} {
		bad := o
		change(&bad)
		_, err := authnprofile.Open(bad)
		require.Error(t, err, name)
	}
}

func TestParsePolicy(t *testing.T) {
	for name, text := range map[string]string{
		"no profile":         "/vo",
		"no list":            "/vo ,",
		"a bare dash":        "- file:a.info",
		"a root":             "/ file:a.info",
		"a group":            "/vo/group file:a.info",
		"a hash":             "/#vo file:a.info",
		"a pattern":          "/v* file:a.info",
		"twice":              "/vo file:a.info\n/vo file:b.info",
		"a DN":               `/vo file:a.info, "/DC=org/CN=CA"`,
		"a quoted file":      `/vo "file:a.info"`,
		"a path":             "/vo file:../a.info",
		"an absolute path":   "/vo file:/etc/passwd",
		"another scheme":     "/vo http:a.info",
		"another suffix":     "/vo file:a.txt",
		"no comma":           "/vo file:a.info file:b.info",
		"an open quote":      `/vo "file:a.info`,
		"nothing":            "",
		"comments":           "# one\n   # two\\\n",
		"a comment cut off":  "/vo \\\n",
		"continued from air": "\\\n\\\n",
	} {
		_, err := authnprofile.ParsePolicy(text)
		require.Error(t, err, name)
	}
	p, err := authnprofile.ParsePolicy("\ufeff/vo\tfile:a.info,file:b.info , \\\r\n  file:c.info\r\n\r\n\"-\" file:a.info \\")
	require.NoError(t, err)
	require.Equal(t, authnprofile.Policy{"/vo": {"a.info", "b.info", "c.info"}, `"-"`: {"a.info"}}, p)
}

func TestParseProfile(t *testing.T) {
	for name, text := range map[string]string{
		"no alias":        `subjectdn = "/CN=a"`,
		"empty alias":     "alias =\nsubjectdn = \"/CN=a\"",
		"two aliases":     "alias = a\nalias = b\nsubjectdn = \"/CN=a\"",
		"no names":        "alias = a",
		"names twice":     "alias = a\nsubjectdn = \"/CN=a\"\nsubjectdn = \"/CN=b\"",
		"no comma":        "alias = a\nsubjectdn = \"/CN=a\" \"/CN=b\"",
		"two equal signs": "alias = a\nsubjectdn == \"/CN=a\"",
		"unquoted":        "alias = a\nsubjectdn = /CN=a",
		"a file":          "alias = a\nsubjectdn = \"/CN=a\", file:b.info",
		"comma form":      "alias = a\nsubjectdn = \"CN=a,DC=b\"",
		"no name":         "alias = a\nsubjectdn = \"/a\"",
		"an open quote":   "alias = a\nsubjectdn = \"/CN=a",
		"no entry":        "alias = a\nwhat",
	} {
		_, err := authnprofile.ParseProfile(text)
		require.Error(t, err, name)
	}
	p, err := authnprofile.ParseProfile("alias = a\nsubjectdn \\\n = \"/CN=a#1\", , \"\", \"/CN=b, c/CN=d\", # \"/CN=e\", \\\n \"/CN=f\"\n")
	require.NoError(t, err)
	require.Equal(t, "a", p.Alias)
	require.Len(t, p.Issuers, 2, "a comment ends with its entry")
	require.Equal(t, "/CN=a#1", p.Issuers[0].Slash())
	require.True(t, p.Issuers[1].Equal(dn(t, "/CN=b, c/CN=d")))
}

// The files that Argus and the IGTF ship.
func TestShared(t *testing.T) {
	shared := os.Getenv("GATEHOUSE_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "..", "shared")
	}
	samples := filepath.Join(shared, "samples", "argus")
	if _, err := os.Stat(samples); err != nil {
		t.Skipf("no %s: set GATEHOUSE_SHARED to where the test material is", samples)
	}
	dir, policies := t.TempDir(), t.TempDir()
	copyAll(t, filepath.Join(samples, "authn-profiles"), dir)
	copyAll(t, filepath.Join(samples, "vo-ca-ap"), policies)
	copyAll(t, filepath.Join(samples, "etc-argus", "pepd"), policies)
	open := func(name string) (*authnprofile.Directory, error) {
		return authnprofile.Open(authnprofile.Options{Dir: dir, Policy: filepath.Join(policies, name)})
	}
	iota := dn(t, "/DC=org/DC=cilogon/C=US/O=CILogon/CN=CILogon Basic CA 1")
	mics := dn(t, "/C=US/ST=UT/L=Salt Lake City/O=The USERTRUST Network/OU=http://www.usertrust.com/CN=UTN-USERFirst-Client Authentication and Email")
	for name, c := range map[string]struct {
		iota map[string]bool
	}{
		"igtf-wlcg-vo-ca-ap":         {map[string]bool{"atlas": true, "cms": true, "lhcb": true, "alice": true, "ops": false, "": false}},
		"igtf-wlcg-vo-ca-ap-no-iota": {map[string]bool{"atlas": false, "ops": false, "": false}},
		"vo-ca-ap-file":              {map[string]bool{"atlas": false, "": false}},
	} {
		d, err := open(name)
		require.NoError(t, err)
		require.Equal(t, []string{"policy-igtf-iota"}, d.Current().Of(iota))
		for vo, want := range c.iota {
			alias, ok := d.Current().Accepted(iota, vo)
			require.Equal(t, want, ok, "%s: %q", name, vo)
			require.Equal(t, want, alias == "policy-igtf-iota")
			alias, ok = d.Current().Accepted(mics, vo)
			require.True(t, ok)
			require.Equal(t, "policy-igtf-mics", alias)
		}
	}
	for name, want := range map[string]string{
		"emptyFile":              "accepts nobody",
		"invalidFileEntryFile":   "policy-whatever.info",
		"invalidVoKeyFile":       `want /vo, /* or "-"`,
		"unsupportedDnEntryFile": "cannot be named by its DN",
	} {
		_, err := open(name)
		require.ErrorContains(t, err, want, name)
	}
	for name, good := range map[string]bool{
		"good1": true, "good2": true, "good3": true, "good4": false, // it includes others, as LCMAPS's own reader can
		"bad1": false, "bad2": false, "bad3": false, "bad4a": false,
		"bad-policy-empty-alias": false, "bad-policy-empty-subjectdn": false, "bad-policy-missing-alias": false, "bad-policy-missing-subjectdn": false,
		"bad-policy-subjectdn-with-comma": true, // until Argus 1.7.2; it is bad by its alias
	} {
		text, err := os.ReadFile(filepath.Join(samples, "authn-profiles", name+".info"))
		require.NoError(t, err)
		_, err = authnprofile.ParseProfile(string(text))
		require.Equal(t, good, err == nil, "%s: %v", name, err)
	}
}

func copyAll(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	require.NoError(t, err)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(from, e.Name()))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(to, e.Name()), text, 0o600))
	}
}

func FuzzParseProfile(f *testing.F) {
	f.Add(profile("a", classicCA, iotaCA))
	f.Add("alias = a\nsubjectdn = \"/CN=a\", # \\\n \"")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := authnprofile.ParseProfile(text); err == nil {
			require.NotEmpty(t, p.Alias)
			require.NotEmpty(t, p.Issuers)
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	f.Add(policyText)
	f.Add("/vo file:a.info,\\")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := authnprofile.ParsePolicy(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, p)
		for key, names := range p {
			require.NotEmpty(t, names, key)
			for _, n := range names {
				require.NotContains(t, n, "/")
			}
		}
	})
}
