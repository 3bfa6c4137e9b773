package audit_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/audit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type setting struct {
	path string
	now  time.Time
	mu   sync.Mutex
	log  *audit.Log
}

func (s *setting) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *setting) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func newSetting(t *testing.T) *setting {
	t.Helper()
	s := &setting{path: filepath.Join(t.TempDir(), "audit.jsonl"), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	s.open(t)
	return s
}

func (s *setting) open(t *testing.T) {
	t.Helper()
	var err error
	s.log, err = audit.Open(audit.Options{Path: s.path, Clock: s.clock, Reserve: 4096, Remember: 8})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.log.Close() })
}

func (s *setting) record(t *testing.T, rec authz.Record) {
	t.Helper()
	require.NoError(t, s.log.Record(t.Context(), rec))
}

// read returns the records of a file; every line must be one.
func read(t testing.TB, path string) []authz.Record {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var all []authz.Record
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var rec authz.Record
		require.NoError(t, json.Unmarshal(s.Bytes(), &rec), s.Text())
		all = append(all, rec)
	}
	require.NoError(t, s.Err())
	return all
}

func ids(records []authz.Record) (all []string) {
	for _, r := range records {
		all = append(all, r.ID)
	}
	return all
}

func permit(id string) authz.Record {
	return authz.Record{Event: authz.EventDecision, ID: id, Peer: "192.0.2.1:1", Subject: "/CN=ann", Decision: "Permit"}
}

func denial(id, peer string) authz.Record {
	return authz.Record{Event: authz.EventDecision, ID: id, Peer: peer, Subject: "/CN=eve", Decision: "Deny", Reason: &authz.Reason{Policy: "p", Rule: "r"}}
}

func change(id string) authz.Record {
	return authz.Record{Event: authz.EventChange, ID: id, Decision: "done", Message: "ban"}
}

func TestOneLinePerRecord(t *testing.T) {
	s := newSetting(t)
	full := authz.Record{
		Time: s.now, Event: authz.EventDecision, ID: "1", Process: "pep", Peer: "192.0.2.1:1", Subject: "/CN=ann", Issuer: "/CN=CA", Strength: "strong",
		Action: "submit", Resource: "ce", Owner: "o", Decision: "Permit", Reason: &authz.Reason{Policy: "p", Rule: "r", Position: "f:1:2"},
		Revision: authz.Revision{Lineage: "l", Number: 7}, Account: "ann", Limits: "cpu 60s", Duration: time.Millisecond,
	}
	s.record(t, full)
	s.record(t, change("2"))
	records := read(t, s.path)
	require.Len(t, records, 2)
	require.Equal(t, full, records[0])
	require.Equal(t, s.now, records[1].Time, "the clock's, if none is given")
}

// ⚿ No text can forge, split or hide a line (threats 132).
func TestNothingForgesALine(t *testing.T) {
	s := newSetting(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Just("x\"}\n{\"decision\":\"Permit\"}"), rapid.Just("\x00\x1b[2K\r\u2028"), rapid.Just("\xff\xfe"), rapid.Just(strings.Repeat("é", 100000))).Draw(t, "text")
		require.NoError(t, s.log.Record(context.Background(), authz.Record{Event: authz.EventDecision, Decision: "Permit", Subject: text, Cause: text, Message: text}))
		n++
	})
	require.Len(t, read(t, s.path), n)
	raw, err := os.ReadFile(s.path)
	require.NoError(t, err)
	require.False(t, strings.ContainsFunc(string(raw), func(r rune) bool { return r < 0x20 && r != '\n' }), "no control character is left")
}

// ⚿ Without a trail nothing is permitted; what takes rights away goes on, and
// is in the trail when it can be written again (DECISIONS 30, threats 131).
func TestTrailCannotBeWritten(t *testing.T) {
	s := newSetting(t)
	s.record(t, permit("before"))
	away := s.path + ".away"
	require.NoError(t, os.Rename(s.path, away))
	require.NoError(t, os.Mkdir(s.path, 0o755)) // what cannot be opened
	s.pass(2 * time.Second)

	require.ErrorIs(t, s.log.Record(t.Context(), permit("lost")), audit.ErrUnwritten)
	require.Error(t, s.log.Trouble())
	s.record(t, change("ban"))
	s.record(t, denial("denied", "192.0.2.1:1"))
	s.record(t, authz.Record{Event: authz.EventJob, ID: "cancel"})
	require.ErrorIs(t, s.log.Record(t.Context(), permit("lost, too")), audit.ErrUnwritten)

	require.NoError(t, os.Remove(s.path))
	s.pass(2 * time.Second)
	s.record(t, permit("after"))
	require.NoError(t, s.log.Trouble())
	require.Equal(t, []string{"before"}, ids(read(t, away)))
	require.Equal(t, []string{"after", "ban", "denied", "cancel"}, ids(read(t, s.path)))
	s.record(t, permit("last"))
	require.Len(t, read(t, s.path), 5, "the reserve is moved once")
}

// ⚿ A full disk, for real: a file system of a few pages.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a small file system here: %s", out)
	}
	defer func() { _ = exec.Command("umount", "-l", dir).Run() }()
	s := &setting{path: filepath.Join(dir, "audit.jsonl"), now: time.Now()}
	s.open(t)
	defer s.log.Close()
	filler, err := os.Create(filepath.Join(dir, "filler"))
	require.NoError(t, err)
	for err == nil {
		_, err = filler.Write(make([]byte, 512))
	}
	require.NoError(t, filler.Close())
	written := 0
	for s.log.Record(t.Context(), permit("x")) == nil {
		written++
		require.Less(t, written, 1000, "the disk must fill")
	}
	s.record(t, change("ban"))
	require.Len(t, read(t, s.path), written, "no half line is left")
	require.NoError(t, os.Remove(filler.Name()))
	s.record(t, permit("after"))
	records := read(t, s.path)
	require.Equal(t, "ban", records[len(records)-1].ID)
}

// What is in the reserve survives the process.
func TestReserveSurvives(t *testing.T) {
	s := newSetting(t)
	require.NoError(t, os.Remove(s.path))
	require.NoError(t, os.Mkdir(s.path, 0o755))
	s.pass(2 * time.Second)
	s.record(t, change("ban"))
	require.NoError(t, s.log.Close())
	require.NoError(t, os.Remove(s.path))
	s.open(t)
	require.Equal(t, []string{"ban"}, ids(read(t, s.path)))
}

// ⚿ Strangers cannot fill the room that bans need.
func TestReserveKeepsRoomForChanges(t *testing.T) {
	s := newSetting(t)
	require.NoError(t, os.Remove(s.path))
	require.NoError(t, os.Mkdir(s.path, 0o755))
	s.pass(2 * time.Second)
	var err error
	for i := 0; err == nil; i++ {
		require.Less(t, i, 1000)
		err = s.log.Record(t.Context(), denial("x", fmt.Sprintf("192.0.2.%d:1", i)))
	}
	require.ErrorIs(t, err, audit.ErrUnwritten)
	s.record(t, change("ban"))
}

func TestRotation(t *testing.T) {
	s := newSetting(t)
	s.record(t, permit("1"))
	require.NoError(t, os.Rename(s.path, s.path+".1"))
	require.NoError(t, s.log.Reopen())
	s.record(t, permit("2"))
	require.NoError(t, os.Rename(s.path, s.path+".2"))
	s.pass(2 * time.Second)
	s.record(t, permit("3"))
	require.Equal(t, []string{"1"}, ids(read(t, s.path+".1")))
	require.Equal(t, []string{"2"}, ids(read(t, s.path+".2")))
	require.Equal(t, []string{"3"}, ids(read(t, s.path)))
	require.NoError(t, s.log.Reopen(), "nothing to do")
}

// A crash in the middle of a line costs that line and no other.
func TestTornLine(t *testing.T) {
	s := newSetting(t)
	s.record(t, permit("1"))
	require.NoError(t, s.log.Close())
	f, err := os.OpenFile(s.path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"time":"2026`)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	s.open(t)
	s.record(t, permit("2"))
	raw, err := os.ReadFile(s.path)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	require.Len(t, lines, 3)
	require.Contains(t, lines[2], `"id":"2"`)
}

func TestUnsafeAndShared(t *testing.T) {
	s := newSetting(t)
	_, err := audit.Open(audit.Options{Path: s.path})
	require.ErrorContains(t, err, "another process")
	require.NoError(t, s.log.Close())
	require.ErrorIs(t, s.log.Record(t.Context(), permit("late")), audit.ErrUnwritten)
	require.NoError(t, os.Chmod(s.path, 0o666))
	_, err = audit.Open(audit.Options{Path: s.path})
	require.ErrorContains(t, err, "others can write")
	_, err = audit.Open(audit.Options{Path: filepath.Join(s.path, "x")})
	require.Error(t, err)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink("/dev/null", link))
	_, err = audit.Open(audit.Options{Path: link})
	require.Error(t, err, "⚿ a link planted in its place")
}

// Refusals are folded: the first, the count, the last (DECISIONS 31).
func TestRepeatedRefusals(t *testing.T) {
	s := newSetting(t)
	for i := range 100 {
		s.record(t, denial(fmt.Sprint(i), fmt.Sprintf("192.0.2.1:%d", i)))
	}
	s.record(t, denial("other", "192.0.2.2:1"))
	s.record(t, permit("permit"))
	s.record(t, permit("permit"))
	require.Equal(t, []string{"0", "other", "permit", "permit"}, ids(read(t, s.path)), "permits are never folded")
	require.Equal(t, "99", s.log.Find("99")[0].ID+"", "memory has what the file folds") // within the ring of 8
	s.pass(2 * time.Minute)
	s.record(t, denial("new", "192.0.2.1:1"))
	records := read(t, s.path)
	require.Equal(t, []string{"0", "other", "permit", "permit", "99", "new"}, ids(records))
	require.Equal(t, 98, records[4].Suppressed)
	s.record(t, denial("again", "192.0.2.1:1"))
	require.NoError(t, s.log.Close())
	require.Equal(t, "again", ids(read(t, s.path))[6], "closing loses nothing")
}

// ⚿ A flood of different refusals costs bounded space (threats 129, 130).
func TestFlood(t *testing.T) {
	s := newSetting(t)
	for i := range 5000 {
		rec := denial(fmt.Sprint(i), "192.0.2.1:1")
		rec.Subject = fmt.Sprintf("/CN=%d", i)
		s.record(t, rec)
	}
	require.Len(t, read(t, s.path), 64)
	s.log.Flush()
	records := read(t, s.path)
	require.Len(t, records, 65)
	require.Equal(t, 5000-64-1, records[64].Suppressed)
	for i := range 6000 {
		s.record(t, denial("x", fmt.Sprintf("10.0.%d.%d:1", i/256, i%256)))
	}
	require.Less(t, len(read(t, s.path)), 65+4096+2)
}

func TestRecent(t *testing.T) {
	s := newSetting(t)
	require.Empty(t, s.log.Recent())
	for i := range 20 {
		s.record(t, permit(fmt.Sprint(i)))
	}
	require.Equal(t, []string{"19", "18", "17", "16", "15", "14", "13", "12"}, ids(s.log.Recent()))
	s.record(t, authz.Record{Event: authz.EventJob, ID: "19"})
	require.Len(t, s.log.Find("19"), 2)
	require.Equal(t, authz.EventDecision, s.log.Find("19")[0].Event, "the oldest first")
	require.Empty(t, s.log.Find("0"))
}

func TestRunAndManyWriters(t *testing.T) {
	s := newSetting(t)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { s.log.Run(ctx) })
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 100 {
				if err := s.log.Record(ctx, permit("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	cancel()
	group.Wait()
	require.Len(t, read(t, s.path), 800)
}

func BenchmarkRecord(b *testing.B) {
	l, err := audit.Open(audit.Options{Path: filepath.Join(b.TempDir(), "audit.jsonl")})
	require.NoError(b, err)
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Record(b.Context(), permit("x")); err != nil {
			b.Fatal(err)
		}
	}
}
