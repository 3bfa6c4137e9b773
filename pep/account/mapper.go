package account

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/internal/gsi/guard"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

// Config says how accounts are found.
type Config struct {
	// Directory looks accounts up; NewMapper puts the Rules before it.
	Directory Directory
	Rules     Rules
	// AccountMap and GroupMap are paths of map files; empty for none.
	AccountMap, GroupMap string
	Prefer               Preference
	// Tokens name accounts for holders of tokens; the first that fits counts.
	Tokens []TokenRule
	// Community names the account for a credential strength ("anonymous",
	// "weak", "strong") where the account map names none. As everywhere, a
	// name that begins with "." stands for an account out of that pool.
	Community map[string]string
	// Leases gives accounts out of pools; nil: it refuses them.
	Leases Leases
	// Roster knows the pools' accounts; nil: there are no pools.
	Roster Roster
	// Shared lists the accounts that several people may run as at once: every
	// account that an FQAN, a community or a policy names must be here; "*"
	// stands for all.
	Shared []string
	Log    *slog.Logger     // nil discards
	Now    func() time.Time // time.Now if nil
}

// Leases gives accounts out of pools: [pool.Pools], or a gridmapdir.
type Leases interface {
	// Lease finds or makes the lease of a key.
	Lease(ctx context.Context, k pool.Key, why pool.Cause) (pool.Lease, error)
	// Look finds it and changes nothing.
	Look(ctx context.Context, k pool.Key) (pool.Lease, error)
	// Holds finds it by its id, pool.ErrNoLease if the account is no longer
	// leased under it.
	Holds(ctx context.Context, account, id string) (pool.Lease, error)
}

// Roster knows which accounts are in pools.
type Roster interface {
	Has(pool string) bool
	PoolOf(account string) (string, bool)
}

var (
	_ Leases = (*pool.Pools)(nil)
	_ Roster = (*pool.Roster)(nil)
)

// Mapper names accounts by the map files, by rules for tokens, by the strength
// of the credential, or by the name that a policy gives. It relies on verified
// attributes only.
type Mapper struct {
	config    Config
	tokens    []tokenRule
	directory Directory
	maps      atomic.Pointer[mapFiles]
	looked    atomic.Int64
	mu        sync.Mutex
}

// mapFiles are the map files as last read.
type mapFiles struct {
	accounts, groups *index
	uids             map[uint32]string // of the accounts named as such
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
	if err := m.checkCommunity(ctx); err != nil {
		return nil, err
	}
	if err := m.readTokenRules(ctx); err != nil {
		return nil, err
	}
	if err := m.load(ctx); err != nil {
		return nil, err
	}
	return m, nil
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
	next := &mapFiles{}
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
