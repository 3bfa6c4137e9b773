package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-authz/gatehouse/policies/change"
)

func TestReadUntil(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                     {},
		"12h":                  now.Add(12 * time.Hour),
		"30d":                  now.AddDate(0, 0, 30),
		"2w":                   now.AddDate(0, 0, 14),
		"2026-12-31":           time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC),
		"2026-12-31 18:00":     time.Date(2026, 12, 31, 18, 0, 0, 0, time.UTC),
		"2026-12-31T18:00:00Z": time.Date(2026, 12, 31, 18, 0, 0, 0, time.UTC),
	} {
		got, err := readUntil(text, now)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"soon", "0h", "-1d", "2025-01-01", "d"} {
		_, err := readUntil(text, now)
		require.Error(t, err, text)
	}
}

func TestReadLine(t *testing.T) {
	for line, want := range map[string][]change.Name{
		`/C=XX/CN=A B`:   {{Attribute: "subject", Value: "/C=XX/CN=A B"}},
		`"/C=XX/CN=A B"`: {{Attribute: "subject", Value: "/C=XX/CN=A B"}},
		`subject=CN=A B,O=x y  subject-issuer=/CN=CA`: {{Attribute: "subject", Value: "CN=A B,O=x y"}, {Attribute: "subject-issuer", Value: "/CN=CA"}},
		`vo = "a"`: {{Attribute: "vo", Value: "a"}},
	} {
		got, err := readLine(line)
		require.NoError(t, err, line)
		require.Equal(t, want, got, line)
	}
}

// Whatever a list holds, what is read of it names somebody.
func FuzzReadList(f *testing.F) {
	for _, s := range []string{"/CN=x\n# c\n\nvo=a", "vo=", "subject", "\"", "oidc-subject=1", "vo=a vo=b", strings.Repeat("x", maxLine+1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		bans, err := readList("list", strings.NewReader(s))
		if err != nil {
			require.Empty(t, bans)
			return
		}
		for _, b := range bans {
			require.NoError(t, checkNames(b.Names))
			require.NotEmpty(t, b.Names)
		}
	})
}

func TestClean(t *testing.T) {
	require.Equal(t, `a\x1b[2Jb`, clean("a\x1b[2Jb"))
	require.Equal(t, `\u{202e}x`, clean("\u202ex"))
	require.Equal(t, "Jérôme\n", clean("Jérôme\n"))
	require.Equal(t, `a\x0ab`, oneLine("a\nb"))
}
