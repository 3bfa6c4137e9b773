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

	"github.com/gatehouse-authz/gatehouse/internal/gsi/follow"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/name"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/weak"
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
	// Accept lets in what is no longer safe; see package weak.
	Accept weak.Switches
	Log    *slog.Logger // nil discards
}

// Store is a set of certification authorities that can change while in use.
type Store struct {
	options Options
	mu      sync.Mutex // Reload, one at a time
	files   files
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
	s := &Store{options: o}
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
	for _, t := range s.Current().Troubles() {
		all = append(all, fmt.Errorf("%s: %w", t.Path, t.Err))
	}
	return errors.Join(all...)
}

// Accepts returns what is let in though it is no longer safe.
func (s *Store) Accepts() weak.Switches { return s.options.Accept }

// KeysOf is that of the authorities in force.
func (s *Store) KeysOf(banKey string) []string { return s.Current().KeysOf(banKey) }

// Current returns the authorities in force. It never changes and is not nil;
// a later call returns another after a change.
func (s *Store) Current() *Anchors { return s.current.Load() }

// Follow reloads every so often until the context ends.
func (s *Store) Follow(ctx context.Context, every time.Duration) {
	follow.Loop(ctx, every, s.Reload, s.options.Log.With(slog.String("what", "trusted CAs")))
}

// Reload reads the files that changed and reports whether anything did. On
// error the authorities in force stay.
func (s *Store) Reload() (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	paths, err := s.options.list()
	if err != nil {
		return false, err
	}
	after, changed := s.files.Refresh(paths, s.options.read)
	if !changed && s.current.Load() != nil {
		return false, nil
	}
	s.options.verifyLists(s.files, after)
	s.files.Report(after, s.options.Log)
	s.files = after
	s.current.Store(s.options.assemble(after))
	return true, nil
}

// verifyLists checks each new list against the CAs, and puts back what a file
// held before if its new list is not signed by its CA or is older.
func (o *Options) verifyLists(before, after files) {
	cas := map[string][]*x509.Certificate{}
	for _, f := range after {
		for _, c := range f.Content.certs {
			if isCA(c) {
				cas[string(c.RawSubject)] = append(cas[string(c.RawSubject)], c)
			}
		}
	}
	for path, f := range after {
		old := before[path]
		lists := f.Content.crls
		if f == old || f.Err != nil {
			lists = f.Content.rejected
		}
		if len(lists) == 0 {
			continue
		}
		next := *f
		next.Content.crls, next.Content.rejected = lists, nil
		next.Err, next.Known = nil, true
		if err := o.acceptable(lists, old, cas); err != nil {
			if f == old {
				continue // still
			}
			next.Content.crls, next.Content.rejected, next.Err, next.Known = nil, lists, err, false
			if old != nil {
				next.Content.crls, next.Known = old.Content.crls, old.Known
			}
		}
		after[path] = &next
	}
}

// acceptable checks new lists of a file: signed by a CA that is here, and not
// older than what is in force of the same CA.
func (o *Options) acceptable(lists []*crl, old *file, cas map[string][]*x509.Certificate) error {
	for _, list := range lists {
		ca, err := o.signer(list, cas)
		if err != nil {
			return err
		}
		if old == nil {
			continue
		}
		for _, before := range old.Content.crls {
			if list.thisUpdate.Before(before.thisUpdate) && before.signedBy(ca, o.Accept) == nil {
				return fmt.Errorf("a list of %s, older than the one in force", list.thisUpdate.Format(time.RFC3339))
			}
		}
	}
	return nil
}

func (o *Options) signer(list *crl, cas map[string][]*x509.Certificate) (ca *x509.Certificate, err error) {
	err = fmt.Errorf("no CA %s here", name.Text(list.issuer))
	for _, ca = range cas[string(list.issuer)] {
		if err = list.signedBy(ca, o.Accept); err == nil {
			return ca, nil
		}
	}
	return nil, err
}
