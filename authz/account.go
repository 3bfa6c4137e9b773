package authz

import "time"

// Group is a local group by name and number.
type Group struct {
	Name string `json:"name"`
	GID  uint32 `json:"gid"`
}

// Account is the local account that a request runs as. Numbers come from the
// system's own account database, never from a policy or a request.
type Account struct {
	Name   string  `json:"name"`
	UID    uint32  `json:"uid"`
	Group  Group   `json:"group"`            // primary group
	Groups []Group `json:"groups,omitempty"` // secondary groups, without the primary
	Shared bool    `json:"shared,omitempty"` // several identities use it, as configuration states
	Source string  `json:"source,omitempty"` // what named it: file:line, a policy, a lease

	// Lease names the lease of a pool account, for whoever asks again; empty for
	// other accounts.
	Lease string `json:"lease,omitempty"`
	// Revision is that of the decision for which the account was named.
	Revision Revision `json:"revision,omitzero"`
	// Expires is until when it may be relied on that the caller may have the
	// account: nothing may be started as it later without asking again. Zero
	// says nothing.
	Expires time.Time `json:"expires,omitzero"`
}

// Expired reports whether the answer that named the account is too old at that
// time to start something as it.
func (a Account) Expired(now time.Time) bool { return !a.Expires.IsZero() && !now.Before(a.Expires) }

// IsZero reports whether no account is named.
func (a Account) IsZero() bool { return a.Name == "" }
