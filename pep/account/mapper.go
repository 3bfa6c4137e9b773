package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
	"github.com/gatehouse-authz/gatehouse/policies/profile"
)

// Config says how accounts are found.
type Config struct {
	// Directory looks accounts up; NewMapper puts the Rules before it.
	Directory Directory
	Rules     Rules
	// AccountMap and GroupMap are paths of map files; empty for none.
	AccountMap, GroupMap string
	Prefer               Preference
	// Community names the account for a credential strength ("anonymous",
	// "weak", "strong") where the account map names none.
	Community map[string]string
	// Shared lists the accounts that several people may run as at once: every
	// account that an FQAN, a community or a policy names must be here; "*"
	// stands for all.
	Shared []string
	Log    *slog.Logger     // nil discards
	Now    func() time.Time // time.Now if nil
}

// Mapper names accounts by the map files, by the strength of the credential,
// or by the name that a policy gives. It relies on verified attributes only.
type Mapper struct {
	config    Config
	directory Directory
	maps      atomic.Pointer[maps]
	looked    atomic.Int64
	mu        sync.Mutex
}

// maps are the map files as last read.
type maps struct {
	accounts, groups *index
	stamps           [2]stamp
}

type stamp struct {
	modified time.Time
	size     int64
}

var _ authz.Mapper = (*Mapper)(nil)

// NewMapper reads the map files and checks every account and group they and
// the configuration name: one that the rules forbid, and one that several
// people would share without being listed as shared, is an error. One that
// does not exist is logged and refused when it is asked for.
func NewMapper(ctx context.Context, c Config) (*Mapper, error) {
	if c.Directory == nil {
		return nil, errors.New("account mapping: no directory of accounts")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	m := &Mapper{config: c, directory: Guard(c.Directory, c.Rules)}
	for strength, name := range c.Community {
		if !slices.Contains(profile.Strengths(), strength) {
			return nil, fmt.Errorf("community accounts: %q is no credential strength: want one of %s", strength, strings.Join(profile.Strengths(), ", "))
		}
		if err := m.checkShared(name); err != nil {
			return nil, fmt.Errorf("community account for %s: %w", strength, err)
		}
		if err := m.checkUser(ctx, name); err != nil {
			return nil, fmt.Errorf("community account for %s: %w", strength, err)
		}
	}
	if err := m.load(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

// Map implements authz.Mapper.
func (m *Mapper) Map(ctx context.Context, r *authz.Request) (authz.Account, error) {
	id, err := identityOf(r)
	if err != nil {
		return authz.Account{}, err
	}
	m.refresh(ctx)
	maps := m.maps.Load()
	choice, err := choose(maps.accounts, maps.groups, id, m.config.Prefer)
	if errors.Is(err, errNoLogin) {
		return m.community(ctx, r, id)
	}
	if err != nil {
		return authz.Account{}, fmt.Errorf("%s: %w", id, err)
	}
	if strings.HasPrefix(choice.Login, ".") {
		return authz.Account{}, fmt.Errorf("%s: line %d of %s names the pool %q, and no pools are configured here", id, choice.Line, m.config.AccountMap, choice.Login)
	}
	a, err := m.directory.User(ctx, choice.Login)
	if err != nil {
		return authz.Account{}, fmt.Errorf("%s: line %d of %s: %w", id, choice.Line, m.config.AccountMap, err)
	}
	a.Source = fmt.Sprintf("%s:%d", m.config.AccountMap, choice.Line)
	a.Shared = m.shared(a.Name)
	return m.withGroups(ctx, a, choice.Groups)
}

// Named returns the account that a policy names. It must be a shared one: a
// rule can match several people.
func (m *Mapper) Named(ctx context.Context, name string) (authz.Account, error) {
	if err := m.checkShared(name); err != nil {
		return authz.Account{}, err
	}
	a, err := m.directory.User(ctx, name)
	if err != nil {
		return authz.Account{}, err
	}
	a.Source, a.Shared = "policy", true
	return a, nil
}

func (m *Mapper) community(ctx context.Context, r *authz.Request, id Identity) (authz.Account, error) {
	strength, _ := r.Verified(authz.Subject, profile.CredentialStrength)
	name, ok := m.config.Community[strength.Text()]
	if !ok {
		return authz.Account{}, fmt.Errorf("%s: %w, and there is no community account for its strength %q", id, errNoLogin, strength.Text())
	}
	a, err := m.directory.User(ctx, name)
	if err != nil {
		return authz.Account{}, fmt.Errorf("community account: %w", err)
	}
	a.Source, a.Shared = "community account for "+strength.Text(), true
	return a, nil
}

// withGroups puts the groups of the group map in place of the account's own.
func (m *Mapper) withGroups(ctx context.Context, a authz.Account, names []string) (authz.Account, error) {
	if len(names) == 0 {
		return a, nil
	}
	var groups []authz.Group
	for _, name := range names {
		g, err := m.directory.Group(ctx, name)
		if err != nil {
			return authz.Account{}, fmt.Errorf("account %s, group %s from %s: %w", a.Name, name, m.config.GroupMap, err)
		}
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	if len(groups) > MaxGroups {
		return authz.Account{}, fmt.Errorf("account %s: %d groups from %s, at most %d are allowed", a.Name, len(groups), m.config.GroupMap, MaxGroups)
	}
	a.Group, a.Groups = groups[0], groups[1:]
	return a, nil
}

// identityOf reads the verified names. Two different subjects are an error.
func identityOf(r *authz.Request) (Identity, error) {
	var id Identity
	for a, v := range r.Values(authz.Subject, profile.SubjectID) {
		d, ok := v.Data().(authz.DN)
		if a.Standing != authz.Verified || !ok {
			continue
		}
		if !id.Name.IsZero() && !id.Name.Equal(d) {
			return Identity{}, fmt.Errorf("two subjects in one request: %s and %s", id.Name, d)
		}
		id.Name = d
	}
	if v, ok := r.Verified(authz.Subject, profile.PrimaryFQAN); ok {
		id.Primary, _ = v.Data().(authz.FQAN)
	}
	for a, v := range r.Values(authz.Subject, profile.FQAN) {
		if f, ok := v.Data().(authz.FQAN); ok && a.Standing == authz.Verified {
			id.FQANs = append(id.FQANs, f)
		}
	}
	return id, nil
}

// String names the identity for messages.
func (id Identity) String() string {
	s := "an anonymous caller"
	if !id.Name.IsZero() {
		s = id.Name.Slash()
	}
	if id.Primary != (authz.FQAN{}) {
		s += " as " + id.Primary.String()
	}
	return s
}

const (
	refreshEvery = 10 * time.Second // how often the map files are looked at
	loadTimeout  = 5 * time.Minute  // for looking up every account they name
)

// refresh reads map files that changed. What cannot be used leaves the files
// before in force. It goes on to its end even if the request that happened to
// start it has no more time; the others use the files before meanwhile.
func (m *Mapper) refresh(ctx context.Context) {
	now, last := m.config.Now().UnixNano(), m.looked.Load()
	if now-last < int64(refreshEvery) && now >= last || !m.looked.CompareAndSwap(last, now) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	if err := m.load(ctx); err != nil {
		m.config.Log.Warn("the account maps are not reloaded; those before stay in force", "error", err)
	}
}

func (m *Mapper) load(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := &maps{}
	paths := [2]string{m.config.AccountMap, m.config.GroupMap}
	for i, path := range paths {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("account map: %w", err)
		}
		next.stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	if before := m.maps.Load(); before != nil && before.stamps == next.stamps {
		return nil
	}
	for i, into := range []**index{&next.accounts, &next.groups} {
		entries, err := readMapFile(paths[i])
		if err != nil {
			return err
		}
		*into = newIndex(entries)
	}
	if err := m.check(ctx, next); err != nil {
		return err
	}
	m.maps.Store(next)
	return nil
}

// readMapFile reads a map file that only root or we may be able to change. No
// path is an empty file.
func readMapFile(path string) ([]Entry, error) {
	if path == "" {
		return nil, nil
	}
	text, err := guard.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("account map: %w", err)
	}
	entries, err := ParseMapFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return entries, nil
}
