package pool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/store"
	"github.com/gatehouse-authz/gatehouse/internal/store/mem"
)

var (
	errUnknown   = errors.New("there is no such account")
	errForbidden = errors.New("privileged")
)

// directory is a table of accounts that tests change.
type directory struct {
	mu   sync.Mutex
	uids map[string]uint32
	bad  map[string]error
}

func (d *directory) User(_ context.Context, name string) (authz.Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.bad[name]; err != nil {
		return authz.Account{}, err
	}
	uid, ok := d.uids[name]
	if !ok {
		return authz.Account{}, errUnknown
	}
	return authz.Account{Name: name, UID: uid, Group: authz.Group{Name: "users", GID: 10000}}, nil
}

func (d *directory) set(name string, uid uint32, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uids[name], d.bad[name] = uid, err
}

// setting is a pool "cms" of some accounts over a clock that tests move.
type setting struct {
	store     store.Store
	directory *directory
	config    Config
	clock     *clock
	busy      map[string]bool
	usageErr  error
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (s *setting) InUse(_ context.Context, names []string) (used []string, err error) {
	for _, name := range names {
		if s.busy[name] {
			used = append(used, name)
		}
	}
	return used, s.usageErr
}

func newSetting(members int) *setting {
	s := &setting{
		store: mem.New(), directory: &directory{uids: map[string]uint32{}, bad: map[string]error{}},
		clock: &clock{now: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)}, busy: map[string]bool{},
	}
	for i := 1; i <= members; i++ {
		s.directory.uids[fmt.Sprintf("cms%03d", i)] = 20000 + uint32(i)
	}
	s.config = Config{
		Pools:     []Definition{{Name: "cms", Members: []string{fmt.Sprintf("cms[001-%03d]", members)}}},
		Directory: s.directory, Usage: s, Now: s.clock.Now, SecondaryGroups: true,
	}
	return s
}

func (s *setting) open(t require.TestingT) *Pools {
	p, err := Open(context.Background(), s.store, s.config)
	require.NoError(t, err)
	return p
}

func person(t require.TestingT, name string) Identity {
	subject, err := authz.ParseDN("/O=x/CN=" + name)
	require.NoError(t, err)
	issuer, err := authz.ParseDN("/O=x/CN=CA")
	require.NoError(t, err)
	id, err := Certificate(subject, issuer)
	require.NoError(t, err)
	return id
}

func cms(id Identity, groups ...string) Key {
	k := Key{Pool: "cms", Identity: id}
	if len(groups) > 0 {
		k.Group, k.Groups = groups[0], groups[1:]
	}
	return k
}

func TestSameKeySameAccount(t *testing.T) {
	s := newSetting(5)
	p := s.open(t)
	ann, bob := person(t, "ann"), person(t, "bob")
	first, err := p.Lease(t.Context(), cms(ann, "cms"), Cause{By: "test"})
	require.NoError(t, err)
	require.Contains(t, s.directory.uids, first.Account)
	require.Equal(t, s.directory.uids[first.Account], first.Local.UID)
	for range 3 {
		again, err := p.Lease(t.Context(), cms(ann, "cms"), Cause{})
		require.NoError(t, err)
		require.Equal(t, first.Account, again.Account)
	}
	looked, err := s.open(t).Look(t.Context(), cms(ann, "cms"))
	require.NoError(t, err)
	require.Equal(t, first.Account, looked.Account, "another process over the same store")
	seen := map[string]bool{first.Account: true}
	for _, k := range []Key{cms(ann), cms(ann, "atlas"), cms(ann, "cms", "a"), cms(bob, "cms")} {
		l, err := p.Lease(t.Context(), k, Cause{})
		require.NoError(t, err)
		require.False(t, seen[l.Account], "%s got %s", k, l.Account)
		seen[l.Account] = true
	}
	_, err = p.Lease(t.Context(), cms(bob, "more"), Cause{})
	require.ErrorIs(t, err, ErrExhausted)
	require.ErrorContains(t, err, "0 of 5 accounts are free (5 leased")
	require.Equal(t, 1, p.Counts()["cms"].Exhausted)
	require.ErrorContains(t, p.Trouble(), "pool cms is running out")
}

// ⚿ DECISIONS 26: what became forbidden, vanished or changed its number is
// refused at lease time and at use, and never replaced behind anybody's back.
func TestForbiddenAccountsAreNotLeased(t *testing.T) {
	s := newSetting(3)
	s.directory.set("cms001", 0, errForbidden)
	s.directory.set("cms002", 20003, nil) // the uid of cms003
	s.config.MostPerIdentity = 100
	p := s.open(t)
	first, err := p.Lease(t.Context(), cms(person(t, "ann")), Cause{})
	require.NoError(t, err)
	require.NotEqual(t, "cms001", first.Account)
	_, err = p.Lease(t.Context(), cms(person(t, "bob")), Cause{})
	require.ErrorIs(t, err, ErrExhausted, "the third has the uid of the second")

	for what, change := range map[string]func(){
		"is no longer a member": func() { s.config.Pools = []Definition{{Name: "cms", Members: []string{"cms001"}}} },
		"privileged":            func() { s.directory.set(first.Account, 20003, errForbidden) },
		"no such account":       func() { s.directory.set(first.Account, 20003, errUnknown) },
		"has uid 4711 now":      func() { s.directory.set(first.Account, 4711, nil) },
	} {
		change()
		p := s.open(t)
		for _, k := range []Key{cms(person(t, "ann"))} {
			_, err = p.Lease(t.Context(), k, Cause{})
			require.ErrorIs(t, err, ErrUnusable, what)
			require.ErrorContains(t, err, what)
			require.ErrorContains(t, err, "an administrator can release it")
			_, err = p.Look(t.Context(), k)
			require.ErrorIs(t, err, ErrUnusable, what)
		}
		s.directory.set(first.Account, first.UID, nil)
		s.config.Pools = []Definition{{Name: "cms", Members: []string{"cms[001-003]"}}}
	}
	p = s.open(t)
	again, err := p.Lease(t.Context(), cms(person(t, "ann")), Cause{})
	require.NoError(t, err)
	require.Equal(t, first.Account, again.Account)
	_, err = p.Release(t.Context(), first.Account, 0, Cause{By: "admin"})
	require.NoError(t, err)
	s.directory.set(first.Account, 0, errForbidden)
	s.directory.set("cms001", 20001, nil)
	s.clock.advance(time.Hour) // what was unusable is looked at again
	other, err := p.Lease(t.Context(), cms(person(t, "ann")), Cause{})
	require.NoError(t, err)
	require.NotEqual(t, first.Account, other.Account, "released by an administrator: another one")
	audit(t, s.store)
}

// ⚿ Threats 103: one account, two hundred who want it, in three processes.
func TestRaceForTheLastAccount(t *testing.T) {
	s := newSetting(1)
	processes := []*Pools{s.open(t), s.open(t), s.open(t)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[string]string{}
	for i := range 200 {
		k := cms(person(t, fmt.Sprint("user", i%50)))
		wg.Go(func() {
			l, err := processes[i%3].Lease(t.Context(), k, Cause{})
			if err != nil {
				if !errors.Is(err, ErrExhausted) {
					t.Error(err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got[k.Identity.Name] = l.Account
		})
	}
	wg.Wait()
	require.Len(t, got, 1, "one account, one holder")
	audit(t, s.store)
}

// ⚿ Threats 103: as many accounts as identities, and each gets its own.
func TestRaceGivesEverybodyOne(t *testing.T) {
	s := newSetting(100)
	processes := []*Pools{s.open(t), s.open(t), s.open(t)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[string]map[string]bool{}
	for i := range 300 {
		k := cms(person(t, fmt.Sprint("user", i%100)))
		wg.Go(func() {
			l, err := processes[i%3].Lease(t.Context(), k, Cause{})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if got[l.Account] == nil {
				got[l.Account] = map[string]bool{}
			}
			got[l.Account][k.Identity.Name] = true
		})
	}
	wg.Wait()
	require.Len(t, got, 100)
	for account, holders := range got {
		require.Len(t, holders, 1, account)
	}
	audit(t, s.store)
}

// ⚿ One identity with many groups does not empty a pool.
func TestManyGroupsDoNotExhaust(t *testing.T) {
	s := newSetting(20)
	s.config.MostPerIdentity = 4
	p := s.open(t)
	refused := 0
	for i := range 20 {
		if _, err := p.Lease(t.Context(), cms(person(t, "eve"), fmt.Sprint("group", i)), Cause{}); err != nil {
			require.ErrorIs(t, err, ErrTooMany)
			refused++
		}
	}
	require.Equal(t, 16, refused)
	s.clock.advance(100 * 24 * time.Hour)
	swept, err := p.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, swept.Expired)
	_, err = p.Lease(t.Context(), cms(person(t, "eve"), "one more"), Cause{})
	require.ErrorIs(t, err, ErrTooMany, "nor by letting leases end and coming back for more")
	_, err = p.Lease(t.Context(), cms(person(t, "ann"), "g"), Cause{})
	require.NoError(t, err)
}

// ⚿ Threats 106: an account goes to nobody else while something of its last
// holder is left, and never before the quarantine is over.
func TestQuarantine(t *testing.T) {
	s := newSetting(1)
	p := s.open(t)
	ann, bob := cms(person(t, "ann")), cms(person(t, "bob"))
	l, err := p.Lease(t.Context(), ann, Cause{By: "gatehouse"})
	require.NoError(t, err)
	s.busy[l.Account] = true
	s.clock.advance(100 * 24 * time.Hour)
	swept, err := p.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, Swept{}, swept, "a job of its holder runs: in use")

	_, err = p.Release(t.Context(), l.Account, time.Nanosecond, Cause{By: "admin", Why: "left"})
	require.NoError(t, err)
	refused := func(why string) {
		t.Helper()
		_, err := p.Lease(t.Context(), bob, Cause{})
		require.ErrorIs(t, err, ErrExhausted, why)
	}
	refused("answers about it may still be under way")
	s.clock.advance(AnswerLife + time.Second)
	swept, err = p.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, Swept{InUse: 1}, swept)
	refused("a job still runs")
	s.busy[l.Account], s.usageErr = false, errors.New("the job store is away")
	_, err = p.Sweep(t.Context())
	require.ErrorContains(t, err, "the job store is away")
	refused("nobody knows whether something is left")
	s.usageErr = nil
	swept, err = p.Sweep(t.Context())
	require.NoError(t, err)
	require.Equal(t, Swept{Freed: 1}, swept)
	b, err := p.Lease(t.Context(), bob, Cause{By: "gatehouse"})
	require.NoError(t, err)
	require.Equal(t, l.Account, b.Account)

	var said []string
	events, err := p.History(t.Context(), Past{Account: l.Account})
	require.NoError(t, err)
	for _, e := range events {
		said = append(said, fmt.Sprint(e.Kind, " ", e.Identity.Name, " ", e.By))
	}
	require.Equal(t, []string{"granted /O=x/CN=bob gatehouse", "freed  gatehouse", "released /O=x/CN=ann admin", "granted /O=x/CN=ann gatehouse"}, said)
}

// "Who was cms001 at 03:00?"
func TestWhoWasIt(t *testing.T) {
	s := newSetting(1)
	s.config.Keep = 30 * 24 * time.Hour
	p := s.open(t)
	day := func(n int) time.Time { return time.Date(2026, 11, 22, 3, 30, 0, 0, time.UTC).AddDate(0, 0, n) }
	who := func(at time.Time) string {
		e, err := p.At(t.Context(), "cms001", at)
		require.NoError(t, err)
		if !e.Holds() {
			return ""
		}
		return e.Identity.Name
	}
	_, err := p.Lease(t.Context(), cms(person(t, "ann")), Cause{Revision: authz.Revision{Lineage: "x", Number: 3}})
	require.NoError(t, err)
	s.clock.advance(24 * time.Hour)
	_, err = p.Release(t.Context(), "cms001", time.Hour, Cause{})
	require.NoError(t, err)
	s.clock.advance(24 * time.Hour)
	_, err = p.Sweep(t.Context())
	require.NoError(t, err)
	_, err = p.Lease(t.Context(), cms(person(t, "bob")), Cause{})
	require.NoError(t, err)
	for n, want := range map[int]string{-1: "", 0: "/O=x/CN=ann", 1: "", 2: "/O=x/CN=bob", 200: "/O=x/CN=bob"} {
		require.Equal(t, want, who(day(n)), n)
	}
	// What is older than 30 days goes, and who held it since 60 days stays.
	s.clock.advance(60 * 24 * time.Hour)
	_, err = p.Sweep(t.Context())
	require.NoError(t, err)
	events, err := p.History(t.Context(), Past{Account: "cms001"})
	require.NoError(t, err)
	require.Len(t, events, 1, "who holds it now: %v", events)
	require.Equal(t, "/O=x/CN=bob", who(day(40)))
	require.Empty(t, who(day(0)), "forgotten")
	audited, err := p.History(t.Context(), Past{Identity: person(t, "bob").Key, Since: day(1)})
	require.NoError(t, err)
	require.Len(t, audited, 1)
}

// The last use is known to the hour, and costs no write per request.
func TestUseIsWrittenSeldom(t *testing.T) {
	s := newSetting(3)
	counting := &counted{Store: s.store}
	s.store = counting
	p := s.open(t)
	k := cms(person(t, "ann"))
	l, err := p.Lease(t.Context(), k, Cause{})
	require.NoError(t, err)
	before := counting.updates
	for range 100 {
		s.clock.advance(time.Second)
		_, err = p.Lease(t.Context(), k, Cause{})
		require.NoError(t, err)
	}
	require.NoError(t, p.flush(t.Context()))
	require.Equal(t, before, counting.updates)
	s.clock.advance(2 * time.Hour)
	for range 100 {
		_, err = p.Lease(t.Context(), k, Cause{})
		require.NoError(t, err)
	}
	require.Equal(t, before, counting.updates)
	require.NoError(t, p.flush(t.Context()))
	require.NoError(t, p.flush(t.Context()))
	require.Equal(t, before+1, counting.updates)
	a, err := p.Show(t.Context(), l.Account)
	require.NoError(t, err)
	require.Equal(t, s.clock.Now(), a.Lease.Used)

	// A use that is not written yet keeps the lease.
	s.clock.advance(DefaultIdle - time.Second)
	_, err = p.Lease(t.Context(), k, Cause{})
	require.NoError(t, err)
	s.clock.advance(2 * time.Second)
	swept, err := p.Sweep(t.Context())
	require.NoError(t, err)
	require.Zero(t, swept.Expired)
	_, err = p.Look(t.Context(), k)
	require.NoError(t, err)
}

type counted struct {
	store.Store
	updates int
}

func (c *counted) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	c.updates++
	return c.Store.Update(ctx, fn)
}

// A back end may run a transaction again (etcd does after a conflict).
func TestTransactionsRunTwice(t *testing.T) {
	s := newSetting(3)
	s.store = twice{s.store}
	p := s.open(t)
	l, err := p.Lease(t.Context(), cms(person(t, "ann")), Cause{})
	require.NoError(t, err)
	_, err = p.Release(t.Context(), l.Account, 0, Cause{})
	require.NoError(t, err)
	_, err = p.Reserve(t.Context(), l.Account, Cause{})
	require.NoError(t, err)
	s.clock.advance(100 * 24 * time.Hour)
	_, err = p.Sweep(t.Context())
	require.NoError(t, err)
	audit(t, s.store)
	events, err := p.History(t.Context(), Past{})
	require.NoError(t, err)
	require.Len(t, events, 3)
	require.Equal(t, map[State]int{Free: 2, Reserved: 1}, p.Counts()["cms"].States)
}

var errAgain = errors.New("again")

// twice runs every update two times and keeps what the second wrote.
type twice struct{ store.Store }

func (s twice) Update(ctx context.Context, fn func(store.WriteTx) error) (uint64, error) {
	_, err := s.Store.Update(ctx, func(tx store.WriteTx) error { return errors.Join(fn(tx), errAgain) })
	if !errors.Is(err, errAgain) {
		return 0, err
	}
	return s.Store.Update(ctx, fn)
}

func TestConfigurationsThatCannotBe(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"no directory":              func(c *Config) { c.Directory = nil },
		"known to the hour":         func(c *Config) { c.Idle = time.Hour },
		"answers may be relied on":  func(c *Config) { c.Quarantine = time.Second },
		"at least the quarantine":   func(c *Config) { c.Keep = time.Hour },
		"want 1 or more":            func(c *Config) { c.MostPerIdentity = -1 },
		"already in pool cms":       func(c *Config) { c.Pools = append(c.Pools, Definition{"x", []string{"cms001"}}) },
		"configured twice":          func(c *Config) { c.Pools = append(c.Pools, c.Pools[0]) },
		"it has no accounts":        func(c *Config) { c.Pools = []Definition{{Name: "cms"}} },
		"no name of a pool":         func(c *Config) { c.Pools = []Definition{{Name: "", Members: []string{"a"}}} },
		"the dot is how":            func(c *Config) { c.Pools = []Definition{{Name: ".cms", Members: []string{"a"}}} },
		"want a name or a range":    func(c *Config) { c.Pools = []Definition{{Name: "cms", Members: []string{"a[1-2]b"}}} },
		"want at least one account": func(c *Config) { c.Pools = []Definition{{Name: "cms", Members: []string{"a[2-1]"}}} },
		"cannot be listed": func(c *Config) {
			c.Pools = []Definition{{Name: "cms"}}
			c.Names = func(context.Context) ([]string, error) { return nil, errUnknown }
		},
	} {
		s := newSetting(1)
		change(&s.config)
		_, err := Open(t.Context(), s.store, s.config)
		require.ErrorContains(t, err, want)
	}
}

func TestMembersAsArgus(t *testing.T) {
	for account, pool := range map[string]string{
		"dteam001": "dteam", "dteamprd001": "dteamprd", "dteam_s-1.003": "dteam_s-1.", "dteam1x": "", "dteam": "", "1dteam001": "", "d1team22": "d1team",
	} {
		for _, asked := range []string{"dteam", "dteamprd", "dteam_s-1.", "d1team", "dteam0"} {
			require.Equal(t, asked == pool, IsMember(asked, account), "%s in %s", account, asked)
		}
	}
	s := newSetting(1)
	s.config.Pools = []Definition{{Name: "cms"}}
	s.config.Names = func(context.Context) ([]string, error) { return []string{"root", "cms001", "cmsprd001", "cms002"}, nil }
	p := s.open(t)
	all, err := p.List(t.Context(), Query{Pool: "cms"})
	require.NoError(t, err)
	require.Len(t, all, 2)
}

// A member that moves to another pool goes there when it is free.
func TestMembersMove(t *testing.T) {
	s := newSetting(2)
	p := s.open(t)
	l, err := p.Lease(t.Context(), cms(person(t, "ann")), Cause{})
	require.NoError(t, err)
	s.config.Pools = []Definition{{Name: "cmsprd", Members: []string{"cms001", "cms002"}}}
	p = s.open(t)
	_, err = p.Lease(t.Context(), cms(person(t, "ann")), Cause{})
	require.ErrorIs(t, err, ErrNoPool)
	all, err := p.List(t.Context(), Query{Pool: "cmsprd"})
	require.NoError(t, err)
	require.Len(t, all, 1)
	_, err = p.Release(t.Context(), l.Account, 0, Cause{})
	require.NoError(t, err)
	s.clock.advance(DefaultQuarantine + time.Hour)
	_, err = p.Sweep(t.Context())
	require.NoError(t, err)
	all, err = p.List(t.Context(), Query{Pool: "cmsprd", State: Free})
	require.NoError(t, err)
	require.Len(t, all, 2)
	audit(t, s.store)
}

func TestWarnsWhenNearlyFull(t *testing.T) {
	s := newSetting(10)
	p := s.open(t)
	for i := range 9 {
		require.NoError(t, p.Trouble(), i)
		_, err := p.Lease(t.Context(), cms(person(t, fmt.Sprint("user", i))), Cause{})
		require.NoError(t, err)
	}
	require.ErrorContains(t, p.Trouble(), "pool cms is running out, 1 of 10 accounts are free (9 leased, 0 in quarantine, 0 reserved); add accounts, or release some")
}

func TestCancelledCallersLeaveNothingClaimed(t *testing.T) {
	s := newSetting(2)
	p := s.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.Lease(ctx, cms(person(t, "ann")), Cause{})
	require.ErrorIs(t, err, context.Canceled)
	for _, name := range []string{"ann", "bob"} {
		_, err := p.Lease(t.Context(), cms(person(t, name)), Cause{})
		require.NoError(t, err)
	}
}

// ⚿ Threats 106: an older store put back says that an account is free on which a
// job still runs.
func TestFreeAccountsInUseAreNotLeased(t *testing.T) {
	s := newSetting(2)
	s.busy["cms001"] = true
	p := s.open(t)
	l, err := p.Lease(t.Context(), cms(person(t, "ann")), Cause{})
	require.NoError(t, err)
	require.Equal(t, "cms002", l.Account)
	_, err = p.Lease(t.Context(), cms(person(t, "bob")), Cause{})
	require.ErrorIs(t, err, ErrExhausted)
	s.busy["cms001"], s.usageErr = false, errors.New("the job store is away")
	_, err = p.Lease(t.Context(), cms(person(t, "bob")), Cause{})
	require.ErrorContains(t, err, "the job store is away")
	s.usageErr = nil
	_, err = p.Lease(t.Context(), cms(person(t, "bob")), Cause{})
	require.NoError(t, err)
}
