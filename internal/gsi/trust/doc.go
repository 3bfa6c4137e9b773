// Package trust holds the certification authorities that a site accepts, with
// their revocation lists and signing policies, and checks an end-entity
// certificate against them.
//
// Sources are an IGTF directory and PEM files. Of the directory it reads
//
//	*.0 … *.9, *.pem, *.crt    certificates of CAs (PEM)
//	*.r0 … *.r9, *.crl         revocation lists, version 1 or 2 (PEM or DER)
//	*.signing_policy           what the CA of the same base name may sign
//	*.namespaces               the same in the form of the EUGridPMA
//
// A self-signed CA is a root; any other is an intermediate that needs a root.
//
// [Store.Reload] looks for files that changed. A new file that cannot be read
// or does not verify leaves the old one in force; a file that is gone is
// forgotten. [Store.Current] is immutable and swapped at once, so that no
// request sees half of a change and none waits for the disk or the network.
//
// A signing policy (the Globus EACL) is
//
//	access_id_CA  X509   '/C=XX/O=Org/CN=CA'
//	pos_rights    globus CA:sign
//	cond_subjects globus '"/C=XX/O=Org/*" "/DC=org/OU=hosts/*"'
//
// It is matched by the structure of names: "/*" at the end stands for one or
// more further parts, a "*" at the end of a value for the rest of the value
// and any further parts, another "*" for any text within one value. If there
// are several such files beside a CA, each must allow what it signs. A CA that
// is only presented along with a certificate signs under the policies of the
// first CA above it that is here.
package trust
