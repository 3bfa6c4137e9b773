package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// The errors that a caller can act on.
var (
	// ErrNoPool: no pool of that name is configured.
	ErrNoPool = errors.New("there is no such pool")
	// ErrExhausted: every account of the pool is leased, in quarantine, reserved
	// or unusable.
	ErrExhausted = errors.New("no account of the pool is free")
	// ErrTooMany: the identity holds as many accounts of the pool as it may.
	ErrTooMany = errors.New("the identity holds as many accounts of the pool as it may")
	// ErrUnusable: the account of the lease has left the directory or the pool,
	// is forbidden or has another uid. An administrator must release it.
	ErrUnusable = errors.New("the leased account cannot be used")
	// ErrNoLease: there is no lease for that key.
	ErrNoLease = errors.New("there is no such lease")
	// ErrNoAccount: no pool has that account.
	ErrNoAccount = errors.New("no pool has that account")
	// ErrState: the state of the account does not allow it.
	ErrState = errors.New("the state of the account does not allow that")
)

// Directory looks up accounts. It must refuse those that are never given away:
// see account.Guard.
type Directory interface {
	User(ctx context.Context, name string) (authz.Account, error)
}

// Usage knows of which accounts something of their holders is left: processes,
// jobs, sandboxes. An account in use is neither released as idle nor given to
// somebody else.
type Usage interface {
	// InUse returns those of the accounts that are in use. After an error all
	// of them count as in use.
	InUse(ctx context.Context, accounts []string) ([]string, error)
}

// Definition is a pool: its name and its accounts.
type Definition struct {
	Name string
	// Members are names of accounts or ranges of them, "dteam[001-200]". Empty
	// takes those of Config.Names that [IsMember] accepts, as Argus does.
	Members []string
}

// Config says which pools there are and how long things last. Zero durations
// and numbers stand for the defaults.
type Config struct {
	Pools     []Definition
	Directory Directory
	// Names lists the accounts of the directory, for pools without Members.
	Names func(ctx context.Context) ([]string, error)
	Usage Usage // nil: nothing is ever in use

	// SecondaryGroups makes the secondary groups part of the lease key, as
	// useSecondaryGroupNamesForMapping does in Argus.
	SecondaryGroups bool
	// MostPerIdentity bounds the leases of one identity in one pool.
	MostPerIdentity int
	Idle            time.Duration // until an unused lease is released
	Quarantine      time.Duration // until a released account may be given away
	Keep            time.Duration // of history

	// Alone says that no other process, and no other Pools, changes the store,
	// as with a bolt file: leases read lately are then kept in memory.
	Alone bool

	Log *slog.Logger     // nil discards
	Now func() time.Time // time.Now if nil
}

// The defaults of Config.
const (
	DefaultMostPerIdentity = 10
	DefaultIdle            = 90 * 24 * time.Hour
	DefaultQuarantine      = 7 * 24 * time.Hour
	DefaultKeep            = 3653 * 24 * time.Hour
)

// AnswerLife is how long an answer that names an account may be relied on
// (threats 107). No quarantine is shorter.
const AnswerLife = time.Minute

// touchEvery is how exactly the last use of a lease is kept.
const touchEvery = time.Hour

func (c *Config) complete() error {
	if c.Directory == nil {
		return errors.New("pools: no directory of accounts")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MostPerIdentity == 0 {
		c.MostPerIdentity = DefaultMostPerIdentity
	}
	for field, value := range map[*time.Duration]time.Duration{&c.Idle: DefaultIdle, &c.Quarantine: DefaultQuarantine, &c.Keep: DefaultKeep} {
		if *field == 0 {
			*field = value
		}
	}
	switch {
	case c.MostPerIdentity < 0:
		return fmt.Errorf("pools: %d accounts per identity: want 1 or more", c.MostPerIdentity)
	case c.Idle < 2*touchEvery:
		return fmt.Errorf("pools: idle after %s: want at least %s, since the last use is known to the hour", c.Idle, 2*touchEvery)
	case c.Quarantine < AnswerLife:
		return fmt.Errorf("pools: a quarantine of %s: want at least %s, for which answers may be relied on", c.Quarantine, AnswerLife)
	case c.Keep < c.Quarantine:
		return fmt.Errorf("pools: history kept for %s: want at least the quarantine, %s", c.Keep, c.Quarantine)
	}
	return nil
}

// MaxMembers bounds the accounts of a pool.
const MaxMembers = 1 << 21

var memberRange = regexp.MustCompile(`^([^\[\]]*)\[([0-9]{1,9})-([0-9]{1,9})\]$`)

// Expand returns the names that a member of a definition stands for: itself, or
// "dteam001" to "dteam200" for "dteam[001-200]".
func Expand(member string) ([]string, error) {
	if !strings.ContainsAny(member, "[]") {
		return []string{member}, nil
	}
	m := memberRange.FindStringSubmatch(member)
	if m == nil {
		return nil, fmt.Errorf("%q: want a name or a range at its end, as in dteam[001-200]", member)
	}
	from, err := strconv.Atoi(m[2])
	if err != nil {
		return nil, err
	}
	to, err := strconv.Atoi(m[3])
	if err != nil {
		return nil, err
	}
	if to < from || to-from >= MaxMembers {
		return nil, fmt.Errorf("%q: want at least one account and at most %d", member, MaxMembers)
	}
	names := make([]string, 0, to-from+1)
	for n := from; n <= to; n++ {
		names = append(names, fmt.Sprintf("%s%0*d", m[1], len(m[2]), n))
	}
	return names, nil
}

// memberName is the form of a pool's accounts: all digits at the end are its
// number (argus.md 5.5).
var memberName = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9._-]*?)[0-9]+$`)

// IsMember reports whether Argus and LCMAPS take an account for a member of a
// pool: its name is that of the pool and a number. "dteam" has dteam001 and not
// dteamprd001, and a pool whose name ends in a digit has no members.
func IsMember(pool, account string) bool {
	m := memberName.FindStringSubmatch(account)
	return m != nil && m[1] == pool
}
