package trust

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
)

// CRLPolicy says what to do about revocation lists.
type CRLPolicy string

// The policies. A list that is there but stale or broken refuses under both
// Require and IfPresent.
const (
	Require   CRLPolicy = "require"    // every CA below a root needs a current list; the default
	IfPresent CRLPolicy = "if-present" // a CA without a list is accepted
	Ignore    CRLPolicy = "ignore"     // lists are not looked at
)

// Options says where the certification authorities are. At least one of Dir
// and Files is needed.
type Options struct {
	Dir   string   // an IGTF trust directory
	Files []string // PEM files of CA certificates and revocation lists
	CRLs  CRLPolicy
	Log   *slog.Logger // nil discards
}

// Store is a set of certification authorities that can change while in use.
type Store struct {
	options Options
	mu      sync.Mutex // Reload, one at a time
	files   map[string]*file
	current atomic.Pointer[Anchors]
}

// Open reads the authorities. It is an error if there is none; files that
// cannot be read are logged and count as absent, which refuses.
func Open(o Options) (*Store, error) {
	switch o.CRLs {
	case "":
		o.CRLs = Require
	case Require, IfPresent, Ignore:
	default:
		return nil, fmt.Errorf("crl policy %q: want require, if-present or ignore", o.CRLs)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{options: o, files: map[string]*file{}}
	if _, err := s.Reload(); err != nil {
		return nil, fmt.Errorf("trusted CAs: %w", err)
	}
	if s.Current().Len() == 0 {
		return nil, errors.Join(fmt.Errorf("trusted CAs: no usable CA certificate in %q %v", o.Dir, o.Files), s.fileErrors())
	}
	return s, nil
}

func (s *Store) fileErrors() error {
	var all []error
	for path, f := range s.files {
		if f.err != nil {
			all = append(all, fmt.Errorf("%s: %w", path, f.err))
		}
	}
	return errors.Join(all...)
}

// Current returns the authorities in force. It never changes and is not nil;
// a later call returns another after a change.
func (s *Store) Current() *Anchors { return s.current.Load() }

// Follow reloads every so often until the context ends.
func (s *Store) Follow(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if _, err := s.Reload(); err != nil {
				s.options.Log.Error("trusted CAs are not reloaded; those in force stay", "error", err)
			}
		}
	}
}

// Reload reads the files that changed and reports whether anything did. On
// error the authorities in force stay.
func (s *Store) Reload() (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	listed, err := s.options.list()
	if err != nil {
		return false, err
	}
	files := make(map[string]*file, len(listed))
	for _, f := range listed {
		old := s.files[f.path]
		next, fresh := s.read(f, old)
		files[f.path] = next
		changed = changed || fresh || old == nil
	}
	changed = changed || len(files) != len(s.files)
	if !changed && s.current.Load() != nil {
		return false, nil
	}
	s.verifyLists(files)
	s.files = files
	s.current.Store(assemble(files, s.options.CRLs))
	return true, nil
}

// read returns the file as it is now, or as it was if now is not readable.
func (s *Store) read(f, old *file) (next *file, fresh bool) {
	var err error
	f.stamp, err = stampOf(f.path)
	if old != nil && old.stamp == f.stamp {
		return old, false
	}
	if err == nil {
		err = f.parse()
	}
	if err == nil {
		return f, true
	}
	s.options.Log.Warn("a file of trusted CAs is not taken; what it held before stays in force", "file", f.path, "error", err)
	if old == nil {
		return &file{path: f.path, base: f.base, kind: f.kind, stamp: f.stamp, err: err}, true
	}
	kept := *old
	kept.stamp, kept.err = f.stamp, err
	return &kept, true
}

// verifyLists checks each new list against the CAs, and puts back what a file
// held before if its new list is not signed by its CA or is older.
func (s *Store) verifyLists(files map[string]*file) {
	cas := map[string][]*x509.Certificate{}
	for _, f := range files {
		for _, c := range f.certs {
			if isCA(c) {
				cas[string(c.RawSubject)] = append(cas[string(c.RawSubject)], c)
			}
		}
	}
	for path, f := range files {
		old := s.files[path]
		lists := f.crls
		if f == old {
			lists = f.rejected
		}
		if len(lists) == 0 {
			continue
		}
		kept := *f
		kept.crls, kept.rejected, kept.err = lists, nil, nil
		if err := acceptable(lists, old, cas); err != nil {
			if f != old {
				s.options.Log.Warn("a revocation list is not taken; the one before stays in force", "file", path, "error", err)
			}
			kept.crls, kept.rejected, kept.err = nil, lists, err
			if old != nil {
				kept.crls = old.crls
			}
		}
		files[path] = &kept
	}
}

// acceptable checks new lists of a file: signed by a CA that is here, and not
// older than what is in force.
func acceptable(lists []*crl, old *file, cas map[string][]*x509.Certificate) error {
	if err := verifyAll(lists, cas); err != nil {
		return err
	}
	if old != nil && len(old.crls) == 1 && lists[0].thisUpdate.Before(old.crls[0].thisUpdate) && verifyAll(old.crls, cas) == nil {
		return fmt.Errorf("a list of %s, older than the one in force", lists[0].thisUpdate.Format(time.RFC3339))
	}
	return nil
}

func verifyAll(lists []*crl, cas map[string][]*x509.Certificate) error {
	for _, list := range lists {
		err := fmt.Errorf("no CA %s here", name.Text(list.issuer))
		for _, ca := range cas[string(list.issuer)] {
			if err = list.signedBy(ca); err == nil {
				break
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
