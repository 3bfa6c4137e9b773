package sandbox

import (
	"context"
	"errors"
	"fmt"
)

// Quota bounds what a job may leave in its session directory. A zero field
// takes its default.
type Quota struct {
	Bytes int64 // of all regular files; default 10 GiB
	Files int   // files, directories and whatever else, together; default 10,000
	Depth int   // of directories; default MaxDepth, and never more
}

// WithDefaults fills in the zero fields.
func (q Quota) WithDefaults() Quota {
	if q.Bytes <= 0 {
		q.Bytes = 10 << 30
	}
	if q.Files <= 0 {
		q.Files = MaxEntries
	}
	if q.Depth <= 0 || q.Depth > MaxDepth {
		q.Depth = MaxDepth
	}
	return q
}

// ErrQuota is behind the error of Check for a directory that holds too much.
var ErrQuota = errors.New("the sandbox holds too much")

// Check walks a session directory and returns ErrQuota with the reason as soon
// as it finds more than q allows, so that its cost is bounded by q too. A
// directory that is not there holds nothing. What changes meanwhile may be
// counted or not.
func (q Quota) Check(ctx context.Context, files Files, s Session) error {
	q = q.WithDefaults()
	w := walk{quota: q, files: files, session: s}
	return w.down(ctx, "", 1)
}

type walk struct {
	quota   Quota
	files   Files
	session Session
	bytes   int64
	seen    int
}

func (w *walk) down(ctx context.Context, dir string, depth int) error {
	if depth > w.quota.Depth {
		return fmt.Errorf("%w: directories deeper than %d", ErrQuota, w.quota.Depth)
	}
	entries, more, err := w.files.List(ctx, w.session, dir)
	switch {
	case errors.Is(err, ErrPath):
		return nil
	case errors.Is(err, ErrName):
		return fmt.Errorf("%w: a path longer than %d bytes, or with a name that cannot be shown", ErrQuota, MaxPath)
	case err != nil:
		return err
	}
	w.seen += len(entries)
	if more || w.seen > w.quota.Files {
		return fmt.Errorf("%w: more than %d files", ErrQuota, w.quota.Files)
	}
	for _, e := range entries {
		if w.bytes += e.Size; w.bytes > w.quota.Bytes {
			return fmt.Errorf("%w: more than %d bytes", ErrQuota, w.quota.Bytes)
		}
		if !e.Dir {
			continue
		}
		path := e.Name
		if dir != "" {
			path = dir + "/" + e.Name
		}
		if err := w.down(ctx, path, depth+1); err != nil {
			return err
		}
	}
	return nil
}
