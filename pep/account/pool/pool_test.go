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
	require.ErrorContains(t, p.Trouble(), "pool cms")
}
