// Package mapping lets several enforcement points share one mapping of accounts:
// Handler is the service, Client the Mapper of the others. JSON over mutual TLS:
//
//	POST /mapping/v1/map
//	{"decision": "9f…", "revision": {"lineage": "ab…", "number": 42}, "chain": ["MIIC…", "MIID…"]}
//
//	200 {"decision": "9f…", "account": {"name": "cms042", "uid": 20042, "group": {"name": "cms", "gid": 2000},
//	     "source": "/etc/grid-security/grid-mapfile:3, pool cms", "lease": "cms-5f…",
//	     "revision": {"lineage": "ab…", "number": 42}, "expires": "2026-11-22T03:41:07Z"}}
//	403 {"kind": "refused", "message": "no account of the pool is free: …"}
//	503 {"kind": "unavailable", "message": "…"}
//
// The question carries one of
//
//	chain     certificates in DER, base64: the caller's chain as it was presented
//	token     the text of the caller's token; a chain and a token together are one credential
//	asserted  verified attributes of the subject {"id", "type", "issuer", "values"}, where the
//	          enforcement point has no credential of the caller but believes a peer of its own;
//	          then "may-map": true says that this peer may have accounts leased
//
// or none of them: the caller showed nothing. "login" names the account or pool
// that a policy named. POST /mapping/v1/confirm asks whether an "account" named
// earlier may still be used.
//
// ⚿ Who asks is a peer named in the configuration of the service. It is believed
// that its caller holds the key behind a chain, nothing else: the service verifies
// chain and token anew and finds the attributes itself. What a peer asserts
// counts only if it may map. The enforcement point in turn checks the answer as if
// it had looked the account up itself, and refuses one that is too old.
package mapping
