package authnprofile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/follow"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
)

// DefaultPattern finds the profiles in a trust directory.
const DefaultPattern = "policy-*.info"

// Options says where profiles and policy are.
type Options struct {
	Dir     string       // the trust directory
	Pattern string       // of the file names of profiles; DefaultPattern if empty
	Policy  string       // path of the vo-ca-ap file; every profile is accepted if empty
	Log     *slog.Logger // nil discards
}

// Directory is profiles and policy that can change while in use.
type Directory struct {
	options Options
	mu      sync.Mutex // Reload, one at a time
	files   files
	current atomic.Pointer[Profiles]
	trouble atomic.Pointer[[]follow.Trouble]
}

// content is a profile, or the policy.
type content struct {
	profile Profile
	policy  Policy
}

type files = follow.Files[content]

// Profiles are the profiles and the policy at one moment. It is immutable.
type Profiles struct {
	aliases  map[string]bool
	of       map[string][]string // aliases, sorted, by the key of a CA's name
	accepted map[string][]string // aliases by key of the policy, in its order; nil accepts all
}

// Open reads the profiles, of which there may be none, and the policy. It is an
// error if the policy cannot be read or names a profile that cannot.
func Open(o Options) (*Directory, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Pattern == "" {
		o.Pattern = DefaultPattern
	}
	if _, err := filepath.Match(o.Pattern, ""); err != nil || strings.ContainsRune(o.Pattern, filepath.Separator) {
		return nil, fmt.Errorf("authentication profiles: %q is no pattern of file names", o.Pattern)
	}
	d := &Directory{options: o}
	if _, err := d.Reload(); err != nil {
		return nil, err
	}
	return d, nil
}

// Current returns what is in force. It is not nil; a later call returns another
// after a change.
func (d *Directory) Current() *Profiles { return d.current.Load() }

// Follow reloads every so often until the context ends.
func (d *Directory) Follow(ctx context.Context, every time.Duration) {
	follow.Loop(ctx, every, d.Reload, d.options.Log.With(slog.String("what", "authentication profiles")))
}

// Troubles returns the files whose newest content is not in force.
func (d *Directory) Troubles() []follow.Trouble {
	if all := d.trouble.Load(); all != nil {
		return *all
	}
	return nil
}

// Reload reads the files that changed and reports whether anything did. On
// error what is in force stays.
func (d *Directory) Reload() (changed bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	paths, err := d.list()
	if err != nil {
		return false, fmt.Errorf("authentication profiles: %w", err)
	}
	after, changed := d.files.Refresh(paths, d.read)
	if !changed && d.current.Load() != nil {
		return false, nil
	}
	d.files.Report(after, d.options.Log)
	d.files = after
	next, err := d.assemble(after)
	troubles := after.Troubles()
	if err != nil {
		troubles = append(troubles, follow.Trouble{Path: d.options.Policy, Err: err, Kept: d.current.Load() != nil})
	}
	d.trouble.Store(&troubles)
	if err != nil {
		return false, fmt.Errorf("authentication profiles: %w", err)
	}
	d.current.Store(next)
	return true, nil
}

func (d *Directory) list() ([]string, error) {
	if err := guard.Dir(d.options.Dir); err != nil {
		return nil, err
	}
	all, err := os.ReadDir(d.options.Dir)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range all {
		if ok, _ := filepath.Match(d.options.Pattern, e.Name()); ok && !e.IsDir() && strings.HasSuffix(e.Name(), extension) {
			paths = append(paths, filepath.Join(d.options.Dir, e.Name()))
		}
	}
	if d.options.Policy != "" {
		paths = append(paths, d.options.Policy)
	}
	return paths, nil
}

const extension = ".info"

func (d *Directory) read(path string) (c content, err error) {
	text, err := guard.ReadFile(path)
	if err != nil {
		return c, err
	}
	if path == d.options.Policy {
		c.policy, err = ParsePolicy(string(text))
		return c, err
	}
	c.profile, err = ParseProfile(string(text))
	if want := strings.TrimSuffix(filepath.Base(path), extension); err == nil && c.profile.Alias != want {
		err = fmt.Errorf("its alias is %q: want %q, as the file is called", c.profile.Alias, want)
	}
	return c, err
}

func (d *Directory) assemble(all files) (*Profiles, error) {
	p := &Profiles{aliases: map[string]bool{}, of: map[string][]string{}}
	for path, f := range all {
		if f.Known && path != d.options.Policy {
			p.add(f.Content.profile)
		}
	}
	for _, aliases := range p.of {
		slices.Sort(aliases)
	}
	if d.options.Policy == "" {
		return p, nil
	}
	f := all[d.options.Policy]
	if !f.Known {
		return nil, fmt.Errorf("%s: %w", f.Path, f.Err)
	}
	p.accepted = map[string][]string{}
	var missing []error
	for key, names := range f.Content.policy {
		for _, name := range names {
			alias := strings.TrimSuffix(name, extension)
			if !p.aliases[alias] {
				missing = append(missing, fmt.Errorf("%s names the profile %s for %s, which is not in %s or cannot be read", d.options.Policy, name, key, d.options.Dir))
			}
			p.accepted[key] = append(p.accepted[key], alias)
		}
	}
	return p, errors.Join(missing...)
}

func (p *Profiles) add(one Profile) {
	p.aliases[one.Alias] = true
	for _, ca := range one.Issuers {
		if key := ca.Key(); !slices.Contains(p.of[key], one.Alias) {
			p.of[key] = append(p.of[key], one.Alias)
		}
	}
}

// Len returns how many profiles there are.
func (p *Profiles) Len() int { return len(p.aliases) }

// Gates reports whether there is a policy, so that people may be refused.
func (p *Profiles) Gates() bool { return p.accepted != nil }

// Of returns the profiles of a CA, by name.
func (p *Profiles) Of(ca authz.DN) []string { return p.of[ca.Key()] }

// Accepted returns the first profile of the policy that is accepted for a
// virtual organization, "" being none, and lists the CA. Without a policy
// nothing is accepted.
func (p *Profiles) Accepted(ca authz.DN, vo string) (alias string, ok bool) {
	of := p.Of(ca)
	for _, alias := range p.acceptedFor(vo) {
		if slices.Contains(of, alias) {
			return alias, true
		}
	}
	return "", false
}

func (p *Profiles) acceptedFor(vo string) []string {
	if vo == "" {
		return p.accepted[noVO]
	}
	if own, ok := p.accepted["/"+vo]; ok {
		return own
	}
	return p.accepted[anyVO]
}
