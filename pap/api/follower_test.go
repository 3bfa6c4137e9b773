package api_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pap/api"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/stretchr/testify/require"
)

// engine is a decision point: it follows and keeps what is in force.
type engine struct {
	t        *testing.T
	follower *api.Follower
	now      atomic.Pointer[policies.Snapshot]
	bases    atomic.Int32
	end      func()
}

func (s *site) follower(name, file string, change ...func(*api.FollowerOptions)) *api.Follower {
	s.t.Helper()
	o := api.FollowerOptions{Client: s.as("pdp"), Name: name}
	if file != "" {
		o.Path = filepath.Join(s.dir, file)
	}
	for _, c := range change {
		c(&o)
	}
	f, err := api.NewFollower(o)
	require.NoError(s.t, err)
	return f
}

func (s *site) engine(f *api.Follower) *engine {
	s.t.Helper()
	ctx, cancel := context.WithCancel(bg)
	e := &engine{t: s.t, follower: f}
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.run(ctx)
	}()
	e.end = func() { cancel(); <-done }
	s.t.Cleanup(e.end)
	return e
}

func (e *engine) run(ctx context.Context) {
	for {
		at := authz.Revision{}
		if s := e.now.Load(); s != nil {
			at = s.Revision
		}
		u, err := e.follower.Next(ctx, at)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				e.t.Errorf("Next: %v", err)
			}
			return
		}
		if u.Base != nil {
			e.bases.Add(1)
		}
		next, err := e.now.Load().Apply(u)
		if err != nil {
			e.t.Errorf("apply: %v", err)
			return
		}
		e.now.Store(next)
	}
}

// bans returns how many are in force, -1 before anything is.
func (e *engine) bans() int {
	s := e.now.Load()
	if s == nil {
		return -1
	}
	n, _ := s.Root.Children.Find(policies.BansID)
	return n.(*policies.Policy).Rules.Len()
}

func (e *engine) has(n int) {
	e.t.Helper()
	require.Eventually(e.t, func() bool { return e.bans() == n }, 10*time.Second, time.Millisecond, "want %d bans, have %d", n, e.bans())
}

func (s *site) ban(n int) change.Result {
	s.t.Helper()
	r, err := s.service.Ban(bg, change.Request{Author: change.Author{Name: "test"}}, "default", eve(n))
	require.NoError(s.t, err)
	return r
}

func TestFollow(t *testing.T) {
	s := newSite(t)
	s.ban(0)
	e := s.engine(s.follower("one", "copy"))
	e.has(1)
	took := []time.Duration{}
	for i := 1; i <= 30; i++ {
		start := time.Now()
		s.ban(i)
		committed := time.Now()
		for e.bans() <= i {
			time.Sleep(50 * time.Microsecond)
			require.Less(t, time.Since(start), 5*time.Second)
		}
		took = append(took, time.Since(committed))
	}
	slices.Sort(took)
	t.Logf("ban committed → in force in the follower: median %v, slowest %v", took[len(took)/2], took[len(took)-1])
	require.Less(t, took[len(took)/2], 100*time.Millisecond)
	require.EqualValues(t, 1, e.bases.Load(), "everything after the first came as edits")
	require.NoError(t, e.follower.Trouble())
}

func TestWaitForFollowers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.as("alice").Waiting(5 * time.Second)
	alone, err := c.Ban(bg, change.Request{}, "default", eve(1))
	require.NoError(t, err)
	require.Empty(t, alone.Pending, "nobody follows")

	one, two := s.engine(s.follower("one", "copy-1")), s.engine(s.follower("two", ""))
	one.has(1)
	two.has(1)
	start := time.Now()
	r, err := c.Ban(bg, change.Request{}, "default", eve(2))
	require.NoError(t, err)
	require.Empty(t, r.Pending)
	require.Equal(t, []int{2, 2}, []int{one.bans(), two.bans()}, "in force when the answer comes")
	t.Logf("ban with --wait and two followers: %v", time.Since(start))

	two.end()
	r, err = s.as("alice").Waiting(200*time.Millisecond).Ban(bg, change.Request{}, "default", eve(3))
	require.NoError(t, err, "the change stands")
	require.Len(t, r.Pending, 1)
	require.Equal(t, "two", r.Pending[0].Name)

	ctx, cancel := context.WithTimeout(bg, 100*time.Millisecond)
	defer cancel()
	missing, err := s.as("alice").Wait(ctx, r.Revision)
	require.NoError(t, err)
	require.Equal(t, "two", missing[0].Name)
	all, err := s.as("alice").Followers(bg)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "pdp", all[0].Identity)
	require.NoError(t, s.as("alice").Forget(bg, "two"))
	missing, err = s.as("alice").Wait(bg, r.Revision)
	require.NoError(t, err)
	require.Empty(t, missing)
}

func TestRelaySettlesWhenTold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := s.follower("relay", "", func(o *api.FollowerOptions) { o.Relays = true })
	e := s.engine(f)
	e.has(0)
	r := s.ban(1)
	e.has(1)
	ctx, cancel := context.WithTimeout(bg, 100*time.Millisecond)
	defer cancel()
	missing, err := s.service.Wait(ctx, r.Revision)
	require.NoError(t, err)
	require.Len(t, missing, 1)
	require.NoError(t, f.Settle(bg, r.Revision))
	missing, err = s.service.Wait(bg, r.Revision)
	require.NoError(t, err)
	require.Empty(t, missing)
}

// ⚿ The name of a follower belongs to the certificate that first used it: nobody
// else can make a waiting administrator believe that a ban is in force.
func TestFollowerNameIsTaken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.engine(s.follower("one", "")).has(0)
	r := s.ban(1)
	s.rights.grant("thief", "*", "*")
	require.Eventually(t, func() bool { all, _ := s.service.Followers(bg); return len(all) == 1 }, 5*time.Second, time.Millisecond)
	err := s.as("thief").Report(bg, change.Follower{Name: "one", Identity: "pdp", Applied: r.Revision, Settled: r.Revision})
	require.ErrorIs(t, err, change.ErrNotAllowed)
}

func TestPAPRestartsInTheMiddle(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.engine(s.follower("one", "copy"))
	e.has(0)
	n := 0
	for range 3 {
		for range 3 {
			n++
			s.ban(n)
		}
		s.stop()
		s.start()
	}
	e.has(n)
	n++
	s.ban(n)
	e.has(n)
	require.EqualValues(t, 1, e.bases.Load(), "a restart is no reason to send everything again")
}

func TestServesItsCopyWhileThePAPIsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func() time.Time { return now }
	withClock := func(o *api.FollowerOptions) { o.Clock = clock }
	s.ban(1)
	e := s.engine(s.follower("one", "copy", withClock))
	e.has(1)
	r := s.ban(2)
	e.has(2)
	_, err := s.service.Wait(bg, r.Revision) // reported as applied, so on disk
	require.NoError(t, err)
	e.end()
	s.stop()

	confirmed := now
	now = now.Add(3 * time.Hour)
	u, err := s.follower("one", "copy", withClock).Next(bg, authz.Revision{})
	require.NoError(t, err)
	require.Equal(t, confirmed, u.Confirmed.UTC(), "an old copy says how old it is")
	f := s.follower("one", "copy", withClock)
	again := s.engine(f)
	again.has(2)
	require.Equal(t, confirmed, f.Confirmed().UTC(), "its age counts from the last confirmation")
	require.Eventually(t, func() bool { return f.Trouble() != nil }, 5*time.Second, time.Millisecond)
	require.Equal(t, confirmed, f.Confirmed().UTC())

	s.start()
	s.ban(3)
	again.has(3)
	require.Equal(t, now, f.Confirmed())
	require.NoError(t, f.Trouble())
	require.EqualValues(t, 1, again.bases.Load())
}

// A follower knows the persons as the copy has them, after a restart without the
// PAP too.
func TestFollowerKnowsThePersons(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	by := change.Request{Author: change.Author{Name: "test"}}
	ann := change.Person{ID: "ann", Links: []change.Name{{Attribute: "account", Value: "ann"}}}
	_, err := s.service.PutPersons(bg, by, ann)
	require.NoError(t, err)
	f := s.follower("one", "copy")
	_, _, err = f.Persons()
	require.ErrorIs(t, err, api.ErrUnavailable, "⚿ nobody is known, which is not: nobody is there")
	e := s.engine(f)
	e.has(0)
	all, first, err := f.Persons()
	require.NoError(t, err)
	require.Equal(t, []change.Person{ann}, all)
	s.ban(1)
	e.has(1)
	_, at, err := f.Persons()
	require.NoError(t, err)
	require.Equal(t, first, at, "no person changed")
	result, err := s.service.RemovePersons(bg, by, "ann")
	require.NoError(t, err)
	_, err = s.service.Wait(bg, result.Revision)
	require.NoError(t, err)
	all, at, err = f.Persons()
	require.NoError(t, err)
	require.Empty(t, all)
	require.Equal(t, result.Revision, at)
	result, err = s.service.PutPersons(bg, by, ann)
	require.NoError(t, err)
	_, err = s.service.Wait(bg, result.Revision)
	require.NoError(t, err)
	e.end()
	s.stop()
	all, _, err = s.follower("one", "copy").Persons()
	require.NoError(t, err)
	require.Equal(t, []change.Person{ann}, all)
}

// ⚿ A copy from the future of a wrong clock must not pass for fresh.
func TestConfirmedInTheFutureIsUnknown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.engine(s.follower("one", "copy", func(o *api.FollowerOptions) {
		o.Clock = func() time.Time { return time.Now().Add(24 * time.Hour) }
	}))
	e.has(0)
	_, err := s.service.Wait(bg, s.ban(1).Revision)
	require.NoError(t, err)
	e.end()
	s.stop()
	f := s.follower("one", "copy")
	require.Zero(t, f.Confirmed())
	u, err := f.Next(bg, authz.Revision{})
	require.NoError(t, err)
	require.Less(t, u.Confirmed.Year(), 1971)
	require.False(t, u.Confirmed.IsZero(), "zero would mean now")
}

// A restarted follower first asks for news: it must not serve last week's bans
// while the PAP is there.
func TestRestartedFollowerStartsWithTheNews(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.engine(s.follower("one", "copy"))
	e.has(0)
	_, err := s.service.Wait(bg, s.ban(1).Revision)
	require.NoError(t, err)
	e.end()
	s.ban(2)
	u, err := s.follower("one", "copy").Next(bg, authz.Revision{})
	require.NoError(t, err)
	bans, _ := u.Base.Root.Children.Find(policies.BansID)
	require.Equal(t, 2, bans.(*policies.Policy).Rules.Len())
}

func TestAnotherLineage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.engine(s.follower("one", "copy"))
	for i := range 5 {
		s.ban(i)
	}
	e.has(5)
	s.stop()
	require.NoError(t, os.Rename(filepath.Join(s.dir, "pap.db"), filepath.Join(s.dir, "lost.db")))
	s.start()
	s.ban(77)
	e.has(1)
	require.EqualValues(t, 2, e.bases.Load())
	now, err := s.service.Revision(bg)
	require.NoError(t, err)
	require.Equal(t, now, e.now.Load().Revision)
}

// ⚿ A PAP whose store was put back by hand, in the same lineage, has lost bans.
// Those in force stay in force.
func TestGoingBackIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ban(1)
	s.stop()
	old, err := os.ReadFile(filepath.Join(s.dir, "pap.db"))
	require.NoError(t, err)
	s.start()
	e := s.engine(s.follower("one", "copy"))
	s.ban(2)
	s.ban(3)
	e.has(3)
	s.stop()
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "pap.db"), old, 0o600))
	s.start()
	require.Eventually(t, func() bool {
		return e.follower.Trouble() != nil && bytes.Contains([]byte(e.follower.Trouble().Error()), []byte("went back"))
	},
		10*time.Second, time.Millisecond)
	require.Equal(t, 3, e.bans())
}

func TestStoppingIsPrompt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.stop()
	s.drain = 10 * time.Second
	s.start()
	f := s.follower("one", "copy")
	e := s.engine(f)
	e.has(0)
	time.Sleep(50 * time.Millisecond) // the feed is held now
	start := time.Now()
	s.stop()
	require.Less(t, time.Since(start), 2*time.Second, "a held feed delays the server")
	s.start()
	s.ban(1)
	e.has(1)
	time.Sleep(50 * time.Millisecond)
	start = time.Now()
	e.end()
	require.Less(t, time.Since(start), 500*time.Millisecond, "a held feed delays the follower")
}

// Once a follower has all, the wire carries the edit alone: one ban of many is
// one record, its lifting a name.
func TestFeedCarriesEdits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 100 {
		s.ban(i)
	}
	pdp := s.as("pdp")
	whole, err := pdp.Feed(bg, authz.Revision{})
	require.NoError(t, err)
	require.True(t, whole.Whole)
	require.Greater(t, len(whole.Edits), 100)

	banned := s.ban(100)
	set, err := pdp.Feed(bg, whole.To)
	require.NoError(t, err)
	require.False(t, set.Whole)
	require.Equal(t, [2]authz.Revision{whole.To, banned.Revision}, [2]authz.Revision{set.From, set.To})
	require.Len(t, set.Edits, 1)
	require.Equal(t, banned.IDs[0], set.Edits[0].Ban.ID)

	lifted, err := s.service.Unban(bg, change.Request{Author: change.Author{Name: "test"}}, "default", eve(100))
	require.NoError(t, err)
	set, err = pdp.Feed(bg, banned.Revision)
	require.NoError(t, err)
	require.Len(t, set.Edits, 1)
	require.True(t, set.Edits[0].Remove)
	require.Equal(t, lifted.IDs[0], set.Edits[0].Ban.ID)
	require.Empty(t, set.Edits[0].Ban.Names)
}

func TestHeldFeedConfirms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.stop()
	s.hold = 150 * time.Millisecond
	s.start()
	f := s.follower("one", "")
	e := s.engine(f)
	e.has(0)
	first := f.Confirmed()
	require.Eventually(t, func() bool { return f.Confirmed().After(first.Add(300 * time.Millisecond)) }, 5*time.Second, time.Millisecond,
		"each answer that there is nothing new confirms")
	e.end()
	at := e.now.Load().Revision
	u, err := f.Next(bg, at)
	require.NoError(t, err)
	require.Equal(t, policies.Update{From: at, To: at}, u, "and is passed on")
	require.EqualValues(t, 1, e.bases.Load())
}

func TestOneOfTwoAddressesIsDown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, err := api.NewClient(s.over("pdp"), "https://127.0.0.1:1", s.url())
	require.NoError(t, err)
	f := s.follower("one", "", func(o *api.FollowerOptions) { o.Client = c })
	e := s.engine(f)
	s.ban(1)
	e.has(1)
	require.NoError(t, f.Trouble())
}

// Bans go on when the disk does not.
func TestCopyCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	dir := filepath.Join(s.dir, "gone")
	require.NoError(t, os.Mkdir(dir, 0o700))
	f := s.follower("one", "gone/copy")
	e := s.engine(f)
	e.has(0)
	require.NoError(t, os.RemoveAll(dir))
	s.ban(1)
	e.has(1)
	s.ban(2)
	e.has(2)
	require.Eventually(t, func() bool { return f.Trouble() != nil }, 5*time.Second, time.Millisecond)
	require.NoError(t, os.Mkdir(dir, 0o700))
	_, err := s.service.Wait(bg, s.ban(3).Revision)
	require.NoError(t, err)
	require.NoError(t, f.Trouble())
	require.FileExists(t, filepath.Join(dir, "copy"), "written anew, whole")

	_, err = api.NewFollower(api.FollowerOptions{Client: s.as("pdp"), Name: "x", Path: filepath.Join(s.dir, "nowhere", "copy")})
	require.Error(t, err)
}

// kept makes a copy on disk with three bans, the last ones as later steps, and
// stops the PAP.
func (s *site) kept() (path string, data []byte) {
	e := s.engine(s.follower("one", "copy"))
	e.has(0)
	for i := range 3 {
		_, err := s.service.Wait(bg, s.ban(i).Revision)
		require.NoError(s.t, err)
		e.has(i + 1)
	}
	e.end()
	path = filepath.Join(s.dir, "copy")
	data, err := os.ReadFile(path)
	require.NoError(s.t, err)
	info, err := os.Stat(path)
	require.NoError(s.t, err)
	require.Equal(s.t, os.FileMode(0o600), info.Mode().Perm())
	require.Equal(s.t, 1, bytes.Count(data, []byte(`"whole":true`)))
	return path, data
}

// ⚿ No change of a single byte of the copy passes: it is set aside, and what it
// said is not believed.
func TestDamagedCopyIsSetAside(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, data := s.kept()
	s.stop()
	step := max(1, len(data)/60)
	for at := 0; at < len(data); at += step {
		bad := slices.Clone(data)
		bad[at] ^= 0x10
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		f := s.follower("one", "copy")
		require.Zero(t, f.Confirmed(), "byte %d of %d", at, len(data))
		require.FileExists(t, path+".damaged")
		require.NoFileExists(t, path)
	}
	for name, bad := range map[string][]byte{
		"empty": {}, "other": []byte("hello\n"), "newer": bytes.Replace(data, []byte("copy 1"), []byte("copy 2"), 1),
		"head only": []byte("gatehouse-copy 1\n"), "more": append(slices.Clone(data), "x\n"...), "first step cut": data[:200],
	} {
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		require.Zero(t, s.follower("one", "copy").Confirmed(), name)
		require.FileExists(t, path+".damaged", name)
		require.NoError(t, os.Remove(path+".damaged"))
	}
	require.NoError(t, os.WriteFile(path, []byte("hello\n"), 0o600))
	f := s.follower("one", "copy")
	s.start()
	s.engine(f).has(3)
}

// A step cut off at the end was never reported as applied; the rest is good.
func TestInterruptedStep(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, data := s.kept()
	s.stop()
	last := bytes.LastIndex(data[:len(data)-1], []byte("\n{")) // body of the last step
	head := bytes.LastIndexByte(data[:last], '\n')
	for _, end := range []int{len(data) - 1, len(data) - 2, last + 10, last + 1, last, last - 5, head + 2} {
		require.NoError(t, os.WriteFile(path, data[:end], 0o600))
		f := s.follower("one", "copy")
		require.NotZero(t, f.Confirmed(), "cut at %d of %d", end, len(data))
		ctx, cancel := context.WithTimeout(bg, 5*time.Second)
		u, err := f.Next(ctx, authz.Revision{})
		cancel()
		require.NoError(t, err)
		bans, _ := u.Base.Root.Children.Find(policies.BansID)
		require.Equal(t, 2, bans.(*policies.Policy).Rules.Len())
	}
	f := s.follower("one", "copy")
	s.start()
	e := s.engine(f)
	e.has(3)
	_, err := s.service.Wait(bg, s.ban(4).Revision)
	require.NoError(t, err)
	e.end()
	s.stop()
	s.engine(s.follower("one", "copy")).has(4)
}

func TestCopyStaysSmall(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("writes some megabytes")
	}
	s := newSite(t)
	e := s.engine(s.follower("one", "copy"))
	e.has(0)
	by := change.Request{Author: change.Author{Name: "t"}}
	text := "# " + strings.Repeat("x", 100_000) + policy
	for range 16 {
		_, err := s.service.AddFile(bg, by, "default", change.File{Name: "f", Text: text}, change.At{})
		require.NoError(t, err)
		r, err := s.service.RemoveAll(bg, by, "default", false)
		require.NoError(t, err)
		_, err = s.service.Wait(bg, r.Revision)
		require.NoError(t, err)
	}
	info, err := os.Stat(filepath.Join(s.dir, "copy"))
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(1300<<10), "1.6 MB have gone through")
}

func TestFollowerNeedsClientAndName(t *testing.T) {
	t.Parallel()
	_, err := api.NewFollower(api.FollowerOptions{Name: "x"})
	require.Error(t, err)
	s := newSite(t)
	_, err = api.NewFollower(api.FollowerOptions{Client: s.as("pdp")})
	require.Error(t, err)
}

func TestFollowerWithoutRight(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := s.follower("one", "", func(o *api.FollowerOptions) { o.Client = s.as("mallory") })
	ctx, cancel := context.WithTimeout(bg, 300*time.Millisecond)
	defer cancel()
	_, err := f.Next(ctx, authz.Revision{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, f.Trouble(), api.ErrRefused)
}

// ⚿ A revision that a decision point cannot compile does not hold up the ban
// after it.
func TestUnusableRevisionHoldsUpNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := s.follower("one", "copy")
	base, err := f.Next(bg, authz.Revision{})
	require.NoError(t, err)
	bad := s.ban(1).Revision
	u, err := f.Next(bg, base.To)
	require.NoError(t, err)
	require.Equal(t, bad, u.To)
	require.Nil(t, u.Base)
	u, err = f.Next(bg, base.To) // it could not be used: perhaps as a base
	require.NoError(t, err)
	require.Equal(t, bad, u.To)
	require.NotNil(t, u.Base)

	next := make(chan policies.Update, 1)
	go func() {
		u, _ := f.Next(bg, base.To) // nor so
		next <- u
	}()
	select {
	case u := <-next:
		t.Fatalf("revision %s again, and again", u.To)
	case <-time.After(100 * time.Millisecond):
	}
	good := s.ban(2).Revision
	select {
	case u = <-next:
		require.Equal(t, good, u.To)
		require.NotNil(t, u.Base)
	case <-time.After(5 * time.Second):
		t.Fatal("the ban did not come")
	}
}
