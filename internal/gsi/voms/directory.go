package voms

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/follow"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
)

// Options says which VOMS servers are believed, and who we are.
type Options struct {
	Dir string // the VOMS directory, see the package comment
	// Hosts are our own names: attribute certificates that are aimed at
	// other hosts do not count here.
	Hosts []string
	Log   *slog.Logger // nil discards
}

// Directory is a VOMS directory that can change while in use.
type Directory struct {
	options Options
	mu      sync.Mutex // Reload, one at a time
	files   files
	current atomic.Pointer[Servers]
}

type files = follow.Files[lsc]

// Servers are the VOMS servers believed at one moment. It is immutable, so its
// address tells one state from the next.
type Servers struct {
	known map[string]map[string]lsc // by VO, by lower-case host
	hosts map[string]bool
	// troubles are files whose newest content is not in force.
	troubles []follow.Trouble
}

// Open reads the directory. It may be empty: then no attribute certificate
// counts. A file that cannot be read is logged and counts as absent.
func Open(o Options) (*Directory, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Directory{options: o}
	if _, err := d.Reload(); err != nil {
		return nil, err
	}
	return d, nil
}

// Current returns the servers in force. It is not nil; a later call returns
// another after a change.
func (d *Directory) Current() *Servers { return d.current.Load() }

// Follow reloads every so often until the context ends.
func (d *Directory) Follow(ctx context.Context, every time.Duration) {
	follow.Loop(ctx, every, d.Reload, d.options.Log.With(slog.String("what", "VOMS directory")))
}

// Reload reads the files that changed and reports whether anything did. A new
// file that cannot be used leaves what it held before in force; a file that is
// gone no longer counts. On error everything stays as it was.
func (d *Directory) Reload() (changed bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	paths, err := find(d.options.Dir)
	if err != nil {
		return false, fmt.Errorf("VOMS directory: %w", err)
	}
	after, changed := d.files.Refresh(paths, readLSC)
	if !changed && d.current.Load() != nil {
		return false, nil
	}
	d.files.Report(after, d.options.Log)
	d.files = after
	d.current.Store(assemble(after, d.options.Hosts))
	return true, nil
}

const extension = ".lsc"

// find returns the paths of the LSC files, each in the directory of a VO.
func find(dir string) ([]string, error) {
	if err := guard.Dir(dir); err != nil {
		return nil, err
	}
	vos, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, vo := range vos {
		entries, err := os.ReadDir(filepath.Join(dir, vo.Name()))
		if err != nil {
			if info, statErr := os.Stat(filepath.Join(dir, vo.Name())); errors.Is(statErr, fs.ErrNotExist) || statErr == nil && !info.IsDir() {
				continue // a certificate of old, or a dangling link
			}
			return nil, err
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), extension) {
				paths = append(paths, filepath.Join(dir, vo.Name(), e.Name()))
			}
		}
	}
	return paths, nil
}

func readLSC(path string) (lsc, error) {
	text, err := guard.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseLSC(string(text))
}

func assemble(all files, hosts []string) *Servers {
	s := &Servers{known: map[string]map[string]lsc{}, hosts: map[string]bool{}, troubles: all.Troubles()}
	for path, f := range all {
		if !f.Known {
			continue
		}
		vo, host := filepath.Base(filepath.Dir(path)), strings.ToLower(strings.TrimSuffix(filepath.Base(path), extension))
		if s.known[vo] == nil {
			s.known[vo] = map[string]lsc{}
		}
		s.known[vo][host] = f.Content
	}
	for _, h := range hosts {
		s.hosts[strings.ToLower(h)] = true
	}
	return s
}

// VOs returns how many virtual organizations have a server here.
func (s *Servers) VOs() int { return len(s.known) }

// Troubles returns the files whose newest content is not in force, by path.
func (s *Servers) Troubles() []follow.Trouble { return s.troubles }
