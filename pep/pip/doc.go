// Package pip holds the enrichers that come with Gatehouse: they turn what is
// known about a caller into attributes of the request.
//
//   - [KeyInfo] makes the chain in a key-info attribute that a trusted peer
//     asserts the credential of the request.
//   - [X509] adds the names of a certificate chain verified by internal/gsi:
//     subject-id, subject-issuer, x509-subject-issuer in the gLite and the EMI
//     profile, and limited-proxy. What is verified replaces what was asserted
//     under the same id; the asserted values stay for bans to see. The names
//     of a refused chain are added for bans only. The VOMS attribute certificate
//     that counts becomes fqan, fqan/primary, virtual-organization and
//     voms-issuer, and the groups and roles of the EMI profile; what the
//     others say is added for bans only.
//   - [AuthnProfile] adds x509-authn-profile, the IGTF profiles of the CA, and
//     refuses callers whose CA is in none that is accepted for them.
//   - [Token] adds what a token verified by internal/token says: oidc-issuer,
//     oidc-subject, oidc-group, oidc-scope, oidc-client-id, token-id and
//     assurance, and virtual-organization and fqan where configuration makes
//     them of its groups. What a refused token says is added for bans only. A
//     token next to a certificate must be linked to it as one person, and a
//     token with compute.* or storage.* scopes is good for the actions that
//     they name and for no others, whatever the policy: the credential is
//     refused otherwise.
//   - [Strength] adds credential-strength by a configured list, the first rule
//     that fits: anonymous without a credential, weak if none fits.
//
// They run in that order, Strength last. [Describe] fills in audit records.
package pip
