// Package follow reads files that decide about access, and reads them again
// when they change: the files of a trust directory, of a VOMS directory, of
// authentication profiles.
//
// A new content that cannot be used leaves the one before in force, with the
// reason beside it; a file that is gone is forgotten. Whether a file changed is
// told by its size, time, mode, owner and place on the disk, without reading it.
package follow

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// File is one file with the last content that could be used. It is immutable.
type File[T any] struct {
	Path    string
	Content T    // the zero value unless Known
	Known   bool // some content could be used once
	// Err says why the newest content is not in force; nil if it is.
	Err   error
	stamp stamp
}

// Files are files by path.
type Files[T any] map[string]*File[T]

// stamp tells one state of a file from the next without reading it. What makes
// a file safe or unsafe to believe is part of it.
type stamp struct {
	size     int64
	modified time.Time
	mode     fs.FileMode
	inode    uint64
	device   uint64
	owner    uint32
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	s := stamp{size: info.Size(), modified: info.ModTime(), mode: info.Mode()}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode, s.device, s.owner = sys.Ino, uint64(sys.Dev), sys.Uid //nolint:unconvert // narrower on some systems
	}
	return s, nil
}

// Refresh returns the files at the paths and whether any is not what it was:
// those that did not change are the same pointers as before, the others are
// read. It does not touch the files of before.
func (before Files[T]) Refresh(paths []string, read func(path string) (T, error)) (after Files[T], changed bool) {
	after = make(Files[T], len(paths))
	for _, path := range paths {
		old := before[path]
		after[path] = refresh(path, old, read)
		changed = changed || after[path] != old
	}
	return after, changed || len(after) != len(before)
}

// refresh looks at the stamp before it reads: of a file that changes meanwhile
// the next look will tell. What the system would not let us read is tried again
// each time.
func refresh[T any](path string, old *File[T], read func(path string) (T, error)) *File[T] {
	stamp, err := stampOf(path)
	if old != nil && old.stamp == stamp && !errors.As(old.Err, new(*fs.PathError)) {
		return old
	}
	next := &File[T]{Path: path, stamp: stamp, Known: true}
	if err == nil {
		next.Content, err = read(path)
	}
	if err == nil {
		return next
	}
	if old == nil {
		return &File[T]{Path: path, stamp: stamp, Err: err}
	}
	if old.stamp == stamp && old.Err.Error() == err.Error() {
		return old // still
	}
	return &File[T]{Path: path, stamp: stamp, Err: err, Content: old.Content, Known: old.Known}
}

// Trouble is a file whose newest content is not in force.
type Trouble struct {
	Path string
	Err  error
	// Kept is set if what the file held before is in force in its place.
	Kept bool
}

// Troubles returns the files whose newest content is not in force, by path.
func (before Files[T]) Troubles() []Trouble {
	var all []Trouble
	for path, f := range before {
		if f.Err != nil {
			all = append(all, Trouble{path, f.Err, f.Known})
		}
	}
	slices.SortFunc(all, func(a, b Trouble) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// Report logs the troubles that are new since before.
func (before Files[T]) Report(after Files[T], log *slog.Logger) {
	for _, t := range after.Troubles() {
		if after[t.Path] == before[t.Path] {
			continue
		}
		state := "it counts as absent"
		if t.Kept {
			state = "what it held before stays in force"
		}
		log.Warn("a file is not taken; "+state, slog.String("file", t.Path), slog.Any("error", t.Err))
	}
}

// Loop reloads every so often until the context ends. What a reload returns as
// error is logged; that it leaves everything as it was is the reload's part.
func Loop(ctx context.Context, every time.Duration, reload func() (bool, error), log *slog.Logger) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := reload(); err != nil {
				log.Error("files are not reloaded; what is in force stays", slog.Any("error", err))
			}
		}
	}
}
