package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Options says where and how the trail is kept.
type Options struct {
	// Path is the file, one per process. The reserve is Path + ".reserve".
	Path string
	// Reserve is the size of the reserve in bytes; one MiB if zero.
	Reserve int64
	// Remember is how many records stay in memory; 4096 if zero.
	Remember int
	Clock    func() time.Time // time.Now if nil
	Log      *slog.Logger     // for the trouble of the log itself; nil discards
}

// Log is an audit trail in a file. It is safe for concurrent use.
type Log struct {
	options Options

	mu      sync.Mutex
	trail   trail
	reserve *reserve
	folding folding
	swept   time.Time
	trouble error // why the trail was not written the last time
	recent  ring
}

var _ authz.Recorder = (*Log)(nil)

// ErrUnwritten is wrapped by Record's errors: the record is in no file.
var ErrUnwritten = errors.New("the audit trail cannot be written")

// Open opens the trail, creates and allocates the reserve, and moves what an
// earlier process left in it.
func Open(o Options) (*Log, error) {
	const defaultReserve, defaultRemember = 1 << 20, 4096
	if o.Reserve <= 0 {
		o.Reserve = defaultReserve
	}
	if o.Remember <= 0 {
		o.Remember = defaultRemember
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	l := &Log{options: o, trail: trail{path: o.Path}, recent: ring{records: make([]authz.Record, o.Remember)}}
	if err := l.trail.open(); err != nil {
		return nil, fmt.Errorf("audit trail: %w", err)
	}
	l.trail.looked, l.swept = o.Clock(), o.Clock()
	var err error
	if l.reserve, err = openReserve(o.Path+".reserve", o.Reserve); err != nil {
		l.trail.close()
		return nil, fmt.Errorf("audit reserve: %w", err)
	}
	if l.reserve.used > 0 {
		l.replay(o.Clock())
	}
	return l, nil
}

// Record implements authz.Recorder. The error of a permit means refuse.
func (l *Log) Record(_ context.Context, rec authz.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.options.Clock()
	if rec.Time.IsZero() {
		rec.Time = now
	}
	l.recent.add(rec)
	l.sweep(now, false)
	if isRefusal(rec) && !l.folding.add(rec, now) {
		return nil
	}
	return l.write(rec, now)
}

func (l *Log) write(rec authz.Record, now time.Time) error {
	text, err := line(rec)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnwritten, err)
	}
	err = l.trail.write(text, rec.Event == authz.EventChange, now)
	l.note(err)
	if err == nil {
		if l.reserve.used > 0 {
			l.replay(now)
		}
		return nil
	}
	if rec.Decision != authz.Permit.String() {
		reserveErr := l.reserve.write(text, isRefusal(rec))
		if reserveErr == nil {
			return nil
		}
		err = errors.Join(err, reserveErr)
	}
	return fmt.Errorf("%w: %w", ErrUnwritten, err)
}

// note remembers the state of the trail and logs when it changes.
func (l *Log) note(err error) {
	switch {
	case err != nil && l.trouble == nil:
		l.options.Log.Error("the audit trail cannot be written: nothing is permitted until it can", "file", l.options.Path, "error", err)
	case err == nil && l.trouble != nil:
		l.options.Log.Info("the audit trail can be written again", "file", l.options.Path)
	}
	l.trouble = err
}

// replay moves the reserve to the trail. A crash in between leaves lines
// twice, never none.
func (l *Log) replay(now time.Time) {
	content, err := l.reserve.content()
	if err == nil {
		err = l.trail.write(content, true, now)
	}
	if err == nil {
		err = l.reserve.empty()
	}
	if err != nil {
		l.options.Log.Error("the reserve of the audit trail is not moved yet", "error", err)
	}
	l.note(err)
}

// sweepEvery is how often folded records are looked through.
const sweepEvery = 5 * time.Second

// sweep writes the folded records that are due.
func (l *Log) sweep(now time.Time, all bool) {
	if age := now.Sub(l.swept); !all && age >= 0 && age < sweepEvery {
		return
	}
	l.swept = now
	for _, rec := range l.folding.due(now, all) {
		if err := l.write(rec, now); err != nil {
			l.options.Log.Error("folded refusals are lost", "peer", rec.Peer, "count", rec.Suppressed+1, "error", err)
		}
	}
}

// Run writes the folded records that are due, every few seconds, until the
// context ends.
func (l *Log) Run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.mu.Lock()
			l.sweep(l.options.Clock(), false)
			if l.trouble != nil && l.reserve.used > 0 { // look whether it is over
				l.replay(l.options.Clock())
			}
			l.mu.Unlock()
		}
	}
}

// Flush writes all folded records now.
func (l *Log) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(l.options.Clock(), true)
}

// Reopen opens the file anew, after it was renamed.
func (l *Log) Reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trail.file != nil && l.trail.isCurrent() {
		return nil
	}
	err := l.trail.open()
	l.note(err)
	return err
}

// Trouble returns why the trail could not be written the last time, nil if it
// could: while it is not nil, nothing is permitted.
func (l *Log) Trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trouble
}

// Close writes what is folded and closes the files.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(l.options.Clock(), true)
	var err error
	if l.trail.file != nil {
		err = l.trail.file.Sync()
	}
	l.trail.close()
	l.trail.path = "" // whoever records now gets an error, not a new file
	return errors.Join(err, l.reserve.file.Close())
}

// Recent returns the records in memory, the newest first, those that were
// folded or could not be written among them.
func (l *Log) Recent() []authz.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recent.newest()
}

// Find returns the records in memory with that decision id, oldest first.
func (l *Log) Find(id string) []authz.Record {
	var found []authz.Record
	recent := l.Recent()
	for i := len(recent) - 1; i >= 0; i-- {
		if recent[i].ID == id {
			found = append(found, recent[i])
		}
	}
	return found
}

// ring holds the last records.
type ring struct {
	records []authz.Record
	next, n int
}

func (r *ring) add(rec authz.Record) {
	r.records[r.next] = rec
	r.next = (r.next + 1) % len(r.records)
	r.n = min(r.n+1, len(r.records))
}

func (r *ring) newest() []authz.Record {
	all := make([]authz.Record, 0, r.n)
	for i := range r.n {
		all = append(all, r.records[(r.next-1-i+2*len(r.records))%len(r.records)])
	}
	return all
}
