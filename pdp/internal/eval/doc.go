// Package eval compiles policies into a form that decides requests, and decides
// them: XACML 3.0 core, sections 7 and annexes A and C, whole and exact, with
// the older combining algorithms and function identifiers beside the current
// ones, and the functions of package profile.
//
// It is pure. What a decision depends on is the compiled [Program], the request
// and the time handed in; nothing is logged, read or kept between decisions.
//
// # Two standings, one pass
//
// A request may hold attributes that nobody vouches for (authz.Presented). They
// count against a caller and never for one (DECISIONS 12). The rule, exactly:
//
//   - A Permit rule (target, condition, duties) is evaluated over verified
//     attributes: the permit view. A Deny rule is evaluated over all
//     attributes: the deny view.
//   - Within profile.FunctionNone a bag is seen the other way round: all values
//     in the permit view, verified ones in the deny view.
//   - The target of a policy or policy set is evaluated in both views. Below a
//     target that does not match in the permit view no Permit arises, also not
//     by a default such as permit-unless-deny's; below one that does not match
//     in the deny view no Deny arises. Where the target is Indeterminate in the
//     view of the children's decision, that decision becomes Indeterminate of
//     its own extent (XACML 3.0, table 7, view by view).
//   - Children are combined once, whatever view they answered from.
//   - A Permit stands only if the verified attributes by themselves come to
//     Permit; if not, what they come to is the answer. So an asserted value
//     cannot switch off a Deny rule, under a negation for example.
//
// Hence the property that tests hold: adding a presented attribute to a request
// never turns another decision into Permit. A request whose attributes are all
// verified has one view, and this is plain XACML.
//
// # What the index finds
//
// Of a list that is not short, a request looks at the children that it has a key
// of, and at those that have none. Keys come of one match in each alternative of a
// target, the one whose keys the fewest siblings share:
//
//   - equality, in whatever reading: the key of the literal;
//   - patterns: the group of an FQAN pattern, the first letters of an anchored one;
//   - networks: address and length; a request's address is looked up at each
//     length in use;
//   - names above a name: the first RDNs, so x500Name-match too; of the ban of a
//     subtree, which has no order, the piece that is the rarest;
//   - a lower and an upper bound on one attribute, both in one conjunction or each
//     in a part of the target without alternatives: the range between. A request
//     with several values of it looks at all such rules.
//
// Where a match may fail (an attribute that must be present is not, a value is no
// address, a time of day has no zone), all that is filed by such a match is looked
// at, and nothing else.
//
// A bound on one side alone is no key: of many such a request satisfies a good part,
// which would have to be found and then put in order. Rules with nothing better are
// passed over one by one, at the cost of comparing two numbers.
//
// Looked at by every request are: bounds that a refusal names as enough; times of
// day without a zone; other patterns; selectors; and whatever stands in a condition.
//
// # Where things lie
//
// Among a million rules a decision waits for memory longer than it computes. So
// what it reads lies together, and what it does not is elsewhere: the matches of a
// rule within it (rule.go); hashes before texts, which are compared only where
// hashes agree; in the directory of an index what tells that a page need not be
// fetched (table.go). What is sure to be read is touched early, all at once: the
// values of the request (authz.Request.Touch), the directories of large indexes
// (far.go). Measure before moving a field: a rule that grows by a word may cost more
// than what the word is for.
//
// # What the specification leaves open
//
//   - Children are combined in their order, and the overrides and unless
//     algorithms stop at the first child that decides. Duties are those of the
//     children evaluated until then that came to the decision returned, the
//     inner before the outer; so under deny-overrides every Permit's, but the
//     first Deny's only.
//   - and, or, n-of: an argument that decides beats an error of another one.
//   - A date or time without a zone is in UTC; ordering a time of day with a
//     zone and one without is an error.
//   - The extent of an Indeterminate of the algorithms of XACML 1.x is that of
//     the children behind it.
//   - access-permitted (A.3.16) is bounded to 1,000 evaluations within one
//     decision and 50 within each other; beyond that the outermost call is
//     Indeterminate. It asks what the answer to that request would be, presented
//     attributes and all; what the policy puts in counts as presented where only
//     presented attributes made it so.
//   - A PolicyIdentifierList names the policies and sets that came to Permit or
//     Deny, whatever became of that further up.
//   - What is statically wrong (types, literals, patterns, circles) refuses the
//     policies when they are loaded, with its place. A reference to nothing is
//     Indeterminate when it is asked.
package eval
