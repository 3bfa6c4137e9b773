package launch

import (
	"context"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	account = authz.Account{
		Name: "alice", UID: 2001, Group: authz.Group{Name: "grid", GID: 2100}, Groups: []authz.Group{{Name: "atlas", GID: 2200}},
	}
	jobID = strings.Repeat("0a", 16)
)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func startOrder() Order {
	return Order{
		Operation: Start, Job: jobID, Executable: "sleepyAdd/run", Digest: [32]byte{1}, Args: []string{"run", "1", "2"},
		Env: []string{"A=b"}, Limits: Limits{CPU: time.Minute, Wall: time.Hour}, Stdout: "out",
	}
}

// pair returns both ends of a fresh key.
func pair(t *testing.T) (*Signer, *Verifier) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s, err := NewSigner(private, "ce1", at(noon))
	require.NoError(t, err)
	v, err := NewVerifier(public, "ce1")
	require.NoError(t, err)
	return s, v
}

func wish(o Order) Wish {
	return Wish{Order: o, Account: account, Revision: authz.Revision{Lineage: "l", Number: 42}, Decision: "d1"}
}

func TestGrantIsWhatWasWished(t *testing.T) {
	s, v := pair(t)
	o := startOrder()
	signed, err := s.Grant(t.Context(), wish(o))
	require.NoError(t, err)
	g, err := v.Verify(signed, o, noon.Add(30*time.Second))
	require.NoError(t, err)
	require.NotZero(t, g.ID)
	require.Equal(t, account, g.Account)
	require.Equal(t, uint64(42), g.Revision.Number)
	require.Equal(t, "d1", g.Decision)
	require.Equal(t, MaxLife, g.Expires.Sub(g.Issued))
}

func TestSignerSignsOnlyWhatIsWellFormed(t *testing.T) {
	s, _ := pair(t)
	w := wish(startOrder())
	w.Order.Args = nil
	_, err := s.Grant(t.Context(), w)
	require.ErrorContains(t, err, "argument vector is empty")
	w = wish(startOrder())
	w.Account = authz.Account{}
	_, err = s.Grant(t.Context(), w)
	require.ErrorContains(t, err, "no account")
	w.Account = account
	w.Account.Groups = make([]authz.Group, MaxGroups+1)
	_, err = s.Grant(t.Context(), w)
	require.ErrorContains(t, err, "more than 64")
	_, err = NewSigner(make(ed25519.PrivateKey, ed25519.PrivateKeySize), "", at(noon))
	require.ErrorContains(t, err, "no name")
}

// ⚿ DECISIONS 27.
func TestBadGrantsAreRefused(t *testing.T) {
	s, v := pair(t)
	other, _ := pair(t)
	o := startOrder()
	grant := func(change func(*Grant)) Signed {
		g := Grant{
			ID: ID{1}, Launcher: "ce1", Operation: Start, Job: jobID, Account: account, Order: o.Hash(), Issued: noon, Expires: noon.Add(MaxLife),
		}
		change(&g)
		return s.sign(g)
	}
	good := grant(func(*Grant) {})
	_, err := v.Verify(good, o, noon)
	require.NoError(t, err, "the cases below differ from a good grant in one thing each")

	forged, err := other.Grant(context.Background(), wish(o))
	require.NoError(t, err)
	later := o
	later.Args = []string{"run", "1", "3"}
	rooted := o
	rooted.Executable = "other/run"
	cases := map[string]struct {
		grant Signed
		order Order
		now   time.Time
		want  string
	}{
		"forged":             {forged, o, noon, "forged or altered"},
		"none":               {nil, o, noon, "no grant"},
		"only a signature":   {good[len(good)-64:], o, noon, "no grant"},
		"cut":                {good[:len(good)-1], o, noon, "forged or altered"},
		"expired":            {good, o, noon.Add(MaxLife), "expired at"},
		"future":             {good, o, noon.Add(-6 * time.Second), "from the future"},
		"valid too long":     {grant(func(g *Grant) { g.Expires = noon.Add(MaxLife + 1) }), o, noon, "at most 1m0s"},
		"ends before issue":  {grant(func(g *Grant) { g.Expires = noon.Add(-1) }), o, noon, "at most"},
		"overflowing life":   {grant(func(g *Grant) { g.Issued = time.Unix(0, -1<<63); g.Expires = time.Unix(0, 1<<63-1) }), o, noon, "at most"},
		"another launcher":   {grant(func(g *Grant) { g.Launcher = "ce2" }), o, noon, `for launcher "ce2"`},
		"altered arguments":  {good, later, noon, "another order"},
		"altered executable": {good, rooted, noon, "another order"},
		"another operation":  {grant(func(g *Grant) { g.Operation = Read }), o, noon, "another order"},
		"another job":        {grant(func(g *Grant) { g.Job = strings.Repeat("0b", 16) }), o, noon, "another order"},
		"no account":         {grant(func(g *Grant) { g.Account = authz.Account{} }), o, noon, "no account"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(c.grant, c.order, c.now)
			require.ErrorIs(t, err, ErrRefused)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestMalformedOrderIsRefusedThoughSigned(t *testing.T) {
	s, v := pair(t)
	o := startOrder()
	o.Env = []string{"LD_PRELOAD=/tmp/evil.so"}
	g := Grant{ID: ID{1}, Launcher: "ce1", Operation: Start, Job: jobID, Account: account, Order: o.Hash(), Issued: noon, Expires: noon.Add(MaxLife)}
	_, err := v.Verify(s.sign(g), o, noon)
	require.ErrorIs(t, err, ErrRefused)
	require.ErrorContains(t, err, "LD_PRELOAD")
}

func TestEveryAlteredByteIsSeen(t *testing.T) {
	s, v := pair(t)
	o := startOrder()
	signed, err := s.Grant(t.Context(), wish(o))
	require.NoError(t, err)
	for i := range signed {
		altered := append(Signed(nil), signed...)
		altered[i] ^= 0x20
		_, err := v.Verify(altered, o, noon)
		require.ErrorIs(t, err, ErrRefused, "byte %d", i)
	}
}

func grants() *rapid.Generator[Grant] {
	return rapid.Custom(func(t *rapid.T) Grant {
		group := rapid.Custom(func(t *rapid.T) authz.Group {
			return authz.Group{Name: rapid.String().Draw(t, "group"), GID: rapid.Uint32().Draw(t, "gid")}
		})
		g := Grant{
			Launcher: rapid.String().Draw(t, "launcher"), Operation: Operation(rapid.String().Draw(t, "operation")),
			Job: rapid.String().Draw(t, "job"), Decision: rapid.String().Draw(t, "decision"),
			Revision: authz.Revision{Lineage: rapid.String().Draw(t, "lineage"), Number: rapid.Uint64().Draw(t, "number")},
			Issued:   time.Unix(0, rapid.Int64().Draw(t, "issued")).UTC(), Expires: time.Unix(0, rapid.Int64().Draw(t, "expires")).UTC(),
		}
		g.Account = authz.Account{Name: rapid.String().Draw(t, "account"), UID: rapid.Uint32().Draw(t, "uid"), Group: group.Draw(t, "primary")}
		g.Account.Shared = rapid.Bool().Draw(t, "shared")
		for range rapid.IntRange(0, 3).Draw(t, "groups") {
			g.Account.Groups = append(g.Account.Groups, group.Draw(t, "secondary"))
		}
		return g
	})
}

func TestGrantEncodingIsFaithful(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := grants().Draw(t, "grant")
		back, err := ParseGrant(g.encode())
		require.NoError(t, err)
		require.Equal(t, g, back)
	})
}

func FuzzParseGrant(f *testing.F) {
	g := Grant{ID: ID{1}, Launcher: "ce1", Operation: Start, Job: jobID, Account: account, Issued: noon, Expires: noon.Add(MaxLife)}
	f.Add(g.encode())
	f.Add([]byte(grantHeader))
	f.Add(append(g.encode(), 0))
	f.Add([]byte(grantHeader + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := ParseGrant(b)
		if err == nil {
			require.Equal(t, b, g.encode(), "one encoding per grant")
		}
	})
}

// ⚿ Threats 107: a grant to start something does not outlive the answer that
// named the account; one to look at what is there may.
func TestGrantDoesNotOutliveTheAnswer(t *testing.T) {
	s, v := pair(t)
	w := wish(startOrder())
	w.Account.Expires = noon.Add(20 * time.Second)
	signed, err := s.Grant(t.Context(), w)
	require.NoError(t, err)
	g, err := v.Verify(signed, w.Order, noon.Add(19*time.Second))
	require.NoError(t, err)
	require.Equal(t, w.Account.Expires, g.Expires)
	_, err = v.Verify(signed, w.Order, noon.Add(20*time.Second))
	require.ErrorIs(t, err, ErrRefused)

	w.Account.Expires = noon.Add(time.Hour)
	signed, err = s.Grant(t.Context(), w)
	require.NoError(t, err)
	g, err = v.Verify(signed, w.Order, noon)
	require.NoError(t, err)
	require.Equal(t, MaxLife, g.Expires.Sub(g.Issued))

	w.Account.Expires = noon
	_, err = s.Grant(t.Context(), w)
	require.ErrorContains(t, err, "ask again")
	w.Order = Order{Operation: Stat, Job: jobID}
	_, err = s.Grant(t.Context(), w)
	require.NoError(t, err)
}
