// Package token verifies the bearer tokens of grid users: one entry point,
// [Verifier.Verify], turns the text of a token into an [authz.Credential].
//
// A token is a signed JWT (RFC 7515, 7519) in the compact form. Who may issue
// one, for whom, signed how and with which keys, configuration says and nothing
// else does: a token never names a key, a URL or an algorithm that would be
// followed. Three profiles are read: WLCG 1.x, SciTokens 2.0, and the
// entitlements of EGI Check-in and its kin (AARC-G002, AARC-G069).
//
// No request waits for the network. [Verifier.Follow] fetches the key sets in
// the background; an issuer that cannot be reached is believed until its
// max-stale, over a restart too, and refused after that. A key that leaves the set takes its tokens
// with it at once: [authz.Credential.Verdict] looks at expiry and keys on every
// request.
//
// # What is promised about a stolen token
//
// A bearer token is good for whoever holds it, as often as they like, until it
// expires: that is what a bearer token is. A jti is a name, not a ticket, and is
// only remembered where configuration asks for single use. What limits a theft is the audience, the max-age that a
// token's whole life may not exceed, and a ban on its token-id or its subject,
// which holds on the next request. A token that is bound to a key its holder
// would have to prove (cnf, RFC 7800) is refused: taking it on sight would undo
// the binding.
//
// Neither errors nor logs ever hold the text of a token; [authz.Credential]
// has its SHA-256.
package token
