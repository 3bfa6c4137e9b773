// Package pip holds the enrichers that come with Gatehouse: they turn what is
// known about a caller into attributes of the request.
//
//   - [X509] adds the names of a certificate chain verified by internal/gsi:
//     subject-id, subject-issuer, x509-subject-issuer in the gLite and the EMI
//     profile, and limited-proxy. What is verified replaces what was asserted
//     under the same id; the asserted values stay for bans to see. The names
//     of a refused chain are added for bans only. The VOMS attribute certificate
//     that counts becomes fqan, fqan/primary, virtual-organization and
//     voms-issuer, and the groups and roles of the EMI profile; what the
//     others say is added for bans only.
//   - [Strength] adds credential-strength by a configured list, the first rule
//     that fits: anonymous without a credential, weak if none fits.
//
// They run in that order, Strength last. [Describe] fills in audit records.
package pip
