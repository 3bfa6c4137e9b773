package account

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

func sharedPath(t *testing.T, path string) string {
	t.Helper()
	root := os.Getenv("GATEHOUSE_SHARED")
	if root == "" {
		root = "../../../shared"
	}
	full := filepath.Join(root, path)
	if _, err := os.Stat(full); err != nil {
		t.Skipf("the recorded answers of Argus are not here (set GATEHOUSE_SHARED): %v", err)
	}
	return full
}

// rows reads a table of recorded answers.
func rows(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(sharedPath(t, "captures/mapping/"+name))
	require.NoError(t, err)
	defer f.Close()
	var all [][]string
	for s := bufio.NewScanner(f); s.Scan(); {
		if len(all) == 0 && strings.HasPrefix(s.Text(), "#") && strings.Contains(s.Text(), "\t") && !strings.HasPrefix(s.Text(), "# c") {
			all = append(all, nil) // the header
			continue
		}
		all = append(all, strings.Split(s.Text(), "\t"))
	}
	require.Greater(t, len(all), 5)
	return all[1:]
}

func TestMapFileLinesAsArgus(t *testing.T) {
	for _, row := range rows(t, "mapfile-lines.tsv") {
		text := strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(row[0])
		entries, err := ParseMapFile([]byte(text))
		if strings.HasPrefix(row[1], "ERR") {
			require.Error(t, err, row[0])
			continue
		}
		require.NoError(t, err, row[0])
		var parsed, kinds []string
		for _, e := range entries {
			parsed = append(parsed, e.Key+"=["+strings.Join(e.Values, ", ")+"]")
			kinds = append(kinds, map[bool]string{true: "FQAN", false: "DN"}[e.IsFQAN()])
		}
		require.Equal(t, row[1], "{"+strings.Join(parsed, ", ")+"}", row[0])
		if len(row) > 2 {
			require.Equal(t, strings.TrimSpace(row[2]), strings.Join(kinds, " "), row[0])
		}
	}
}

func TestNamesMatchAsInArgus(t *testing.T) {
	for _, row := range rows(t, "dn-match.tsv") {
		d, err := authz.ParseDN(row[1])
		require.NoError(t, err)
		entries, err := ParseMapFile([]byte(`"` + strings.ReplaceAll(row[0], `\`, `\\`) + `" x`))
		require.NoError(t, err)
		want := row[2] == "true"
		if strings.Contains(row[0], "USERID=") {
			want = true // Argus's library does not know this name of UID; DECISIONS 11 has every alias be its OID
		}
		require.Equal(t, want, entries[0].isName(d), row)
	}
}

// Eight combinations of options by fourteen callers, as Argus answered.
func TestChoiceAsArgus(t *testing.T) {
	read := func(name string) []Entry {
		text, err := os.ReadFile(sharedPath(t, "samples/argus/mapping/"+name))
		require.NoError(t, err)
		entries, err := ParseMapFile(text)
		require.NoError(t, err)
		return entries
	}
	accounts, groups := read("grid-mapfile"), read("group-mapfile")
	for _, row := range rows(t, "account-map.tsv") {
		flags := make([]bool, 3)
		for i := range flags {
			var err error
			flags[i], err = strconv.ParseBool(row[i])
			require.NoError(t, err)
		}
		var id Identity
		var err error
		id.Name, err = authz.ParseDN(row[3])
		require.NoError(t, err)
		if row[4] != "null" {
			id.Primary, err = authz.ParseFQAN(row[4])
			require.NoError(t, err)
		}
		if row[5] != "null" {
			for s := range strings.SplitSeq(row[5], ",") {
				f, err := authz.ParseFQAN(s)
				require.NoError(t, err)
				id.FQANs = append(id.FQANs, f)
			}
		}
		c, err := Choose(accounts, groups, id, Preference{DNForLogin: flags[0], DNForGroup: flags[1], GroupRequired: flags[2]})
		if strings.HasPrefix(row[6], "ERR") {
			require.Error(t, err, row)
			continue
		}
		require.NoError(t, err, row)
		want, _, _ := strings.Cut(row[6], " lease=")
		got := c.Login
		if pool, ok := strings.CutPrefix(got, "."); ok {
			got = pool + "00?"
		}
		primary, others := "null", []string{}
		if len(c.Groups) > 0 {
			primary, others = c.Groups[0], c.Groups[1:]
		}
		require.Equal(t, want, fmt.Sprintf("%s | %s | [%s]", got, primary, strings.Join(others, ", ")), row)
	}
}

const accounts = `
# account uid   group
ann       10001 users=10000 cms=10010
bob       10002 users=10000
twin      10002 users=10000
guest     10003 guests=10020
daemon    2     users=10000
rooty     0     users=10000
member    10005 users=10000 docker=998
zero      10006 zero=0
keep      4294967295 users=10000
keepshort 65535 users=10000
`

type setting struct {
	dir    string
	config Config
	now    time.Time
	file   *File
}

func newSetting(t *testing.T, accountMap, groupMap string) *setting {
	t.Helper()
	s := &setting{dir: t.TempDir(), now: time.Now()}
	var err error
	s.file, err = ParseFile([]byte(accounts))
	require.NoError(t, err)
	s.config = Config{Directory: s.file, Now: func() time.Time { return s.now }, Prefer: Preference{DNForLogin: true, DNForGroup: true}}
	s.config.AccountMap = s.write(t, "grid-mapfile", accountMap)
	s.config.GroupMap = s.write(t, "group-mapfile", groupMap)
	return s
}

func (s *setting) write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func caller(t testing.TB, name string, fqans ...string) *authz.Request {
	t.Helper()
	r := &authz.Request{}
	if name != "" {
		d, err := authz.ParseDN(name)
		require.NoError(t, err)
		r.Add(authz.Subject, profile.SubjectID, authz.DNValue(d))
	}
	for i, s := range fqans {
		f, err := authz.ParseFQAN(s)
		require.NoError(t, err)
		if i == 0 {
			r.Add(authz.Subject, profile.PrimaryFQAN, authz.FQANValue(f))
		}
		r.Add(authz.Subject, profile.FQAN, authz.FQANValue(f))
	}
	return r
}

func TestMap(t *testing.T) {
	s := newSetting(t, "\"/O=x/CN=ann\" ann\n\"/cms\" guest\n", "\"/cms\" cms\n")
	s.config.Shared = []string{"guest"}
	s.config.Community = map[string]string{"anonymous": "guest"}
	m, err := NewMapper(t.Context(), s.config)
	require.NoError(t, err)

	a, err := m.Map(t.Context(), caller(t, "/O=x/CN=ann"))
	require.NoError(t, err)
	require.Equal(t, s.now.Add(time.Minute).UTC(), a.Expires)
	a.Expires = time.Time{}
	require.Equal(t, authz.Account{Name: "ann", UID: 10001, Group: authz.Group{Name: "users", GID: 10000}, Groups: []authz.Group{{Name: "cms", GID: 10010}}, Source: s.config.AccountMap + ":1"}, a)

	a, err = m.Map(t.Context(), caller(t, "/O=x/CN=carl", "/cms", "/other"))
	require.NoError(t, err)
	require.Equal(t, "guest", a.Name)
	require.True(t, a.Shared)
	require.Equal(t, authz.Group{Name: "cms", GID: 10010}, a.Group)

	anonymous := caller(t, "")
	anonymous.Add(authz.Subject, profile.CredentialStrength, authz.StringValue(profile.Anonymous))
	a, err = m.Map(t.Context(), anonymous)
	require.NoError(t, err)
	require.Equal(t, "guest", a.Name)
	require.Contains(t, a.Source, "anonymous")

	_, err = m.Map(t.Context(), caller(t, "/O=x/CN=carl", "/unknown"))
	require.ErrorContains(t, err, "/O=x/CN=carl as /unknown")

	a, err = m.Named(t.Context(), &authz.Request{}, "guest")
	require.NoError(t, err)
	require.True(t, a.Shared)
}

// ⚿ Only what is verified maps (DECISIONS 12, 23).
func TestAssertedNamesMapToNothing(t *testing.T) {
	s := newSetting(t, "\"/O=x/CN=ann\" ann\n\"/cms\" guest\n", "")
	s.config.Shared = []string{"guest"}
	m, err := NewMapper(t.Context(), s.config)
	require.NoError(t, err)
	r := caller(t, "/O=x/CN=ann", "/cms")
	for i := range r.Attributes {
		r.Attributes[i].Standing = authz.Presented
	}
	_, err = m.Map(t.Context(), r)
	require.ErrorIs(t, err, ErrNoLogin)
	_, err = m.Map(t.Context(), &authz.Request{Attributes: append(caller(t, "/O=x/CN=ann").Attributes, caller(t, "/O=x/CN=bob").Attributes...)})
	require.ErrorContains(t, err, "two subjects")
}

// ⚿ Accounts never given away, wherever they are named (threats 101, 108).
func TestForbiddenAccounts(t *testing.T) {
	for name, want := range map[string]error{
		"daemon": ErrForbidden, "rooty": ErrForbidden, "member": ErrForbidden, "zero": ErrForbidden, "keep": ErrForbidden, "keepshort": ErrForbidden,
		"0": ErrForbidden, "-1": ErrForbidden, "10001": ErrForbidden, "ann;id": ErrForbidden, "../ann": ErrForbidden, "": ErrForbidden, "ann # trailing": ErrForbidden,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSetting(t, "", "")
			s.config.Shared = []string{"*"}
			m, err := NewMapper(t.Context(), s.config)
			require.NoError(t, err)
			_, err = m.Named(t.Context(), &authz.Request{}, name)
			require.ErrorIs(t, err, want, "named by policy")

			s.config.Community = map[string]string{"weak": name}
			_, err = NewMapper(t.Context(), s.config)
			require.ErrorIs(t, err, want, "community account")
			if name == "" {
				return
			}
			s.config.Community = nil
			s.write(t, "grid-mapfile", `"/O=x/CN=ann" `+name)
			_, err = NewMapper(t.Context(), s.config)
			require.ErrorIs(t, err, want, "in the map file")
			s.now = s.now.Add(time.Hour)
			_, err = m.Map(t.Context(), caller(t, "/O=x/CN=ann"))
			require.ErrorIs(t, err, ErrNoLogin, "a map file that names it is not taken while running")
		})
	}
}

func TestForbiddenGroups(t *testing.T) {
	for _, group := range []string{"docker", "zero", "0"} {
		s := newSetting(t, `"/O=x/CN=ann" ann`, `"/O=x/CN=ann" `+group)
		_, err := NewMapper(t.Context(), s.config)
		require.ErrorIs(t, err, ErrForbidden, group)
	}
}

// ⚿ What becomes forbidden after loading is refused at use (DECISIONS 26).
func TestCheckedAtUse(t *testing.T) {
	s := newSetting(t, `"/O=x/CN=ann" ann`, "")
	m, err := NewMapper(t.Context(), s.config)
	require.NoError(t, err)
	a := s.file.users["ann"]
	a.UID = 0
	s.file.users["ann"] = a
	_, err = m.Map(t.Context(), caller(t, "/O=x/CN=ann"))
	require.ErrorIs(t, err, ErrForbidden)
	delete(s.file.users, "ann")
	_, err = m.Map(t.Context(), caller(t, "/O=x/CN=ann"))
	require.ErrorIs(t, err, ErrUnknown, "never the last account looked up")
	s.file.users["ann"] = authz.Account{Name: "bob", UID: 10002}
	_, err = m.Map(t.Context(), caller(t, "/O=x/CN=ann"))
	require.ErrorIs(t, err, ErrForbidden, "another account than asked for")
}

// ⚿ An account that comes, or changes its number, after loading is nobody's while
// somebody else has the number (DECISIONS 27).
func TestNumbersAreCheckedAtUse(t *testing.T) {
	s := newSetting(t, "\"/O=x/CN=ann\" ann\n\"/O=x/CN=bob\" bob\n\"/O=x/CN=eve\" late", "")
	m, err := NewMapper(t.Context(), s.config)
	require.NoError(t, err)
	late := s.file.users["bob"]
	late.Name = "late"
	s.file.users["late"] = late
	_, err = m.Map(t.Context(), caller(t, "/O=x/CN=eve"))
	require.ErrorIs(t, err, errNotShared)
	require.ErrorContains(t, err, "accounts bob and late have the same uid 10002")
	_, err = m.Map(t.Context(), caller(t, "/O=x/CN=bob"))
	require.NoError(t, err)
	ann := s.file.users["ann"]
	ann.UID = 10002
	s.file.users["ann"] = ann
	_, err = m.Map(t.Context(), caller(t, "/O=x/CN=ann"))
	require.ErrorIs(t, err, errNotShared)
	delete(s.file.users, "ann")
	delete(s.file.users, "bob")
	_, err = m.Map(t.Context(), caller(t, "/O=x/CN=eve"))
	require.NoError(t, err, "nobody has the number any more")
}

// ⚿ Two people never share a uid unless the configuration says so (DECISIONS 27).
func TestSharing(t *testing.T) {
	for name, text := range map[string]string{
		"two names":           "\"/O=x/CN=ann\" ann\n\"/O=x/CN=eve\" ann",
		"an FQAN":             `"/cms" ann`,
		"two names, one uid":  "\"/O=x/CN=bob\" bob\n\"/O=x/CN=eve\" twin",
		"a pattern that fits": `"/cms/*/Role=*" bob`,
	} {
		s := newSetting(t, text, "")
		_, err := NewMapper(t.Context(), s.config)
		require.ErrorIs(t, err, errNotShared, name)
		s.config.Shared = []string{"ann", "bob", "twin"}
		_, err = NewMapper(t.Context(), s.config)
		require.NoError(t, err, name)
	}
	s := newSetting(t, "\"/O=x/CN=ann\" ann\n\"CN=ann,O=x\" ann", "")
	m, err := NewMapper(t.Context(), s.config)
	require.NoError(t, err, "one person in two spellings is one person")
	_, err = m.Named(t.Context(), &authz.Request{}, "bob")
	require.ErrorIs(t, err, errNotShared, "a policy can match several people")
	s.config.Community = map[string]string{"weak": "bob"}
	_, err = NewMapper(t.Context(), s.config)
	require.ErrorIs(t, err, errNotShared)
}

func TestPoolsAreRefusedReadably(t *testing.T) {
	s := newSetting(t, `"/cms" .cms`, "")
	m, err := NewMapper(t.Context(), s.config)
	require.NoError(t, err)
	_, err = m.Map(t.Context(), caller(t, "/O=x/CN=ann", "/cms"))
	require.ErrorContains(t, err, "pool")
}

func TestReloadKeepsWhatIsGood(t *testing.T) {
	s := newSetting(t, `"/O=x/CN=ann" ann`, "")
	m, err := NewMapper(t.Context(), s.config)
	require.NoError(t, err)
	for i, bad := range []string{"nonsense", `"/O=x/CN=ann" rooty`, "\"/O=x/CN=ann\" bob\n\"/O=x/CN=ann\" bob"} {
		s.write(t, "grid-mapfile", bad)
		s.now = s.now.Add(time.Minute)
		a, err := m.Map(t.Context(), caller(t, "/O=x/CN=ann"))
		require.NoError(t, err)
		require.Equal(t, "ann", a.Name, i)
	}
	s.write(t, "grid-mapfile", `"/O=x/CN=ann" bob`)
	s.now = s.now.Add(time.Minute)
	a, err := m.Map(t.Context(), caller(t, "/O=x/CN=ann"))
	require.NoError(t, err)
	require.Equal(t, "bob", a.Name)

	require.NoError(t, os.Chmod(s.config.AccountMap, 0o666))
	_, err = NewMapper(t.Context(), s.config)
	require.ErrorContains(t, err, "chmod", "⚿ a map file that anybody can write")
}

func TestBadConfiguration(t *testing.T) {
	_, err := NewMapper(t.Context(), Config{})
	require.Error(t, err)
	s := newSetting(t, "", "")
	s.config.Community = map[string]string{"stronk": "guest"}
	_, err = NewMapper(t.Context(), s.config)
	require.ErrorContains(t, err, "stronk")
	s.config.Community, s.config.AccountMap = nil, filepath.Join(s.dir, "absent")
	_, err = NewMapper(t.Context(), s.config)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestFile(t *testing.T) {
	for _, bad := range []string{"ann", "ann x users=1", "ann 1 users", "ann 1 users=x", "ann 1 users=1 users=2", "ann 1 u=1\nann 2 u=1", "0 1 u=1", "ann -1 u=1", "ann 99999999999 u=1"} {
		_, err := ParseFile([]byte(bad))
		require.ErrorContains(t, err, "line ", bad)
	}
	path := filepath.Join(t.TempDir(), "accounts")
	require.NoError(t, os.WriteFile(path, []byte(accounts), 0o644))
	f, err := ReadFile(path)
	require.NoError(t, err)
	_, err = f.User(t.Context(), "nobody")
	require.ErrorIs(t, err, ErrUnknown)
	_, err = f.Group(t.Context(), "nobody")
	require.ErrorIs(t, err, ErrUnknown)
}

func TestGetent(t *testing.T) {
	if _, err := exec.LookPath("getent"); err != nil {
		t.Skip("no getent command")
	}
	root, err := Getent{}.User(t.Context(), "root")
	require.NoError(t, err)
	require.Equal(t, authz.Account{Name: "root", Group: authz.Group{Name: "root"}, Groups: []authz.Group{}}, root)
	_, err = Guard(Getent{}, Rules{}).User(t.Context(), "root")
	require.ErrorIs(t, err, ErrForbidden)
	_, err = Getent{}.User(t.Context(), "no-such-account")
	require.ErrorIs(t, err, ErrUnknown)
	for _, bad := range []string{"0", "-1", "--help", "root\nroot", ""} {
		_, err = Getent{}.User(t.Context(), bad)
		require.ErrorIs(t, err, ErrForbidden, bad)
		_, err = Getent{}.Group(t.Context(), bad)
		require.ErrorIs(t, err, ErrForbidden, bad)
	}
	group, err := Getent{}.Group(t.Context(), "root")
	require.NoError(t, err)
	require.Equal(t, authz.Group{Name: "root"}, group)
}

// A getent of our own plays the directories that a site may have.
func TestGetentAnswers(t *testing.T) {
	script := filepath.Join(t.TempDir(), "getent")
	write := func(body string) Getent {
		require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"+body), 0o755))
		return Getent{Command: script, Timeout: 300 * time.Millisecond}
	}
	g := write(`case "$1" in
passwd) echo "ann:x:10001:100:Ann:/home/ann:/bin/sh";;
initgroups) echo "ann 100 200 300";;
group) echo "users:x:100:"; echo "cms:x:200:ann"; echo "atlas:x:300:ann";;
esac`)
	a, err := g.User(t.Context(), "ann")
	require.NoError(t, err)
	require.Equal(t, authz.Account{Name: "ann", UID: 10001, Group: authz.Group{Name: "users", GID: 100}, Groups: []authz.Group{{Name: "cms", GID: 200}, {Name: "atlas", GID: 300}}}, a)
	for name, body := range map[string]string{
		"hangs":           "sleep 5",
		"fails":           "exit 3",
		"garbage":         "echo garbage",
		"nothing":         "",
		"nameless group":  `case "$1" in passwd) echo "ann:x:1:1::/:/bin/sh";; initgroups) echo "ann 1 2";; group) echo "a:x:1:";; esac`,
		"negative uid":    `echo "ann:x:-1:1::/:/bin/sh"`,
		"somebody else's": `case "$1" in passwd) echo "ann:x:1:1::/:/bin/sh";; initgroups) echo "bob 1 2";; group) echo "a:x:1:";; esac`,
	} {
		_, err := write(body).User(t.Context(), "ann")
		require.Error(t, err, name)
	}
}

// counting is a directory that counts how often it is asked.
type counting struct {
	Directory
	n   int
	err error
}

func (c *counting) User(ctx context.Context, name string) (authz.Account, error) {
	c.n++
	if c.err != nil {
		return authz.Account{}, c.err
	}
	return c.Directory.User(ctx, name)
}

func TestCache(t *testing.T) {
	f, err := ParseFile([]byte(accounts))
	require.NoError(t, err)
	now := time.Now()
	d := &counting{Directory: f}
	c := Cache(d, time.Minute, func() time.Time { return now })
	for range 3 {
		a, err := c.User(t.Context(), "ann")
		require.NoError(t, err)
		require.Equal(t, "ann", a.Name)
		_, err = c.User(t.Context(), "nobody")
		require.ErrorIs(t, err, ErrUnknown)
		g, err := c.Group(t.Context(), "cms")
		require.NoError(t, err)
		require.Equal(t, uint32(10010), g.GID)
	}
	require.Equal(t, 2, d.n)
	now = now.Add(time.Minute)
	_, _ = c.User(t.Context(), "ann")
	require.Equal(t, 3, d.n)
	now = now.Add(-time.Hour)
	_, _ = c.User(t.Context(), "ann")
	require.Equal(t, 4, d.n, "a clock that jumped back keeps nothing alive")
	now = now.Add(2 * time.Hour)
	d.err = errors.New("directory down")
	for range 2 {
		_, err = c.User(t.Context(), "ann")
		require.Error(t, err, "an error is neither remembered nor papered over")
	}
	require.Equal(t, 6, d.n)
}

func TestPatternMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, fqan string
		want          bool
	}{
		{"/atlas/*", "/atlas", true}, {"/atlas/*", "/atlas/Role=x", false}, {"/atlas/*", "/atlas/prod/mc", true}, {"/atlas/*", "/atlasprd", false},
		{"/atlas/Role=*", "/atlas", true}, {"/atlas/*/Role=*", "/atlas", true}, {"/atlas/*/Role=*", "/atlas/prod/Role=x", true},
		{"/atlas/Role=x", "/atlas/Role=x", true}, {"/atlas/Role=x", "/atlas", false}, {"/atlas", "/atlas/Role=x", false}, {"/atlas/", "/atlas", true},
		{"/*", "/atlas", false}, {"/*/Role=*", "/atlas", false}, {"/at*", "/atlas", false}, {"/atlas/*/x", "/atlas/y/x", false}, {"/atlas/Role=pi*", "/atlas/Role=pilot", false},
	} {
		f, err := authz.ParseFQAN(c.fqan)
		require.NoError(t, err)
		p := parsePattern(c.pattern)
		require.Equal(t, c.want, p != nil && p.matches(f), "%s %s", c.pattern, c.fqan)
	}
}

func FuzzParseMapFile(f *testing.F) {
	f.Add([]byte("\"/atlas/*/Role=*\" .atlas\n# c\n\"/CN=J\\xe9r \\u00e9\" a, b"))
	f.Add([]byte(`"a`))
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := ParseMapFile(text)
		if err != nil {
			return
		}
		d, _ := authz.ParseDN("/CN=x")
		for _, e := range entries {
			require.NotEmpty(t, e.Values)
			_ = e.isName(d)
		}
	})
}

// A key written with its escapes reads back as it was, so no name can break
// out of its line (threats 109).
func TestEscapes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOfN(rapid.RuneFrom([]rune("aé\n\t\"\\/=,# ")), 1, 20, -1).Draw(t, "name")
		quoted := strings.NewReplacer("\n", `\n`, "\t", `\t`, `"`, `\"`, `\`, `\\`).Replace(name)
		entries, err := ParseMapFile([]byte(`"` + quoted + `" ann`))
		require.NoError(t, err)
		require.Equal(t, name, entries[0].Key)
	})
}

func FuzzParseFile(f *testing.F) {
	f.Add([]byte(accounts))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = ParseFile(text) })
}

func BenchmarkMap(b *testing.B) {
	f, err := ParseFile([]byte(accounts))
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "map")
	var text strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&text, "\"/O=x/CN=person %d\" ann\n", i)
	}
	require.NoError(b, os.WriteFile(path, []byte(text.String()+`"/O=x/CN=ann" ann`), 0o644))
	m, err := NewMapper(b.Context(), Config{Directory: f, AccountMap: path, Shared: []string{"ann"}})
	require.NoError(b, err)
	r := caller(b, "/O=x/CN=ann")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Map(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
