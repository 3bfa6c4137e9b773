// Package account names the local account for a permitted request. The
// [Mapper] reads the map files of Argus and asks a [Directory] of accounts;
// whatever it names has passed the [Rules]: never uid 0, never below the
// floor, never in a privileged group, never an account that does not exist.
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
