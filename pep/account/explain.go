package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-authz/gatehouse/authz"
	"github.com/gatehouse-authz/gatehouse/pep/account/pool"
)

// Explained says how an account and its groups would come about.
type Explained struct {
	Caller string `json:"caller"` // whom the map files see: name and primary FQAN
	// Holder is to whom a lease would belong; empty if there would be none.
	Holder string `json:"holder,omitempty"`
	// Login is the account, or the pool with its dot, and Source what says so.
	Login  string `json:"login,omitempty"`
	Source string `json:"source,omitempty"`
	// Groups are those of the group map, the primary first; none: those of the
	// account stay.
	Groups []GroupSource `json:"groups,omitempty"`
	// Account is what the answer would be; with a pool, if there is a lease.
	Account *authz.Account `json:"account,omitempty"`
	// Lease is the one that there is; NewLease says that one would be made.
	Lease    *pool.Lease `json:"lease,omitempty"`
	NewLease bool        `json:"new_lease,omitempty"`
	// Refused is why there would be no account.
	Refused string `json:"refused,omitempty"`
}

// GroupSource is a group and the line that gives it.
type GroupSource struct {
	Name   string `json:"name"`
	Source string `json:"source"`
}

// Explain says what [Mapper.Map] would answer, and why. It leases nothing and
// is no use of an account.
func (m *Mapper) Explain(ctx context.Context, r *authz.Request) Explained {
	m.refresh(ctx)
	n, err := m.name(r)
	return m.explained(ctx, r, n, err)
}

// ExplainNamed says what [Mapper.Named] would answer; source is the rule of the
// policy.
func (m *Mapper) ExplainNamed(ctx context.Context, r *authz.Request, login, source string) Explained {
	m.refresh(ctx)
	n, err := m.naming(r, login)
	n.source = source
	return m.explained(ctx, r, n, err)
}

func (m *Mapper) explained(ctx context.Context, r *authz.Request, n naming, err error) Explained {
	x := Explained{Caller: callerName(r)}
	if err == nil {
		err = m.explain(ctx, r, n, &x)
	}
	if err != nil {
		x.Account, x.Refused = nil, err.Error()
	}
	return x
}

func callerName(r *authz.Request) string {
	id, err := identityOf(r)
	if issuer, subject := tokenOf(r); err == nil && issuer != "" && id.Name.IsZero() {
		return issuer + "#" + subject
	}
	return id.String()
}

func (m *Mapper) explain(ctx context.Context, r *authz.Request, n naming, x *Explained) error {
	x.Login, x.Source = n.login, n.source
	if len(n.groups) > 0 {
		x.Groups = m.groupSources(n.id)
	}
	name, isPool := n.pool()
	if !isPool {
		a, err := m.give(ctx, r, n)
		x.Account = &a
		return err
	}
	if m.config.Leases == nil {
		return fmt.Errorf("no pools are configured here: set accounts.pools or accounts.gridmapdir")
	}
	holder, err := holderOf(r)
	if err != nil {
		return err
	}
	x.Holder = holder.Name
	l, err := m.config.Leases.Look(ctx, keyOf(name, holder, n.groups))
	if errors.Is(err, pool.ErrNoLease) {
		x.NewLease = true
		return nil
	}
	if err != nil {
		return err
	}
	a, err := leased(l, n.source)
	if err != nil {
		return err
	}
	a, err = m.withGroups(ctx, a, n.groups)
	x.Lease, x.Account = &l, &a
	return err
}

// groupSources are the groups with the first line that gives each.
func (m *Mapper) groupSources(id Identity) (all []GroupSource) {
	groups := m.maps.Load().groups
	seen := map[string]bool{}
	for _, lines := range groups.linesOf(id, m.config.Prefer) {
		for _, i := range lines {
			for _, name := range groups.entries[i].Values {
				if !seen[name] {
					seen[name] = true
					all = append(all, GroupSource{name, fmt.Sprintf("%s:%d", m.config.GroupMap, groups.entries[i].Line)})
				}
			}
		}
	}
	return all
}
