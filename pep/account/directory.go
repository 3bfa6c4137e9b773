package account

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Directory looks up accounts and groups of this machine by name. Safe for
// concurrent use.
type Directory interface {
	// User returns the account with its groups; ErrUnknown if there is none.
	User(ctx context.Context, name string) (authz.Account, error)
	// Group returns the group; ErrUnknown if there is none.
	Group(ctx context.Context, name string) (authz.Group, error)
}

// Lister is the optional ability of a Directory to name its accounts. Some
// cannot: SSSD and LDAP often list nobody.
type Lister interface {
	Names(ctx context.Context) ([]string, error)
}

// Names lists the accounts of a directory, or says that it cannot.
func Names(ctx context.Context, d Directory) ([]string, error) {
	l, ok := d.(Lister)
	if !ok {
		return nil, errors.New("this directory does not list its accounts")
	}
	return l.Names(ctx)
}

// ErrUnknown is wrapped when a directory has no such account or group.
var ErrUnknown = errors.New("there is no such account or group")

// ErrForbidden is wrapped when the rules forbid an account or group.
var ErrForbidden = errors.New("not an account or group to map to")

// namePattern is what a name may look like. A number is none: getent would
// take it for a uid.
var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9._-]{0,63}$`)

func checkName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%w: %q is no account name", ErrForbidden, name)
	}
	return nil
}

// Rules say which accounts are never given away.
type Rules struct {
	Floor  uint32   // least uid; DefaultFloor if zero
	Groups []string // privileged groups; DefaultPrivileged if nil
}

// DefaultFloor is the least uid of people on today's systems.
const DefaultFloor = 1000

// MaxGroups bounds the groups of an account.
const MaxGroups = 64

// DefaultPrivileged returns the groups whose members are, or can become, root.
// The group with number 0 always counts.
func DefaultPrivileged() []string {
	return []string{"root", "wheel", "sudo", "admin", "adm", "disk", "shadow", "kmem", "docker", "podman", "lxd", "incus", "libvirt", "kvm", "systemd-journal", "utmp", "staff"}
}

// Guard returns a directory that knows only what the rules allow. Every look
// is checked, so an account that becomes privileged is refused from then on.
func Guard(d Directory, rules Rules) Directory {
	if rules.Floor == 0 {
		rules.Floor = DefaultFloor
	}
	if rules.Groups == nil {
		rules.Groups = DefaultPrivileged()
	}
	return &guarded{d, rules}
}

type guarded struct {
	directory Directory
	rules     Rules
}

// The numbers that mean "leave it as it is" to the system calls that set ids,
// in 32 and in 16 bits.
const (
	noID      = ^uint32(0)
	noShortID = uint32(^uint16(0))
)

// User implements Directory.
func (g *guarded) User(ctx context.Context, name string) (authz.Account, error) {
	if err := checkName(name); err != nil {
		return authz.Account{}, err
	}
	a, err := g.directory.User(ctx, name)
	switch {
	case err != nil:
		return authz.Account{}, err
	case a.Name != name:
		return authz.Account{}, fmt.Errorf("%w: asked for %q, found %q", ErrForbidden, name, a.Name)
	case a.UID < g.rules.Floor || a.UID == 0 || a.UID == noID || a.UID == noShortID:
		return authz.Account{}, fmt.Errorf("%w: %s has uid %d, the least allowed is %d", ErrForbidden, name, a.UID, g.rules.Floor)
	case len(a.Groups) > MaxGroups:
		return authz.Account{}, fmt.Errorf("%w: %s is in %d groups, at most %d are allowed", ErrForbidden, name, len(a.Groups), MaxGroups)
	}
	for _, group := range append([]authz.Group{a.Group}, a.Groups...) {
		if err := g.check(group); err != nil {
			return authz.Account{}, fmt.Errorf("account %s: %w", name, err)
		}
	}
	return a, nil
}

// Group implements Directory.
func (g *guarded) Group(ctx context.Context, name string) (authz.Group, error) {
	if err := checkName(name); err != nil {
		return authz.Group{}, err
	}
	group, err := g.directory.Group(ctx, name)
	switch {
	case err != nil:
		return authz.Group{}, err
	case group.Name != name:
		return authz.Group{}, fmt.Errorf("%w: asked for group %q, found %q", ErrForbidden, name, group.Name)
	}
	return group, g.check(group)
}

func (g *guarded) check(group authz.Group) error {
	if group.GID == 0 || group.GID == noID || group.GID == noShortID || slices.Contains(g.rules.Groups, group.Name) {
		return fmt.Errorf("%w: group %s (%d) is privileged", ErrForbidden, group.Name, group.GID)
	}
	return nil
}

// Cache returns a directory that remembers answers, "unknown" too, for as long
// as given; a clock of nil is time.Now. Other errors are not remembered. Put
// the Guard around the Cache, so that rules hold at every use.
func Cache(d Directory, life time.Duration, now func() time.Time) Directory {
	if now == nil {
		now = time.Now
	}
	return &caching{
		directory: d,
		users:     memory[authz.Account]{look: d.User, life: life, now: now},
		groups:    memory[authz.Group]{look: d.Group, life: life, now: now},
	}
}

type caching struct {
	directory Directory
	users     memory[authz.Account]
	groups    memory[authz.Group]
}

// User implements Directory.
func (c *caching) User(ctx context.Context, name string) (authz.Account, error) {
	return c.users.get(ctx, name)
}

// Names implements Lister. It is not remembered.
func (c *caching) Names(ctx context.Context) ([]string, error) { return Names(ctx, c.directory) }

// Group implements Directory.
func (c *caching) Group(ctx context.Context, name string) (authz.Group, error) {
	return c.groups.get(ctx, name)
}

const maxRemembered = 16384

type memory[T any] struct {
	look func(context.Context, string) (T, error)
	life time.Duration
	now  func() time.Time

	mu   sync.Mutex
	kept map[string]remembered[T]
}

type remembered[T any] struct {
	value T
	err   error
	until time.Time
}

func (m *memory[T]) get(ctx context.Context, name string) (T, error) {
	now := m.now()
	m.mu.Lock()
	r, ok := m.kept[name]
	m.mu.Unlock()
	if ok && now.Before(r.until) && r.until.Sub(now) <= m.life { // a clock that jumped back keeps nothing alive
		return r.value, r.err
	}
	value, err := m.look(ctx, name)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return value, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil || len(m.kept) >= maxRemembered {
		m.kept = map[string]remembered[T]{}
	}
	m.kept[name] = remembered[T]{value, err, now.Add(m.life)}
	return value, err
}
