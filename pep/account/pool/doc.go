// Package pool leases the accounts of a pool, "dteam001" to "dteam200", to
// identities, one account to each lease key, and keeps who held which account
// when. Leases live in a store.Store that several processes may share: each
// change is one transaction.
//
// A lease key is a pool, an identity and the primary group, with the secondary
// groups where the configuration says so. The same key always gets the same
// account. An account is free, leased, in quarantine or reserved:
//
//	free ── Lease, Assign ──▶ leased ── Release, idle ──▶ quarantine ── time is up, nothing left ──▶ free
//	free, quarantine ── Reserve ──▶ reserved ── Release ──▶ quarantine
//	quarantine ── the former holder comes back after an idle release ──▶ leased
//
// An account that has left the directory, became forbidden or changed its uid
// is refused and not replaced: whoever held it may have files and processes
// under the old number. An administrator releases it.
//
// Namespaces in the store, each update quiet (leases make no policy revision):
//
//	lease             pool NUL hash of the identity, hash of the groups -> the lease
//	lease-account     account -> its state, and the lease it belongs to
//	lease-free        pool NUL time it became free, account -> empty; never used ones first
//	lease-uid         uid -> account: no uid is given away under two names
//	lease-quarantine  end of the quarantine, account -> empty
//	lease-history     account NUL inverted time -> event, newest first
package pool
