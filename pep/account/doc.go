// Package account names the local account for a permitted request. The
// [Mapper] reads the map files of Argus and rules for tokens, takes accounts out
// of pools where those say ".pool", and asks a [Directory] of accounts;
// whatever it names has passed the [Rules]: never uid 0, never below the
// floor, never in a privileged group, never an account that does not exist.
//
// A pool's account is leased (see package pool) to the identity of a verified
// credential, or to what a peer that may map asserts. It can be named in no
// other way, so that no two identities share it.
//
// A map file (grid-mapfile, group-mapfile) has one entry per line:
//
//	# comment
//	"/dteam/*/Role=*"            dteam
//	"/C=XX/O=Org/CN=Ann Other"   ann
//
// The key runs from the first to the last double quote of the line; it is a
// distinguished name if its first part holds "=", else an FQAN pattern, where
// "/*" at the end of the group stands for the group and all below it and
// "Role=*" for any role or none. The value is a list separated by commas; a
// "#" in it is no comment. Within the key \b \f \n \r \t \' \" \\ \xHH and
// \uHHHH are escapes, other backslashes errors. Two lines with one key are an
// error. The first line that matches names the account.
package account
