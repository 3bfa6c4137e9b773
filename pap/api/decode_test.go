package api

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/policies/change"
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Every kind has one line, its error comes back at the other end, and what has
// no line tells nothing.
func TestKinds(t *testing.T) {
	seen := map[Kind]bool{}
	for _, k := range kinds {
		require.False(t, seen[k.kind], k.kind)
		seen[k.kind] = true
		e := wireError(errors.Join(errors.New("context"), k.err), "id")
		require.Equal(t, k.kind, e.Kind)
		require.Equal(t, k.status, e.status())
		data, err := json.Marshal(e)
		require.NoError(t, err)
		var back Error
		require.NoError(t, strict(data, &back))
		require.ErrorIs(t, &back, k.err)
	}
	e := wireError(errors.New("open /var/lib/secret: no"), "id")
	require.Equal(t, KindInternal, e.Kind)
	require.NotContains(t, e.Message, "secret")
	require.Contains(t, e.Message, "id")
	require.ErrorIs(t, &Error{Kind: "of a later version"}, ErrInternal)
}

func TestRevisionText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := authz.Revision{Number: rapid.Uint64().Draw(t, "number"), Lineage: rapid.StringMatching(`[0-9a-f]{1,32}`).Draw(t, "lineage")}
		back, err := ParseRevision(FormatRevision(r))
		require.NoError(t, err)
		require.Equal(t, r, back)
		back, err = ParseRevision(` "` + FormatRevision(r) + `"`)
		require.NoError(t, err)
		require.Equal(t, r, back)
	})
	for _, bad := range []string{"x", "-1", "1@", "@a", "1@a b", "1@a\"", "99999999999999999999", "W/\"1\"", "1@" + strings.Repeat("a", 65)} {
		_, err := ParseRevision(bad)
		require.ErrorIs(t, err, change.ErrInvalid, bad)
	}
}

// FuzzBodies shows that what the decoders accept means the same when it is
// written and read again.
func FuzzBodies(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `[]`, `{"bans":[{"names":[{"attribute":"subject","value":"/CN=x"}],"until":"2026-01-01T00:00:00Z"}]}`,
		`{"bans":[],"bans":[]}`, `{"rule":{"permit":true,"names":null},"at":{"bottom":true}}`, `{"file":{"name":"f","text":"\u0000"}}`,
		`{"applied":{"lineage":"l","number":18446744073709551615}}`, `{"to":1e3}`, `{"kind":"policy","message":"m","line":1}`,
		`{"from":{"lineage":"a","number":1},"to":{"lineage":"a","number":2},"edits":[{"remove":true,"ban":{"id":"x","pap":"default"}}]}`,
		`{"aliases":["\ud800"]}`, "\xff", `{"alias":"a","enabled":1}`, strings.Repeat(`{"bans":`, 100),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, v := range []func() any{
			func() any { return &bansBody{} }, func() any { return &newRules{} }, func() any { return &rulePatch{} },
			func() any { return &progress{} }, func() any { return &aliasesBody{} }, func() any { return &change.PAP{} },
			func() any { return &change.Restore{} }, func() any { return &personsBody{} }, func() any { return &rowsBody{} },
			func() any { return &change.Set{} }, func() any { return &Error{} }, func() any { return &frame{} },
		} {
			first := v()
			if strict(data, first) != nil {
				continue
			}
			written, err := json.Marshal(first)
			require.NoError(t, err)
			second := v()
			require.NoError(t, strict(written, second), string(written))
			again, err := json.Marshal(second)
			require.NoError(t, err)
			require.Equal(t, string(written), string(again))
		}
	})
}

func FuzzRevision(f *testing.F) {
	for _, s := range []string{"", "1", "1@a", `"1@a"`, "x@1", "18446744073709551616"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRevision(s)
		if err != nil || r.Lineage == "" {
			return
		}
		back, err := ParseRevision(FormatRevision(r))
		require.NoError(t, err)
		require.Equal(t, r, back)
	})
}

// FuzzCopy shows that no file makes the reader of copies panic, and that it
// believes none that does not begin with everything.
func FuzzCopy(f *testing.F) {
	var out bytes.Buffer
	out.WriteString(copyFormat)
	at := authz.Revision{Lineage: "l", Number: 1}
	whole := change.Set{To: at, Whole: true, Edits: []change.Edit{{PAP: &change.PAP{Alias: change.DefaultPAP, Place: "V", Enabled: true}}}}
	next := change.Set{From: at, To: authz.Revision{Lineage: "l", Number: 2}, Edits: []change.Edit{
		{Ban: &change.Ban{ID: "b", PAP: change.DefaultPAP, Names: []change.Name{{Attribute: "subject", Value: "/CN=x"}}}},
	}}
	now := time.Unix(1, 0).UTC()
	for _, fr := range []frame{{Time: now, Set: &whole}, {Time: now, Set: &next}, {Time: now}} {
		require.NoError(f, writeFrame(&out, fr))
		f.Add(out.Bytes())
	}
	d := disk{log: slog.New(slog.DiscardHandler)}
	kept, confirmed, err := d.read(bytes.NewReader(out.Bytes()), int64(out.Len()))
	require.NoError(f, err)
	require.Equal(f, next.To, kept.Revision())
	require.Equal(f, now, confirmed)
	f.Add([]byte(copyFormat))
	f.Add([]byte(copyFormat + head(make([]byte, 32), 1<<62)))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := disk{log: slog.New(slog.DiscardHandler)}
		kept, _, err := d.read(bytes.NewReader(data), int64(len(data)))
		if err == nil && kept.Revision() != (authz.Revision{}) {
			require.Positive(t, d.whole)
		}
	})
}
