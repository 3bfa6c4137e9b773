// Package gsi verifies the X.509 credentials of grid users and hosts: one
// entry point turns a chain of certificates into an [authz.Credential].
//
// The chain is an end-entity certificate, or RFC 3820 proxies standing on one.
// Whoever holds a proxy acts as its end entity; that is the identity. The
// rules are in internal/gsi/proxy, the authorities in internal/gsi/trust.
//
// A proxy may carry attribute certificates of VOMS servers, which internal/gsi/voms
// verifies. They are looked at from the caller's proxy up to the end entity's,
// and within one proxy in their order; the first that is valid counts and no
// other does, so that there is one primary FQAN and it never depends on what
// comes later. One in a certificate that is no proxy does not count. One that
// does not count never refuses the chain: the user is who the chain says, and
// has no FQANs.
//
// A verdict is cached by the digest of the whole chain and is good until the
// first certificate or revocation list in use ends, the attribute certificate
// included, or the authorities or VOMS servers change, and for a minute at most
// if something may yet become valid.
// [authz.Credential.Verdict] looks at that on every request, in nanoseconds
// and without any network, so a connection that stays open, or one resumed by
// a session ticket, cannot outlive an expiry or a revocation.
//
// A chain comes from a TLS connection ([Verifier.FromTLS]) or from the key-info
// of a request that a trusted enforcement point sends ([Verifier.FromKeyInfo]):
// the same verifier, the same cache, the same verdict.
//
// A chain that is refused still yields a Credential, with an error and with
// the names it presented: it is never taken for an anonymous caller, and bans
// see its names.
package gsi
