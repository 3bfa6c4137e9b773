package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/gatehouse-authz/gatehouse/container/launch"
)

// Launched is Files of accounts that this process is not: each access is an
// order to gatehouse-launch, with a grant of its own.
type Launched struct {
	Granter  launch.Granter
	Launcher launch.Launcher
}

// List implements Files.
func (l *Launched) List(ctx context.Context, s Session, path string) ([]Entry, bool, error) {
	result, err := l.do(ctx, s, launch.List, path)
	if err != nil {
		return nil, false, err
	}
	entries := make([]Entry, 0, len(result.Files))
	for _, f := range result.Files[:min(len(result.Files), MaxEntries)] {
		entries = append(entries, entryOf(f))
	}
	slices.SortFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return entries, len(result.Files) > MaxEntries, nil
}

// Stat implements Files.
func (l *Launched) Stat(ctx context.Context, s Session, path string) (Entry, error) {
	result, err := l.do(ctx, s, launch.Stat, path)
	if err != nil {
		return Entry{}, err
	}
	return one(result)
}

// Open implements Files. What comes back from the other process is looked at
// again: the descriptor must be a regular file.
func (l *Launched) Open(ctx context.Context, s Session, path string) (*os.File, Entry, error) {
	result, err := l.do(ctx, s, launch.Read, path)
	if err != nil {
		return nil, Entry{}, err
	}
	entry, err := one(result)
	if result.File == nil || err != nil {
		return nil, Entry{}, errors.Join(errors.New("the launcher sent no file"), err)
	}
	info, err := result.File.Stat()
	if err != nil || !plain(info) {
		return nil, Entry{}, errors.Join(ErrPath, result.File.Close())
	}
	entry.Size, entry.Modified = info.Size(), info.ModTime().UTC()
	return result.File, entry, nil
}

// Remove implements Files.
func (l *Launched) Remove(ctx context.Context, s Session) error {
	_, err := l.do(ctx, s, launch.Remove, "")
	if errors.Is(err, ErrPath) {
		return nil
	}
	return err
}

func (l *Launched) do(ctx context.Context, s Session, operation launch.Operation, path string) (launch.Result, error) {
	if !ValidID(s.ID) {
		return launch.Result{}, ErrName
	}
	clean, err := Clean(path)
	if err != nil {
		return launch.Result{}, err
	}
	order := launch.Order{Operation: operation, Job: s.ID, Path: clean}
	grant, err := l.Granter.Grant(ctx, launch.Wish{Order: order, Account: s.Account, Revision: s.Revision, Decision: s.Decision})
	if err != nil {
		return launch.Result{}, fmt.Errorf("sandbox: grant: %w", err)
	}
	result, err := l.Launcher.Do(ctx, grant, order)
	if errors.Is(err, launch.ErrPath) || errors.Is(err, launch.ErrNoJob) {
		return launch.Result{}, ErrPath
	}
	return result, err
}

func one(result launch.Result) (Entry, error) {
	if len(result.Files) != 1 {
		return Entry{}, fmt.Errorf("the launcher described %d files: want 1", len(result.Files))
	}
	return entryOf(result.Files[0]), nil
}

func entryOf(f launch.File) Entry {
	return Entry{Name: f.Name, Dir: f.Dir, Other: f.Other, Size: f.Size, Modified: f.ModTime.UTC()}
}

var _ Files = (*Launched)(nil)
