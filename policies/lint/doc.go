// Package lint finds what is allowed in policies and surely a mistake: rules
// that can never decide, references to nothing, and names that nobody sends. It
// reports only what is certain, and evaluates nothing.
//
// # Rules that never decide
//
// What is reported can be taken away without any answer changing: neither
// decision nor extent, obligations and advice. That is taken as proven in these
// cases only:
//
//   - In a list combined by first-applicable, an earlier rule is not
//     NotApplicable whenever the later is not: its time covers the later one's;
//     it has no condition, or the very same (and the later one's target has no
//     errors); and each choice (AnyOf) of its target is implied by a choice of
//     the later one's target, or of a target around both.
//   - In a list combined by deny-overrides or permit-unless-deny an earlier Deny,
//     and by permit-overrides or deny-unless-permit an earlier Permit, hides a
//     later rule of its effect in the same way, if its duties have no errors
//     and no target around that may be Indeterminate is needed for the proof; a
//     later rule of the other effect only if its own target has no errors
//     either.
//   - A rule of the effect that is overridden changes nothing if an earlier one
//     of that effect applies wherever it does, and if it has no obligations and
//     no advice: those of every such rule count.
//   - The earlier rule denies or both have one effect. A permit before a denial
//     proves nothing: the denial also sees attributes that nobody vouches for
//     (DECISIONS 12). Only where no target stands around the rules, and the
//     permit has neither target nor condition, does it hide what follows. A
//     denial before a permit proves nothing where a target around them says
//     that something must be present, or looks into content.
//   - Of two policies, the earlier one's target is implied as above and
//     something in it always denies: a rule without target, condition and time,
//     or deny-unless-permit under first-applicable; where Deny overrides, only
//     what denies whatever else is in the policy.
//   - A condition is false, or one that is and'ed to it; or a permit's condition
//     excludes (none-of, "!=") what its target, or one around it, asks for. Two
//     values of one attribute exclude nothing: it may have both.
//
// A choice is implied by another if each alternative of the other contains all
// matches of one of its own alternatives. A match is implied by an equal one; by
// one over fewer values (one data type where it takes all); by a tighter bound on
// the same number or credential strength; by a part of the same network, of the
// same names or of the same groups; and a denial's reading of a name by the
// permit's reading of the same name.
//
// What several earlier items hide together is not looked for, and in very long
// lists only the first rules are seen to hide others.
package lint
