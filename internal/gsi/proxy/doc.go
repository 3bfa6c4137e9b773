// Package proxy arranges the certificates that a grid user presents into a
// path: the proxies, the end entity they stand for, and the certificates above
// it, by the rules of RFC 3820 and the attacks known against them.
//
// All structure is checked by [Arrange] before any signature is: a chain that
// is too long, too large, oddly signed or wrongly linked costs no public-key
// operation. [Path.CheckSignatures] then checks the proxies' signatures. The
// end entity and what is above it are not this package's business; see
// internal/gsi/trust.
//
// Accepted are proxies of RFC 3820 with the languages "impersonation"
// (inherit all) and "limited" (Globus). Refused are independent proxies, any
// other language, the proxies of Globus 2 and 3, proxies of hosts and of CAs,
// and an unlimited proxy below a limited one.
package proxy
