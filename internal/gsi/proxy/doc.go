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
// other language, proxies of hosts and of CAs, and an unlimited proxy below a
// limited one.
//
// The kinds before RFC 3820 are accepted only behind switches of
// internal/gsi/weak, and never in one chain with another kind. The proxies of
// Globus 3 carry a ProxyCertInfo under an identifier of Globus's and are judged
// as those of RFC 3820 are. Those of Globus 2 carry none: the name says all,
// CN=proxy or CN=limited proxy below the name of the issuer, and there is no
// path length.
package proxy
