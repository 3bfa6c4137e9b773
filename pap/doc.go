// Package pap is the policy administration point: it keeps bans, policies, PAPs,
// persons and the site's own attributes, and hands them to those who decide.
//
// Every change is one transaction that makes one revision, with its author, its
// time and its message in the history. What the given Check refuses never
// becomes a revision, so a bad policy can not hold up the ban after it.
//
// What is kept is text and records (package change), never the policy tree:
//
//	bans      who is refused, whatever any policy permits; not rules at a place
//	units     a resource header, an action header, a rule, or a whole document
//	PAPs      namespaces of bans and units, in their order of precedence
//	rows      attribute names of the site's own
//	persons   identities that belong together
//
// The PAP "default" always exists. The PAP "admin" says who may administer: it
// is in no list, in no snapshot but that of Admin, and in no Feed.
//
// # Writing
//
// A writing method takes a change.Request (who, why, under what conditions) and
// returns a change.Result (the revision that holds, the ids concerned). Its errors
// are those of package change, with the cause around them. One that finds nothing
// to do makes no revision. With an idempotency key a repetition gets the Result
// of the first time, across restarts.
//
// # Following
//
// Service is a source of policies.Update: Next waits until there is something
// newer and returns a few edits when it can, a new base otherwise. Feed is the
// same for a follower on another machine, in records. Followers report how far
// they are, and Wait tells who is missing.
package pap
