package pool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stretchr/testify/require"
)

// machine runs random operations against the pools and a model of maps.
type machine struct {
	s     *setting
	p     *Pools
	ids   []Identity
	held  map[string]string    // account by key
	state map[string]State     // by account
	until map[string]time.Time // of quarantines
	idle  map[string]string    // key that may come back, by account
	used  map[string]time.Time // last use by account
	owner map[string]string    // key that had it last, until it was free again
}

func keyText(k Key) string { return fmt.Sprint(k.normal(true)) }

const poolSize, mostEach = 6, 3

func newMachine(t *rapid.T) *machine {
	m := &machine{
		s: newSetting(poolSize), held: map[string]string{}, state: map[string]State{}, until: map[string]time.Time{},
		idle: map[string]string{}, used: map[string]time.Time{}, owner: map[string]string{},
	}
	m.s.config.MostPerIdentity, m.s.config.Alone = mostEach, rapid.Bool().Draw(t, "alone")
	m.p = m.s.open(t)
	for _, name := range []string{"ann", "bob", "eve"} {
		m.ids = append(m.ids, person(t, name))
	}
	for name := range m.s.directory.uids {
		m.state[name] = Free
	}
	return m
}

func (m *machine) drawKey(t *rapid.T) Key {
	id := rapid.SampledFrom(m.ids).Draw(t, "identity")
	return cms(id, rapid.SampledFrom([][]string{{"g"}, {"h"}, {"g", "a", "b"}, {"g", "b", "a", "b"}, nil}).Draw(t, "groups")...)
}

func (m *machine) drawAccount(t *rapid.T) string {
	return rapid.SampledFrom(slices.Sorted(maps.Keys(m.state))).Draw(t, "account")
}

// holds counts what an identity holds, accounts that it may come back for included.
func (m *machine) holds(id Identity) (n int) {
	for _, k := range slices.Concat(slices.Collect(maps.Keys(m.held)), slices.Collect(maps.Values(m.idle))) {
		for _, groups := range [][]string{{"g"}, {"h"}, {"g", "a", "b"}, nil} {
			if k == keyText(cms(id, groups...)) {
				n++
			}
		}
	}
	return n
}

func (m *machine) free() (all []string) {
	for name, s := range m.state {
		if s == Free {
			all = append(all, name)
		}
	}
	return all
}

// allBusy reports whether nothing can be given away: what is free, after an
// older store was put back say, is in use.
func (m *machine) allBusy(free []string) bool {
	return !slices.ContainsFunc(free, func(name string) bool { return !m.s.busy[name] })
}

func (m *machine) take(account, key string) {
	m.held[key], m.state[account], m.owner[account] = account, Leased, key
	m.used[account] = m.s.clock.Now()
	delete(m.until, account)
	delete(m.idle, account)
}

// Lease asks for an account.
func (m *machine) Lease(t *rapid.T) {
	k := m.drawKey(t)
	key := keyText(k)
	l, err := m.p.Lease(context.Background(), k, Cause{By: "machine"})
	if account, ok := m.held[key]; ok {
		require.NoError(t, err)
		require.Equal(t, account, l.Account, "the same key, the same account")
		m.used[account] = m.s.clock.Now()
		return
	}
	for account, k := range m.idle {
		if k == key {
			require.NoError(t, err)
			require.Equal(t, account, l.Account, "back in time, the same account")
			m.take(account, key)
			return
		}
	}
	free := m.free()
	switch {
	case m.holds(k.Identity) >= mostEach:
		require.True(t, errors.Is(err, ErrTooMany) || m.allBusy(free) && errors.Is(err, ErrExhausted), "%v", err)
	case errors.Is(err, ErrExhausted):
		require.True(t, m.allBusy(free), "some of these are free: %v", free)
	default:
		require.NoError(t, err)
		require.Contains(t, free, l.Account, "nobody else's, and no quarantine")
		m.take(l.Account, key)
	}
}

// Assign asks for a certain account.
func (m *machine) Assign(t *rapid.T) {
	k, account := m.drawKey(t), m.drawAccount(t)
	key := keyText(k)
	l, err := m.p.Assign(context.Background(), k, account, Cause{By: "machine"})
	comesBack := m.idle[account] == key
	elsewhere := slices.Contains(slices.Collect(maps.Values(m.idle)), key) && !comesBack
	may := m.held[key] == "" && !elsewhere && m.state[account] == Free && m.holds(k.Identity) < mostEach
	if m.held[key] == account || comesBack || may {
		require.NoError(t, err)
		require.Equal(t, account, l.Account)
		if m.held[key] != account {
			m.take(account, key)
		}
		return
	}
	require.Error(t, err)
}

// Look changes nothing.
func (m *machine) Look(t *rapid.T) {
	k := m.drawKey(t)
	l, err := m.p.Look(context.Background(), k)
	if account, ok := m.held[keyText(k)]; ok {
		require.NoError(t, err)
		require.Equal(t, account, l.Account)
		return
	}
	require.ErrorIs(t, err, ErrNoLease)
}

func (m *machine) drop(account string) {
	for key, a := range m.held {
		if a == account {
			delete(m.held, key)
		}
	}
	delete(m.idle, account)
}

// Release takes an account away.
func (m *machine) Release(t *rapid.T) {
	account := m.drawAccount(t)
	quarantine := rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour}).Draw(t, "quarantine")
	_, err := m.p.Release(context.Background(), account, quarantine, Cause{By: "machine"})
	if m.state[account] == Free {
		require.ErrorIs(t, err, ErrState)
		return
	}
	require.NoError(t, err)
	m.drop(account)
	if quarantine == 0 {
		quarantine = DefaultQuarantine
	}
	m.state[account] = Quarantined
	m.until[account] = m.s.clock.Now().Add(max(quarantine, AnswerLife))
}

// Reserve takes an account out of the pool.
func (m *machine) Reserve(t *rapid.T) {
	account := m.drawAccount(t)
	_, err := m.p.Reserve(context.Background(), account, Cause{By: "machine"})
	if m.state[account] != Free && m.state[account] != Quarantined {
		require.ErrorIs(t, err, ErrState)
		return
	}
	require.NoError(t, err)
	m.drop(account)
	delete(m.until, account)
	m.state[account] = Reserved
}

// Busy leaves something of an owner on an account, or clears it away.
func (m *machine) Busy(t *rapid.T) {
	account := m.drawAccount(t)
	m.s.busy[account] = rapid.Bool().Draw(t, "busy")
}

// Crash loses what is in memory.
func (m *machine) Crash(t *rapid.T) {
	require.NoError(t, m.p.flush(context.Background())) // what is lost of uses is not what this is about
	m.p = m.s.open(t)
}

// Wait lets time pass and sweeps.
func (m *machine) Wait(t *rapid.T) {
	m.s.clock.advance(rapid.SampledFrom([]time.Duration{time.Second, 2 * time.Hour, 8 * 24 * time.Hour, 91 * 24 * time.Hour}).Draw(t, "time"))
	now := m.s.clock.Now()
	_, err := m.p.Sweep(context.Background())
	require.NoError(t, err)
	for key, account := range maps.Clone(m.held) {
		if now.Sub(m.used[account]) < DefaultIdle {
			continue
		}
		if m.s.busy[account] {
			m.used[account] = now
			continue
		}
		delete(m.held, key)
		m.idle[account], m.state[account], m.until[account] = key, Quarantined, now.Add(DefaultQuarantine)
	}
	for account, until := range maps.Clone(m.until) {
		if now.After(until) && !m.s.busy[account] {
			delete(m.until, account)
			delete(m.idle, account)
			m.state[account] = Free
		}
	}
}

// Check compares everything with the model.
func (m *machine) Check(t *rapid.T) {
	audit(t, m.s.store)
	all, err := m.p.List(context.Background(), Query{})
	require.NoError(t, err)
	require.Len(t, all, len(m.state))
	for _, a := range all {
		require.Equal(t, m.state[a.Name], a.State, a.Name)
		if a.State == Leased {
			require.Equal(t, a.Name, m.held[keyText(a.Lease.Key)])
		}
		e, err := m.p.At(context.Background(), a.Name, m.s.clock.Now().Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, a.State == Leased, e.Holds(), a.Name)
	}
}

// Random leases, releases, reservations, idle times and crashes: no account in
// two hands, no key with two accounts, nothing given away before its time, and
// a history that says the same.
func TestMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		t.Repeat(rapid.StateMachineActions(m))
	})
}
