// Package gridmapdir leases pool accounts in a directory that Argus, LCMAPS and
// other services may use at the same time, over NFS too. It keeps nothing
// anywhere else.
//
// The directory holds a file for each account, named as it: dteam001 belongs to
// pool dteam, since all digits at the end are its number. A lease is a hard link
// to the file of its account, so that both have one inode and a link count of 2:
//
//	%2fc%3dxx%2fo%3dorg%2fcn%3dann%20other:dteam:prod
//
// Its name is that of the holder in the one-line form of OpenSSL, everything but
// ASCII letters and digits percent-encoded, in small letters; then the groups,
// the primary first. The link is made by link(2), which is atomic on NFS as well,
// and looked at afterwards: whoever finds a count above 2 has lost a race and
// takes its link back. Every use sets the time of the file, at most once in ten
// minutes, so that others can expire leases by age; nothing here removes one.
//
// A lease whose name would not fit into a file name is called %23sha256%3d and a
// hash, and a file %23name%3d and the hash beside it holds the name itself.
//
// The issuer of a certificate is no part of a lease's name, and neither is the
// case of letters, nor which attributes share an RDN: two CAs that certify one name
// share the account. Keep leases in a store where that matters. A name with a text
// in it that reads like a further attribute, or like an escaped byte, is refused.
package gridmapdir
