// Package voms verifies the attribute certificates that a VOMS server issues:
// they say which groups and roles of a virtual organization the holder of a
// certificate has (RFC 5755, with the extensions of VOMS, whose object
// identifiers are below 1.3.6.1.4.1.8005.100.100).
//
// A user's proxy carries them in an extension, as a sequence of sequences of
// attribute certificates. An attribute certificate counts if
//
//   - its holder is the end entity of the chain, by serial number and by the
//     name of the CA, or, in the old form of VOMS, by that of the user;
//   - it is valid now, and aimed at this host if it is aimed at all;
//   - it is signed by the VOMS server's certificate that it carries, which a
//     trusted CA vouches for, revocation lists and signing policies included;
//   - the names on that server's path are listed for this virtual organization
//     and this host name in the VOMS directory.
//
// Of its names (FQANs) only those of its own virtual organization count, and
// only in the normal form of [authz.ParseFQAN]: a VOMS server speaks for its
// own members and for nobody else's.
//
// # The VOMS directory
//
// For each virtual organization there is a directory of its name with a file
// HOST.lsc for each of its servers:
//
//	/etc/grid-security/vomsdir/testvo/voms.example.org.lsc
//
// A file lists the subject of the server's certificate, the subject of its CA,
// and perhaps those of further CAs up to the root, a line each, in slash form.
// The names are compared as names, never as patterns, and all must hold. A
// line "------ NEXT CHAIN ------" begins an alternative. Certificates pinned as
// PEM files, the form before LSC, are not supported.
package voms
