package pap_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/pap"
	"github.com/gatehouse-authz/gatehouse/policies"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/stretchr/testify/require"
)

func TestBanIsOneRevision(t *testing.T) {
	s := newSite(t)
	before := s.number()
	b := dn("/DC=org/CN=Eve")
	b.Reason, b.Ticket, b.Until = "stolen key", "GGUS-1", noon.Add(time.Hour)
	result := ok(t)(s.Ban(bg, by("Alice"), "default", b))
	require.True(t, result.Changed)
	require.Equal(t, before+1, result.Revision.Number)
	require.Len(t, result.IDs, 1)

	bans, err := s.Bans(bg, "default")
	require.NoError(t, err)
	b.ID, b.PAP, b.Author, b.Time = result.IDs[0], "default", "Alice", noon
	require.Equal(t, []change.Ban{b}, bans)

	history, err := s.History(bg, change.Query{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, change.Author{Name: "Alice", Via: "tls"}, history[0].Author)
	require.Equal(t, "because", history[0].Message)
	require.Equal(t, noon, history[0].Time)
	require.Equal(t, result.Revision, history[0].Revision)
	require.Equal(t, `ban subject="/DC=org/CN=Eve"`, history[0].Summary)
}

// ⚿ A ban that is put again never refuses less: neither for a shorter time, nor
// without the links of the person where it followed them.
func TestBanPutAgainOnlyWidens(t *testing.T) {
	hour, day := noon.Add(time.Hour), noon.Add(24*time.Hour)
	for _, c := range []struct {
		name            string
		before, put, is change.Ban
	}{
		{"alone after following", change.Ban{}, change.Ban{Alone: true}, change.Ban{}},
		{"following after alone", change.Ban{Alone: true}, change.Ban{}, change.Ban{}},
		{"following, and shorter", change.Ban{Alone: true, Until: day}, change.Ban{Until: hour}, change.Ban{Until: day}},
		{"alone, and longer", change.Ban{Until: hour}, change.Ban{Alone: true, Until: day}, change.Ban{Until: day}},
		{"alone for ever, following for an hour", change.Ban{Alone: true}, change.Ban{Until: hour}, change.Ban{}},
		{"alone again", change.Ban{Alone: true}, change.Ban{Alone: true}, change.Ban{Alone: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			c.before.Names, c.put.Names = dn("/CN=Eve").Names, dn("/cn=eve").Names
			ok(t)(s.Ban(bg, by("Alice"), "default", c.before))
			again := ok(t)(s.Ban(bg, by("Alice"), "default", c.put))
			bans, err := s.Bans(bg, "default")
			require.NoError(t, err)
			require.Len(t, bans, 1)
			require.Equal(t, c.is.Alone, bans[0].Alone)
			require.Equal(t, c.is.Until, bans[0].Until)
			same := c.before.Alone == c.is.Alone && c.before.Until.Equal(c.is.Until)
			require.Equal(t, !same, again.Changed)
		})
	}
}

// ⚿ A ban in another spelling is the same ban, so lifting one of two spellings
// leaves none behind, and a list loaded twice changes nothing.
func TestBanIsIdempotent(t *testing.T) {
	s := newSite(t)
	first := ok(t)(s.Ban(bg, by("Alice"), "default", dn("/DC=org/CN=Eve")))
	again := ok(t)(s.Ban(bg, by("Bob"), "default", dn("CN=eve, DC=ORG"), dn("/DC=org/CN=Eve")))
	require.False(t, again.Changed)
	require.Equal(t, first.Revision, again.Revision)
	require.Equal(t, []string{first.IDs[0], first.IDs[0]}, again.IDs)
	require.Equal(t, again.IDs, again.Already)

	other := dn("/DC=org/CN=Eve")
	other.Action = "submit"
	require.True(t, ok(t)(s.Ban(bg, by("Bob"), "default", other)).Changed, "elsewhere is another ban")
	everything := dn("/DC=org/CN=Eve")
	everything.Action, everything.Resource = ".*", ".*"
	require.False(t, ok(t)(s.Ban(bg, by("Bob"), "default", everything)).Changed, "Argus writes .* for everything")

	require.True(t, ok(t)(s.Unban(bg, by("Alice"), "default", dn("DC=org,CN=EVE"))).Changed)
	bans, err := s.Bans(bg, "")
	require.NoError(t, err)
	require.Len(t, bans, 1)
}

// A ban that is there is never cut short by loading it again.
func TestBanAgainWithAnotherEnd(t *testing.T) {
	s := newSite(t)
	until := func(d time.Duration) change.Ban {
		b := dn("/CN=Eve")
		b.Until = noon.Add(d)
		return b
	}
	end := func() time.Time {
		bans, err := s.Bans(bg, "default")
		require.NoError(t, err)
		require.Len(t, bans, 1)
		return bans[0].Until
	}
	ok(t)(s.Ban(bg, by("Alice"), "default", until(2*time.Hour)))
	require.False(t, ok(t)(s.Ban(bg, by("Alice"), "default", until(time.Hour))).Changed)
	require.True(t, ok(t)(s.Ban(bg, by("Alice"), "default", until(3*time.Hour))).Changed)
	require.Equal(t, noon.Add(3*time.Hour), end())
	require.True(t, ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=Eve"))).Changed)
	require.True(t, end().IsZero())
	require.False(t, ok(t)(s.Ban(bg, by("Alice"), "default", until(9*time.Hour))).Changed, "for good stays for good")
	require.True(t, end().IsZero())
}

func TestBanRefuses(t *testing.T) {
	s := newSite(t)
	before := s.number()
	past, long := dn("/CN=Eve"), dn("/CN=Eve")
	past.Until, long.Reason = noon, strings.Repeat("x", 5000)
	pattern := dn("/CN=Eve")
	pattern.Resource = "("
	for name, c := range map[string]struct {
		pap  string
		ban  change.Ban
		want error
	}{
		"unknown PAP":         {"nobody", dn("/CN=Eve"), change.ErrNotFound},
		"admin PAP":           {"admin", dn("/CN=Eve"), change.ErrNotAllowed},
		"no name":             {"default", change.Ban{}, change.ErrInvalid},
		"empty name":          {"default", dn("  "), change.ErrInvalid},
		"unknown attribute":   {"default", change.Ban{Names: []change.Name{{Attribute: "dn", Value: "x"}}}, change.ErrInvalid},
		"long name":           {"default", dn("/CN=" + strings.Repeat("x", 10000)), change.ErrInvalid},
		"past":                {"default", past, change.ErrInvalid},
		"long reason":         {"default", long, change.ErrInvalid},
		"pattern":             {"default", pattern, change.ErrInvalid},
		"token subject alone": {"default", change.Ban{Names: []change.Name{{Attribute: "oidc-subject", Value: "42"}}}, change.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Ban(bg, by("Alice"), c.pap, dn("/CN=Mallory"), c.ban)
			require.ErrorIs(t, err, c.want)
		})
	}
	_, err := s.Unban(bg, by("Alice"), "default", change.Ban{ID: strings.Repeat("x", 5000)})
	require.ErrorIs(t, err, change.ErrInvalid)
	_, err = s.Ban(bg, change.Request{}, "default", dn("/CN=Eve"))
	require.ErrorIs(t, err, change.ErrInvalid, "a change without an author")
	require.Equal(t, before, s.number(), "a refused list is wholly refused")
}

func TestUnban(t *testing.T) {
	s := newSite(t)
	ids := ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=a"), dn("/CN=b"), dn("/CN=c"))).IDs
	result := ok(t)(s.Unban(bg, by("Alice"), "default", change.Ban{ID: ids[0]}, dn("/CN=nobody")))
	require.True(t, result.Changed)
	require.Equal(t, []string{result.IDs[1]}, result.Missing)
	result = ok(t)(s.Unban(bg, by("Alice"), "default", dn("/CN=nobody")))
	require.False(t, result.Changed)
	require.Len(t, result.Missing, 1)
}

// ⚿ DECISIONS 20: no single change silently leaves nobody banned.
func TestLargeChanges(t *testing.T) {
	s := newSite(t)
	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=a"), dn("/CN=b")))
	_, err := s.Unban(bg, by("Alice"), "default", dn("/CN=a"), dn("/CN=b"))
	require.ErrorIs(t, err, change.ErrLarge)
	_, err = s.RemoveAll(bg, by("Alice"), "default", true)
	require.ErrorIs(t, err, change.ErrLarge)
	_, err = s.UpdatePAP(bg, by("Alice"), change.PAP{Alias: "default", Enabled: false})
	require.ErrorIs(t, err, change.ErrLarge, "disabling the only PAP with bans lifts them all")
	_, err = s.Rollback(bg, by("Alice"), change.Restore{To: 1, Bans: true})
	require.ErrorIs(t, err, change.ErrLarge)

	ok(t)(s.Unban(bg, by("Alice"), "default", dn("/CN=a")))
	ok(t)(s.Unban(bg, by("Alice"), "default", dn("/CN=b"))) // one by its name is no accident
	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=a"), dn("/CN=b")))
	forced := by("Alice")
	forced.Force = true
	ok(t)(s.RemoveAll(bg, forced, "default", true))
	bans, err := s.Bans(bg, "default")
	require.NoError(t, err)
	require.Empty(t, bans)
}

// ⚿ A change that Weigh finds too large needs force, is asked about only when it
// compiles, and the policies of administrators are not weighed.
func TestWeighedChanges(t *testing.T) {
	var asked []policies.Update
	refuse := true
	s := newSite(t, func(o *pap.Options) {
		o.Check = func(u policies.Update) error {
			for _, e := range u.Edits {
				if e.Node != nil {
					return errRefused
				}
			}
			return nil
		}
		o.Weigh = func(u policies.Update) error {
			if asked = append(asked, u); refuse && u.From.Number > 0 {
				return errors.New("34 of 120 people")
			}
			return nil
		}
	})
	before := s.number()
	_, err := s.Ban(bg, by("Alice"), "default", dn("/CN=a"))
	require.ErrorIs(t, err, change.ErrLarge)
	require.NotErrorIs(t, err, change.ErrPolicy)
	require.ErrorContains(t, err, "34 of 120 people")
	require.Equal(t, before, s.number(), "no revision")
	last := asked[len(asked)-1]
	require.Equal(t, []uint64{before, before + 1}, []uint64{last.From.Number, last.To.Number})

	n := len(asked)
	forced := by("Alice")
	forced.Force = true
	ok(t)(s.Ban(bg, forced, "default", dn("/CN=a")))
	require.Len(t, asked, n, "whoever forces has been asked")
	_, err = s.AddFile(bg, by("Alice"), "default", change.File{Name: "a.spl", Text: sample}, change.At{})
	require.ErrorIs(t, err, change.ErrPolicy)
	require.Len(t, asked, n, "what does not compile is not weighed")
	refuse = false
	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=b")))
	require.Len(t, asked, n+1, "once, for everyone; never for the PAP admin")
}

func TestRemoveAllKeepsBans(t *testing.T) {
	s := newSite(t)
	ok(t)(s.AddFile(bg, by("Alice"), "default", change.File{Name: "a.spl", Text: sample}, change.At{}))
	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=a")))
	require.True(t, ok(t)(s.RemoveAll(bg, by("Alice"), "default", false)).Changed)
	units, err := s.Units(bg, "default")
	require.NoError(t, err)
	require.Empty(t, units)
	bans, err := s.Bans(bg, "default")
	require.NoError(t, err)
	require.Len(t, bans, 1)
}

// ⚿ What does not compile never becomes a revision, and holds up no ban.
func TestBadPolicyHoldsUpNoBan(t *testing.T) {
	s := newSite(t, func(o *pap.Options) {
		o.Check = func(u policies.Update) error {
			for _, e := range u.Edits {
				if e.Node != nil {
					return errRefused
				}
			}
			return nil
		}
	})
	before := s.number()
	_, err := s.AddFile(bg, by("Alice"), "default", change.File{Name: "a.spl", Text: sample}, change.At{})
	require.ErrorIs(t, err, change.ErrPolicy)
	require.ErrorIs(t, err, errRefused)
	require.Equal(t, before, s.number())
	units, err := s.Units(bg, "default")
	require.NoError(t, err)
	require.Empty(t, units)
	require.True(t, ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=Eve"))).Changed)
}

func TestExpiry(t *testing.T) {
	s := newSite(t)
	short, long := dn("/CN=short"), dn("/CN=long")
	short.Until, long.Until = noon.Add(time.Hour), noon.Add(2*time.Hour)
	ok(t)(s.Ban(bg, by("Alice"), "default", short, long))
	require.False(t, ok(t)(s.Expire(bg)).Changed)

	s.sleep(time.Hour)
	s.open() // the schedule survives a restart
	result := ok(t)(s.Expire(bg))
	require.True(t, result.Changed)
	bans, err := s.Bans(bg, "default")
	require.NoError(t, err)
	require.Len(t, bans, 1)
	require.Equal(t, "/CN=long", bans[0].Names[0].Value)
	history, err := s.History(bg, change.Query{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, "expiry", history[0].Author.Via)

	ok(t)(s.Ban(bg, by("Alice"), "default", dn("/CN=long"))) // for good now
	s.sleep(time.Hour)
	require.False(t, ok(t)(s.Expire(bg)).Changed, "the old end of a prolonged ban is forgotten")
	s.sleep(-2 * time.Hour)
	ok(t)(s.Ban(bg, by("Alice"), "default", short))
	s.sleep(2 * time.Hour)
	require.True(t, ok(t)(s.Expire(bg)).Changed)
	require.False(t, ok(t)(s.Expire(bg)).Changed)
}

// An expired ban that is not yet lifted may be given again.
func TestExpiryOfRules(t *testing.T) {
	s := newSite(t)
	ok(t)(s.AddFile(bg, by("Alice"), "default", change.File{Name: "b.spl", Text: `spl 2
resource ".*" {
    action ".*" {
        rule permit { vo="good" from "2026-03-01T13:00:00Z" until "2026-03-01T14:00:00Z" }
    }
}`}, change.At{}))
	for _, changed := range []bool{false, true, false, true, false} {
		require.Equal(t, changed, ok(t)(s.Expire(bg)).Changed, "at %s", s.clock())
		s.sleep(30 * time.Minute)
		if changed {
			require.False(t, ok(t)(s.Expire(bg)).Changed)
		}
		if !changed {
			s.sleep(30 * time.Minute)
		}
	}
	units, err := s.Units(bg, "default")
	require.NoError(t, err)
	require.Len(t, units, 3, "text that is over stays: it is the source")
}
