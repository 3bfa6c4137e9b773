package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Roster says which accounts belong to which pool, by the configuration alone.
type Roster struct {
	members map[string][]string // of each pool
	pool    map[string]string   // of each account
}

// NewRoster reads definitions of pools. names lists the accounts of the
// directory, for pools without members of their own; it may be nil.
func NewRoster(ctx context.Context, pools []Definition, names func(context.Context) ([]string, error)) (*Roster, error) {
	r := &Roster{members: map[string][]string{}, pool: map[string]string{}}
	for _, d := range pools {
		if err := r.define(ctx, d, names); err != nil {
			return nil, fmt.Errorf("pool %s: %w", d.Name, err)
		}
	}
	return r, nil
}

func (r *Roster) define(ctx context.Context, d Definition, names func(context.Context) ([]string, error)) error {
	switch {
	case d.Name == "" || strings.ContainsAny(d.Name, "\x00/"):
		return errors.New("that is no name of a pool")
	case strings.HasPrefix(d.Name, "."):
		return fmt.Errorf("its name is %q: the dot is how map files name it", d.Name[1:])
	case r.members[d.Name] != nil:
		return errors.New("it is configured twice")
	}
	all, err := membersOf(ctx, d, names)
	if err != nil {
		return err
	}
	for _, name := range all {
		if other, ok := r.pool[name]; ok {
			return fmt.Errorf("account %s is already in pool %s", name, other)
		}
		r.pool[name] = d.Name
	}
	r.members[d.Name] = all
	return nil
}

func membersOf(ctx context.Context, d Definition, names func(context.Context) ([]string, error)) (all []string, err error) {
	for _, member := range d.Members {
		more, err := Expand(member)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	if len(d.Members) == 0 && names != nil {
		known, err := names(ctx)
		if err != nil {
			return nil, fmt.Errorf("the accounts of the directory cannot be listed: %w", err)
		}
		for _, name := range known {
			if IsMember(d.Name, name) {
				all = append(all, name)
			}
		}
	}
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("it has no accounts: name them, as in %s[001-100], or make accounts called %s001 and so on", d.Name, d.Name)
	case len(all) > MaxMembers:
		return nil, fmt.Errorf("%d accounts: at most %d", len(all), MaxMembers)
	}
	return all, nil
}

// Has reports whether there is a pool of that name.
func (r *Roster) Has(name string) bool { return r.members[name] != nil }

// PoolOf returns the pool that an account is in.
func (r *Roster) PoolOf(account string) (string, bool) {
	name, ok := r.pool[account]
	return name, ok
}
