// Package profile holds the identifiers that requests and policies share:
// attributes, obligations, actions and functions of the gLite Grid WN and CE
// profiles (EDMS 1058175, 1078881), the EMI Common XACML Authorization Profile
// 1.1 (dci-sec.org), AuthZ-Interop 1.1, ARC, Argus's OIDC attributes and our
// own; with the short names under which SPL writes them. Tables, no behaviour.
//
// # What the container and the other enforcement points send
//
//   - resource-id (string): what the operator configured for the service, its
//     endpoint by default; "job:<id>" for an operation on one job,
//     "sandbox:<id>" for an access to one sandbox.
//   - action-id (string): one of the Action constants.
//   - requested-cpu-time, requested-wall-time (integer, seconds): environment.
//   - service, method (string): the NESSSI service and its method.
//   - job, sandbox-path (string): the job id and the file within its sandbox,
//     "/" separated, without a leading slash.
//   - owner (string): the owner of the job or sandbox, for audit and for rules
//     about other people's jobs; caller-is-owner (boolean): whether the caller
//     is that owner. The container alone knows what identity means
//     (DECISIONS 13: end-entity DN with issuer DN, or iss with sub, or the
//     secret id of an anonymous job), so it compares, and policies read the
//     answer. It is sent for every job: and sandbox: resource and for no other.
//   - credential-strength (string): anonymous, weak or strong.
//   - limited-proxy (boolean): true for a limited proxy, false for any other
//     verified X.509 credential, absent otherwise.
//   - network (string): the address the request came from, as netip.Addr
//     writes it.
//   - ca-key (string): the keys of the CAs above the caller, which outlive their
//     names: "sha256:" and the SHA-256 of the public key info in lower-case hex.
//   - token-id (string): the jti of a token; account, person (string): what the
//     caller is known as here.
//
// # Our own functions
//
// They take their arguments in the order of a Match: the literal of the policy
// first, the request's value second. Unless said otherwise they read the text
// of the value whatever its data type, and "no match" means false, not an
// error.
//
// A policies.Designator whose Type is "" stands for the values of every data
// type. Only the functions of this package are ever given such a bag.
//
// Standing (DECISIONS 12): a designator within a permit rule sees verified
// values, within a deny rule or ban every value presented. [FunctionNone] turns
// that round for its bag.
//
//   - [FunctionAnchoredRegexp] (string, any): the RE2 pattern matches the whole
//     text, as if written ^(?:pattern)$ with neither (?s) nor (?m). Argus's
//     string-regexp-match.
//   - [FunctionFQAN] (fqan, any; the gLite id): both are FQANs (authz.ParseFQAN)
//     with the same normal form. A text that is no FQAN does not match.
//   - [FunctionFQANPattern] (string, any): the value is an FQAN and fits the
//     pattern: a group path, "/*" after it for the group and every group below,
//     then nothing for "no role", "/Role=name" for that role, "/Role=*" for some
//     role whatever its name. Without "*" it is equality.
//   - [FunctionSubtree] (x500Name, x500Name): the RDNs of the literal, most
//     significant first, are the first RDNs of the value, all of them or fewer,
//     compared in the standard reading. A value that is no DN does not match.
//   - [FunctionBanName] (string, any): authz.BanKey of the literal equals
//     authz.BanKey of the value's text (DN.BanKey where the value holds a DN).
//   - [FunctionBanSubtree] (string, any): the pieces of the literal's ban key
//     (it is a sorted multiset joined by NUL) are among the value's pieces, each
//     as often as it occurs.
//   - [FunctionBanText] (string, any): the texts are equal, blanks around them
//     (XML white space) aside.
//   - [FunctionBanURI] (string, any): as FunctionBanText after ASCII case
//     folding and without trailing slashes.
//   - [FunctionBanFQAN] (string, any): FunctionFQANPattern, or the texts are
//     equal as in FunctionBanText.
//   - [FunctionBanVO] (string, any): the text of the value up to the second "/",
//     without the first, equals the literal: the VO of an FQAN or EMI group.
//   - [FunctionNetwork] (string, any): the literal is an address or a CIDR
//     prefix (netip), the value's text an address within it; IPv4 in IPv6 is
//     read as IPv4, a zone is dropped. A text that is no address is an error.
//   - [FunctionStrengthLess], …LessOrEqual, …Greater, …GreaterOrEqual (string,
//     string): literal < value and so on in the order of [Strengths]. An unknown
//     strength is an error.
//   - [FunctionNone] (function name, literal, bag): true when the function is
//     true of the literal and no value of the bag, also of an empty bag. Its bag
//     sees, in a permit rule, every value presented and, in a deny rule,
//     verified values only: what is merely asserted never helps. An error in any
//     value is an error.
//
// Invalid literals (a pattern outside RE2, an unknown strength, a bad prefix)
// are refused when the policy is loaded.
package profile
