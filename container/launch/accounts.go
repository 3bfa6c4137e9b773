package launch

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
)

// Accounts is the system's account database, as getent(1) shows it. An error
// means that the account is not there or could not be looked up: both refuse,
// and one that wraps ErrAway only for now.
type Accounts interface {
	// User returns the number of a user and of its primary group.
	User(ctx context.Context, name string) (uid, gid uint32, err error)
	// Group returns the number of a group. ErrNoGroup if there is none.
	Group(ctx context.Context, name string) (gid uint32, err error)
}

// ErrNoGroup is what Accounts returns for a group that surely does not exist.
var ErrNoGroup = errors.New("no such group")

// AccountRules say which accounts nothing is ever run as.
type AccountRules struct {
	Floor      uint32   // lowest user number
	GroupFloor uint32   // lowest group number
	Privileged []string // groups by name, whatever their number
}

// DefaultAccountRules returns the rules of a Linux system: users from 1000,
// groups from 100, and none of the groups that amount to root.
func DefaultAccountRules() AccountRules {
	return AccountRules{Floor: 1000, GroupFloor: 100, Privileged: []string{
		"root", "adm", "admin", "daemon", "disk", "docker", "incus", "incus-admin", "kmem", "kvm", "libvirt", "lxd", "mem",
		"podman", "shadow", "staff", "sudo", "sys", "systemd-journal", "tty", "wheel",
	}}
}

// Check refuses an account that is not exactly what the database says, or that
// the rules forbid. It is called when an order is carried out, not only when
// the mapping is made: accounts change.
func (r AccountRules) Check(ctx context.Context, db Accounts, a authz.Account) error {
	if a.UID == 0 || a.UID < r.Floor {
		return fmt.Errorf("account %s: uid %d is below the floor of %d", a.Name, a.UID, r.Floor)
	}
	uid, gid, err := db.User(ctx, a.Name)
	if err != nil {
		return fmt.Errorf("account %s: %w", a.Name, err)
	}
	if uid != a.UID || gid != a.Group.GID {
		return fmt.Errorf("account %s: granted as %d:%d, but the system says %d:%d", a.Name, a.UID, a.Group.GID, uid, gid)
	}
	if len(a.Groups) > MaxGroups {
		return fmt.Errorf("account %s: more than %d secondary groups", a.Name, MaxGroups)
	}
	privileged, err := r.privileged(ctx, db)
	if err != nil {
		return fmt.Errorf("account %s: %w", a.Name, err)
	}
	return r.checkGroups(ctx, db, a, privileged)
}

func (r AccountRules) checkGroups(ctx context.Context, db Accounts, a authz.Account, privileged map[uint32]string) error {
	for _, g := range append([]authz.Group{a.Group}, a.Groups...) {
		if g.GID == 0 || g.GID < r.GroupFloor {
			return fmt.Errorf("account %s: group %d is below the floor of %d", a.Name, g.GID, r.GroupFloor)
		}
		if name, ok := privileged[g.GID]; ok {
			return fmt.Errorf("account %s: group %d is %s, which is privileged", a.Name, g.GID, name)
		}
		gid, err := db.Group(ctx, g.Name)
		if err != nil {
			return fmt.Errorf("account %s: group %q: %w", a.Name, g.Name, err)
		}
		if gid != g.GID {
			return fmt.Errorf("account %s: group %s granted as %d, but the system says %d", a.Name, g.Name, g.GID, gid)
		}
	}
	return nil
}

// privileged looks up the numbers of the privileged groups, so that another
// name for the same number does not help.
func (r AccountRules) privileged(ctx context.Context, db Accounts) (map[uint32]string, error) {
	numbers := make(map[uint32]string, len(r.Privileged))
	for _, name := range r.Privileged {
		gid, err := db.Group(ctx, name)
		if errors.Is(err, ErrNoGroup) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("privileged group %s: %w", name, err)
		}
		numbers[gid] = name
	}
	return numbers, nil
}
