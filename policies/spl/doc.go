// Package spl reads and writes the Simplified Policy Language of Argus and our
// second version of it.
//
//	file     = [ "spl" "2" ] { resource | action }
//	resource = "resource" str "{" { "description" str | obligation | action } "}"
//	action   = [ "private" ] "action" str "{" { "description" str | obligation | rule } "}"
//	obligation = "obligation" str "{" { str "=" str } "}"
//	rule     = "rule" ( "permit" | "deny" ) "{" { item } "}"
//	item     = str "=" str                                          version 1
//	item     = str op str | str "in" "(" str { str } ")"            version 2
//	         | ( "obligation" | "advice" ) str "{" { str "=" str } "}"
//	         | "because" str | "from" str | "until" str
//	op       = "=" | "!=" | "<" | "<=" | ">" | ">=" | "matches"
//	str      = letters, digits, "_" and "-" | '"' … '"' | "'" … "'"
//
// # Version 1
//
// Every Argus file is version 1 and means what it meant, with one exception:
// what follows the last complete resource is an error here, where Argus
// ignores it without a word. The bodies of resources, actions and rules must
// not be empty. A backslash in a string must begin one of \n \t \b \r \f \\ \'
// \" or an octal escape, and the escape is kept as written. A comment runs from
// "#" to the end of the line or to the next "#", whichever comes first.
//
// All conditions of a rule must hold. Rules, actions and resources are tried
// in their order; the first that applies decides. Nothing applicable is
// NotApplicable. Obligations belong to resources and actions and are due with
// a permit. Resource and action values are regular expressions that must match
// the whole value.
//
// # Version 2
//
// begins with the statement "spl 2" (DECISIONS 5). Escapes mean the characters
// they name, and a comment ends at the end of the line. A duty within a rule is
// due when that rule decides. "!=" holds when no value is equal, also when
// there is none. An ordered comparison holds when some value satisfies it; with
// no value at all a permit rule does not apply and a deny rule is
// Indeterminate. "matches" takes an FQAN pattern, the upper part of a DN or a
// regular expression, by the type of the attribute. 90, 90s, 15m, 24h, 7d and
// 1h30m are whole numbers of seconds. Times are RFC 3339, or a date that stands for
// its midnight in UTC; a rule holds from the one until just before the other. A
// deny rule may have no condition, a permit rule must have one.
//
// # Denials read names otherwise than permits
//
// A permit compares a DN in its standard reading and any other identity with
// its data type. A deny finds the same identity in every spelling and under
// every data type (DECISIONS 11 and 12; the Deny column of profile.Attribute),
// and the operand of "!=" is read the other way round.
//
// # Regular expressions
//
// are RE2. In version 1 they were written for Java's engine, and one that would
// mean something else here is refused with its place.
package spl
