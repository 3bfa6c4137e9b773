// Package authnprofile knows under which authentication profiles the IGTF has
// accredited a CA, and which profiles a site accepts for whom.
//
// A profile is a file of the trust directory, by default one that matches
// policy-*.info, in which an entry may go on over several lines that end in a
// backslash:
//
//	alias = policy-igtf-classic
//	subjectdn = "/DC=org/CN=CA 1", \
//	            "/DC=org/CN=CA 2"
//
// The alias is the file's name without ".info". Other entries are not read.
//
// The file vo-ca-ap, which LCMAPS reads too, says which profiles are accepted
// for the members of which virtual organization ("/*" is any other, "-" is a
// certificate without any):
//
//	/atlas  file:policy-igtf-classic.info, file:policy-igtf-iota.info
//	/*      file:policy-igtf-classic.info
//	"-"     file:policy-igtf-classic.info
//
// Files are followed; a set that does not hold together, such as a vo-ca-ap
// that names a profile which is not there, leaves the one before in force.
package authnprofile
