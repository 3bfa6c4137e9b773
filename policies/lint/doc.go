// Package lint finds what is allowed in policies and surely a mistake: rules
// that can never decide, references to nothing, and names that nobody sends. It
// reports only what is certain, and evaluates nothing.
//
// # Rules that never decide
//
// In a list combined by first-applicable an item never decides if an earlier
// one, whenever the later could be anything but NotApplicable, is not
// NotApplicable either. That is taken as proven in these cases only:
//
//   - Of two rules, the earlier one's time covers the later one's; it has no
//     condition, or the very same; and each choice (AnyOf) of its target is
//     implied by a choice of the later one's target, or of a target around
//     both. A choice is implied by another if each alternative of the other
//     contains all matches of one of its own alternatives. A match is implied
//     by an equal one; by one over fewer values (one data type where it takes
//     all); by a tighter bound on the same number or credential strength; and a
//     denial's reading of a name by the permit's reading of the same name.
//   - The earlier rule denies or both have one effect. A permit before a denial
//     proves nothing: the denial also sees attributes that nobody vouches for
//     (DECISIONS 12). Only where no target stands around the rules, and the
//     permit has neither target nor condition, does it hide what follows.
//   - Of two policies, the earlier one's target is implied as above and
//     something in it always denies: a rule without target, condition and time,
//     or deny-unless-permit.
//
// What several earlier items hide together is not looked for, and in very long
// lists only the first rules are seen to hide others.
package lint
