// Package api carries administration over HTTP as JSON, both ends: [Handler]
// before an administration point, [Client] for whoever administers it, and
// [Follower] for a decision point on another machine, which keeps its last good
// copy of the policies on disk.
//
// # Operations
//
// All below /pap/v1/ (DECISIONS 18). The rights are actions of package profile
// on the resource "pap:<alias>", or "pap:*" where no PAP is named. The PAP
// "admin" needs config-read and config-write in place of the others: the right
// to write policy does not touch it.
//
//	GET    ping                        none          who is there
//	GET    revision                    policy-read
//	GET    bans                        policy-read   of every PAP
//	GET    paps/{alias}/bans           policy-read
//	POST   paps/{alias}/bans           ban           {"bans":[…]}
//	DELETE paps/{alias}/bans           ban           {"bans":[…]}, by id or by names
//	GET    paps/{alias}/rules          policy-read   units; as SPL with Accept: text/plain
//	POST   paps/{alias}/rules          policy-write  {"rule":{…}} or {"file":{…},"at":{…}}
//	DELETE paps/{alias}/rules          policy-write  ?all=true, with &bans=true also ban
//	PATCH  paps/{alias}/rules/{id}     policy-write  {"before":id}, {"after":id} or {"file":{…}}
//	DELETE paps/{alias}/rules/{id}     policy-write  more with ?id=…&id=…
//	GET    paps                        config-read   in their order
//	GET    paps/{alias}                config-read
//	PUT    paps/{alias}                config-write  must exist; with If-None-Match: * must not
//	DELETE paps/{alias}                config-write
//	PUT    order                       config-write  {"aliases":[…]}
//	GET    persons                     policy-read
//	POST   persons                     policy-write  {"persons":[…],"remove":["id"…]}
//	DELETE persons/{id}                policy-write  more with ?id=…&id=…
//	GET    attributes                  policy-read   the site's own
//	POST   attributes                  policy-write  {"attributes":[…]}
//	DELETE attributes/{name}           policy-write  more with ?id=…&id=…
//	GET    history                     policy-read   ?before=&limit=&pap=
//	GET    diff                        policy-read   ?from=&to=
//	POST   rollback                    policy-write and config-write, with bans also ban
//	GET    followers                   config-read   with ?missing=revision&wait=10s those behind
//	DELETE followers/{name}            config-write
//	PUT    followers/{name}            follow        {"applied":…,"settled":…}
//	GET    feed                        follow        ?after=&wait=30s: 200 with a change.Set, or 204
//
// # Writing
//
// Bodies are JSON without unknown or repeated names. A write takes the headers
// If-Match (a revision: 42, or 42@lineage, as in the ETag of every answer),
// Idempotency-Key and X-Message, and the parameters force=true and wait=10s: the
// answer then comes when every follower has the change in force, or names under
// "pending" those that have not. It answers a change.Result.
//
// # Errors
//
// {"kind":…,"message":…,"file":…,"line":…,"column":…,"decision":…}. The kinds
// are those of [Kind], each with its HTTP status and, at the client's end, its
// error to use errors.Is with.
package api
