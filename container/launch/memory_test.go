package launch

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func granted(n byte, issued time.Time) Grant {
	return Grant{ID: ID{n}, Issued: issued, Expires: issued.Add(MaxLife)}
}

func openMemory(t *testing.T, path, boot string, now time.Time) *Memory {
	t.Helper()
	m, err := OpenMemory(path, boot, now)
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() }) // some tests close the file underneath
	return m
}

// ⚿ A grant works once, whatever happens to the launcher.
func TestReplaysAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants")
	m := openMemory(t, path, "boot1", noon)
	require.NoError(t, m.Use(granted(1, noon), noon))
	require.ErrorContains(t, m.Use(granted(1, noon), noon), "used before")

	// Killed: nothing is closed, the next one opens the same file.
	next := openMemory(t, path, "boot1", noon.Add(time.Second))
	require.ErrorContains(t, next.Use(granted(1, noon), noon.Add(time.Second)), "used before")
	require.NoError(t, next.Use(granted(2, noon), noon.Add(time.Second)), "one issued before the restart and not used still works")
}

func TestRebootForgetsNothingByAccident(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants")
	require.NoError(t, openMemory(t, path, "boot1", noon).Use(granted(1, noon), noon))
	m := openMemory(t, path, "boot2", noon.Add(10*time.Second))
	require.ErrorContains(t, m.Use(granted(2, noon), noon.Add(10*time.Second)), "before this launcher started")
	require.NoError(t, m.Use(granted(3, noon.Add(10*time.Second)), noon.Add(10*time.Second)))

	again := openMemory(t, path, "boot2", noon.Add(11*time.Second))
	require.ErrorContains(t, again.Use(granted(4, noon), noon.Add(11*time.Second)), "before this launcher started", "a second restart still knows")
}

func TestDamagedMemoryRefusesWhatItMayHaveForgotten(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"torn":    func(b []byte) []byte { return b[:len(b)-1] },
		"empty":   func([]byte) []byte { return nil },
		"foreign": func([]byte) []byte { return []byte("hello\nworld") },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "grants")
			require.NoError(t, openMemory(t, path, "boot1", noon).Use(granted(1, noon), noon))
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, spoil(text), 0o600))
			m := openMemory(t, path, "boot1", noon.Add(time.Second))
			require.Error(t, m.Use(granted(1, noon), noon.Add(time.Second)))
			require.Error(t, m.Use(granted(1, noon.Add(skew)), noon.Add(time.Second)), "nor one of a clock ahead")
		})
	}
}

func TestClockSetBackRevivesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants")
	m := openMemory(t, path, "boot1", noon)
	require.NoError(t, m.Use(granted(1, noon), noon))
	// Two minutes later it is forgotten …
	m = openMemory(t, path, "boot1", noon.Add(2*time.Minute))
	require.Empty(t, m.seen)
	// … and the clock goes back to where it was valid.
	require.ErrorContains(t, m.Use(granted(1, noon), noon.Add(time.Second)), "clock was set back")
}

func TestMemoryDropsTheExpired(t *testing.T) {
	path := filepath.Join(t.TempDir(), "grants")
	m := openMemory(t, path, "boot1", noon)
	for i := range memoryLimit/memoryRecord + 2 {
		g := granted(0, noon)
		binary.BigEndian.PutUint32(g.ID[8:], uint32(i))
		now := noon
		if i == memoryLimit/memoryRecord {
			now = noon.Add(MaxLife - 1)
		}
		require.NoError(t, m.Use(g, now))
	}
	require.NoError(t, m.Use(granted(9, noon.Add(MaxLife)), noon.Add(MaxLife+1)))
	m = openMemory(t, path, "boot1", noon.Add(MaxLife+1))
	require.Len(t, m.seen, 1)
	require.Less(t, m.size, int64(200))
}

func TestUnwritableMemoryRefuses(t *testing.T) {
	m := openMemory(t, filepath.Join(t.TempDir(), "grants"), "boot1", noon)
	require.NoError(t, m.file.Close())
	require.ErrorIs(t, m.Use(granted(1, noon), noon), errMemory)
	m.file = nil
	require.Error(t, m.Use(granted(2, noon), noon))
}

func FuzzMemory(f *testing.F) {
	f.Add([]byte(memoryHeader + "boot1\n0123456789abcdef"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "grants")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		m, err := OpenMemory(path, "boot1", noon)
		require.NoError(t, err)
		g := granted(1, noon.Add(time.Minute))
		if m.Use(g, noon.Add(time.Minute)) == nil {
			require.ErrorContains(t, m.Use(g, noon.Add(time.Minute)), "used before")
		}
		require.NoError(t, m.Close())
	})
}
