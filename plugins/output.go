package plugins

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What a plug-in may write to its standard output and error together.
const (
	outputRate  = 256 << 10 // bytes a second
	outputBurst = 1 << 20
	linesRate   = 10 // lines a second that reach our log
	linesBurst  = 50
	maxLine     = 512
)

var errFlood = errors.New("it floods its output")

// output carries what a plug-in writes to our log, line by line, clipped and
// thinned out, and ends a plug-in that floods it.
type output struct {
	log   *slog.Logger
	bytes *rate.Limiter
	lines *rate.Limiter
	flood func(error)

	mu      sync.Mutex
	dropped int
}

func newOutput(log *slog.Logger, flood func(error)) *output {
	return &output{
		log: log, flood: flood,
		bytes: rate.NewLimiter(outputRate, outputBurst), lines: rate.NewLimiter(linesRate, linesBurst),
	}
}

func (o *output) spend(n int) {
	if !o.bytes.AllowN(time.Now(), n) {
		o.flood(errFlood)
	}
}

func (o *output) line(text []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.lines.Allow() {
		o.dropped++
		return
	}
	attributes := []slog.Attr{slog.String("line", string(text))}
	if o.dropped > 0 {
		attributes = append(attributes, slog.Int("dropped_before", o.dropped))
		o.dropped = 0
	}
	o.log.LogAttrs(context.Background(), slog.LevelInfo, "plug-in writes", attributes...)
}

// stream is one of the ways on which output arrives. The raw pipes are metered
// where they are read, what comes over gRPC here.
type stream struct {
	to      *output
	meter   bool
	mu      sync.Mutex
	pending []byte
}

// Write takes some output; it never fails.
func (s *stream) Write(b []byte) (int, error) {
	if s.meter {
		s.to.spend(len(b))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for rest := b; ; {
		line, after, ended := bytes.Cut(rest, []byte{'\n'})
		s.pending = append(s.pending, line[:min(len(line), maxLine-len(s.pending))]...)
		if !ended {
			return len(b), nil
		}
		if len(s.pending) > 0 {
			s.to.line(s.pending)
		}
		s.pending, rest = s.pending[:0], after
	}
}
