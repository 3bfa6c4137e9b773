package gridmapdir

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

const (
	childDir  = "GATEHOUSE_TEST_GRIDMAPDIR"
	childUser = "GATEHOUSE_TEST_GRIDMAPDIR_USER"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir, os.Getenv(childUser))
		return
	}
	os.Exit(m.Run())
}

// numbered knows every account; its uid is the number in its name.
type numbered struct {
	mu  sync.Mutex
	bad map[string]error
	uid map[string]uint32
}

func (n *numbered) User(_ context.Context, name string) (authz.Account, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var number uint32
	_, _ = fmt.Sscanf(name[len(strings.TrimRight(name, "0123456789")):], "%d", &number)
	if uid, ok := n.uid[name]; ok {
		number = uid
	}
	return authz.Account{Name: name, UID: 20000 + number}, n.bad[name]
}

type setting struct {
	path  string
	users *numbered
	now   time.Time
}

func newSetting(t *testing.T, accounts ...string) *setting {
	t.Helper()
	s := &setting{path: filepath.Join(t.TempDir(), "gridmapdir"), users: &numbered{bad: map[string]error{}, uid: map[string]uint32{}}, now: time.Now()}
	require.NoError(t, os.Mkdir(s.path, 0o755))
	for _, name := range accounts {
		require.NoError(t, os.WriteFile(filepath.Join(s.path, name), nil, 0o644))
	}
	return s
}

func (s *setting) open(t *testing.T) *Dir {
	t.Helper()
	d, err := Open(Config{Path: s.path, Directory: s.users, SecondaryGroups: true, Now: func() time.Time { return s.now }})
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func (s *setting) file(name string) string { return filepath.Join(s.path, name) }

func holder(t require.TestingT, dn string) pool.Identity {
	subject, err := authz.ParseDN(dn)
	require.NoError(t, err)
	issuer, err := authz.ParseDN("/CN=CA")
	require.NoError(t, err)
	id, err := pool.Certificate(subject, issuer)
	require.NoError(t, err)
	return id
}

func key(t require.TestingT, in, dn string, groups ...string) pool.Key {
	k := pool.Key{Pool: in, Identity: holder(t, dn)}
	if len(groups) > 0 {
		k.Group, k.Groups = groups[0], groups[1:]
	}
	return k
}

// The names of leases that Argus gave (captures/mapping/account-map.tsv).
func TestLeaseNamesAsArgus(t *testing.T) {
	root := os.Getenv("GATEHOUSE_SHARED")
	if root == "" {
		root = "../../../../shared"
	}
	f, err := os.Open(filepath.Join(root, "captures/mapping/account-map.tsv"))
	if err != nil {
		t.Skipf("the recorded answers of Argus are not here (set GATEHOUSE_SHARED): %v", err)
	}
	defer f.Close()
	checked := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		row := strings.Split(s.Text(), "\t")
		answer, want, leased := strings.Cut(row[len(row)-1], " lease=")
		if !leased {
			continue
		}
		part := strings.Split(answer, " | ")
		groups := []string{part[1]}
		if others := strings.Trim(part[2], "[]"); others != "" {
			groups = append(groups, strings.Split(others, ", ")...)
		}
		name, err := leaseName(key(t, "x", row[3], groups...), true)
		require.NoError(t, err)
		require.Equal(t, want, name, row)
		checked++
	}
	require.Greater(t, checked, 20)
}

func TestLeaseNames(t *testing.T) {
	for dn, want := range map[string]string{
		"/C=IT/O=Grid/OU=Test/CN=Alice Example": "%2fc%3dit%2fo%3dgrid%2fou%3dtest%2fcn%3dalice%20example:atlas:prd:sgm",
		"CN=Jérôme,O=x":                         "%2fo%3dx%2fcn%3dj%5cxc3%5cxa9r%5cxc3%5cxb4me:atlas:prd:sgm",
		"EMAILADDRESS=a@b.org,CN=Bob":           "%2fcn%3dbob%2femailaddress%3da%40b%2eorg:atlas:prd:sgm",
		"CN=a+UID=b,O=x":                        "%2fo%3dx%2fuid%3db%2fcn%3da:atlas:prd:sgm",
		`CN=Last\, First,O=x`:                   "%2fo%3dx%2fcn%3dlast%2c%20first:atlas:prd:sgm",
		"/O=x/CN=../../etc/passwd":              "%2fo%3dx%2fcn%3d%2e%2e%2f%2e%2e%2fetc%2fpasswd:atlas:prd:sgm",
		"/O=x/CN=a%2fb":                         "%2fo%3dx%2fcn%3da%252fb:atlas:prd:sgm",
	} {
		name, err := leaseName(key(t, "atlas", dn, "atlas", "prd", "sgm"), true)
		require.NoError(t, err)
		require.Equal(t, want, name)
		primary, err := leaseName(key(t, "atlas", dn, "atlas", "prd", "sgm"), false)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSuffix(want, ":prd:sgm"), primary)
	}
	for _, bad := range []string{"../x", "a/b", "a:b", "a\x00b", "a\nb"} {
		_, err := leaseName(key(t, "atlas", "/CN=a", bad), true)
		require.ErrorContains(t, err, "cannot be part of a file name", bad)
		_, err = leaseName(key(t, "atlas", "/CN=a", "g", bad), true)
		require.Error(t, err, bad)
	}
	id, err := pool.Token("https://iam", "x")
	require.NoError(t, err)
	_, err = leaseName(pool.Key{Pool: "atlas", Identity: id}, true)
	require.ErrorIs(t, err, errNoDN)
}

// What Argus did in captures/mapping/gridmapdir.tsv.
func TestAsArgus(t *testing.T) {
	s := newSetting(t, "dteam001", "dteam002", "dteamprd001", "dteam1x", "dteam", "dteam_s-1.003", "1dteam001")
	d := s.open(t)
	members, err := d.members("dteam")
	require.NoError(t, err)
	slices.Sort(members)
	require.Equal(t, []string{"dteam001", "dteam002"}, members)
	for name, want := range map[string]bool{"dteam": true, "dteamprd": true, "dteam_s-1.": true, "dteam1": false, "1dteam": false} {
		require.Equal(t, want, d.Has(name), name)
	}
	a, err := d.Lease(t.Context(), key(t, "dteam", "/CN=a", "g"), pool.Cause{})
	require.NoError(t, err)
	b, err := d.Lease(t.Context(), key(t, "dteam", "/CN=b", "g"), pool.Cause{})
	require.NoError(t, err)
	require.NotEqual(t, a.Account, b.Account)
	_, err = d.Lease(t.Context(), key(t, "dteam", "/CN=c", "g"), pool.Cause{})
	require.ErrorIs(t, err, pool.ErrExhausted, "third subject with pool of 2")
	again, err := d.Lease(t.Context(), key(t, "dteam", "/CN=a", "g"), pool.Cause{})
	require.NoError(t, err)
	require.Equal(t, a.Account, again.Account)
	_, err = d.Lease(t.Context(), key(t, "dteam", "/CN=a", "h"), pool.Cause{})
	require.ErrorIs(t, err, pool.ErrExhausted, "same subject, other primary group")
	_, err = d.Lease(t.Context(), key(t, "dteamprd", "/CN=a", "g"), pool.Cause{})
	require.ErrorIs(t, err, pool.ErrUnusable, "other prefix while a lease exists")
	_, err = d.Lease(t.Context(), key(t, "nowhere", "/CN=x", "g"), pool.Cause{})
	require.ErrorIs(t, err, pool.ErrNoPool)
	names, err := d.names()
	require.NoError(t, err)
	slices.Sort(names)
	require.Equal(t, []string{"%2fcn%3da:g", "%2fcn%3db:g", "1dteam001", "dteam", "dteam001", "dteam002", "dteam1x", "dteam_s-1.003", "dteamprd001"}, names)
	one, err := os.Stat(s.file(a.Account))
	require.NoError(t, err)
	two, err := os.Stat(s.file("%2fcn%3da:g"))
	require.NoError(t, err)
	require.True(t, os.SameFile(one, two))

	require.NoError(t, os.Remove(s.file(b.Account)))
	_, err = d.Lease(t.Context(), key(t, "dteam", "/CN=b", "g"), pool.Cause{})
	require.ErrorIs(t, err, pool.ErrUnusable, "account file deleted")
	require.ErrorContains(t, err, "remove what is wrong")
	require.FileExists(t, s.file("%2fcn%3db:g"), "orphan lease stays")
}

// A lease that Argus or LCMAPS made is ours, and ours is theirs.
func TestSharedWithArgus(t *testing.T) {
	s := newSetting(t, "cms001", "cms002", "cms003")
	require.NoError(t, os.Link(s.file("cms002"), s.file("%2fo%3dx%2fcn%3dann:cms")))
	d := s.open(t)
	l, err := d.Lease(t.Context(), key(t, "cms", "/O=x/CN=Ann", "cms"), pool.Cause{})
	require.NoError(t, err)
	require.Equal(t, "cms002", l.Account)
	looked, err := d.Look(t.Context(), key(t, "cms", "/O=x/CN=Ann", "cms"))
	require.NoError(t, err)
	require.Equal(t, l.ID(), looked.ID())
	_, err = d.Holds(t.Context(), "cms002", l.ID())
	require.NoError(t, err)
	_, err = d.Look(t.Context(), key(t, "cms", "/O=x/CN=Bob", "cms"))
	require.ErrorIs(t, err, pool.ErrNoLease)

	entries, err := d.List(t.Context())
	require.NoError(t, err)
	require.Len(t, entries, 3)
	require.Equal(t, "/o=x/cn=ann", entries[1].Holder)
	require.Equal(t, []string{"cms"}, entries[1].Groups)
	require.Empty(t, entries[0].Holder)

	require.NoError(t, os.Remove(s.file("%2fo%3dx%2fcn%3dann:cms"))) // a cron job expires it
	_, err = d.Holds(t.Context(), "cms002", l.ID())
	require.ErrorIs(t, err, pool.ErrNoLease)

	// Every use is noted, at most once in ten minutes.
	l, err = d.Lease(t.Context(), key(t, "cms", "/O=x/CN=Ann", "cms"), pool.Cause{})
	require.NoError(t, err)
	before, err := os.Stat(s.file(l.Account))
	require.NoError(t, err)
	s.now = s.now.Add(5 * time.Minute)
	_, err = d.Lease(t.Context(), key(t, "cms", "/O=x/CN=Ann", "cms"), pool.Cause{})
	require.NoError(t, err)
	same, err := os.Stat(s.file(l.Account))
	require.NoError(t, err)
	require.Equal(t, before.ModTime(), same.ModTime())
	s.now = s.now.Add(6 * time.Minute)
	_, err = d.Lease(t.Context(), key(t, "cms", "/O=x/CN=Ann", "cms"), pool.Cause{})
	require.NoError(t, err)
	later, err := os.Stat(s.file(l.File))
	require.NoError(t, err)
	require.WithinDuration(t, s.now, later.ModTime(), time.Second)
}

// ⚿ Threats 104: links that are none, and directories and files that others
// can change.
func TestWhatIsNotSafe(t *testing.T) {
	ask := func(d *Dir) error {
		_, err := d.Lease(t.Context(), key(t, "cms", "/CN=ann", "cms"), pool.Cause{})
		return err
	}
	for what, spoil := range map[string]func(*setting){
		"an account that is a symbolic link": func(s *setting) {
			require.NoError(t, os.WriteFile(s.file("victim"), nil, 0o644))
			require.NoError(t, os.Symlink("victim", s.file("cms001")))
		},
		"an account that is a directory": func(s *setting) { require.NoError(t, os.Mkdir(s.file("cms001"), 0o755)) },
		"an account with two leases": func(s *setting) {
			require.NoError(t, os.WriteFile(s.file("cms001"), nil, 0o644))
			require.NoError(t, os.Link(s.file("cms001"), s.file("%2fcn%3da")))
			require.NoError(t, os.Link(s.file("cms001"), s.file("%2fcn%3db")))
		},
		"an account that others can write": func(s *setting) {
			require.NoError(t, os.WriteFile(s.file("cms001"), nil, 0o644))
			require.NoError(t, os.Chmod(s.file("cms001"), 0o666))
		},
	} {
		s := newSetting(t)
		spoil(s)
		require.ErrorIs(t, ask(s.open(t)), pool.ErrExhausted, what)
	}
	lease := "%2fcn%3dann:cms"
	for what, spoil := range map[string]func(*setting){
		"a lease that is a symbolic link": func(s *setting) { require.NoError(t, os.Symlink("cms001", s.file(lease))) },
		"a lease that points outside":     func(s *setting) { require.NoError(t, os.Symlink("/etc/passwd", s.file(lease))) },
		"a lease that is a directory":     func(s *setting) { require.NoError(t, os.Mkdir(s.file(lease), 0o755)) },
	} {
		s := newSetting(t, "cms001")
		spoil(s)
		require.ErrorIs(t, ask(s.open(t)), guard.ErrUnsafe, what)
	}
	for what, spoil := range map[string]func(*setting){
		"a lease of an account with three links": func(s *setting) {
			require.NoError(t, os.Link(s.file("cms001"), s.file(lease)))
			require.NoError(t, os.Link(s.file("cms001"), s.file("%2fcn%3deve:cms")))
		},
		"a lease of no account": func(s *setting) { require.NoError(t, os.WriteFile(s.file(lease), nil, 0o644)) },
	} {
		s := newSetting(t, "cms001")
		spoil(s)
		d := s.open(t)
		require.ErrorIs(t, ask(d), pool.ErrUnusable, what)
		_, err := d.Look(t.Context(), key(t, "cms", "/CN=ann", "cms"))
		require.ErrorIs(t, err, pool.ErrUnusable, what)
	}
	s := newSetting(t, "cms001")
	for _, mode := range []os.FileMode{0o775, 0o757, 0o777 | os.ModeSticky} {
		require.NoError(t, os.Chmod(s.path, mode))
		_, err := Open(Config{Path: s.path, Directory: s.users})
		require.ErrorIs(t, err, guard.ErrUnsafe, "%o", mode)
	}
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chmod(s.path, 0o755))
		require.NoError(t, os.Chown(s.file("cms001"), 4711, 4711))
		require.ErrorIs(t, ask(s.open(t)), pool.ErrExhausted, "an account file of somebody else")
		require.NoError(t, os.Chown(s.path, 4711, 4711))
		_, err := Open(Config{Path: s.path, Directory: s.users})
		require.ErrorIs(t, err, guard.ErrUnsafe)
	}
}

// ⚿ Accounts that are forbidden, that vanished, or that share a number are not
// given away, and a lease of one is refused.
func TestForbiddenAccounts(t *testing.T) {
	s := newSetting(t, "cms001", "cms002", "cms003")
	bad := errors.New("forbidden")
	s.users.bad["cms001"] = bad
	s.users.uid["cms002"] = 3
	d := s.open(t)
	l, err := d.Lease(t.Context(), key(t, "cms", "/CN=ann"), pool.Cause{})
	require.NoError(t, err)
	require.NotEqual(t, "cms001", l.Account)
	_, err = s.open(t).Lease(t.Context(), key(t, "cms", "/CN=bob"), pool.Cause{})
	require.ErrorIs(t, err, pool.ErrExhausted, "the other one has the same uid, and one is forbidden")
	// ⚿ nor does an account of another pool with that uid go to anybody
	require.NoError(t, os.WriteFile(s.file("atlas001"), nil, 0o644))
	s.users.uid["atlas001"] = l.UID - 20000
	for _, d := range []*Dir{d, s.open(t)} {
		_, err = d.Lease(t.Context(), key(t, "atlas", "/CN=bob"), pool.Cause{})
		require.ErrorIs(t, err, pool.ErrExhausted)
	}
	s.users.bad[l.Account] = bad
	_, err = d.Lease(t.Context(), key(t, "cms", "/CN=ann"), pool.Cause{})
	require.ErrorIs(t, err, pool.ErrUnusable)
	require.ErrorIs(t, err, bad)
	_, err = d.Look(t.Context(), key(t, "cms", "/CN=ann"))
	require.ErrorIs(t, err, pool.ErrUnusable)
}

// ⚿ A name that does not fit into a file name gets a hash, and the name itself
// beside it.
func TestLongNames(t *testing.T) {
	s := newSetting(t, "cms001", "cms002")
	d := s.open(t)
	long := "/O=x/CN=" + strings.Repeat("name ", 60)
	l, err := d.Lease(t.Context(), key(t, "cms", long+"a", "cms"), pool.Cause{})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(l.File, hashedPrefix))
	other, err := d.Lease(t.Context(), key(t, "cms", long+"b", "cms"), pool.Cause{})
	require.NoError(t, err)
	require.NotEqual(t, l.Account, other.Account)
	again, err := s.open(t).Lease(t.Context(), key(t, "cms", long+"a", "cms"), pool.Cause{})
	require.NoError(t, err)
	require.Equal(t, l.Account, again.Account)
	entries, err := d.List(t.Context())
	require.NoError(t, err)
	require.Contains(t, []string{entries[0].Holder, entries[1].Holder}, strings.ToLower(strings.TrimSpace(long)+" a"))

	_, hash := fileName(mustName(t, key(t, "cms", long+"a", "cms")))
	require.NoError(t, os.WriteFile(s.file(indexPrefix+hash), []byte("somebody else"), 0o644))
	_, err = d.Lease(t.Context(), key(t, "cms", long+"a", "cms"), pool.Cause{})
	require.ErrorIs(t, err, guard.ErrUnsafe)
}

func mustName(t *testing.T, k pool.Key) string {
	t.Helper()
	name, err := leaseName(k, true)
	require.NoError(t, err)
	return name
}

// Different names have different leases, apart from the case of letters, and
// no name leaves the directory.
func TestNamesAreFiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[ -~éß/]{1,40}`)
		one, two := value.Draw(t, "one"), value.Draw(t, "two")
		dn := func(s string) authz.DN {
			d, err := authz.NewDN([]authz.RDN{{{Type: "2.5.4.3", Value: s}}})
			require.NoError(t, err)
			return d
		}
		name := func(s string) string {
			n, err := leaseName(pool.Key{Pool: "x", Identity: pool.Identity{Key: "k", Subject: dn(s)}, Group: "g"}, true)
			if ambiguous(s) {
				require.Error(t, err)
				return ""
			}
			require.NoError(t, err)
			file, _ := fileName(n)
			require.NotContains(t, file, "/")
			require.LessOrEqual(t, len(file), maxName)
			return file
		}
		if !strings.EqualFold(one, two) && !ambiguous(one) && !ambiguous(two) {
			require.NotEqual(t, name(one), name(two))
		}
	})
}

// ⚿ Threats 45: whoever may choose the text of their name gets nobody else's
// account by a text that the one-line form shows as somebody else's name.
func TestNamesThatReadLikeOthers(t *testing.T) {
	s := newSetting(t, "cms001", "cms002", "cms003")
	d := s.open(t)
	const cn, o = "2.5.4.3", "2.5.4.10"
	lease := func(rdns ...authz.RDN) (pool.Lease, error) {
		dn, err := authz.NewDN(rdns)
		require.NoError(t, err)
		issuer, err := authz.ParseDN("/CN=CA")
		require.NoError(t, err)
		id, err := pool.Certificate(dn, issuer)
		require.NoError(t, err)
		return d.Lease(t.Context(), pool.Key{Pool: "cms", Identity: id, Group: "cms"}, pool.Cause{})
	}
	robot := []authz.RDN{{{Type: o, Value: "x"}}, {{Type: cn, Value: "Robots"}}, {{Type: cn, Value: "José"}}}
	_, err := lease(robot...)
	require.NoError(t, err)
	for _, value := range []string{
		"Robots/CN=José", "Robots/cn=José", "Robots/commonName=José", "Robots/2.5.4.3=José", `Robots/CN=Jos\xC3\xA9`, "a/emailAddress=b@c", "a/O=/CN=x",
	} {
		_, err := lease(robot[0], authz.RDN{{Type: cn, Value: value}})
		require.ErrorContains(t, err, "reads like another name", value)
	}
	_, err = lease(robot[0], robot[1], authz.RDN{{Type: cn, Value: `Jos\xC3\xA9`}})
	require.ErrorContains(t, err, "reads like another name")
	for _, value := range []string{"host/ce.example.org", "a=b", `back\slash`, "https://x/?a=b"} {
		dn, err := authz.NewDN([]authz.RDN{{{Type: cn, Value: value}}})
		require.NoError(t, err)
		require.NoError(t, checkOneLine(dn), value)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"%2fcn%3da:g", "%2", "%zz", "", ":", "%2fo%3dx%2fcn%3dlast%2c%20first"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		holder, _, ok := decode(name)
		require.Equal(t, ok, ok && strings.HasPrefix(holder, "/"))
	})
}

// child leases for one user after the other and prints what it got.
func child(path, user string) {
	d, err := Open(Config{Path: path, Directory: &numbered{}, SecondaryGroups: true})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	for n := range 40 {
		subject, _ := authz.ParseDN(fmt.Sprintf("/O=x/CN=user %s %d", user, n))
		issuer, _ := authz.ParseDN("/CN=CA")
		id, _ := pool.Certificate(subject, issuer)
		l, err := d.Lease(context.Background(), pool.Key{Pool: "cms", Identity: id, Group: "cms"}, pool.Cause{})
		if errors.Is(err, pool.ErrExhausted) {
			fmt.Println("none", n)
			continue
		}
		if err != nil {
			fmt.Println("error", err)
			continue
		}
		fmt.Println("got", n, l.Account)
	}
}

// ⚿ Threats 103, 105: processes race for the same accounts. Two of them are the
// same users, two are others; there are too few accounts for all.
func TestProcessesRace(t *testing.T) {
	var accounts []string
	for i := range 60 {
		accounts = append(accounts, fmt.Sprintf("cms%03d", i+1))
	}
	s := newSetting(t, accounts...)
	exe, err := os.Executable()
	require.NoError(t, err)
	var mu sync.Mutex
	owner := map[string]string{} // of each account
	has := map[string]string{}   // of each user
	var wg sync.WaitGroup
	for _, user := range []string{"a", "a", "b", "c"} {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childDir+"="+s.path, childUser+"="+user)
		wg.Go(func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			mu.Lock()
			defer mu.Unlock()
			for line := range strings.Lines(string(out)) {
				var n int
				var account string
				if strings.HasPrefix(line, "error") {
					t.Error(line)
				}
				if _, err := fmt.Sscanf(line, "got %d %s", &n, &account); err != nil {
					continue
				}
				who := fmt.Sprint(user, n)
				if owner[account] != "" && owner[account] != who || has[who] != "" && has[who] != account {
					t.Errorf("%s went to %s and %s; %s has %s", account, owner[account], who, who, has[who])
				}
				owner[account], has[who] = who, account
			}
		})
	}
	wg.Wait()
	require.NotEmpty(t, owner)
	entries, err := s.open(t).List(t.Context())
	require.NoError(t, err)
	taken := 0
	for _, e := range entries {
		require.Empty(t, e.Fault, e.Account)
		if e.Holder != "" {
			taken++
		}
	}
	require.Equal(t, len(owner), taken)
	require.Greater(t, taken, 55, "with 120 users for 60 accounts")
}
