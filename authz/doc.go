// Package authz holds the nouns of Gatehouse and the contracts between its
// roles. A policy enforcement point builds a [Request], a [Decider] turns it
// into a [Response], a [Fulfiller] carries out its obligations, a [Mapper]
// names the local [Account], a [Recorder] writes down what happened.
//
// The roles never import each other; they know only this package, and the
// commands introduce them. A decision point in this process, one behind a
// wire, a plug-in process and [DenyAll] are all just a Decider.
//
// Three rules run through everything here:
//
//   - The zero value refuses. The zero [Decision] is Indeterminate, the zero
//     [Standing] of an attribute is Presented, which no permit relies on.
//   - "Denied" is a value; an error means that there is no decision. Whoever
//     receives an error treats it as a refusal.
//   - What a Response points to (reason, obligations, advice) is immutable and
//     shared between decisions: copy before changing.
//
// Vocabulary follows OASIS XACML 3.0 (core, section 1.1) and, for names and
// credentials, RFC 5280, RFC 3820, RFC 5755 and the IGTF and VOMS documents.
package authz
